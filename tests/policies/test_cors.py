"""`cors`, from the configuration to the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from lockgate.config import load
from lockgate.config.bundle_types import PlacedCors
from policies.conftest import Evaluate, Refusals, written
from support.vectors import Case, cases, name

CASES = cases("cors")
TAKEN = [case for case in CASES if "refused" not in case]
PAGE = "https://a.example"
PREFLIGHT = (f"Origin: {PAGE}", "Access-Control-Request-Method: PUT")


def said(config: dict[str, Any]) -> dict[str, Any]:
    """The case's config as a file says it: the model has defaults where the core has none."""
    config = {"headers": [], "expose": [], **config}
    return {**config, "max_age": f"{config.pop('max_age_s', 0)}s"}


def compiled(folder: Path, config: dict[str, Any]) -> PlacedCors:
    """The policy as the bundle has it."""
    placed: PlacedCors = load(written(folder, {"cors": config})).compile(1, 1)["apis"][0]["policies"]["cors"]
    return placed


def of_cors(message: Message) -> dict[str, str]:
    """What is said of CORS."""
    return {field: message.get(field) or "" for field in message.names if field.startswith("access-control-")}


@pytest.mark.parametrize("case", TAKEN, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    headers = [("Host", "a.example"), *((key, value) for key, value in case["headers"])]
    got = evaluate({"cors": said(case["config"])}, {"method": case.get("method", "GET"), "headers": headers})
    assert got["verdict"] == case["verdict"]
    assert (got["reason"] or {}).get("code") == case.get("reason")
    assert got["status"] == {"respond": 204, "deny": 403}.get(case["verdict"])
    if case["verdict"] == "allow":
        set_there = {each["header"]: each["value"] for each in got["changes"]["response"] if each["change"] == "set"}
        assert set_there == case["fields"]


@pytest.mark.parametrize("case", TAKEN, ids=name)
def test_a_running_gate(case: Case, gate: Gate, tmp_path: Path) -> None:
    theirs = ["Access-Control-Allow-Origin: https://theirs.example", "Access-Control-Max-Age: 9", "Vary: Accept"]
    keyed = "x-api-key" in str(case.get("fields"))
    with AutoUpstream(lambda _request: answer(b"ok", *theirs)) as upstream:
        api = bundles.api(pages=compiled(tmp_path, said(case["config"])), keys=[bundles.api_key()] if keyed else [])
        gate.load(bundles.bundle([api], [bundles.upstream(upstream.port)]))
        sent = [f"{key}: {value}" for key, value in case["headers"]]
        client = gate.client()
        got = client.get("/", *sent, method=case.get("method", "GET"))
        assert got.status == {"respond": 204, "deny": 403, "allow": 200}[case["verdict"]]
        assert of_cors(got) == case.get("fields", {})
        if case["verdict"] == "deny":
            assert got.reason == case["reason"]
        varies = ", ".join(got.all("vary")).lower()
        assert ("origin" in varies) == (case["verdict"] != "allow" or case["config"]["origins"] != ["*"])
        assert client.get("/", f"Origin: {PAGE}").status == (401 if keyed else 200), "the connection goes on"


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=name)
def test_a_wrong_configuration_is_refused(case: Case, refusals: Refusals) -> None:
    assert refusals({"cors": case["config"]}) == [case["refused"]]


def test_without_a_word_pages_may_send_what_most_send(tmp_path: Path) -> None:
    config = compiled(tmp_path, {"origins": [PAGE]})["config"]
    assert config["headers"] == ["Authorization", "Content-Type"]
    assert {"X-Request-Id", "Retry-After", "WWW-Authenticate"} <= set(config["expose"])
    assert (config["credentials"], config["private_network"], config["max_age_s"]) == (False, False, 600)


@pytest.fixture
def keyed(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> Gate:
    """A gate with an API for some methods, that wants a key, and a page that may call it."""
    api = bundles.api(
        "shop",
        "/orders",
        methods=["GET", "PUT"],
        keys=[bundles.api_key()],
        pages=compiled(tmp_path, {"origins": [PAGE]}),
    )
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port)]))
    return gate


def test_a_preflight_is_answered_before_anybody_is_asked_who_they_are(keyed: Gate, auto: AutoUpstream) -> None:
    before = len(auto.requests)
    got = keyed.client().get("/orders", *PREFLIGHT, method="OPTIONS")
    assert (got.status, got.get("access-control-allow-methods"), got.body) == (204, "PUT", b"")
    assert got.get("content-length") is None
    assert len(auto.requests) == before, "no preflight goes to an upstream"
    event = keyed.event(got.id)
    assert [(each["policy"], each["outcome"]) for each in event["verdicts"]][:2] == [
        ("cors", "respond"),
        ("api_key", "not-reached"),
    ]


def test_a_refusal_says_who_may_read_it(keyed: Gate) -> None:
    got = keyed.client().get("/orders", f"Origin: {PAGE}")
    assert (got.status, got.reason, got.get("access-control-allow-origin")) == (401, "key-missing", PAGE)
    assert "WWW-Authenticate" in (got.get("access-control-expose-headers") or "").title().replace("Www", "WWW")


@pytest.mark.parametrize(
    ("path", "method", "status", "reason"),
    [("/nowhere", "PUT", 404, "no-route"), ("/orders", "DELETE", 405, "method-not-allowed")],
)
def test_a_preflight_of_what_is_not_there(path: str, method: str, status: int, reason: str, keyed: Gate) -> None:
    asked = (f"Origin: {PAGE}", f"Access-Control-Request-Method: {method}")
    got = keyed.client().get(path, *asked, method="OPTIONS")
    assert (got.status, got.reason, got.get("access-control-allow-origin")) == (status, reason, None)


def test_a_preflight_goes_to_the_api_that_it_asks_about(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """Two APIs of one path share it by their methods."""
    reading = bundles.api("read", "/", methods=["GET", "OPTIONS"])
    writing = bundles.api("write", "/", methods=["PUT"], pages=compiled(tmp_path, {"origins": [PAGE]}))
    gate.load(bundles.bundle([reading, writing], [bundles.upstream(auto.port)]))
    assert gate.client().get("/", *PREFLIGHT, method="OPTIONS").status == 204
    asked = (f"Origin: {PAGE}", "Access-Control-Request-Method: GET")
    assert gate.client().get("/", *asked, method="OPTIONS").status == 200, "the API that has no policy judges by itself"


def test_the_address_filter_stands_before_it(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    api = bundles.api(addresses=bundles.ip_filter(deny=["127.0.0.1"]), pages=compiled(tmp_path, {"origins": [PAGE]}))
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port)]))
    assert gate.client().get("/", *PREFLIGHT, method="OPTIONS").reason == "address-denied"


def test_what_is_observed_changes_nothing(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    placed = compiled(tmp_path, {"origins": [PAGE], "mode": "observe"})
    gate.load(bundles.bundle([bundles.api(pages=placed)], [bundles.upstream(auto.port)]))
    got = gate.client().get("/", f"Origin: {PAGE}")
    assert (got.status, of_cors(got)) == (200, {})
