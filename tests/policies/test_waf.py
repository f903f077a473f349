"""`waf`, from the configuration to the wire."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, chunked, request
from lockgate.config import ConfigErrors, load
from lockgate.config.bundle_types import Bundle
from policies.conftest import Evaluate, Refusals, written
from support.vectors import Case, cases, name

CASES = cases("waf")
ANYBODY = {"owner": "team", "reason": "a test", "until": "2099-01-01"}


def said(case: Case) -> dict[str, Any]:
    """The policy's config, with whom the exclusions are answered for by."""
    config = dict(case["config"])
    if "exclude" in config:
        config["exclude"] = [{**one, **ANYBODY} for one in config["exclude"]]
    return config


def body_of(case: Case) -> bytes:
    """The request's body."""
    text: str = case.get("body", "x" * case.get("fill", 0))
    return text.encode()


def fields(case: Case) -> list[tuple[str, str]]:
    """The request's fields beside host and length."""
    kind = [("Content-Type", case["type"])] if "type" in case else []
    return [*kind, *case.get("headers", {}).items()]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    body = body_of(case)
    headers = [("Host", "a.example"), *fields(case)]
    if body:
        headers.append(("Content-Length", str(len(body))))
    asked = {"method": "POST", "target": case.get("target", "/"), "headers": headers, "body": body}
    got = evaluate({"waf": said(case)}, asked)
    assert got["verdict"] == case["verdict"]
    assert (got["reason"] or {}).get("code") == case.get("reason")


def guarded(port: int, folder: Path, config: dict[str, Any]) -> Bundle:
    """An API that is guarded."""
    bundle = load(written(folder, {"waf": config})).compile(1, 1)
    placed = bundle["apis"][0]["policies"]["waf"]
    return bundles.bundle([bundles.api(guards=placed)], [bundles.upstream(port)], rule_sets=bundle["rule_sets"])


def why(answer: Message) -> str:
    """The reason that a refusal tells; over gRPC-Web it stands in the status of the call."""
    if not (answer.get("content-type") or "").startswith("application/grpc-web-text"):
        return answer.reason
    words = base64.b64decode(answer.body).decode("latin-1")
    return words.partition(" (")[2].partition(",")[0]


@pytest.mark.parametrize("pieces", [False, True], ids=["by length", "in chunks"])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, pieces: bool, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(guarded(auto.port, tmp_path, said(case)))
    body = body_of(case)
    before = len(auto.requests)
    told = [f"{key}: {value}" for key, value in fields(case)]
    target = case.get("target", "/")
    with gate.client() as client:
        if pieces and body:
            split = [body[at : at + 300] for at in range(0, len(body), 300)]
            client.send(request(target, *told, "Transfer-Encoding: chunked", method="POST"), chunked(*split))
        else:
            client.send(request(target, *told, f"Content-Length: {len(body)}", method="POST"), body)
        answer = client.message()
    if case["verdict"] == "allow":
        assert answer.status == 200
        assert auto.requests[-1].body == body, "what was looked at goes on as it came"
        return
    assert why(answer) == case["reason"]
    assert len(auto.requests) == before, "the upstream sees nothing of what is refused"


