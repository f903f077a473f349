"""The configuration as it is in the end, with its defaults, each API's place beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from lockgate.config.effective import EffectiveApi, Placed, region
from lockgate.config.loaded import Loaded
from lockgate.config.model_listeners import Listener
from lockgate.config.model_routing import ByHeader, Test
from lockgate.paths import PathMatch
from lockgate.policies import AddressEntry, Policy
from lockgate.scalars import say_duration, say_rate, say_size

DURATIONS = frozenset(
    {"head_timeout", "idle_timeout", "write_timeout", "connect", "first_byte", "idle", "keep_alive", "max_age"}
)
SIZES = frozenset({"head_bytes", "bytes", "retain", "history"})


@dataclass(frozen=True, slots=True)
class Shown:
    """The document in the end, and for each path that deserves one, a remark."""

    data: dict[str, Any]
    remarks: dict[tuple[str, ...], str]


def effective(loaded: Loaded) -> Shown:
    """The configuration as the gate will have it."""
    document = loaded.document
    remarks: dict[tuple[str, ...], str] = {}
    listeners = document.listeners or {"public": Listener()}
    data = {
        "version": 1,
        "listeners": {name: _plain(listener) for name, listener in listeners.items()},
        "admin": _plain(document.admin),
        "gates": _plain(document.gates),
        "facts": _plain(document.facts),
        "events": _plain(document.events),
        "problems": _plain(document.answers),
        "upstreams": {name: _plain(upstream) for name, upstream in document.upstreams.items()},
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
        **{
            key: _plain(value)
            for key in ("match", "normal_form", "redirect", "rewrite")
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
        made["authenticate"] = [{placed.policy.room: _plain(placed.policy)} for placed in api.authenticate]
        made["authorize"] = "authenticated"
    placed_policies: tuple[Placed[Policy] | None, ...] = (api.ip_filter, api.cors, api.body_limit, api.headers)
    for placed in placed_policies:
        if placed is None:
            continue
        room = placed.policy.room
        made[room] = _plain(placed.policy)
        remarks[*path, room] = _said(loaded, placed)
    return made


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
    made: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if value is not None:
            made[name] = _value(name, value)
    return made


def _value(name: str, value: Any) -> Any:
    if isinstance(value, PathMatch):
        return {value.kind: value.path}
    if isinstance(value, Test):
        return {value.kind: value.value}
    if isinstance(value, ByHeader):
        return {value.kind: value.name}
    if isinstance(value, dict):
        return {key: _value(key, entry) for key, entry in value.items()}
    if isinstance(value, AddressEntry):
        return value.network if value.network is not None else {"file": value.file}
    if isinstance(value, BaseModel):
        return _plain(value)
    if isinstance(value, dict):
        return {key: _value(name, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_value(name, entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return _number(name, value)
    return value if isinstance(value, str | bool) else str(value)


def _number(name: str, value: int) -> int | str:
    if name in DURATIONS:
        return say_duration(value)
    if name in SIZES:
        return say_size(value)
    return say_rate(value) if name == "body_rate_min" else value


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
