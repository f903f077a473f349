"""A first table, from the configuration itself: what it does now, for somebody to read and to keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lockgate._native import Engine, Plugins
from lockgate.plugin.launch import COMMAND
from lockgate.rehearsal.credentials import key_headers

HEAD: Final = """\
# What this gate must do with requests: `lockgate test` holds the configuration against it.
# Written from the configuration as it stood: read each line, and correct what should be otherwise.
# `lockgate test --schema` is everything that may be said.
version: 1
"""

A_SEGMENT: Final = "1"
"""What stands for `{id}` and its like."""


def first_table(bundle: Mapping[str, Any]) -> str:
    """A case or two for each route: with a credential and without."""
    plugins = Plugins(list(COMMAND)) if bundle.get("plugins") is not None else None
    engine = Engine(json.dumps(bundle).encode(), plugins=plugins)
    lines = [HEAD]
    hosts = [host for api in bundle["apis"] for host in api["hosts"]]
    if hosts:
        lines.append(f"\ndefaults:\n  host: {_host(hosts[0])}\n")
    lines.append("\ncases:\n")
    for api in bundle["apis"]:
        lines += _cases(api, bundle, engine, hosts[0] if hosts else None)
    unknown = {
        "method": "GET",
        "target": "/no/such/path",
        "headers": [("Host", _host(hosts[0]) if hosts else "localhost")],
    }
    told = engine.evaluate({**unknown, "peer": "127.0.0.1"})
    if told["reason"] is not None and told["route"] is None:
        lines.append(_case("what is served nowhere is refused", "GET /no/such/path", told["reason"]["code"]))
    return "".join(lines)


def _cases(api: Mapping[str, Any], bundle: Mapping[str, Any], engine: Engine, usual: str | None) -> Iterator[str]:
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
            yield _case(f"{name} with a {credential}", request, "allow", f"{credential}: true", *more)
        reason = told["reason"]
        refused = "is refused" if credential is None else "is refused without one"
        outcome = "is let through" if reason is None else refused
        yield _case(f"{name} {outcome}", request, told["verdict"] if reason is None else reason["code"], *more)


def _credential(bundle: Mapping[str, Any], api: Mapping[str, Any]) -> str | None:
    """What a case brings that an API lets in."""
    if key_headers(bundle, api):
        return "key"
    ways = api["policies"]["authenticate"]
    return "token" if any("jwt" in way for way in ways) else None


def _called(api: Mapping[str, Any]) -> str:
    return f"{api['name']}.{api['route']}" if api.get("route") else str(api["name"])


def _case(name: str, request: str, expect: str, *more: str) -> str:
    said = [f"request: {json.dumps(request)}", *more, f"expect: {expect}"]
    return f"  - name: {json.dumps(name, ensure_ascii=False)}\n" + "".join(f"    {line}\n" for line in said)


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
