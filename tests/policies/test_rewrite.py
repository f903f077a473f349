"""`rewrite`, from the configuration to the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate.config import load
from policies.conftest import Evaluate, Refusals, written
from support.vectors import Case, cases, name

CASES = cases("rewrite")


def api_of(case: Case) -> dict[str, Any]:
    """An API whose path captures what the case says."""
    config = {**case["config"]}
    if "regex" in config:
        config["regex"] = {"match": config["regex"]["matches"], "to": config["regex"]["to"]}
    path: Any = case.get("prefix", "/")
    if "names" in case:
        ((group, _),) = case["names"]
        path = {"regex": f"/(?:orders/)?(?<{group}>.*)"}
    return {"path": path, "rewrite": config}


# What no path in normal form can give is for the policy alone, which Rust's test asks.
WHOLE = [
    case
    for case in CASES
    if all(case["path"].endswith(f"/{value}") and value != "." for _, value in case.get("names", []))
]


def asked(case: Case) -> str:
    return str(case["path"]) + (f"?{case['query']}" if "query" in case else "")


@pytest.mark.parametrize("case", WHOLE, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    answer = evaluate(api_of(case), {"target": asked(case), "headers": [("Host", "a.example")]})
    if "reason" in case:
        assert answer["reason"]["code"] == case["reason"]
        return
    assert answer["verdict"] == "allow"
    assert answer["upstream"]["target"] == case["target"]


@pytest.mark.parametrize("case", WHOLE, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    api = {**api_of(case), "upstream": f"http://127.0.0.1:{auto.port}"}
    bundle = load(written(tmp_path, api)).compile(1, 1)
    bundle["listeners"][0]["address"] = "127.0.0.1:0"
    gate.load(json.loads(json.dumps(bundle)))
    before, got = len(auto.requests), gate.client().get(asked(case))
    if "reason" in case:
        assert (got.status, got.reason, len(auto.requests)) == (400, case["reason"], before)
        return
    assert got.status == 200
    assert auto.requests[-1].target == case["target"]


def test_the_cases_are_many() -> None:
    assert len(WHOLE) >= 10


def test_a_dot_segment_made_of_a_name_is_refused(evaluate: Evaluate) -> None:
    api = {"path": {"regex": "/x(?<dot>[.]?)[a-z.]*"}, "rewrite": {"path": "/a/.{dot}"}}
    assert evaluate(api, {"target": "/x.y", "headers": [("Host", "a")]})["reason"]["code"] == "rewrite-unsafe"


def test_observed_it_changes_nothing(evaluate: Evaluate) -> None:
    api = {"rewrite": {"path": "/new", "mode": "observe"}}
    answer = evaluate(api, {"target": "/old", "headers": [("Host", "a.example")]})
    assert answer["upstream"]["target"] == "/old"


@pytest.mark.parametrize(
    ("api", "codes"),
    [
        ({"rewrite": {}}, ["rewrite-empty"]),
        ({"rewrite": {"prefix": "/a", "path": "/b"}}, ["rewrite-twice"]),
        ({"rewrite": {"path": "a"}}, ["template-malformed"]),
        ({"rewrite": {"path": "/a?b=1"}}, ["template-malformed"]),
        ({"rewrite": {"path": "/a/../b"}}, ["not-a-path"]),
        ({"rewrite": {"path": "/{id}"}}, ["not-a-template"]),
        ({"rewrite": {"regex": {"match": "/a(?=b)", "to": "/b"}}}, ["regex-not-linear"]),
        ({"rewrite": {"regex": {"match": "/a", "to": "/{id}"}}}, ["not-a-template"]),
        ({"path": "/a", "strip_path": True, "rewrite": {"prefix": "/b"}}, ["strip-and-rewrite"]),
        ({"path": {"exact": "/a"}, "rewrite": {"prefix": "/b"}}, ["rewrite-no-prefix"]),
    ],
)
def test_a_wrong_configuration_is_refused(api: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals(api) == codes
