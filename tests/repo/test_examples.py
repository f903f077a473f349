"""Each example does what its comments say: asked of the engine that the gate runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import answer
from lockgate import _native
from lockgate.config import load
from lockgate.rehearsal.coverage import measure
from lockgate.rehearsal.read import beside, read
from lockgate.rehearsal.run import Run
from support.tree import ROOT

BEFORE_THE_WAIVER_ENDS_MS = 1_800_000_000_000
PEPPER = bytes(range(32))


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    return _native.mint_key(PEPPER)


@pytest.fixture(scope="module")
def engine(key: tuple[str, str]) -> _native.Engine:
    loaded = load(ROOT / "examples/shop/lockgate.yaml")
    record = {"id": "key_example", "digest": key[1], "name": "x", "owner": "x", "environment": "live"}
    fact = {"seq": 1, "at_ms": 1, "kind": "key.put", "key": {**record, "apis": None, "expires_ms": None}}
    bundle = json.dumps(loaded.compile(1, 1)).encode()
    return _native.Engine(bundle, facts=[json.dumps(fact).encode()], pepper=PEPPER)


@pytest.mark.parametrize(
    ("method", "target", "with_key", "peer", "extra", "reason"),
    [
        ("GET", "/products", False, "127.0.0.1", [], "key-missing"),
        ("GET", "/products", True, "127.0.0.1", [], None),
        ("GET", "/products", True, "203.0.113.9", [], "address-denied"),
        ("GET", "/orders/o-000001", True, "192.0.2.1", [], None),
        ("GET", "/customers", True, "192.0.2.1", [], "address-not-allowed"),
        ("GET", "/customers", True, "10.1.2.3", [], None),
        ("POST", "/orders", True, "127.0.0.1", [("Content-Length", "70000")], "body-too-large"),
        ("PUT", "/products/LK-001/photo", True, "127.0.0.1", [("Content-Length", "70000")], None),
        ("GET", "/healthz", False, "127.0.0.1", [], None),
        ("POST", "/healthz", False, "127.0.0.1", [], "method-not-allowed"),
        ("GET", "/elsewhere", True, "127.0.0.1", [], "no-route"),
        ("GET", "/products/LK-001/stock", True, "127.0.0.1", [], "operation-unknown"),
        ("DELETE", "/products/LK-001", True, "127.0.0.1", [], "operation-method-unknown"),
    ],
)
def test_the_shop_is_guarded_as_its_comments_say(
    engine: _native.Engine,
    key: tuple[str, str],
    method: str,
    target: str,
    with_key: bool,
    peer: str,
    extra: list[tuple[str, str]],
    reason: str | None,
) -> None:
    headers = [("Host", "127.0.0.1:8080"), *extra, *([("X-API-Key", key[0])] if with_key else [])]
    request = {"method": method, "target": target, "headers": headers, "peer": peer}
    answer = engine.evaluate(request, now_ms=BEFORE_THE_WAIVER_ENDS_MS)
    assert (answer["reason"] or {}).get("code") == reason
    assert answer["verdict"] == ("allow" if reason is None else "deny")


def test_the_check_in_python_does_what_its_table_says() -> None:
    folder = ROOT / "examples/plugins"
    run = Run(load(folder / "lockgate.yaml").compile(0, 0), read(beside(folder / "lockgate.yaml")))
    results = list(run)
    assert len(results) == 4
    assert [result.read.case.name for result in results if not result.passed] == []
    assert "plugins" not in {point.what for point in measure(run.outline(), run.explained).missing}


def test_the_check_in_python_guards_a_running_gate(tmp_path: Path) -> None:
    compiled = load(ROOT / "examples/plugins/lockgate.yaml").compile(1, 1)
    (api,) = compiled["apis"]
    for placed in api["policies"]["plugins"]:
        placed["config"]["deadline_ms"] = 10_000  # The machine that runs the tests may be busy.
    with AutoUpstream(lambda _message: answer(b"ok", "X-Shop-Node: 7")) as shop, Gate(tmp_path / "state") as gate:
        guarded = bundles.api(keys=[bundles.api_key()], checks=api["policies"]["plugins"])
        gate.load(bundles.bundle([guarded], [bundles.upstream(shop.port)], plugins=compiled["plugins"]))
        key = f"X-API-Key: {gate.key(1, owner='acme')}"
        refused = gate.client().get("/", key)
        assert (refused.status, json.loads(refused.body)["code"]) == (400, "tenant-missing")
        served = gate.client().get("/", key, "X-Tenant: acme-NORTH")
        assert (served.status, served.get("x-shop-node")) == (200, None)
        assert shop.requests[-1].get("x-shop-tenant") == "acme-north"


def test_the_shops_table_passes_and_leaves_nothing_out() -> None:
    folder = ROOT / "examples/shop"
    loaded = load(folder / "lockgate.yaml")
    run = Run(loaded.compile(0, 0), read(beside(folder / "lockgate.yaml")), loaded.document.sign_in)
    results = list(run)
    assert len(results) > 15
    assert {
        result.read.case.name: [miss.words for miss in result.misses] for result in results if not result.passed
    } == {}
    # The document describes the whole shop; these other APIs answer, which are held to no document.
    elsewhere = {"putPhoto", "getPhoto", "listCustomers", "getCustomer", "health"}
    missing = measure(run.outline(), run.explained).missing
    assert {point.what for point in missing} == elsewhere, [point.words for point in missing]
