"""Every vector through both middlewares: what becomes of a request is what the gate's engine says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from inprocess.situations import Situation, every
from lockgate import _native, wsgi
from lockgate.inprocess.engine import Engine
from policies.test_jwt import SECRET_VARIABLE
from support.middleware import Ask, Asked, Got, Headers, engine, through_asgi, through_wsgi

SITUATIONS = list(every())
ROOMS = Counter(situation.name.partition(":")[0] for situation in SITUATIONS)
# A path that is the same before and after it was decoded.
PLAIN = re.compile(f"/(?:[a-zA-Z0-9]|[{re.escape(wsgi.SAFE)}])*")
HELD_BY_NOBODY = ("content-length", "x-request-id", "content-type")
Through = Callable[[Engine, Headers], Ask]


def tellable(asked: Asked) -> bool:
    """Whether CGI can tell the request: each field once, and a path that decoding does not change the meaning of."""
    names = [name.lower().replace("_", "-") for name, _ in asked.headers]
    path = asked.target.partition("?")[0]
    return len(set(names)) == len(names) and PLAIN.fullmatch(path) is not None


TELLABLE = [situation for situation in SITUATIONS if all(map(tellable, situation.asked))]


def named(situation: Situation) -> str:
    return situation.name


def test_every_room_is_there() -> None:
    # Plugins run in processes of the gate: within an application they refuse, whatever they would say. Answers are
    # packed by a gate alone. Issuers are asked about tokens and passwords for gates: within an application that is no
    # configuration.
    # Sessions, devices, and what asks for more of a proof, are run by the engine's own tests of these rooms.
    elsewhere = {
        "plugins",
        "compress",
        "introspection",
        "basic",
        "session",
        "device",
        "risk",
        "step_up",
        "roles",
        "apps",
        "scopes",
        "cedar",
        "decide",
        "objects",
        "enumeration",
        "users",
        "properties",
        "minimise",
    }
    assert set(ROOMS) >= (set(_native.policies()) - elsewhere) | {
        "operation",
        "version",
        "target",
        "host",
    }
    assert min(ROOMS.values()) > 5
    assert len(TELLABLE) > 0.7 * len(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS, ids=named)
def test_asgi_says_what_the_engine_says(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(situation, through_asgi, monkeypatch)


@pytest.mark.parametrize("situation", TELLABLE, ids=named)
def test_wsgi_says_what_the_engine_says(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(situation, through_wsgi, monkeypatch)


def agree(situation: Situation, through: Through, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    if situation.secret is not None:
        monkeypatch.setenv(SECRET_VARIABLE, situation.secret)
    bundle = situation.bundle()
    judge = _native.Engine(json.dumps(bundle).encode(), facts=situation.facts, pepper=situation.pepper)
    ask = through(engine(bundle, situation.facts, situation.pepper), [("Server", "shop/1")])
    for number, asked in enumerate(situation.asked):
        request = {
            "method": asked.method,
            "target": asked.target,
            "headers": list(asked.headers),
            "peer": asked.peer,
            "body": b"".join(asked.pieces) or None,
        }
        told = judge.evaluate(request, now_ms=asked.now_ms)
        got = ask(asked)
        same(told, got, asked, f"request {number}")


def same(told: dict[str, Any], got: Got, asked: Asked, where: str) -> None:
    if asked.method != "HEAD" or got.body:
        assert got.reason == (told["reason"] or {}).get("code"), where
    assert got.status == (told["status"] or 200), where
    assert (got.seen is not None) == (told["verdict"] == "allow"), where
    assert got.get("x-request-id"), where
    changed(told["changes"]["response"], got.headers, got.get("x-request-id") or "")
    if got.seen is None:
        return
    seen = got.seen
    # Neither interface tells an empty query from none.
    assert seen.target == told["upstream"]["target"].removesuffix("?")
    assert seen.body == b"".join(asked.pieces)
    assert dict(seen.headers)["x-request-id"] == got.get("x-request-id") == seen.judged.request_id
    changed(told["changes"]["request"], seen.headers, seen.judged.request_id)
    route, who = told["route"], seen.judged.identity
    assert (seen.judged.api, seen.judged.route) == (route["api"], route["pattern"])
    assert seen.judged.version == (route["version"] or {}).get("name")
    assert seen.judged.operation == (route["operation"] or {}).get("name")
    assert seen.judged.client == told["client"]
    assert (who is None) == (told["identity"] is None)
    if who is not None:
        assert (who.owner, who.credential, who.proved_by, who.app) == tuple(
            told["identity"][part] for part in ("owner", "credential", "proved_by", "app")
        )


def changed(changes: list[dict[str, Any]], headers: list[tuple[str, str]], request_id: str) -> None:
    """Whether the changes were made."""
    last = {change["header"]: change for change in changes}
    for name, change in last.items():
        values = [value for other, value in headers if other == name]
        if change["change"] == "remove":
            assert values == [] or name == "cookie"
        elif name not in HELD_BY_NOBODY:
            wanted = change["value"].replace("0" * 26, request_id)
            assert any(wanted in value for value in values), (name, wanted, values)
