"""A first table, from the configuration itself: what it does now, for somebody to read and to keep."""

from __future__ import annotations

import ipaddress
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from lockgate._native import Engine, Plugins
from lockgate.config.effective import PAGES
from lockgate.config.model_sign_in import SignIn
from lockgate.plugin.launch import COMMAND
from lockgate.rehearsal.certificates import asks
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


FIELDS: Final = {
    "api_key": "key",
    "jwt": "token",
    "introspection": "token",
    "session": "session",
    "basic": "basic",
    "signature": "signature",
    "webhook": "webhook",
    "mtls": "certificate",
}
"""What a case brings, by what takes it."""
CALLED: Final = {"basic": "password", "webhook": "webhook's signature"}
WRONG: Final = {
    "key": ({"unknown": "true"}, "wrong"),
    "token": ({"forged": "true"}, "forged"),
    "session": ({"forged": "true"}, "forged"),
    "basic": ({"wrong": "true"}, "wrong"),
    "signature": ({"forged": "true"}, "forged"),
    "webhook": ({"forged": "true"}, "forged"),
    "certificate": ({"expired": "true"}, "lapsed"),
}
"""How such a thing is wrong, and what it is called then."""


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


class Brought(NamedTuple):
    """A credential that a case brings, and a wrong one of its kind."""

    field: str
    name: str
    good: tuple[str, ...]
    wrong_name: str
    wrong: tuple[str, ...]


def first_table(bundle: dict[str, Any], sign_in: Mapping[str, SignIn] = MappingProxyType({})) -> str:
    """Some cases for each route: with each credential that it takes, with a wrong one and without any.

    What must come of them is what the engine says.
    """
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
    # Of two that say the same one is enough.
    cases = list({case.name: case for case in cases}.values())
    return head + "".join(case.text() for case in _as_it_is(bundle, sign_in, head, cases))


def _as_it_is(
    bundle: dict[str, Any], sign_in: Mapping[str, SignIn], head: str, cases: list[Drafted]
) -> Iterator[Drafted]:
    """The cases as they come out: a good credential may still be refused by a plugin, a limit, a version."""
    if not cases:
        return
    with tempfile.TemporaryDirectory(prefix="lockgate-test-") as folder:
        table = Path(folder) / "lockgate.tests.yaml"
        table.write_text(head + "".join(case.text() for case in cases), encoding="utf-8")
        for case, result in zip(cases, Run(bundle, read([table]), sign_in), strict=True):
            if (told := result.explained) is not None:
                reason = told["reason"]
                yield case._replace(expect=told["verdict"] if reason is None else reason["code"])


def _cases(api: Mapping[str, Any], bundle: Mapping[str, Any], engine: Engine, usual: str | None) -> Iterator[Drafted]:
    method = api["methods"][0] if api["methods"] else "GET"
    host = _host(api["hosts"][0]) if api["hosts"] else None
    ways = list(_ways(bundle, api))
    first = True
    for match in () if api.get("conditions") else api["paths"]:
        if "regex" in match:
            continue  # What it takes, a person knows.
        path = _path(match) + ("/sign-in" if api["name"].startswith(PAGES) else "")
        request = f"{method} {path}"
        asked = {"method": method, "target": path, "headers": [("Host", host or _host(usual or "localhost"))]}
        told = engine.evaluate({**asked, "peer": "127.0.0.1"})
        route = told["route"]
        if route is None or (route["api"], route.get("route")) != (api["name"], api.get("route")):
            continue  # Another API takes this one: a case would say what nobody meant.
        more = [f"host: {host}"] if host is not None and host != _host(usual or "") else []
        name = f"{_called(api)}: {path}"
        # What each credential opens is said once of an API; of its other paths, that they are open to the first.
        for way in ways if first else ways[:1]:
            yield Drafted(f"{name} with a {way.name}", request, "allow", (*way.good, *more))
        for way in ways if first else ():
            yield Drafted(f"{name} with a {way.wrong_name}", request, "deny", (*way.wrong, *more))
        first = False
        reason = told["reason"]
        refused = "is refused without one" if ways else "is refused"
        let_in = "is answered" if told["verdict"] == "respond" else "is let through"
        outcome = let_in if reason is None else refused
        expect = told["verdict"] if reason is None else reason["code"]
        yield Drafted(f"{name} {outcome}", request, expect, tuple(more))


