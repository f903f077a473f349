"""`scopes`, from the configuration and an OpenAPI document to a running gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate.config import load
from lockgate.config.effective import waivers
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("scopes")
# Of callers that the engine itself can be shown without a handshake: people with a session, known by that alone.
PEOPLE = [case for case in CASES if "ways" not in case]
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "security": [{"oauth": ["orders:read"]}],
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders"},
            "post": {"operationId": "newOrder", "security": [{"oauth": ["orders:write"]}, {"key": []}]},
        },
        "/orders/{id}": {
            "get": {"operationId": "getOrder"},
            "delete": {"operationId": "deleteOrder", "security": [{"oauth": ["orders:read", "orders:admin"]}]},
            "patch": {"operationId": "changeOrder", "security": [{"key": [], "oauth": []}]},
        },
        "/orders/prices": {"get": {"operationId": "prices", "security": []}},
        "/orders/health": {"get": {"operationId": "health", "security": [{}]}},
    },
    "components": {
        "securitySchemes": {
            "oauth": {"$ref": "#/components/x-schemes/oauth"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
        "x-schemes": {"oauth": {"type": "oauth2", "flows": {}}},
    },
}
OPEN = {"owner": "shop", "reason": "the price list", "until": "2099-01-01"}


def held_to(folder: Path, document_: dict[str, Any] | None = None) -> dict[str, Any]:
    """What holds the API to the document."""
    (folder / "openapi.yaml").write_text(yaml.safe_dump(document_ or DOCUMENT), encoding="utf-8")
    return {"openapi": "openapi.yaml"}


@pytest.mark.parametrize("case", PEOPLE, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    authorize = {"allow": "authenticated", "scopes": case.get("opens", "from_openapi")}
    bundle = compiled(tmp_path, people(authorize, api=held_to(tmp_path)))
    demand = case.get("demand")
    wanted = bundle["documents"][0]
    wanted["security"] = [{"any": vectors("scopes")["demands"][demand]}] if demand is not None else []
    for operation in wanted["operations"]:
        operation["security"] = 0 if demand is not None else None
    bundle["apis"][0]["policies"]["scopes"]["config"]["schemes"] = case.get("schemes", [])
    answer = explained(bundle, "GET", "/orders/7", session(case["claims"]))
    by = case.get("by", [])
    told = {"granted": ("allow", None, by), "silent": ("allow", None, []), "deny": ("deny", case.get("reason"), [])}
    assert step(answer, "scopes") == told[case["verdict"]]


@pytest.fixture
def orders(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> Entitled:
    """The API as its document says."""
    return Entitled(gate, auto.port, tmp_path, document({"scopes": "from_openapi"}, api=held_to(tmp_path)))


@pytest.mark.parametrize(
    ("scope", "method", "target", "status", "reason"),
    [
        ("orders:read", "GET", "/orders", 200, None),
        ("orders:read", "HEAD", "/orders/7", 200, None),
        ("orders:write", "GET", "/orders", 403, "scope-missing"),
        ("orders:write", "POST", "/orders", 200, None),
        ("orders:read orders:admin", "DELETE", "/orders/7", 200, None),
        ("orders:admin", "DELETE", "/orders/7", 403, "scope-missing"),
        ("orders:read", "PATCH", "/orders/7", 403, "credential-unfit"),
        ("", "GET", "/orders/prices", 200, None),
        ("", "GET", "/orders/health", 200, None),
    ],
)
def test_a_token(scope: str, method: str, target: str, status: int, reason: str | None, orders: Entitled) -> None:
    answer = orders.token(method, target, scope=scope)
    assert answer.status == status
    if reason is not None:
        assert answer.reason == reason


def test_a_refusal_names_the_scopes_that_are_wanted(orders: Entitled) -> None:
    answer = orders.token("DELETE", "/orders/7", scope="orders:admin")
    challenge = answer.get("www-authenticate") or ""
    assert challenge.startswith('Bearer error="insufficient_scope"')
    assert challenge.endswith('scope="orders:read orders:admin"')
    assert answer.problem["detail"] == "it takes `oauth` (orders:read, orders:admin)"


def test_a_key_is_one_of_two_schemes(orders: Entitled) -> None:
    assert orders.key("POST", "/orders", "key_a").status == 200
    refused = orders.key("GET", "/orders", "key_b")
    assert (refused.status, refused.reason) == (403, "credential-unfit")
    assert refused.problem["detail"] == "it takes `oauth` (orders:read)"


def test_what_entitles_is_written_down(orders: Entitled) -> None:
    answer = orders.token("DELETE", "/orders/7", scope="orders:read orders:admin orders:write")
    assert orders.gate.event(answer.id)["grounds"] == ["scope orders:read", "scope orders:admin"]


def test_several_schemes_at_once_are_several_credentials(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    both = {"authenticate": [{"all": [{"jwt": {"issuer": "company"}}, "api_key"]}], **held_to(tmp_path)}
    shop = Entitled(gate, auto.port, tmp_path, document({"scopes": "from_openapi"}, api=both))
    key = gate.key(int(gate.tell("facts_seq")) + 1, "key_both")
    token = f"Authorization: {shop.tokens.bearer(2**31)}"
    assert shop.ask("PATCH", "/orders/7", token, f"X-API-Key: {key}").status == 200
    assert shop.ask("PATCH", "/orders/7", token).status == 401


def test_what_the_document_is_silent_on_is_refused(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    silent = {key: value for key, value in DOCUMENT.items() if key != "security"}
    shop = Entitled(gate, auto.port, tmp_path, document({"scopes": "from_openapi"}, api=held_to(tmp_path, silent)))
    answer = shop.token("GET", "/orders", scope="orders:read")
    assert (answer.status, answer.reason) == (403, "operation-without-rule")
    assert shop.token("POST", "/orders", scope="orders:write").status == 200


def test_a_part_is_open_to_anyone_until_its_day(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    past = {**OPEN, "what": ["listOrders"], "until": "2020-01-01"}
    public = [{**OPEN, "what": ["prices"]}, past]
    said = document({"scopes": "from_openapi", "public": public}, api=held_to(tmp_path))
    shop = Entitled(gate, auto.port, tmp_path, said)
    assert shop.ask("GET", "/orders/prices").status == 200
    assert shop.ask("HEAD", "/orders/prices").status == 200
    assert shop.ask("GET", "/orders").status == 401, "its day has come"
    assert shop.ask("GET", "/orders/7").status == 401
    bad = shop.ask("GET", "/orders/prices", "Authorization: Bearer nonsense")
    assert bad.status == 401, "what is shown must hold"
    known = shop.token("GET", "/orders/prices", scope="")
    assert known.status == 200
    assert gate.event(known.id)["identity"] == "ann"


def test_what_is_open_is_among_the_waivers(tmp_path: Path) -> None:
    said = document({"scopes": {"orders:read": ["GET"]}, "public": [{**OPEN, "what": "GET /orders/prices"}]})
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    loaded = load(file)
    listed = [(one.object, one.waiver.owner) for one in waivers(loaded.document, loaded.apis)]
    assert ("apis.orders.authorize.public[0]", "shop") in listed


def test_scopes_by_name(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    opens = {"orders:read": "GET", "orders:write": ["POST", "PATCH /orders/{id}"]}
    shop = Entitled(gate, auto.port, tmp_path, document({"scopes": opens}))
    assert shop.key("GET", "/orders/7", "key_a", scopes=["orders:read"]).status == 200
    refused = shop.key("PATCH", "/orders/7", "key_b", scopes=["orders:read"])
    assert (refused.reason, refused.get("www-authenticate")) == ("scope-missing", None)
    assert shop.token("PATCH", "/orders/7", scp=["orders:write"]).status == 200
    assert shop.token("DELETE", "/orders/7", scope="orders:write").reason == "operation-without-rule"
