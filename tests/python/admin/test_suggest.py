"""Rules of `objects` that are proposed from what was noted of traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate import _native
from lockgate.admin.api.app import make_app
from lockgate.admin.clock import now_ms
from lockgate.admin.control import Control
from lockgate.admin.suggest import Proposal, Sort, as_yaml, proposals, suggestions
from lockgate.state import StateFolder
from support.asgi import Client

OWN = ("response:/customer claim:sub", "response:/customer owner")
ADDRESS = "127.0.0.1:8081"
CONFIG = """\
version: 1
issuers:
  company: {issuer: "https://login.example.com", audience: shop}
apis:
  shop:
    path: /
    upstream: http://127.0.0.1:9000
    openapi: openapi.yaml
    authenticate: [{jwt: {issuer: company}}]
    authorize:
      allow: authenticated
      suggest: 100%
      objects: [{operations: [getUser], path: id, must_equal: claim:sub}]
"""
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders/{id}": {"get": {"operationId": "getOrder", "responses": {}}},
        "/users/{id}": {"get": {"operationId": "getUser", "responses": {}}},
    },
}


def sort(caller: str, *own: str, requests: int = 5, operation: str = "getOrder", **more: Any) -> Sort:
    said: dict[str, Any] = {
        "method": "GET",
        "answered": True,
        "partly": frozenset(),
        "empty": frozenset(),
        "id": f"id-{caller}",
        **more,
    }
    return Sort("shop", operation, own=frozenset(own), caller=caller, requests=requests, **said)


def only(*sorts: Sort) -> Proposal:
    (found,) = proposals(sorts)
    return found


CALLERS = ("ann", "bob", "eve", "joe", "kim")


def test_what_always_says_who_calls_is_proposed() -> None:
    found = only(*(sort(name, *OWN) for name in CALLERS))
    assert found.rule == {"operations": ["getOrder"], "response": "/customer", "must_equal": "claim:sub"}
    assert (found.confidence, found.seen, found.own, found.callers, found.against) == ("high", 25, 25, 5, 0)
    assert found.why == "25 of 25 answers, of 5 callers"


def test_what_speaks_against_it_is_told() -> None:
    found = only(*(sort(name, *OWN, requests=40) for name in CALLERS), sort("helper", requests=3))
    assert (found.confidence, found.seen, found.own, found.against) == ("medium", 203, 200, 3)
    assert (found.against_callers, found.against_requests) == (["helper"], ["id-helper"])
    assert found.why == "200 of 203 answers, of 5 callers; 3 speak against it, of helper"
    often = only(*(sort(name, *OWN) for name in CALLERS), sort("helper", requests=20))
    assert (often.confidence, often.against) == ("low", 20)
    assert proposals([*(sort(name, *OWN) for name in CALLERS), sort("helper", requests=26)]) == []


def test_an_answer_that_was_not_looked_at_is_told() -> None:
    found = only(*(sort(name, *OWN) for name in CALLERS), sort("ann", answered=False, requests=2))
    assert (found.confidence, found.seen, found.unread) == ("medium", 25, 2)
    assert "2 could not be looked at" in found.why


def test_one_caller_alone_is_no_evidence() -> None:
    found = only(sort("ann", *OWN, requests=1_000))
    assert found.confidence == "low"
    assert "of one caller alone anything looks so" in found.why


def test_what_is_told_earliest_is_looked_at() -> None:
    everywhere = ("path:id claim:sub", "query:by claim:sub", *OWN)
    found = only(*(sort(name, *everywhere) for name in CALLERS))
    assert found.rule == {"operations": ["getOrder"], "path": "id", "must_equal": "claim:sub"}
    # It is sometimes not so: the answer is surer.
    found = only(*(sort(name, *everywhere) for name in CALLERS), *(sort(name, *OWN) for name in CALLERS))
    assert found.rule["response"] == "/customer"


def test_a_rule_for_answers_is_for_get_alone() -> None:
    assert proposals([sort(name, *OWN, method="DELETE") for name in CALLERS]) == []
    found = only(*(sort(name, "path:id owner", method="DELETE") for name in CALLERS))
    assert found.rule == {"operations": ["getOrder"], "path": "id", "must_equal": "owner"}


def test_keys_beside_tokens_have_an_owner_and_no_claim() -> None:
    both = [sort(name, *OWN) for name in CALLERS]
    assert only(*both, *(sort(f"key-{name}", OWN[1]) for name in CALLERS)).rule["must_equal"] == "owner"


def test_a_list_is_filtered_where_it_holds_what_is_others() -> None:
    place = "response:/orders/*/by claim:sub"
    own = [sort(name, place) for name in CALLERS]
    found = only(*own, sort("new", empty=frozenset({"response:/orders/*"}), requests=100))
    assert (found.confidence, found.seen, found.rule.get("filter")) == ("high", 25, None)
    found = only(*own, sort("ann", partly=frozenset({place}), requests=5))
    assert (found.confidence, found.seen, found.own, found.partly) == ("medium", 30, 25, 5)
    assert found.rule == {
        "operations": ["getOrder"],
        "response": "/orders/*/by",
        "must_equal": "claim:sub",
        "filter": True,
    }


def test_a_claim_that_is_a_list() -> None:
    found = only(*(sort(name, "response:/team claim:teams[]") for name in CALLERS))
    assert found.rule == {"operations": ["getOrder"], "response": "/team", "must_be_in": "claim:teams"}
    assert found.confidence == "medium"
    found = only(*(sort(name, "response:/language claim:locale") for name in CALLERS))
    assert (found.confidence, found.why.rpartition("; ")[2]) == ("medium", "look whether callers differ in it")


def test_the_rules_can_be_pasted() -> None:
    sorts = [sort(name, *OWN) for name in CALLERS] + [sort("ann", *OWN, operation="a: b")]
    text = as_yaml(proposals(sorts))
    said = yaml.safe_load(text)["apis"]["shop"]["authorize"]["objects"]
    assert [one["operations"] for one in said] == [["getOrder"], ["a: b"]]
    assert "        # high: 25 of 25 answers, of 5 callers\n" in text
    assert as_yaml(proposals(sorts, frozenset({("shop", "getOrder"), ("shop", "a: b")}))) == ""


Write = Callable[..., None]


@pytest.fixture
def control(state: StateFolder, tmp_path: Path) -> Iterator[Control]:
    path = tmp_path / "lockgate.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(OPENAPI), encoding="utf-8")
    control = Control.open(state, path)
    yield control
    control.close()


@pytest.fixture
def write(state: StateFolder) -> Iterator[Write]:
    log = _native.EventWriter(str(state.gate_events), 1 << 24, node="gate-1")
    count = 0

    def event(caller: str, *own: str, ago_ms: int = 0, operation: str = "getOrder", **more: Any) -> None:
        nonlocal count
        count += 1
        said = {
            "class": "security" if more.get("reason") else "access",
            "at_ms": now_ms() - ago_ms,
            "id": f"r{count:06}",
            "method": "GET",
            "host": "a.example",
            "path": "/orders/7",
            "listener": "public",
            "peer": "192.0.2.1",
            "api": "shop",
            "operation": operation,
            "identity": caller,
            "status": 200,
            "looked": "answer",
            "verdicts": [],
            **({"noted_own": list(own)} if own else {}),
            **more,
        }
        log.append({name: value for name, value in said.items() if value is not None})
        log.flush()

    yield event
    log.close()


def test_events_are_read(control: Control, write: Write) -> None:
    for name in CALLERS:
        write(name, *OWN)
        write(name, *OWN, ago_ms=10_000_000)
        write(name, *OWN, looked=None)
        write(name, *OWN, status=404)
        write(name, *OWN, status=403, reason="object-not-own")
        write(name, "path:id claim:sub", operation="getUser")
        write(name, *OWN, api="other")
    found = suggestions(control.state, None, now_ms() - 5_000_000)
    assert found.requests == 15
    assert [(one.api, one.operation, one.seen) for one in found.items] == [
        ("other", "getOrder", 5),
        ("shop", "getOrder", 5),
        ("shop", "getUser", 5),
    ]
    assert suggestions(control.state, None, 0, "shop").requests == 15
    later = suggestions(control.state, None, now_ms() + 60_000)
    assert (later.requests, later.items, later.yaml) == (0, [], "")


def test_the_admin_api_tells_them(control: Control, write: Write) -> None:
    token = {"Authorization": f"Bearer {control.state.admin_token()}"}
    with Client(make_app(control, address=ADDRESS), base_url=f"http://{ADDRESS}", headers=token) as client:
        assert client.post("/v1/reload").json()["result"] == "signed"
        for name in CALLERS:
            write(name, *OWN)
            write(name, "path:id claim:sub", operation="getUser")
        said = client.get("/v1/access/suggest").json()
        assert {one["operation"]: one["ruled"] for one in said["items"]} == {"getOrder": False, "getUser": True}
        rules = yaml.safe_load(said["yaml"])["apis"]["shop"]["authorize"]["objects"]
        assert rules == [{"operations": ["getOrder"], "response": "/customer", "must_equal": "claim:sub"}]
        assert client.get("/v1/access/suggest", params={"api": "lost"}).status_code == 404
        later = client.get("/v1/access/suggest", params={"since_ms": now_ms() + 60_000}).json()
        assert (later["requests"], later["items"], later["yaml"]) == (0, [], "")
