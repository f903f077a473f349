"""Each example does what its comments say: asked of the engine that the gate runs."""

from __future__ import annotations

import json

import pytest

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


def test_the_shops_table_passes_and_leaves_nothing_out() -> None:
    folder = ROOT / "examples/shop"
    run = Run(load(folder / "lockgate.yaml").compile(0, 0), read(beside(folder / "lockgate.yaml")))
    results = list(run)
    assert len(results) > 15
    assert {
        result.read.case.name: [miss.words for miss in result.misses] for result in results if not result.passed
    } == {}
    assert [point.words for point in measure(run.outline(), run.explained).missing] == []
