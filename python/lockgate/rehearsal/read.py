"""Tables read from their files, every mistake with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lockgate.config.compose import compose
from lockgate.config.problems import Problem, Problems, Region, Source
from lockgate.config.references import References
from lockgate.config.tree import Item, Reading
from lockgate.errors import ConfigErrors
from lockgate.rehearsal.model import Case, Defaults, Table
from lockgate.scalars import refused, shown

MAX_FILE: Final = 16 * 2**20
NAME: Final = "lockgate.tests.yaml"
"""The table beside a configuration."""
FOLDER: Final = "tests"
"""The folder beside a configuration that holds more of them."""

BEGIN: Final = "begin it with `version: 1`, then `cases:`; `lockgate test --init` writes a first one"


@dataclass(frozen=True, slots=True)
class Read:
    """A case, the defaults of its table, and where it stands."""

    case: Case
    defaults: Defaults
    source: Source
    item: Item
    table: Item
    """All of the table, for what its defaults say."""

    @property
    def region(self) -> Region:
        """Its name, which is what a reader looks for."""
        return self.at("name")

    def at(self, *path: str | int) -> Region:
        """What is said at the path, or of the nearest thing above it."""
        found, depth = self.item.find(path)
        usual, deep = self.table.find(("defaults", *path))
        if depth == 0 and deep > 1:
            return usual.region
        return found.region if depth == len(path) else found.region if depth else self.item.key_region

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.source.name}:{self.region.line}"


def beside(config: Path) -> list[Path]:
    """The tables that stand beside a configuration."""
    folder = config.parent
    found = [folder / NAME] if (folder / NAME).is_file() else []
    return found + sorted((folder / FOLDER).glob("*.yaml"))


def read(files: Sequence[Path]) -> list[Read]:
    """The cases of all files; raises `ConfigErrors` with every mistake at once."""
    problems = Problems()
    cases: list[Read] = []
    for file in files:
        cases += _file(file, problems)
    names: dict[str, Read] = {}
    for one in cases:
        first = names.setdefault(one.case.name, one)
        if first is not one:
            message = f"{shown(one.case.name)} is the name of two cases; first at {first.place}"
            problems.add(one.region, "name-twice", message, hint="a name tells a case from the others: change one")
    if problems.errors:
        raise ConfigErrors(problems.errors, problems.warnings)
    return cases


def _file(path: Path, problems: Problems) -> list[Read]:
    index = len(problems.sources)
    source = Source(path.absolute(), str(path))
    problems.sources.append(source)
    start = Region(index, 1, 1, 1, 1)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE + 1)
        source.text = content.decode("utf-8-sig")
    except OSError as error:
        problems.add(start, "file-unreadable", f"{path} cannot be read: {error.strerror}")
        return []
    except UnicodeDecodeError:
        problems.add(start, "not-utf-8", f"{path} is not text in UTF-8", hint="save the file as UTF-8")
        return []
    if len(content) > MAX_FILE:
        problems.add(start, "file-too-large", f"{path} is too large", allowed="16MiB")
        return []
    before = len(problems.errors)
    root, nodes = compose(source, index, problems)
    if root is None:
        if len(problems.errors) == before:
            problems.add(start, "empty-file", "the table is empty", hint=BEGIN)
        return []
    # Values from outside would make a table say one thing here and another there: references stay texts.
    item = Reading(index, nodes, problems, _NoReferences(problems, {})).item(None, root, ())
    if not isinstance(item.children, dict):
        problems.add(start, "not-a-mapping", "a table is a mapping", hint=BEGIN)
        return []
    if len(problems.errors) > before:
        return []
    try:
        table = Table.model_validate(item.data)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        slips = {(*found["loc"][:-1], _slip(found["loc"])) for found in told if found["type"] == "extra_forbidden"}
        for found in told:
            # What is missing because it is misspelt is told as that.
            if found["type"] != "missing" or tuple(found["loc"]) not in slips:
                _note(found, item, problems)
        return []
    if not table.cases:
        problems.add(item.children["cases"].key_region, "no-cases", "the table has no case", hint=BEGIN)
    listed = item.children["cases"].children
    pairs = zip(table.cases, listed, strict=True) if isinstance(listed, list) else ()
    return [Read(case, table.defaults, source, entry, item) for case, entry in pairs]


class _NoReferences(References):
    def resolve(self, text: str, item: Item, path: tuple[str | int, ...]) -> str | None:  # noqa: ARG002 -- As its base.
        return text


def _note(error: ErrorDetails, root: Item, problems: Problems) -> None:
    """One of pydantic's errors, at its place in the file."""
    location = tuple(error["loc"])
    item, depth = root.find(location)
    kind, context = error["type"], error.get("ctx", {})
    said = ".".join(str(step) for step in location if isinstance(step, str))
    if kind == "extra_forbidden":
        slip = _slip(location)
        problems.add(
            item.key_region,
            "unknown-key",
            f"there is no {shown(location[-1])} here",
            allowed=", ".join(f"`{name}`" for name in _fields(location[:-1])),
            hint=f"did you mean `{slip}`?" if slip else None,
            path=location,
        )
    elif kind == "missing":
        where = item.region if depth else item.key_region
        problems.add(where, "missing-key", f"{shown(location[-1])} is missing", hint=BEGIN if depth == 0 else None)
    elif kind == "literal_error":
        choices = re.findall(r"'([^']*)'|\b(\d+)\b", str(context.get("expected", "")))
        allowed = [word or number for word, number in choices]
        close = difflib.get_close_matches(str(item.data), allowed, n=1, cutoff=0.5)
        problems.add(
            item.region,
            "not-a-choice",
            f"{shown(item.data)} is not a choice for `{said}`",
            allowed=", ".join(f"`{choice}`" for choice in allowed),
            hint=f"did you mean `{close[0]}`?" if close else None,
            path=location,
        )
    elif kind in {"dict_type", "model_type", "list_type"}:
        want = "a list" if kind == "list_type" else "a mapping"
        message = f"`{said}` must be {want}, not {shown(item.data)}"
        problems.add(item.region, "wrong-kind", message, path=location)
    else:
        refusal = refused(error)
        region = item.find(refusal.at)[0].region
        problems.add(region, refusal.code, refusal.message, allowed=refusal.allowed, hint=refusal.hint, path=location)


def _slip(location: Sequence[Any]) -> str | None:
    """The key that an unknown one was meant to be."""
    close = difflib.get_close_matches(str(location[-1]), _fields(location[:-1]), n=1, cutoff=0.6)
    return close[0] if close else None


def _fields(location: Sequence[Any]) -> list[str]:
    """The keys that the mapping at the location may have."""
    here: Any = Table
    for step in location:
        if isinstance(step, int):
            continue
        field = here.model_fields.get(str(step)) or here.model_fields.get(f"{step}_")
        models = _models(field.annotation) if field is not None else []
        if not models:
            return []
        here = models[0]
    return [field.alias or name for name, field in here.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def problem(one: Read, code: str, message: str, *path: str | int) -> Problem:
    """Something to tell of a case, at its place in the file."""
    return Problem(code=code, message=message, source=one.source, region=one.at(*path))
