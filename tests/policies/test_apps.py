"""`apps`, from the configuration and from facts to a running gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import request
from lockgate import _native
from lockgate.admin.app_reach import reach
from lockgate.state import StateFolder
from policies.entitled import Entitled, compiled, document, step
from policies.test_session import PEPPER
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("apps")
SPAN = {"file": 0, "line": 1, "column": 1}
AUTHORIZE = {"scopes": {"orders:read": "GET", "orders:write": "POST"}}
CRM = {"owner": "sales@example.com", "apis": ["orders"], "scopes": ["orders:read"]}


def put(seq: int, app: dict[str, Any]) -> dict[str, Any]:
    """The fact of a program."""
    return {"seq": seq, "at_ms": bundles.now_ms(), "kind": "app.put", "app": app}


OPERATIONS = {"/orders": {"get": "listOrders", "post": "createOrder"}, "/exports": {"get": "exportOrders"}}


def described(folder: Path) -> dict[str, Any]:
    """An API with a document, on all paths."""
    paths = {
        path: {method: {"operationId": name} for method, name in all_.items()} for path, all_ in OPERATIONS.items()
    }
    text = json.dumps({"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": paths})
    (folder / "openapi.json").write_text(text, encoding="utf-8")
    return {"path": "/", "openapi": "openapi.json"}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    known = vectors("apps")
    authorize = {"allow": "authenticated", "apps": {"bulk": known["bulk"]}}
    bundle = compiled(tmp_path, document(authorize, apps={}, api=described(tmp_path)))
    named = [{**app, "span": SPAN} for app in known["registry"]["named"]]
    bundle["apps"] = {"named": named, "tiers": known["registry"]["tiers"]}
    text, digest = _native.mint_key(PEPPER)
    of_app = {"app": case["app"]} if case["app"] is not None else {}
    facts = [put(number, app) for number, app in enumerate(known["told"], 1)]
    facts.append(key_put(9, "key_1", digest, scopes=case["scopes"], **of_app))
    engine = _native.Engine(
        json.dumps(bundle).encode(), facts=[json.dumps(one).encode() for one in facts], pepper=PEPPER
    )
    (path,) = [path for path, all_ in OPERATIONS.items() if case.get("operation", "listOrders") in all_.values()]
    sent = [("Host", "a.example"), ("X-API-Key", text)]
    request = {"method": case.get("method", "GET"), "target": path, "peer": "127.0.0.1", "headers": sent, "body": None}
    answer = engine.evaluate(request, now_ms=bundles.now_ms())
    denied = case["verdict"] == "deny"
    verdict, reason, grounds = step(answer, "apps")
    assert (verdict, reason) == (("deny", case["reason"]) if denied else ("allow", None))
    if not denied:
        assert grounds == case.get("grounds", [])
    elif reason != "app-unknown":
        assert grounds[0] == f"app {case['app']}", "a refusal names whom it refuses"
    assert answer["verdict"] == ("deny" if denied else "allow")


@pytest.fixture
def shop(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> Entitled:
    """Orders, of which one program was given reading."""
    said = document(
        {**AUTHORIZE, "apps": {"bulk": ["GET /orders/all"]}}, apps={"crm": CRM, "tool": {**CRM, "tier": "trusted"}}
    )
    return Entitled(gate, auto.port, tmp_path, said)


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid", "appid"])
def test_a_token_does_no_more_than_its_program_was_given(claim: str, shop: Entitled) -> None:
    told = {"scope": "orders:read orders:write", claim: "crm"}
    assert shop.token("GET", "/orders", **told).status == 200
    refused = shop.token("POST", "/orders", **told)
    assert (refused.status, refused.reason) == (403, "scope-missing")
    grounds = ["app crm", "tier unreviewed", "withheld orders:write"]
    assert shop.gate.event(refused.id)["grounds"] == grounds


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid", "appid"])
def test_a_name_that_is_too_long_hides_no_program(claim: str, shop: Entitled) -> None:
    refused = shop.token("GET", "/orders", **{"scope": "orders:read", claim: "x" * 257})
    assert (refused.status, refused.reason) == (401, "jwt-claims")


@pytest.mark.parametrize("claim", ["cid", "appid"])
def test_what_no_standard_calls_a_program_may_be_anything_else(claim: str, shop: Entitled) -> None:
    assert shop.token("GET", "/orders", **{"scope": "orders:read", claim: 7}).status == 200


def test_what_it_did_is_written_under_its_name(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    own = {**CRM, "clients": [{"issuer": "company", "client": "0oa1f2"}]}
    shop = Entitled(gate, auto.port, tmp_path, document(AUTHORIZE, apps={"crm": own}))
    answer = shop.token("GET", "/orders", scope="orders:read", client_id="0oa1f2")
    event = gate.event(answer.id)
    assert (event["app"], event["grounds"]) == ("crm", ["app crm", "tier unreviewed", "scope orders:read"])
    other = shop.token("GET", "/orders", scope="orders:read", client_id="crm")
    assert (other.status, other.reason) == (403, "app-unknown")


def test_a_program_that_nobody_registered(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    for apps, status in ({}, 403), ({"apps": "optional"}, 200):
        shop = Entitled(gate, auto.port, tmp_path, document({**AUTHORIZE, **apps}, apps={}))
        assert shop.token("GET", "/orders", scope="orders:read", client_id="stranger").status == status
        assert shop.token("GET", "/orders", scope="orders:read").status == 200, "no program's"


def test_a_tier_bounds_how_much_all_of_its_users_together(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    tiers = {"tiers": {"unreviewed": {"rate": "2/h"}}}
    shop = Entitled(gate, auto.port, tmp_path, document(AUTHORIZE, apps={"bounded": CRM}, third_party=tiers))
    asked = [shop.token("GET", "/orders", scope="orders:read", client_id="bounded", sub=who) for who in ("a", "b", "c")]
    assert [answer.status for answer in asked] == [200, 200, 429]
    assert (asked[2].reason, int(asked[2].get("retry-after") or 0) > 1_000) == ("app-tier-rate", True)
    assert shop.token("GET", "/orders", scope="orders:read").status == 200, "no program's"


def test_much_at_once(shop: Entitled) -> None:
    told = {"scope": "orders:read"}
    refused = shop.token("GET", "/orders/all", client_id="crm", **told)
    assert (refused.status, refused.reason) == (403, "app-tier-bulk")
    assert shop.token("GET", "/orders/all", client_id="tool", **told).status == 200


def test_one_is_stopped_and_started(shop: Entitled) -> None:
    """The configuration's own as well, and those that facts tell of; gates hear of it as of a revoked key."""
    gate = shop.gate
    registered = {"id": "helper", "tier": "reviewed", "scopes": ["orders:read"], "apis": ["orders"]}
    clients = [{"issuer": "company", "client": "helper"}]

    def told(**more: Any) -> None:
        seq = int(gate.tell("facts_seq")) + 1
        gate.facts(put(seq, {**registered, "clients": clients, **more}))

    def said(app: str) -> tuple[int, str | None]:
        answer = shop.token("GET", "/orders", scope="orders:read", client_id=app)
        return answer.status, answer.reason if answer.status != 200 else None

    told()
    assert said("helper") == (200, None)
    told(stopped=True)
    assert said("helper") == (403, "app-stopped")
    told(id="crm", clients=[], stopped=True)
    assert said("crm") == (403, "app-stopped")
    told(id="crm", clients=[])
    assert said("crm") == (200, None)
    told(until_ms=bundles.now_ms() - 1)
    assert said("helper") == (403, "app-expired")
    seq = int(gate.tell("facts_seq")) + 1
    gate.facts({"seq": seq, "at_ms": 1, "kind": "app.forget", "id": "helper"})
    assert said("helper") == (403, "app-unknown")


