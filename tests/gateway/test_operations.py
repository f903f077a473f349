"""A gate that holds APIs to documents: what is refused, and what is written down and counted."""

from __future__ import annotations

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import Mode
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate.config.bundle_types import Api, ApiDocument

SHOP = {
    "GET /products": "listProducts",
    "POST /products": "createProduct",
    "GET /products/{sku}": "getProduct",
    "GET /files/{name}.json": "GET /files/{name}.json",
}


def serve(gate: Gate, auto: AutoUpstream, api: Api, document: ApiDocument | None = None) -> None:
    documents = [document or bundles.document(SHOP)]
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port)], documents=documents))


def test_an_operation_is_named_in_its_event_and_counted(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api("named", openapi=bundles.attached()))
    client = gate.client()
    got, *others = [client.get("/products/AB-100?colour=red") for _ in range(3)]
    assert {one.status for one in (got, *others)} == {200}
    event = gate.event(got.id)
    assert (event["operation"], event["route"]) == ("getProduct", "/*")
    assert {step["policy"]: step["outcome"] for step in event["verdicts"]}["operation"] == "allow"
    got = client.get("/files/report.json")
    assert gate.event(got.id)["operation"] == "GET /files/{name}.json"
    counted = gate.count("lockgate_operation_requests_total", api="named", operation="getProduct", status="2xx")
    assert counted == 3


def test_what_the_document_does_not_know_is_refused(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(openapi=bundles.attached()))
    client = gate.client()
    refusal = client.get("/admin")
    assert (refusal.status, refusal.reason) == (404, "operation-unknown")
    event = gate.event(refusal.id)
    assert event["operation"] is None
    assert event["span"] == {"file": "lockgate.yaml", "line": 35, "column": 1}
    refusal = client.get("/products", method="DELETE")
    assert (refusal.status, refusal.reason) == (405, "operation-method-unknown")
    assert refusal.get("allow") == "GET, HEAD, POST"
    assert auto.requests == []


def test_only_who_is_known_learns_what_there_is(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(keys=[bundles.api_key()], openapi=bundles.attached()))
    for path in ("/products", "/admin"):
        assert gate.client().get(path).reason == "key-missing"
    key = gate.key(1)
    assert gate.client().get("/admin", f"X-API-Key: {key}").reason == "operation-unknown"


@pytest.mark.parametrize(("mode", "outcome"), [("observe", "observe-deny"), ("off", "off")])
def test_a_document_can_be_looked_at_before_it_blocks(mode: Mode, outcome: str, gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(openapi=bundles.attached(mode=mode)))
    got = gate.client().get("/admin")
    assert got.status == 200
    event = gate.event(got.id)
    assert {step["policy"]: step["outcome"] for step in event["verdicts"]}["operation"] == outcome
    assert gate.event(gate.client().get("/products").id)["operation"] == "listProducts"


@pytest.mark.parametrize(("strip", "base"), [(False, "/shop"), (True, "")])
def test_it_is_the_path_that_the_api_gets(strip: bool, base: str, gate: Gate, auto: AutoUpstream) -> None:
    api = bundles.api("shop", "/shop", strip_path=strip, openapi=bundles.attached())
    serve(gate, auto, api, bundles.document(SHOP, bases=[base]))
    got = gate.client().get("/shop/products")
    assert got.status == 200
    assert gate.event(got.id)["operation"] == "listProducts"
    assert auto.requests[-1].target == f"{base}/products"


def test_ten_thousand_operations_are_one_look_up_each(gate: Gate, auto: AutoUpstream) -> None:
    many = {f"GET /resources/r{number}/{{id}}": f"get{number}" for number in range(10_000)}
    serve(gate, auto, bundles.api(openapi=bundles.attached()), bundles.document(many))
    client = gate.client()
    for number in (0, 4_711, 9_999):
        assert gate.event(client.get(f"/resources/r{number}/7").id)["operation"] == f"get{number}"
    assert client.get("/resources/r10000/7").reason == "operation-unknown"
    # Names in labels are bounded; what is beyond is counted under none.
    assert gate.count("lockgate_operation_requests_total", operation="get0") == 1
    assert gate.count("lockgate_operation_requests_total", operation="get9999") == 0
    assert gate.count("lockgate_operation_requests_total", operation="") == 2
