"""`api_key`, from the configuration to the wire."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put, key_revoke
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from policies.conftest import Evaluate, Refusals
from support.vectors import Case, cases, document, name
from support.waiting import until

CASES = cases("api_key")
PEPPER = document("api_key")["pepper"].encode()
STATUS = {
    "key-wrong-environment": 403,
    "key-not-for-api": 403,
    "key-not-from-network": 403,
    "key-not-for-method": 403,
    "key-rate-limited": 429,
    "facts-stale": 503,
}
RULES = ("environment", "apis", "networks", "methods", "suspended")
# Only a running gate can be out of touch, and only the engine can be told what time it is.
OF_THE_ENGINE = [case for case in CASES if not {"stale", "times"} & case.keys()]
# And its client is on this machine, and reads answers with a body.
OF_A_GATE = [case for case in CASES if not {"now_ms", "client"} & case.keys() and case.get("method") != "HEAD"]


def facts(case: Case, pepper: bytes) -> Iterator[dict[str, Any]]:
    """The case's keys, under names of their own."""
    sequence = itertools.count(1)
    for known in case.get("keys", []):
        number = next(sequence)
        digest = _native.key_digest(known["key"], pepper)
        # Nought is "never" in the core; a key that ended long ago ended at 1.
        rules = {rule: known[rule] for rule in RULES if rule in known}
        if known.get("once"):
            rules["rate"] = {"allow": 1, "per_ms": 3_600_000, "burst": 1}
        if until_ms := known.get("replaced_ms"):
            # It is the one before another.
            rules["previous"] = {"digest": digest, "until_ms": until_ms}
            digest = "f" * 64
        yield key_put(number, f"key_{number}", digest, expires_ms=known.get("expires_ms") or None, **rules)
        if known.get("revoked"):
            yield key_revoke(next(sequence), f"key_{number}")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate for each case: it knows the case's keys and no others."""
    with Gate(tmp_path / "state") as running:
        yield running


@pytest.mark.parametrize("case", OF_THE_ENGINE, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    headers = [("Host", "a.example"), *((key, value) for key, value in case["headers"])]
    known = [json.dumps(fact).encode() for fact in facts(case, PEPPER)]
    answer = evaluate(
        {"authenticate": [{"api_key": case.get("config", {})}]},
        {"headers": headers, "method": case.get("method", "GET"), "peer": case.get("client", "192.0.2.1")},
        facts=known,
        pepper=PEPPER,
        now_ms=case.get("now_ms"),
    )
    assert (answer["reason"] or {}).get("code") == case.get("reason")
    if case["verdict"] == "identify":
        assert answer["verdict"] == "allow"
        assert answer["identity"]["proved_by"] == "api_key"
    else:
        assert (answer["verdict"], answer["identity"]) == ("deny", None)


@pytest.mark.parametrize("case", OF_A_GATE, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream) -> None:
    header = case.get("config", {}).get("header", "X-API-Key")
    told = bundles.bundle(
        [bundles.api(keys=[bundles.api_key(**{"header": header, **case.get("config", {})})])],
        [bundles.upstream(auto.port)],
        facts={"max_age_ms": 1, "then": "deny"} if case.get("stale") else None,
    )
    gate.load(told)
    known = list(facts(case, gate.pepper))
    if known:
        gate.facts(*known)
    headers = [f"{key}: {value}" for key, value in case["headers"]]
    if case.get("stale"):
        until(lambda: gate.client().get("/", *headers).status == 503, "the facts to be too old")
    for _ in range(1, case.get("times", 1)):
        gate.client().get("/", *headers)
    answer = gate.client().get("/", *headers, method=case.get("method", "GET"))
    if case["verdict"] == "identify":
        assert answer.status == 200
        assert header.lower() not in [key.lower() for key, _ in auto.requests[-1].headers]
    else:
        assert (answer.status, answer.reason) == (STATUS.get(case["reason"], 401), case["reason"])
        assert ("www-authenticate" in answer.names) == (answer.status == 401)


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"header": "X API Key"}, ["header-malformed"]),
        ({"header": "Host"}, ["header-framing"]),
        ({"on_error": "allow"}, ["fail-open-authentication"]),
        ({"mode": "off"}, ["unenforced-authentication"]),
        ({"mode": "observe"}, ["unenforced-authentication"]),
        ({"prefix": "lg"}, ["unknown-key"]),
        ({"environments": []}, ["list-empty"]),
        ({"environments": ["Live"]}, ["environment-malformed"]),
        ({"imported": "perhaps"}, ["flag-malformed"]),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"authenticate": [{"api_key": config}]}) == codes
