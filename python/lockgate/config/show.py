"""The configuration as it is in the end, with its defaults, each API's place beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel

from lockgate.config.check_risk import knowable
from lockgate.config.effective import EffectiveApi, region
from lockgate.config.limits import limits_of, scope
from lockgate.config.loaded import Loaded
from lockgate.config.model_authorize import Authorize
from lockgate.config.model_listeners import Listener
from lockgate.config.model_routing import ByHeader, Test
from lockgate.config.models import Config
from lockgate.config.placed import Placed
from lockgate.paths import PathMatch
from lockgate.policies import AddressEntry, Policy
from lockgate.policies._parts import Part
from lockgate.policies.limits import By, Rate
from lockgate.policies.objects import Known
from lockgate.policies.users import Of
from lockgate.scalars import Scalar

APART: Final = frozenset({"version", "include", "defaults", "apis"})
"""Sections that are not shown as they were read."""
OF_APPS: Final = frozenset({"apps", "third_party"})
"""To write them holds programs to what they were given."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The document in the end, and for each path that deserves one, a remark."""

    data: dict[str, Any]
    remarks: dict[tuple[str, ...], str]


def effective(loaded: Loaded) -> Shown:
    """The configuration as the gate will have it."""
    document = loaded.document
    remarks: dict[tuple[str, ...], str] = {}
    shared = [
        _plain(placed.policy) for placed in limits_of(document.defaults.limits, (), "") if scope(placed) == "defaults"
    ]
    data = {
        "version": 1,
        **{
            name: _value(getattr(document, "answers" if name == "problems" else name))
            for name in Config.model_fields
            if name not in APART and (name not in OF_APPS or document.holds_apps)
        },
        "listeners": _value(document.listeners or {"public": Listener()}),
        **({"defaults": {"limits": shared}} if shared else {}),
        "apis": {api.name: _api(loaded, api, remarks) for api in loaded.apis},
    }
    return Shown(data, remarks)


def as_yaml(shown: Shown) -> str:
    """The document as YAML, remarks behind their keys."""
    return "".join(_lines(shown.data, (), shown.remarks))


def _api(loaded: Loaded, api: EffectiveApi, remarks: dict[tuple[str, ...], str]) -> dict[str, Any]:
    said = api.api
    path = ("apis", api.name)
    remarks[path] = _place(loaded, *path)
    made: dict[str, Any] = {
        "hosts": said.hosts or ["*"],
        "path": [{match.kind: match.path} for match in said.path],
        **({"methods": said.methods} if said.methods else {}),
        **({"upstream": said.upstream} if said.upstream is not None else {}),
        **({"split": _plain(said.split)} if said.split is not None else {}),
        "strip_path": said.strip_path,
        **({"client_cert": said.client_cert} if said.client_cert is not None else {}),
        **{
            key: _plain(value)
            for key in ("match", "normal_form", "mirror", "redirect", "rewrite")
            if (value := getattr(said, key))
        },
        **({"routes": {name: _plain(route) for name, route in said.routes.items()}} if said.routes else {}),
    }
    if said.openapi is not None:
        # An empty base is written `/`, as in a file.
        shown_base = {} if said.openapi.base is None else {"base": [base or "/" for base in said.openapi.base]}
        made["openapi"] = {**_plain(said.openapi), **shown_base}
        remarks[*path, "openapi"] = _place(loaded, *path, "openapi")
    if said.versions is not None:
        by = _plain(said.version_by) or "path"
        made |= {"versions": {name: _plain(version) for name, version in said.versions.items()}, "version_by": by}
        remarks[*path, "versions"] = _place(loaded, *path, "versions")
        if said.default_version is not None:
            made["default_version"] = said.default_version
    if said.public is not None:
        made["public"] = _plain(said.public)
    else:
        made["authenticate"] = list(_authenticate(api))
        made["authorize"] = _authorize(loaded, api)
        remarks[*path, "authorize"] = _place(loaded, *path, "authorize")
    placed_policies: tuple[Placed[Policy] | None, ...] = (
        api.ip_filter,
        api.cors,
        api.websocket,
        api.inflate,
        api.body_limit,
        api.grpc,
        api.waf,
        api.device,
        api.step_up,
        api.minimise,
        api.headers,
        api.compress,
    )
    if api.plugins:
        made["plugins"] = [_plain(placed.policy) for placed in api.plugins]
    for placed in placed_policies:
        if placed is None:
            continue
        room = placed.policy.room
        made[room] = _plain(placed.policy)
        remarks[*path, room] = _said(loaded, placed)
    # What `defaults` say stays there: written here, an API would count for itself.
    own = [_plain(placed.policy) for placed in api.limits if scope(placed) not in {"defaults", "built-in"}]
    if own:
        made["limits"] = own
    return made


