"""`redirect`, from the configuration to the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.harness.gate import Gate
from lockgate.config import load
from policies.conftest import Evaluate, Refusals, written
from support.vectors import Case, cases, name

CASES = cases("redirect")
# What no path in normal form can give is for the policy alone, which Rust's test asks; `*` comes with OPTIONS only.
PATHS = [case for case in CASES if case["path"].startswith("/")]
WHOLE = [case for case in PATHS if all(case["path"].endswith(f"/{value}") for _, value in case.get("names", []))]


def api_of(case: Case) -> dict[str, Any]:
    path: Any = case.get("pattern", "/")
    if "names" in case:
        ((group, _),) = case["names"]
        path = {"template": f"/orders/{{{group}}}"}
    return {"path": path, "redirect": case["config"], "upstream": "http://127.0.0.1:9000"}


def asked(case: Case) -> str:
    return str(case["path"]) + (f"?{case['query']}" if "query" in case else "")


@pytest.mark.parametrize("case", WHOLE, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    answer = evaluate(api_of(case), {"target": asked(case), "headers": [("Host", "a.example")]})
    assert answer["verdict"] == case["verdict"]
    assert (answer["reason"] or {}).get("code") == case.get("reason")
    assert answer["location"] == case.get("location")


@pytest.mark.parametrize("case", WHOLE, ids=name)
def test_a_running_gate(case: Case, gate: Gate, tmp_path: Path) -> None:
    bundle = load(written(tmp_path, api_of(case))).compile(1, 1)
    bundle["listeners"][0]["address"] = "127.0.0.1:0"
    gate.load(json.loads(json.dumps(bundle)))
    got = gate.client().get(asked(case))
    if case["verdict"] == "respond":
        assert got.status == case["config"].get("status", 308)
        assert got.get("location") == case["location"]
    else:
        assert got.reason == case["reason"]


def test_the_server_as_a_whole_is_sent_nowhere(evaluate: Evaluate) -> None:
    api = {"redirect": {"to": "https://a.example{path}"}}
    answer = evaluate(api, {"method": "OPTIONS", "target": "*", "headers": [("Host", "a.example")]})
    assert (answer["verdict"], answer["reason"]["code"]) == ("deny", "redirect-unsafe")


def test_the_cases_are_many() -> None:
    assert len(WHOLE) >= 8


def test_observed_it_sends_nobody_away(evaluate: Evaluate) -> None:
    api = {"redirect": {"to": "/new", "mode": "observe"}}
    told = evaluate(api, {"target": "/old", "headers": [("Host", "a.example")]})
    assert told["verdict"] == "allow"
    assert ("redirect", "observe-respond") in {(step["policy"], step["verdict"]) for step in told["steps"]}


@pytest.mark.parametrize(
    ("redirect", "codes"),
    [
        ({"to": "/a", "status": 304}, ["redirect-status"]),
        ({"to": "ftp://a.example/"}, ["location-malformed"]),
        ({"to": "/a?b=1"}, ["location-malformed"]),
        ({"to": "//evil.example/"}, ["not-a-path"]),
        ({"to": "https://{host}{path}"}, ["redirect-any-host"]),
        ({"to": "https://{path}/"}, ["not-a-location"]),
        ({"to": "/{id}"}, ["not-a-template"]),
        ({"to": "https://a.example/{path}"}, ["not-a-path"]),
        ({"to": "/new/{rest}"}, ["not-a-path"]),
        ({}, ["missing-key"]),
    ],
)
def test_a_wrong_configuration_is_refused(redirect: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"redirect": redirect}) == codes