def test_an_event_tells_what_was_found_and_not_what_was_sent(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(guarded(auto.port, tmp_path, {"mode": "observe"}))
    with gate.client() as client:
        client.send(request("/observed?id=1%27+OR+%27secretword%27%3D%27secretword"))
        assert client.message().status == 200
    event = gate.written(1, path="/observed")[-1]
    assert event["waf"]["score"] >= event["waf"]["threshold"] == 5
    found = event["waf"]["found"][0]
    assert (found["rule"], found["at"], found["score"]) == ("sql-injection", "ARGS:id", 5)
    assert (found["places"], found["counts"], event["waf"]["by"]) == (["query/id"], 1, "")
    assert "secretword" not in json.dumps(event)
    assert "'" in found["masked"]
    assert [verdict["outcome"] for verdict in event["verdicts"] if verdict["policy"] == "waf"] == ["observe-deny"]


RULES = """
SecRule RESPONSE_BODY "@contains stack trace" "id:10,phase:4,deny,status:502,msg:'an error page',severity:ERROR"
SecRule ARGS:token "@streq letmein" "id:11,phase:1,deny,status:403,msg:'a token',severity:CRITICAL"
"""


@pytest.fixture
def ruled(tmp_path: Path) -> dict[str, Any]:
    """A policy with rules of its own."""
    (tmp_path / "own.conf").write_text(RULES)
    return {"files": ["own.conf"], "answers": {"types": ["text/plain"]}}


def test_rules_of_ones_own(gate: Gate, auto: AutoUpstream, tmp_path: Path, ruled: dict[str, Any]) -> None:
    gate.load(guarded(auto.port, tmp_path, ruled))
    with gate.client() as client:
        client.send(request("/?token=letmein"))
        assert client.message().reason == "waf-refused"
        client.send(request("/?token=other"))
        assert client.message().status == 200


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_what_is_asked_for_answers_is_explained(mode: str, evaluate: Evaluate, ruled: dict[str, Any]) -> None:
    headers = [("Host", "a.example"), ("Range", "bytes=0-9"), ("Accept-Encoding", "gzip")]
    changes = evaluate({"waf": {**ruled, "mode": mode}}, {"headers": headers})["changes"]
    assert changes["request"] == [
        {"change": "remove", "header": "range", "value": None},
        {"change": "set", "header": "accept-encoding", "value": "identity"},
    ]
    assert changes["response"] == [{"change": "remove", "header": "accept-ranges", "value": None}]


def test_what_is_wrong_with_rules_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text('SecRule ARGS "@contians x" "id:1,phase:2,deny"\n')
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, {"waf": {"files": ["bad.conf"]}}))
    (problem,) = refused.value.errors
    assert problem.code == "waf-rules"
    assert "bad.conf:1:" in problem.message


def test_a_directive_that_says_other_than_the_api_is_told(tmp_path: Path) -> None:
    (tmp_path / "modsecurity.conf").write_text("# ours\nSecRuleEngine DetectionOnly\nSecRequestBodyAccess On\n")
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, {"waf": {"files": ["modsecurity.conf"]}}))
    (problem,) = refused.value.errors
    assert problem.code == "waf-directive"
    assert "modsecurity.conf:2: SecRuleEngine: write `mode: observe` in the API's `waf`" in problem.message


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"rules": "core"}, "waf-core-missing"),
        ({"files": ["nowhere/*.conf"]}, "waf-no-rules"),
        ({"paranoia": 3, "detect": 2}, "waf-detect-below"),
        ({"setup": {"Bad-Name": 1}}, "waf-setup-name"),
        ({"setup": {"blocking_paranoia_level": 2}}, "waf-setup-own"),
        ({"setup": {"allowed_methods": "GET"}}, "waf-setup-unread"),
        ({"exclude": [{"rule": "942100", **ANYBODY}]}, "waf-exclude-rule"),
        ({"exclude": [{"rule": "sql-injection", "at": "nowhere/x", **ANYBODY}]}, "waf-exclude-place"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_hold_is_refused(config: dict[str, Any], code: str, refusals: Refusals) -> None:
    assert refusals({"waf": config}) == [code]


LEAK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\na stack trace"
CLEAN = LEAK.replace(b"stack trace", b"clean start")


@pytest.mark.parametrize(("answered", "reason"), [(LEAK, "waf-answer-refused"), (CLEAN, None)], ids=["leak", "clean"])
def test_an_answer_is_looked_at(
    answered: bytes, reason: str | None, gate: Gate, tmp_path: Path, ruled: dict[str, Any]
) -> None:
    with AutoUpstream(lambda _request: answered) as upstream:
        gate.load(guarded(upstream.port, tmp_path, ruled))
        with gate.client() as client:
            client.send(request("/"))
            got = client.message()
        if reason is None:
            assert (got.status, got.body) == (200, b"a clean start")
        else:
            assert (got.status, got.reason) == (502, reason)


def test_what_has_more_values_than_are_looked_at_is_refused(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(guarded(auto.port, tmp_path, {}))
    body = b"&".join(b"a%d=" % number for number in range(100_001))
    with gate.client() as client:
        kind = "Content-Type: application/x-www-form-urlencoded"
        client.send(request("/", kind, f"Content-Length: {len(body)}", method="POST"), body)
        assert client.message().reason == "waf-too-many-values"


def test_bodies_together_hold_only_so_much(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    bundle = guarded(auto.port, tmp_path, {})
    bundle["listeners"][0]["limits"]["inspect_memory"] = 2000
    gate.load(bundle)
    with gate.client() as client:
        client.send(request("/", "Content-Length: 900", method="POST"), b"x" * 900)
        assert client.message().status == 200, "half of it is one address's"
        client.send(request("/", "Content-Length: 1100", method="POST"), b"x" * 1100)
        assert client.message().reason == "inspect-full"