def _ways(bundle: Mapping[str, Any], api: Mapping[str, Any]) -> Iterator[Brought]:
    """What cases bring that an API lets in: for each way by itself, and for those that must hold together."""
    entries = [_brought(bundle, api, number) for number in range(len(api["policies"]["authenticate"]))]
    together = {one["first"]: one["count"] for one in api["policies"].get("together", ())}
    number = 0
    while number < len(entries):
        count = together.get(number, 1)
        group = [one for one in entries[number : number + count] if one is not None]
        # A case has one credential of a kind.
        if len({one.field for one in group}) == count:
            first, *others = group
            more = tuple(line for one in others for line in one.good)
            also = "".join(f" and a {one.name}" for one in others)
            yield Brought(
                first.field, first.name + also, first.good + more, first.wrong_name + also, first.wrong + more
            )
        number += count


def _brought(bundle: Mapping[str, Any], api: Mapping[str, Any], number: int) -> Brought | None:
    """What a case brings for one entry of `authenticate`; nothing where a person knows what it takes."""
    entries = api["policies"]["authenticate"]
    ((room, placed),) = entries[number].items()
    config = placed["config"]
    field = FIELDS.get(room)
    if field is None or (room == "signature" and not config["keys"]):
        return None
    if room == "mtls" and not asks(bundle, None):
        return None
    if room == "mtls" and config["allow"]:
        allowed = _allowed(config["allow"][0])
        strange = Brought(field, field, (_case_of(field, allowed),), "strange certificate", ("certificate: true",))
        return strange if allowed else None
    said = {"issuer": config.get("issuer"), "sign_in": config.get("sign_in"), "name": config.get("name")}
    before = [way for entry in entries[:number] for way in entry if FIELDS.get(way) == field]
    name = CALLED.get(field, field)
    picked: dict[str, str] = {}
    if before:
        # A case that does not say which has the first.
        picked = {key: json.dumps(value) for key, value in said.items() if value is not None}
        name += "".join(f" of {value}" for value in said.values() if value is not None)
    if field == "token" and len({way for entry in entries for way in entry} & {"jwt", "introspection"}) > 1:
        picked["opaque"] = str(room == "introspection").lower()
        name += " that its issuer is asked about" if room == "introspection" else " that is signed"
    how, wrong = WRONG[field]
    lines = [_case_of(field, chosen) for chosen in (picked, {**picked, **how})]
    return Brought(field, name, (lines[0],), f"{wrong} {name}", (lines[1],))


def _allowed(wanted: Mapping[str, Any]) -> dict[str, str]:
    """What a certificate says that is one of these; nothing where a person knows."""
    said: dict[str, str] = {}
    for kind, like in wanted.items():
        if kind == "ip" and like:
            said["ip"] = json.dumps(str(ipaddress.ip_network(like).network_address))
        elif kind == "subject" and like:
            if any("text" not in one for one in like.values()):
                return {}
            said["subject"] = json.dumps({name: _without_stars(one["text"]) for name, one in like.items()})
        elif like:
            if kind == "spki" or "text" not in like:
                return {}
            said["uri" if kind == "spiffe" else kind] = json.dumps(_without_stars(like["text"]))
    return said


def _without_stars(text: str) -> str:
    return text.replace("**", "any").replace("*", "any")


def _case_of(field: str, said: Mapping[str, str]) -> str:
    inner = ", ".join(f"{key}: {value}" for key, value in said.items())
    return f"{field}: {{{inner}}}" if inner else f"{field}: true"


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