def _authorize(loaded: Loaded, api: EffectiveApi) -> object:
    said = api.api.authorize
    if said is None or said == Authorize(allow="authenticated"):
        return "authenticated"
    shown: dict[str, Any] = _plain(said)
    if said.risk is not None:  # What counts here, and how much: not what could elsewhere.
        shown["risk"]["signals"] = said.risk.weights(knowable(loaded.document, api))
    return shown


def _said(loaded: Loaded, placed: Placed[Policy]) -> str:
    place = _at(loaded, region(loaded.document, placed).file, region(loaded.document, placed).line)
    if placed.path[-1] != placed.policy.room:
        return "by default"
    return f"from defaults, {place}" if placed.inherited else place


def _place(loaded: Loaded, *path: str) -> str:
    found = loaded.document.region(*path)
    return _at(loaded, found.file, found.line)


def _at(loaded: Loaded, file: int, line: int) -> str:
    return f"{loaded.sources[file].name}:{line}"


def _plain(model: BaseModel) -> dict[str, Any]:
    """The model in the file's spelling, without what is not there."""
    return {
        name: _value(value, _say(field.annotation, field.metadata))
        for name, field in type(model).model_fields.items()
        if (value := getattr(model, name)) is not None
    }


def _say(annotation: object, metadata: Iterable[object]) -> Callable[[Any], str] | None:
    """How a field spells its value, if its type tells."""
    for known in metadata:
        if isinstance(known, Scalar):
            return known.say
    for part in get_args(annotation):
        if (found := _say(part, getattr(part, "__metadata__", ()))) is not None:
            return found
    return None


def _value(value: Any, say: Callable[[Any], str] | None = None) -> Any:
    if (spelt := _spelt(value)) is not None:
        return spelt
    if isinstance(value, BaseModel):
        return _plain(value)
    if isinstance(value, dict):
        return {key: _value(entry, say) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_value(entry, say) for entry in value]
    if isinstance(value, str | bool):
        return value
    return value if isinstance(value, int) and say in {None, str} else (say or str)(value)


def _spelt(value: Any) -> Any:
    """What a file says in one word or one key, though it is read into more."""
    if isinstance(value, PathMatch):
        return {value.kind: value.path}
    if isinstance(value, Test):
        return {value.kind: value.value}
    if isinstance(value, ByHeader):
        return {value.kind: value.name}
    if isinstance(value, By | Of):
        return value.kind if value.name is None else {value.kind: value.name}
    if isinstance(value, Part | Known):
        return value.text
    if isinstance(value, AddressEntry):
        return value.network if value.network is not None else {"file": value.file}
    match value:
        case Rate():
            return str(value)
        case (int(low), int(high)):  # Statuses, from one to another.
            return low if low == high else f"{low // 100}xx"
    return None


def _lines(data: dict[str, Any], path: tuple[str, ...], remarks: dict[tuple[str, ...], str]) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in data.items():
        here = (*path, key)
        remark = f"  # {remarks[here]}" if here in remarks else ""
        if isinstance(value, dict) and value and (len(path) < 2 or any(isinstance(v, dict) for v in value.values())):
            yield f"{indent}{_scalar(key)}:{remark}\n"
            yield from _lines(value, here, remarks)
        else:
            yield f"{indent}{_scalar(key)}: {_flow(value)}{remark}\n"


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _scalar(key: str) -> str:
    return _flow(key)


def _authenticate(api: EffectiveApi) -> Iterator[dict[str, Any]]:
    ways = iter(api.authenticate)
    for entry in api.api.authenticate or []:
        shown = [{placed.policy.room: _plain(placed.policy)} for placed in islice(ways, len(entry.ways))]
        yield {"all": shown} if entry.all is not None else shown[0]
