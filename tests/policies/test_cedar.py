"""`cedar`, from a configuration, a document and files of policies to a running gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, request
from lockgate import _native
from lockgate.config import ConfigErrors, load
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from policies.test_session import PEPPER
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("cedar")
ROLES = {
    "support": {"who": {"claim": "groups", "contains": "support"}},
    "manager": {"who": {"claim": "groups", "contains": "manager"}, "includes": ["support"]},
}
JSON = ("Content-Type", "application/json")
SAME_SITE = ("Sec-Fetch-Site", "same-origin")
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {
                "operationId": "listOrders",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                    {"$ref": "#/components/parameters/tags"},
                    {"name": "ids", "in": "query", "explode": False, "schema": {"type": "array", "items": {}}},
                    {"name": "price", "in": "query", "schema": {"type": "number"}},
                ],
            },
            "post": {
                "operationId": "newOrder",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {"operationId": "getOrder"},
        },
        "/orders/{id}.{kind}": {"get": {"operationId": "exportOrder"}},
    },
    "components": {
        "parameters": {
            "tags": {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}
        },
        "schemas": {
            "Party": {"type": "object", "properties": {"customer": {"type": "string"}}, "required": ["customer"]},
            "Order": {
                "allOf": [
                    {"$ref": "#/components/schemas/Party"},
                    {
                        "properties": {
                            "amount": {"type": ["integer", "null"]},
                            "gift": {"type": "boolean"},
                            "kind": {"enum": ["now", "later"]},
                            "ship": {"type": "object", "properties": {"country": {"type": "string"}}},
                            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
                            "total": {"type": "number"},
                        }
                    },
                ]
            },
        },
    },
}
POLICIES = """\
@id("read") permit(principal, action in Action::"GET", resource) when { resource.method == "GET" };
@id("own") permit(principal, action == Action::"newOrder", resource)
when { resource.body.customer == principal.owner };
@id("large") @advice("Ask a manager.")
forbid(principal, action == Action::"newOrder", resource)
when { resource.body has amount && resource.body.amount > 100 }
unless { principal in Role::"manager" };
"""


def written(folder: Path, policies: str = POLICIES, document_: dict[str, Any] | None = None) -> dict[str, Any]:
    """What an API has besides, where its files are written there."""
    (folder / "orders.cedar").write_text(policies, encoding="utf-8")
    (folder / "openapi.yaml").write_text(yaml.safe_dump(document_ or DOCUMENT), encoding="utf-8")
    return {"api": {"openapi": "openapi.yaml"}, "roles": ROLES}


def refused(folder: Path, policies: str, **more: Any) -> list[tuple[str, str, int, int]]:
    """The errors of these policies: code, file, line and column."""
    said = document({"cedar": "orders.cedar"}, **{**written(folder, policies), **more})
    with pytest.raises(ConfigErrors) as errors:
        compiled(folder, said)
    sources = [folder / "lockgate.yaml", folder / "openapi.yaml", folder / "orders.cedar"]
    found = errors.value.errors
    return [(one.code, sources[one.region.file].name, one.region.line, one.region.column) for one in found]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    more = written(tmp_path, "permit(principal, action, resource);")
    bundle = compiled(tmp_path, people({"cedar": "orders.cedar"}, **more))
    known = vectors("cedar")
    config = bundle["apis"][0]["policies"]["cedar"]["config"]
    config["operations"], config["claims"], config["body_bytes"] = known["operations"], known["claims"], 64
    config["sources"] = [{"file": 0, "name": "test.cedar", "text": case["policies"]}]
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=PEPPER)
    body = case["body"].encode() if "body" in case else None
    answer = engine.evaluate(
        {
            "method": case.get("method", "GET"),
            "target": case.get("target", "/orders/7"),
            "peer": "127.0.0.1",
            "headers": [("Host", "a.example"), SAME_SITE, JSON, session(case.get("claims", {}))],
            "body": body,
        },
        now_ms=bundles.now_ms(),
    )
    verdict, reason, by = step(answer, "cedar")
    assert (verdict, reason) == ({"granted": "allow"}.get(case["verdict"], case["verdict"]), case.get("reason"))
    if "by" in case:
        assert by == [case["by"]]


@pytest.fixture
def orders(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> Entitled:
    """An API that policies guard."""
    return Entitled(gate, auto.port, tmp_path, document({"cedar": "orders.cedar"}, **written(tmp_path)))


def post(orders: Entitled, body: bytes, *headers: str, **claims: Any) -> Message:
    bearer = f"Authorization: {orders.tokens.bearer(2**31, **claims)}"
    with orders.gate.client() as client:
        headers = ("Content-Type: application/json", *headers)
        client.send(request("/orders", bearer, *headers, method="POST", body=body))
        return client.message()


def test_a_gate_awaits_bodies_that_are_looked_at(orders: Entitled) -> None:
    good = post(orders, b'{"customer": "ann", "amount": 100}')
    assert good.status == 200
    assert orders.gate.event(good.id)["grounds"] == ["policy own"]
    assert post(orders, b'{"customer": "bob"}').reason == "cedar-not-permitted"
    large = post(orders, b'{"customer": "ann", "amount": 101}')
    assert (large.status, large.reason, large.problem["detail"]) == (403, "cedar-forbidden", "Ask a manager.")
    event = orders.gate.event(large.id)
    assert (event["grounds"], event["span"]["file"], event["span"]["line"]) == (["policy large"], "orders.cedar", 4)
    assert post(orders, b'{"customer": "ann", "amount": 101}', groups=["manager"]).status == 200


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b'{"customer": "bob", "customer": "ann"}', []),
        (b"customer=ann", []),
        (b'{"customer": "ann"}', ["Content-Encoding: gzip"]),
        (b"[" * 100_000, []),
        (b'{"customer": "ann", "more": "' + b"x" * 2**20 + b'"}', []),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes, more: list[str], orders: Entitled) -> None:
    answer = post(orders, body, *more)
    assert (answer.status, answer.reason) == (400, "cedar-unreadable")
    assert b"customer" not in answer.body


def test_a_path_and_a_head(orders: Entitled) -> None:
    assert orders.token("GET", "/orders/7").status == 200
    assert orders.token("HEAD", "/orders/7").status == 403, "the policy says GET of the method"
    assert orders.token("GET", "/orders?limit=many").status == 200, "nobody looks at it"


def test_what_was_read_arrives(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    orders = Entitled(gate, auto.port, tmp_path, document({"cedar": "orders.cedar"}, **written(tmp_path)))
    body = b'{"customer": "ann", "note": "' + b"x" * 50_000 + b'"}'
    assert post(orders, body).status == 200
    assert auto.requests[-1].body == body


def test_mistakes_have_lines_and_carets(tmp_path: Path) -> None:
    assert refused(tmp_path, "permit(principal, action resource);")[0][:3] == ("cedar-syntax", "orders.cedar", 1)
    unknown = refused(tmp_path, '\npermit(principal, action == Action::"getOder", resource);')
    assert unknown == [("cedar-type", "orders.cedar", 2, 29)]
    types = 'permit(principal, action == Action::"getOrder", resource)\nwhen { resource.path.id == "7" };'
    assert refused(tmp_path, types)[0][:3] == ("cedar-type", "orders.cedar", 2)
    role = refused(tmp_path, 'permit(principal in Role::"suport", action, resource);')
    assert role == [("role-unknown", "orders.cedar", 1, 1)]
    claim = refused(tmp_path, 'permit(principal, action, resource) when { principal.claims.tenant == "x" };')
    assert claim[0][:3] == ("cedar-type", "orders.cedar", 1)


def test_files_that_there_are_not(tmp_path: Path) -> None:
    said = document({"cedar": ["none.cedar", "no*.cedar"]}, **written(tmp_path))
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, said)
    assert [error.code for error in errors.value.errors] == ["file-missing", "file-missing"]


def test_what_a_document_says(tmp_path: Path) -> None:
    bundle = compiled(tmp_path, document({"cedar": "orders.cedar"}, **written(tmp_path)))
    config = bundle["apis"][0]["policies"]["cedar"]["config"]
    found = {one["name"]: one for one in config["operations"]}

    def shapes(fields: list[dict[str, Any]]) -> dict[str, Any]:
        return {field["name"]: (field["shape"], field["required"]) for field in fields}

    assert shapes(found["listOrders"]["query"]) == {
        "limit": ({"one": "whole"}, False),
        "tag": ({"many": "text"}, False),
    }
    assert shapes(found["getOrder"]["path"]) == {"id": ({"one": "whole"}, True)}
    assert shapes(found["exportOrder"]["path"]) == {}
    body = shapes(found["newOrder"]["body"])
    assert body == {
        "customer": ({"one": "text"}, True),
        "amount": ({"one": "whole"}, False),
        "gift": ({"one": "truth"}, False),
        "kind": ({"one": "text"}, False),
        "ship": ({"record": [{"name": "country", "shape": {"one": "text"}, "required": False}]}, False),
    }
    assert found["newOrder"]["body_required"]


def test_claims_have_the_kinds_that_issuers_say(tmp_path: Path) -> None:
    policies = (
        'permit(principal, action, resource) when { principal.claims has tenant && principal.claims.tenant == "a" };'
    )
    said = people({"cedar": "orders.cedar"}, **written(tmp_path, policies))
    said["issuers"]["company"]["claims"] = {"tenant": "text", "realm": {"roles": ["text"]}}
    bundle = compiled(tmp_path, said)
    for tenant, verdict in (("a", "allow"), ("b", "deny")):
        answer = explained(bundle, "GET", "/orders/7", session({"tenant": tenant}))
        assert answer["verdict"] == verdict
    said["issuers"]["company"]["claims"] = {"tenant": "string"}
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, said)
    assert [error.code for error in errors.value.errors] == ["claims-malformed"]


def test_permissions_are_groups_of_operations(tmp_path: Path) -> None:
    policies = 'permit(principal, action in Action::"orders", resource);'
    authorize = {"cedar": "orders.cedar", "permissions": {"orders": ["getOrder", "listOrders"]}}
    bundle = compiled(tmp_path, people(authorize, **written(tmp_path, policies)))
    assert explained(bundle, "GET", "/orders/7", session({}))["verdict"] == "allow"
    answer = explained(bundle, "POST", "/orders", session({}), SAME_SITE)
    assert answer["reason"]["code"] == "cedar-not-permitted"


def test_a_permission_is_all_that_its_parts_are(tmp_path: Path) -> None:
    policies = 'permit(principal, action, resource); forbid(principal, action in Action::"danger", resource);'
    authorize = {"cedar": "orders.cedar", "permissions": {"danger": ["POST /orders", "/orders/{id}"]}}
    bundle = compiled(tmp_path, people(authorize, **written(tmp_path, policies)))
    for method, target in (("POST", "/orders"), ("GET", "/orders/7")):
        answer = explained(bundle, method, target, session({}), SAME_SITE)
        assert answer["reason"]["code"] == "cedar-forbidden"
    assert explained(bundle, "GET", "/orders", session({}))["verdict"] == "allow"
    authorize["permissions"] = {"danger": ["POST /orders/{number}/refunds"]}
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, people(authorize, **written(tmp_path, policies)))
    assert [error.code for error in errors.value.errors] == ["cedar-permission"]


@pytest.mark.parametrize("body", [b'{"customer":"ann","Amount":9999}', b'{"customer":"ann","amount":1,"AMOUNT":9999}'])
def test_a_name_in_other_letters_is_refused(body: bytes, orders: Entitled) -> None:
    assert post(orders, body).reason == "cedar-unreadable"


def test_a_target_is_compared_as_it_is_matched(tmp_path: Path) -> None:
    policies = (
        'permit(principal, action, resource); forbid(principal, action, resource) when { resource.target like "*:x" };'
    )
    bundle = compiled(tmp_path, people({"cedar": "orders.cedar"}, **{**written(tmp_path, policies), "api": {}}))
    for target in ("/orders/5:x", "/orders/5%3Ax"):
        assert explained(bundle, "GET", target, session({}))["reason"]["code"] == "cedar-forbidden", target


def test_without_a_document_methods_are_actions(tmp_path: Path) -> None:
    more = written(tmp_path, 'permit(principal, action == Action::"GET", resource);')
    bundle = compiled(tmp_path, people({"cedar": "orders.cedar"}, **{**more, "api": {}}))
    assert explained(bundle, "GET", "/orders/7", session({}))["verdict"] == "allow"
    answer = explained(bundle, "DELETE", "/orders/7", session({}), SAME_SITE)
    assert answer["reason"]["code"] == "cedar-not-permitted"


def test_a_changed_policy_is_a_changed_configuration(tmp_path: Path) -> None:
    said = document({"cedar": "*.cedar"}, **written(tmp_path))
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    loaded = load(file)
    assert tmp_path / "orders.cedar" in loaded.files
    assert str(tmp_path / "*.cedar") in loaded.patterns