def test_a_program_that_uses_a_key(shop: Entitled) -> None:
    assert shop.key("GET", "/orders", "key_of_crm", app="crm", scopes=["orders:read"]).status == 200
    refused = shop.key("POST", "/orders", "key_of_crm_2", app="crm", scopes=["orders:write"])
    assert (refused.status, refused.reason) == (403, "scope-missing")
    stranger = shop.key("GET", "/orders", "key_of_none", app="gone", scopes=["orders:read"])
    assert (stranger.status, stranger.reason) == (403, "app-unknown")


def test_what_it_read_shows_though_the_answer_broke_off(gate: Gate, tmp_path: Path) -> None:
    """Who hangs up before the last byte, or is stopped meanwhile, has read what came before."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    with Upstream() as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, document(AUTHORIZE, apps={"breaking": CRM}))
        bearer = shop.tokens.bearer(2**31, scope="orders:read", client_id="breaking", sub="ada")
        client = gate.client()
        client.send(request("/orders/1", f"Authorization: {bearer}"))
        upstream.serve(head + piece)
        client.until(b"xxxx")
        client.close()
        [gone] = gate.written(path="/orders/1", app="breaking")
        other = gate.client()
        other.send(request("/orders/2", f"Authorization: {bearer}"))
        upstream.serve(head + piece)
        other.until(b"xxxx")
        seq = int(gate.tell("facts_seq")) + 1
        gate.facts(put(seq, {"id": "breaking", "tier": "unreviewed", "stopped": True}))
        [ended] = gate.written(path="/orders/2", app="breaking")
    assert [gone["reason"], ended["reason"], ended["ended"]] == ["client-gone", "access-ended", "app-stopped"]
    found = reach(StateFolder(gate.state), "breaking", 0)
    assert (found.requests, found.refused) == (2, 0)
    assert found.bytes_out > 0
    assert sorted(one["path"] for one in found.objects) == ["/orders/1", "/orders/2"]
    assert [one["person"] for one in found.people] == ["ada"]
