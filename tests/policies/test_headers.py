"""`headers`, from the configuration to the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import HeadersConfig
from policies.conftest import Evaluate, Refusals, written
from support.vectors import Case, cases, name

CASES = cases("headers")
PEPPER = b"pepper of a test's gate"
TAKEN = [case for case in CASES if "refused" not in case]
# Keys have an owner and no more; Rust's run has the rest.
OF_KEYS = [case for case in TAKEN if set(case.get("known", {})) <= {"owner"}]
FIXED = [case for case in OF_KEYS if not case.get("known")]


def known(case: Case) -> tuple[dict[str, Any], list[list[str]], list[bytes]]:
    """How the API knows its caller, what the caller sends for it, and the fact that the gate knows the key by."""
    if "known" not in case:
        return {}, [], []
    key, digest = _native.mint_key(PEPPER)
    fact = key_put(1, "key_1", digest, owner=case["known"]["owner"])
    return {"authenticate": ["api_key"]}, [["X-API-Key", key]], [json.dumps(fact).encode()]


def said(changes: list[dict[str, Any]]) -> list[str]:
    """Changes as the cases say them, but for the key's own header."""
    return [
        f"{each['change']} {each['header']}" + ("" if each["value"] is None else f": {each['value']}")
        for each in changes
        if each["header"] != "x-api-key"
    ]


@pytest.mark.parametrize("case", OF_KEYS, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    who, credential, facts = known(case)
    headers = [["Host", "a.example"], *credential, *case.get("headers", [])]
    asked = {"peer": case.get("client", "127.0.0.1"), "headers": [tuple(header) for header in headers]}
    answer = evaluate({"headers": case["config"], **who}, asked, facts=facts, pepper=PEPPER)
    assert answer["verdict"] == "allow"
    assert said(answer["changes"]["request"]) == case.get("request", [])
    assert said(answer["changes"]["response"]) == case.get("response", [])


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=name)
def test_what_may_not_be_changed_is_refused(case: Case, refusals: Refusals) -> None:
    assert refusals({"headers": case["config"], "authenticate": ["api_key"]}) == [case["refused"]]


@pytest.mark.parametrize("case", FIXED, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    policy = load(written(tmp_path, {"headers": case["config"]})).compile(1, 1)["apis"][0]["policies"]["headers"]
    gate.load(bundles.bundle([bundles.api(fields=policy)], [bundles.upstream(auto.port)]))
    sent = [f"{key}: {value}" for key, value in case.get("headers", [])]
    got = gate.client(source=case.get("client", "127.0.0.1")).get("/", *sent)
    assert got.status == 200
    made(auto.requests[-1], case.get("request", []), got.get("x-request-id"))
    made(got, case.get("response", []), got.get("x-request-id"))


def made(message: Message, changes: list[str], request_id: str | None) -> None:
    """Whether the changes were made of the message."""
    for change in changes:
        verb, _, rest = change.partition(" ")
        field, _, value = rest.partition(": ")
        if verb == "remove":
            assert field not in message.names or any(other.startswith(f"add {field}") for other in changes)
        else:
            assert value.replace("0" * 26, request_id or "") in message.all(field)


@pytest.fixture
def hiding() -> HeadersConfig:
    return {
        "request": {"set": {"X-Team": "shop"}, "add": {}, "remove": []},
        "response": {"set": {"X-Frame-Options": "DENY"}, "add": {"X-Trace": ["{request_id}"]}, "hide": ["Server"]},
    }


def test_answers_are_changed_and_refusals_too(gate: Gate, hiding: HeadersConfig) -> None:
    """Also one that comes before this policy is asked."""
    placed = bundles.headers(hiding)
    with AutoUpstream(lambda _request: answer(b"ok", "Server: shop/1", "X-Frame-Options: ALLOW")) as upstream:
        gate.load(bundles.bundle([bundles.api(fields=placed)], [bundles.upstream(upstream.port)]))
        got = gate.client().get()
        assert (got.status, got.get("x-frame-options"), got.get("server")) == (200, "DENY", None)
        assert got.all("x-trace") == [got.get("x-request-id")]
        keyed = bundles.api(fields=placed, keys=[bundles.api_key()])
        gate.load(bundles.bundle([keyed], [bundles.upstream(upstream.port)]))
        refused = gate.client().get()
        assert (refused.status, refused.get("x-frame-options")) == (401, "DENY")
        assert refused.all("x-trace") == [refused.get("x-request-id")]
        assert refused.reason == "key-missing"


def test_connection_cannot_take_a_field_of_the_gate_away(gate: Gate, auto: AutoUpstream, hiding: HeadersConfig) -> None:
    """What `Connection` names ends at the gate, but not what the gate itself says of the request."""
    placed = bundles.headers(hiding)
    gate.load(bundles.bundle([bundles.api(fields=placed)], [bundles.upstream(auto.port)]))
    assert gate.client().get("/", "Connection: X-Team, close-not", "X-Team: theirs").status == 200
    assert auto.requests[-1].all("x-team") == ["shop"]


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_what_is_not_enforced_changes_nothing(mode: Any, gate: Gate, auto: AutoUpstream, hiding: HeadersConfig) -> None:
    placed = bundles.headers(hiding, mode=mode)
    gate.load(bundles.bundle([bundles.api(fields=placed)], [bundles.upstream(auto.port)]))
    got = gate.client().get("/", "X-Team: theirs")
    assert (got.status, "x-frame-options" in got.names) == (200, False)
    assert auto.requests[-1].all("x-team") == ["theirs"]


def test_an_error_is_told_where_it_is_written(tmp_path: Path) -> None:
    from lockgate.config import ConfigErrors

    file = written(tmp_path, {"headers": {"request": {"set": {"X-Team": "shop", "Host": "a"}}}})
    with pytest.raises(ConfigErrors) as refused:
        load(file)
    (error,) = refused.value.errors
    lines = file.read_text(encoding="utf-8").splitlines()
    assert "Host" in lines[error.region.line - 1]


def test_an_api_refines_the_defaults(tmp_path: Path) -> None:
    config = {
        "version": 1,
        "defaults": {"headers": {"response": {"hide": ["Server"]}, "request": {"remove": ["X-A"]}}},
        "apis": {
            "shop": {
                "upstream": "http://127.0.0.1:9000",
                "authenticate": ["api_key"],
                "authorize": "authenticated",
                "headers": {"request": {"remove": ["X-B"]}},
            }
        },
    }
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    told = load(file).compile(1, 1)["apis"][0]["policies"]["headers"]["config"]
    assert told["response"]["hide"] == ["Server"]
    assert told["request"]["remove"] == ["X-B"]
