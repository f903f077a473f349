"""From the tree to the models, section by section, so that one mistake hides no other."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from lockgate.config.model_apis import Api, Defaults
from lockgate.config.model_apps import App, ThirdParty
from lockgate.config.model_issuers import Issuer, Outgoing
from lockgate.config.model_listeners import Listener
from lockgate.config.model_relations import Relation
from lockgate.config.model_roles import Role
from lockgate.config.model_sign_in import SignIn
from lockgate.config.model_upstreams import Upstream
from lockgate.config.models import (
    Admin,
    ApiKeys,
    Assertions,
    Config,
    Events,
    Facts,
    Gates,
    Geo,
    ProblemAnswers,
    parse_version,
)
from lockgate.config.problems import Problems, Region
from lockgate.config.translate import slip_for, translate, unknown_key
from lockgate.config.tree import Item
from lockgate.scalars import NAME_RULE, parse_name, shown

M = TypeVar("M", bound=BaseModel)

START: Final = Region(0, 1, 1, 1, 1)
"""Where the main file begins: the place of what is said nowhere."""


def _without(data: Any, places: list[tuple[int | str, ...]]) -> Any:
    """The data without the keys at these places; nothing where one is not to be found by its steps alone."""
    pruned = copy.deepcopy(data)
    for *above, key in places:
        node = pruned
        for step in above:
            inside = isinstance(node, dict) or (isinstance(node, list) and isinstance(step, int) and step < len(node))
            if not inside or (isinstance(node, dict) and step not in node):
                return None
            node = node[step]
        if not isinstance(node, dict) or key not in node:
            return None
        del node[key]
    return pruned


@dataclass(slots=True)
class Document:
    """What of the document could be read; only a document without errors is whole."""

    sections: dict[str, Item]
    problems: Problems
    listeners: dict[str, Listener] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)
    sign_in: dict[str, SignIn] = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    third_party: ThirdParty = field(default_factory=ThirdParty)
    apis: dict[str, Api] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    assertions: Assertions = field(default_factory=Assertions)
    admin: Admin = field(default_factory=Admin)
    gates: Gates = field(default_factory=Gates)
    outgoing: Outgoing = field(default_factory=Outgoing)
    facts: Facts = field(default_factory=Facts)
    api_keys: ApiKeys = field(default_factory=ApiKeys)
    events: Events = field(default_factory=Events)
    geo: Geo = field(default_factory=Geo)
    answers: ProblemAnswers = field(default_factory=ProblemAnswers)

    @classmethod
    def read(cls, sections: dict[str, Item], problems: Problems) -> Document:
        """Put each section through its model, and note what is refused."""
        document = cls(sections, problems)
        problems.standing = document.standing
        allowed = list(Config.model_fields)
        for name, item in sections.items():
            if name not in allowed:
                unknown_key(item, (name,), allowed, problems)
        document._version()
        document.listeners = document._named("listeners", Listener)
        document.issuers = {
            name: one if one.issuer else one.model_copy(update={"issuer": f"urn:lockgate:{name}"})
            for name, one in document._named("issuers", Issuer).items()
        }
        document.sign_in = document._named("sign_in", SignIn)
        document.upstreams = document._named("upstreams", Upstream)
        document.roles = document._named("roles", Role)
        document.relations = document._named("relations", Relation)
        document.apps = document._named("apps", App)
        document.third_party = document._section("third_party", ThirdParty) or ThirdParty()
        document.apis = document._named("apis", Api)
        document.defaults = document._section("defaults", Defaults) or Defaults()
        document.assertions = document._section("assertions", Assertions) or Assertions()
        document.admin = document._section("admin", Admin) or Admin()
        document.gates = document._section("gates", Gates) or Gates()
        document.outgoing = document._section("outgoing", Outgoing) or Outgoing()
        document.facts = document._section("facts", Facts) or Facts()
        document.api_keys = document._section("api_keys", ApiKeys) or ApiKeys()
        document.events = document._section("events", Events) or Events()
        document.geo = document._section("geo", Geo) or Geo()
        document.answers = document._section("problems", ProblemAnswers) or ProblemAnswers()
        return document

    def item(self, *path: str | int) -> Item | None:
        """What the document says at the path; `None` where it says nothing."""
        root = self.sections.get(str(path[0]))
        if root is None:
            return None
        found, depth = root.find(path[1:])
        return found if depth == len(path) - 1 else None

    def standing(self, path: Sequence[object]) -> list[object]:
        """The path as it stands in the document, without the steps that a short form leaves out."""
        root = self.sections.get(str(path[0])) if path else None
        return [path[0], *root.standing(path[1:])] if root is not None else list(path)

    def region(self, *path: str | int) -> Region:
        """The key at the path, or of the nearest thing above it that the document says."""
        root = self.sections.get(str(path[0]))
        return root.find(path[1:])[0].key_region if root is not None else START

    def value_region(self, *path: str | int) -> Region:
        """The value at the path, where it is one token; else as `region`."""
        root = self.sections.get(str(path[0]))
        return root.find(path[1:])[0].region if root is not None else START

    @property
    def holds_apps(self) -> bool:
        """Whether programs of others are held to what they were given."""
        return self.says("apps") or self.says("third_party")

    def says(self, *path: str | int) -> bool:
        """Whether the document says something there, even if it is wrong."""
        return self.item(*path) is not None

    def _version(self) -> None:
        item = self.sections.get("version")
        if item is None:
            if self.sections:
                self.problems.add(
                    START, "missing-key", "the document has no `version`", hint="begin it with `version: 1`"
                )
        elif item.whole:
            self._try(functools.partial(parse_version, item.data), item, ("version",))

    def _named(self, section: str, model: type[M]) -> dict[str, M]:
        """A section of named things."""
        item = self.sections.get(section)
        if item is None:
            if section == "apis" and self.sections:
                hint = (
                    "add one: `apis: {shop: {upstream: http://127.0.0.1:9000, authenticate: [api_key], "
                    "authorize: authenticated}}`"
                )
                self.problems.add(START, "missing-key", "the document has no `apis`", hint=hint)
            return {}
        if not isinstance(item.children, dict):
            if item.whole:
                self._refuse_kind(item, section)
            return {}
        if not item.children and section == "apis":
            self.problems.add(item.key_region, "apis-empty", "`apis` names no API", hint="add one", path=("apis",))
        found: dict[str, M] = {}
        for name, child in item.children.items():
            if self._try(functools.partial(parse_name, name), child, (section, name), key=True) is None:
                continue
            made = self._model(model, child, (section, name))
            if made is not None:
                found[name] = made
        return found

    def _section(self, section: str, model: type[M]) -> M | None:
        item = self.sections.get(section)
        return self._model(model, item, (section,)) if item is not None else None

    def _model(self, model: type[M], item: Item, path: tuple[str, ...]) -> M | None:
        if not item.whole:
            return None
        try:
            return model.model_validate(item.data)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            translate(found, item, path, self.problems)
            fields = list(model.model_fields)
            # A slip for a key that is known says what nobody can tell.
            slips = any(len(each["loc"]) == 1 and slip_for(str(each["loc"][0]), fields) for each in found)
            if slips or any(each["type"] != "extra_forbidden" for each in found):
                return None
            # Keys that nobody knows change nothing of what the others mean: that is looked at in the same round.
            known = _without(item.data, [each["loc"] for each in found])
            with contextlib.suppress(ValidationError):  # What is left may lack something for want of what was unknown.
                return model.model_validate(known) if known is not None else None
            return None

    def _try(self, parse: Callable[[], Any], item: Item, path: tuple[str, ...], *, key: bool = False) -> Any:
        try:
            return parse()
        except PydanticCustomError as error:
            context = error.context or {}
            region = item.key_region if key else item.region
            self.problems.add(
                region, error.type, error.message(), allowed=context.get("allowed"), hint=context.get("hint"), path=path
            )
            return None

    def _refuse_kind(self, item: Item, section: str) -> None:
        self.problems.add(
            item.region,
            "wrong-kind",
            f"`{section}` must be a mapping, not {shown(item.data)}",
            allowed="a name for each, and below it its settings",
            hint=f"names are {NAME_RULE}" if isinstance(item.data, list) else None,
            path=(section,),
        )
