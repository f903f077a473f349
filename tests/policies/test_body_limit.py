"""`body_limit`, from the configuration to the wire."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import chunked, request
from policies.conftest import Evaluate, Refusals
from support.vectors import Case, cases, name

CASES = cases("body_limit")


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    asked: dict[str, Any] = {"method": "POST", "headers": [("Host", "a.example")]}
    if "sizes" in case:
        asked["headers"] += [("Transfer-Encoding", "chunked")]
        asked["body"] = b"x" * sum(case["sizes"])
    elif "length" in case:
        asked["headers"] += [("Content-Length", str(case["length"]))]
        asked["body"] = b"x" * case["length"]
    answer = evaluate({"body_limit": case["config"]}, asked)
    assert answer["verdict"] == case["verdict"]
    assert (answer["reason"] or {}).get("code") == case.get("reason")


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream) -> None:
    placed = bundles.body_limit(case["config"]["bytes"])
    gate.load(bundles.bundle([bundles.api(body=placed)], [bundles.upstream(auto.port)]))
    client = gate.client()
    if "sizes" in case:
        pieces = [b"x" * size for size in case["sizes"]]
        client.send(request("/", "Transfer-Encoding: chunked", method="POST"), chunked(*pieces))
    elif "length" in case:
        client.send(request("/", f"Content-Length: {case['length']}", method="POST"), b"x" * case["length"])
    else:
        client.send(request("/"))
    answer = client.message()
    if case["verdict"] == "allow":
        assert answer.status == 200
        assert len(auto.requests[-1].body) == (case.get("length") or sum(case.get("sizes", [])))
    else:
        assert (answer.status, answer.reason) == (413, case["reason"])


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"bytes": -1}, ["out-of-range"]),
        ({"bytes": "ten"}, ["size-malformed"]),
        ({"bytes": "10XB"}, ["size-malformed"]),
        ({"size": "10MiB"}, ["unknown-key"]),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"body_limit": config}) == codes


def test_without_a_word_the_bound_is_ten_mebibytes(evaluate: Evaluate) -> None:
    def verdict(length: int) -> str:
        headers = [("Host", "a.example"), ("Content-Length", str(length))]
        return str(evaluate({"body_limit": {}}, {"method": "POST", "headers": headers})["verdict"])

    assert verdict(10 * 2**20) == "allow"
    assert verdict(10 * 2**20 + 1) == "deny"
