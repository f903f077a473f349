"""`limits`, from the configuration to the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import Bundle
from policies.conftest import Refusals, written
from support.vectors import Case, cases, name

CASES = cases("limits")
PEPPER = b"pepper of the cases"
START_MS = 1_800_000_000_000


def timeless(case: Case) -> bool:
    """Whether a gate can run it: no time passes, and all addresses are this machine's."""
    return all(
        "at_ms" not in asked and asked.get("address", "127.0.0.1").startswith("127.") for asked in case["requests"]
    )


LIVE = [case for case in CASES if timeless(case)]


def clients(case: Case) -> list[str]:
    return sorted({asked["client"] for asked in case["requests"] if "client" in asked})


def headers(asked: dict[str, Any], keys: dict[str, str]) -> list[tuple[str, str]]:
    carried = [(key, value) for key, value in asked.get("headers", [])]
    if "client" in asked:
        carried.append(("X-API-Key", keys[asked["client"]]))
    elif asked.get("wrong"):
        carried.append(("X-API-Key", "a guess"))
    return carried


def compiled(folder: Path, case: Case, upstream: str = "http://127.0.0.1:9000") -> Bundle:
    """As a user writes it; but on a free port."""
    file = written(folder, {"authenticate": ["api_key"], "limits": case["limits"], "upstream": upstream})
    bundle = cast("Bundle", load(file).compile(1, 1))
    bundle["listeners"] = [bundles.listener()]
    return bundle


def test_most_cases_run_against_a_gate() -> None:
    assert len(LIVE) > 15


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    keys, facts = {}, []
    for number, client in enumerate(clients(case), 1):
        keys[client], digest = _native.mint_key(PEPPER)
        facts.append(json.dumps(key_put(number, client, digest)).encode())
    engine = _native.Engine(json.dumps(compiled(tmp_path, case)).encode(), facts=facts, pepper=PEPPER)
    for number, asked in enumerate(case["requests"]):
        request = {
            "method": asked.get("method", "GET"),
            "target": asked.get("path", "/"),
            "peer": asked.get("address", "127.0.0.1"),
            "headers": [("Host", "a.example"), *headers(asked, keys)],
        }
        for _ in range(asked.get("times", 1)):
            answer = engine.evaluate(request, now_ms=START_MS + asked.get("at_ms", 0))
            said = (answer["verdict"], (answer["reason"] or {}).get("code"))
            assert said == (asked["verdict"], asked.get("reason")), f"request {number}"


@pytest.mark.parametrize("case", LIVE, ids=name)
def test_a_running_gate(case: Case, tmp_path: Path, auto: AutoUpstream) -> None:
    with Gate(tmp_path / "state") as gate:
        gate.load(compiled(tmp_path, case, f"http://127.0.0.1:{auto.port}"))
        keys = {client: gate.key(number, client) for number, client in enumerate(clients(case), 1)}
        for number, asked in enumerate(case["requests"]):
            client = gate.client(source=asked.get("address", "127.0.0.1"))
            for _ in range(asked.get("times", 1)):
                lines = [f"{key}: {value}" for key, value in headers(asked, keys)]
                answer = client.get(asked.get("path", "/"), *lines, method=asked.get("method", "GET"))
                if asked["verdict"] == "allow":
                    assert answer.status == 200, f"request {number}"
                else:
                    assert answer.reason == asked["reason"], f"request {number}"
                if "left" in asked:
                    assert f";r={asked['left']};" in answer.all("ratelimit")[0]
                if "wait" in asked:
                    (waits,) = answer.all("retry-after")
                    # A live clock goes on while the requests are sent.
                    assert asked["wait"] - 10 <= int(waits) <= asked["wait"] * 5 // 4 + 1


@pytest.mark.parametrize(
    ("limit", "codes"),
    [
        ({"by": "client", "allow": "0/s"}, ["allow-zero"]),
        ({"by": "client", "allow": "-5/s"}, ["allow-malformed"]),
        ({"by": "client", "allow": 100}, ["allow-malformed"]),
        ({"by": "client", "allow": "100"}, ["allow-malformed"]),
        ({"by": "client", "allow": "100/fortnight"}, ["allow-unit"]),
        ({"by": "client", "allow": "1M/month"}, ["allow-unit"]),
        ({"by": "client", "allow": "9000000/s"}, ["out-of-range"]),
        ({"by": "client", "allow": "1/999d"}, ["out-of-range"]),
        ({"by": "client", "allow": "1/d", "burst": 400}, ["out-of-range"]),
        ({"by": "client", "allow": "1/s", "burst": 0}, ["out-of-range"]),
        ({"by": "client", "allow": "1/s", "burst": -1}, ["out-of-range"]),
        ({"by": "colour", "allow": "1/s"}, ["by-unknown"]),
        ({"by": [], "allow": "1/s"}, ["by-empty"]),
        ({"by": ["client", "client"], "allow": "1/s"}, ["by-malformed"]),
        ({"by": "header:X-Tenant", "allow": "1/s"}, ["by-malformed"]),
        ({"by": {"header": "X Tenant"}, "allow": "1/s"}, ["header-malformed"]),
        ({"allow": "1/s"}, ["missing-key"]),
        ({"by": "client"}, ["missing-key"]),
        ({"by": "client", "allow": "1/s", "methods": []}, ["filter-empty"]),
        ({"by": "client", "allow": "1/s", "paths": [{"regex": "/a+"}]}, ["path-malformed"]),
        ({"by": "client", "allow": "1/s", "ipv4_prefix": 33}, ["out-of-range"]),
        ({"by": "client", "allow": "1/s", "penalty": {}}, ["penalty-misplaced"]),
        ({"by": "client", "allow": "1/s", "count": "failures"}, ["penalty-by"]),
        ({"by": "client", "allow": "1/s", "mode": "watch"}, ["not-a-choice"]),
        ({"by": "client", "allow": "1/s", "per": "s"}, ["unknown-key"]),
    ],
)
def test_a_wrong_configuration_is_refused(limit: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"authenticate": ["api_key"], "limits": [{"name": "few", **limit}]}) == codes
