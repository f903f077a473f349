"""A first table, from the configuration itself: what it does now, for somebody to read and to keep."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from lockgate._native import Engine, Plugins
from lockgate.plugin.launch import COMMAND
from lockgate.rehearsal.certificates import asks
from lockgate.rehearsal.credentials import key_headers
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import Run

HEAD: Final = """\
# What this gate must do with requests: `lockgate test` holds the configuration against it.
# Written from the configuration as it stood: read each line, and correct what should be otherwise.
# `lockgate test --schema` is everything that may be said.
version: 1
"""

A_SEGMENT: Final = "1"
"""What stands for `{id}` and its like."""


class Drafted(NamedTuple):
    """A case, and what is taken for granted to come of it."""

    name: str
    request: str
    expect: str
    more: tuple[str, ...] = ()

    def text(self) -> str:
        """As it stands in a table."""
        said = [f"request: {json.dumps(self.request)}", *self.more, f"expect: {self.expect}"]
        return f"  - name: {json.dumps(self.name, ensure_ascii=False)}\n" + "".join(f"    {line}\n" for line in said)


def first_table(bundle: dict[str, Any]) -> str:
    """A case or two for each route: with a credential and without, and what the engine says of them."""
    plugins = Plugins(list(COMMAND)) if bundle.get("plugins") is not None else None
    engine = Engine(json.dumps(bundle).encode(), plugins=plugins)
    head, cases = HEAD, list[Drafted]()
    hosts = [host for api in bundle["apis"] for host in api["hosts"]]
    if hosts:
        head += f"\ndefaults:\n  host: {_host(hosts[0])}\n"
    head += "\ncases:\n"
    for api in bundle["apis"]:
        cases += _cases(api, bundle, engine, hosts[0] if hosts else None)
    unknown = {
        "method": "GET",
        "target": "/no/such/path",
        "headers": [("Host", _host(hosts[0]) if hosts else "localhost")],
    }
    told = engine.evaluate({**unknown, "peer": "127.0.0.1"})
    if told["reason"] is not None and told["route"] is None:
        cases.append(Drafted("what is served nowhere is refused", "GET /no/such/path", told["reason"]["code"]))
    return head + "".join(case.text() for case in _as_it_is(bundle, head, cases))


def _as_it_is(bundle: dict[str, Any], head: str, cases: list[Drafted]) -> Iterator[Drafted]:
    """The cases as they come out: a good credential may still be refused by a plugin, a limit, a version."""
    if not cases:
        return
    with tempfile.TemporaryDirectory(prefix="lockgate-test-") as folder:
        table = Path(folder) / "lockgate.tests.yaml"
        table.write_text(head + "".join(case.text() for case in cases), encoding="utf-8")
        for case, result in zip(cases, Run(bundle, read([table])), strict=True):
            if (told := result.explained) is not None:
                reason = told["reason"]
                yield case._replace(expect=told["verdict"] if reason is None else reason["code"])


def _cases(api: Mapping[str, Any], bundle: Mapping[str, Any], engine: Engine, usual: str | None) -> Iterator[Drafted]:
    method = api["methods"][0] if api["methods"] else "GET"
    host = _host(api["hosts"][0]) if api["hosts"] else None
    credential = _credential(bundle, api)
    for match in () if api.get("conditions") else api["paths"]:
        if "regex" in match:
            continue  # What it takes, a person knows.
        path = _path(match)
        request = f"{method} {path}"
        asked = {"method": method, "target": path, "headers": [("Host", host or _host(usual or "localhost"))]}
        told = engine.evaluate({**asked, "peer": "127.0.0.1"})
        route = told["route"]
        if route is None or (route["api"], route.get("route")) != (api["name"], api.get("route")):
            continue  # Another API takes this one: a case would say what nobody meant.
        more = [f"host: {host}"] if host is not None and host != _host(usual or "") else []
        name = f"{_called(api)}: {path}"
        if credential is not None:
            yield Drafted(f"{name} with a {credential}", request, "allow", (f"{credential}: true", *more))
        reason = told["reason"]
        refused = "is refused" if credential is None else "is refused without one"
        let_in = "is answered" if told["verdict"] == "respond" else "is let through"
        outcome = let_in if reason is None else refused
        expect = told["verdict"] if reason is None else reason["code"]
        yield Drafted(f"{name} {outcome}", request, expect, tuple(more))


def _credential(bundle: Mapping[str, Any], api: Mapping[str, Any]) -> str | None:
    """What a case brings that an API lets in."""
    if key_headers(bundle, api):
        return "key"
    ways = api["policies"]["authenticate"]
    if any("jwt" in way or "introspection" in way for way in ways):
        return "token"
    for room in ("session", "basic"):
        if any(room in way for way in ways):
            return room
    for room in ("signature", "webhook"):
        if any(room in way and (room == "webhook" or way[room]["config"]["keys"]) for way in ways):
            return room
    # Which certificate would be one of those that are named, a person knows.
    any_will_do = any("mtls" in way and not way["mtls"]["config"]["allow"] for way in ways)
    return "certificate" if any_will_do and asks(bundle, None) else None


def _called(api: Mapping[str, Any]) -> str:
    return f"{api['name']}.{api['route']}" if api.get("route") else str(api["name"])


def _host(pattern: str) -> str:
    """A host that the pattern takes."""
    if pattern == "*":
        return "localhost"
    return f"any{pattern[1:]}" if pattern.startswith("*.") else pattern


def _path(match: Mapping[str, str]) -> str:
    """A path that the route takes."""
    (pattern,) = match.values()
    segments = pattern.split("/")
    return "/".join(A_SEGMENT if segment.startswith("{") else segment for segment in segments) or "/"
