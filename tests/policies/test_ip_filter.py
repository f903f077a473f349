"""`ip_filter`, from the configuration to the wire."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from policies.conftest import Evaluate, Refusals
from support.vectors import Case, cases, name

CASES = cases("ip_filter")
FROM_LOOPBACK = [case for case in CASES if case["address"].startswith("127.")]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    answer = evaluate({"ip_filter": case["config"]}, {"peer": case["address"], "headers": [("Host", "a.example")]})
    assert answer["verdict"] == case["verdict"]
    assert (answer["reason"] or {}).get("code") == case.get("reason")


@pytest.mark.parametrize("case", FROM_LOOPBACK, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream) -> None:
    placed = bundles.ip_filter(allow=case["config"].get("allow", ()), deny=case["config"].get("deny", ()))
    gate.load(bundles.bundle([bundles.api(addresses=placed)], [bundles.upstream(auto.port)]))
    answer = gate.client(source=case["address"]).get()
    if case["verdict"] == "allow":
        assert answer.status == 200
    else:
        assert (answer.status, answer.reason) == (403, case["reason"])


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"deny": ["10.0.0.0/33"]}, ["network-malformed"]),
        ({"deny": ["10.0.0.1/24"]}, ["network-host-bits"]),
        ({"deny": ["example.com"]}, ["network-malformed"]),
        ({"allow": []}, ["allow-empty"]),
        ({"deny": [{"file": "nowhere.txt"}]}, ["file-missing"]),
        ({"block": ["10.0.0.0/8"]}, ["unknown-key"]),
        ({"mode": "watch"}, ["not-a-choice"]),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"ip_filter": config}) == codes
