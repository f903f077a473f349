"""`decide`, from the configuration to the engine and a running gate, with a real Open Policy Agent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, answer, request
from lockgate import _native
from lockgate.config import ConfigErrors, load
from lockgate.inprocess.engine import Engine
from policies.entitled import Entitled, compiled, document, people, session, step
from policies.test_session import PEPPER
from support.opa import opa
from support.vectors import Case, cases, name
from support.vectors import document as vectors
from support.waiting import until

POLICY: Final = """\
package httpapi

default allow := false

# Whoever has the role may read; of orders, only their own.
allow if {
    input.method == "GET"
    input.path == ["orders", input.caller.owner]
}

allow if {
    "support" in input.caller.roles
    input.query.dry == ["1"]
    input.headers["x-tenant"] == "acme"
}

default decision := {"allow": false, "reason": "not yours"}

decision := {"allow": true, "reason": "a reader", "headers": {"X-User-Level": input.caller.claims.level}} if {
    "orders:read" in input.caller.scopes
}
"""
WAIVER: Final = {"owner": "ops", "reason": "the decision point is being moved", "until": "2100-01-01"}
ASKED: Final = {"upstream": "opa", "path": "/v1/data/a"}
YES: Final = b'{"result": true}'


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with opa(tmp_path_factory.mktemp("opa"), POLICY) as port:
        yield port


# Of each test's own: what they count and write down is compared.
@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with Gate(tmp_path / "state") as running:
        yield running


@pytest.fixture
def auto() -> Iterator[AutoUpstream]:
    with AutoUpstream() as serving:
        yield serving


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as listening:
        yield listening


def asking(port: int, path: str = "/v1/data/httpapi/allow", **more: Any) -> dict[str, Any]:
    """A configuration that asks OPA at this port, with time enough for a busy machine."""
    said = {"upstream": "opa", "path": path, "deadline": "10s", **more}
    return document({"decide": {"opa": said}}, **elsewhere(port))


def elsewhere(port: int, **more: Any) -> dict[str, Any]:
    return {"upstreams": {"opa": {"targets": [f"http://127.0.0.1:{port}"], **more}}}


def refused(said: Message) -> tuple[int, str]:
    return said.status, said.reason


@pytest.mark.parametrize("case", cases("decide"), ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    said = {"upstream": "opa", "path": "/v1/data/httpapi/allow", "to_upstream": vectors("decide")["to_upstream"]}
    bundle = compiled(tmp_path, people({"decide": {"opa": said}}, **elsewhere(9)))
    decision = "{}" if case["result"] is None else json.dumps(case["result"])
    told = evaluated(bundle, decision)
    outcome, reason, grounds = step(told, "decide")
    assert (outcome, reason) == (case["verdict"], case.get("reason"))
    assert told["verdict"] == ("allow" if outcome == "allow" else "deny")
    assert bool(grounds) == (outcome != "error")
    if told["reason"] is not None:
        assert told["reason"]["detail"] == case.get("detail")
    added = {one["header"]: one["value"] for one in told["changes"]["request"] if one["change"] == "add"}
    assert added == case.get("sets", {})


def evaluated(bundle: dict[str, Any], decision: str | None) -> dict[str, Any]:
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=PEPPER)
    sent = [("Host", "a.example"), session({})]
    asked = {"method": "GET", "target": "/orders", "peer": "127.0.0.1", "headers": sent, "decision": decision}
    return engine.evaluate(asked, now_ms=bundles.now_ms())


def test_what_nobody_has_stated_is_undecided_whatever_a_failure_does(tmp_path: Path) -> None:
    said = {"upstream": "opa", "path": "/v1/data/a", "on_error": "allow", "waiver": WAIVER}
    told = evaluated(compiled(tmp_path, people({"decide": {"opa": said}}, **elsewhere(9))), None)
    assert (told["verdict"], told["reason"]["code"]) == ("deny", "decision-unstated")


def test_opa_decides_by_what_is_known_of_a_request(gate: Gate, auto: AutoUpstream, agent: int, tmp_path: Path) -> None:
    said = asking(agent, headers=["X-Tenant"])
    said["roles"] = {"support": {"who": {"claim": "team", "one_of": ["support"]}}}
    entitled = Entitled(gate, auto.port, tmp_path, said)
    assert entitled.token("GET", "/orders/ada", sub="ada").status == 200
    assert refused(entitled.token("GET", "/orders/bob", sub="ada")) == (403, "decision-denied")
    assert refused(entitled.token("DELETE", "/orders/ada", sub="ada")) == (403, "decision-denied")
    bearer = f"Authorization: {entitled.tokens.bearer(2**31, sub='eve', team='support')}"
    assert entitled.ask("DELETE", "/orders/ada?dry=1", bearer, "X-Tenant: acme").status == 200
    assert refused(entitled.ask("DELETE", "/orders/ada?dry=1", bearer, "X-Tenant: evil")) == (403, "decision-denied")
    assert refused(entitled.ask("GET", "/orders/ada")) == (401, "key-missing")
    assert len(auto.requests) == 2
    [event] = gate.written(path="/orders/ada", status=200, method="GET")
    assert "decision of opa: allow" in event["grounds"]
    assert gate.count("lockgate_decisions_total", upstream="opa", outcome="allowed") == 2
    assert gate.count("lockgate_decisions_total", upstream="opa", outcome="denied") == 3


def test_an_object_says_why_and_tells_the_upstream_what_no_client_can(
    gate: Gate, auto: AutoUpstream, agent: int, tmp_path: Path
) -> None:
    said = asking(agent, "/v1/data/httpapi/decision", to_upstream=["X-User-Level"])
    entitled = Entitled(gate, auto.port, tmp_path, said)
    bearer = f"Authorization: {entitled.tokens.bearer(2**31, scope='orders:read', level='gold')}"
    forged = ("X-User-Level: admin", "X_User_Level: admin", "x-user-level: root")
    assert entitled.ask("GET", "/orders", bearer, *forged).status == 200
    [got] = auto.requests
    assert got.all("x-user-level") == ["gold"]
    assert got.all("x_user_level") == []
    denied = entitled.token("GET", "/orders", scope="orders:write")
    assert refused(denied) == (403, "decision-denied")
    assert denied.problem["detail"] == "not yours"
    assert "decision of opa: deny, not yours" in gate.written(path="/orders", status=403)[0]["grounds"]


def test_who_decides_hears_nothing_that_clients_make_up(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: answer(YES)) as point:
        entitled = Entitled(gate, auto.port, tmp_path, asking(point.port, headers=["*"]))
        bearer = f"Authorization: {entitled.tokens.bearer(2**31)}"
        forged = ("X-Forwarded-For: 192.0.2.1", "Remote-User: root", "X_Real_IP: 192.0.2.1", "Cookie: a=b")
        assert entitled.ask("GET", "/orders", bearer, *forged, "X-Tenant: acme").status == 200
        told = json.loads(point.requests[0].body)["input"]
    assert told["headers"] == {"host": "a.example", "x-tenant": "acme"}
    assert told["client"]["address"] == "127.0.0.1"


def test_what_opa_does_not_know_is_refused(gate: Gate, auto: AutoUpstream, agent: int, tmp_path: Path) -> None:
    entitled = Entitled(gate, auto.port, tmp_path, asking(agent, "/v1/data/httpapi/nothing"))
    assert refused(entitled.token("GET", "/orders")) == (403, "decision-undefined")


def test_opa_is_shown_that_it_is_the_gate_that_asks(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """OPA's own authorization, by a bearer token: the upstream's credential carries it."""
    policy = 'package system.authz\n\ndefault allow := false\n\nallow if input.identity == "hush"\n'
    policy += 'allow if input.path == ["health"]\n'
    rules = tmp_path / "more"
    rules.mkdir()
    (rules / "own.rego").write_text("package own\n\nallow := true\n", encoding="utf-8")
    with opa(tmp_path / "opa", policy, "--authentication=token", "--authorization=basic", str(rules)) as port:
        said = asking(port, "/v1/data/own/allow")
        assert refused(Entitled(gate, auto.port, tmp_path, said).token("GET", "/orders")) == (502, "decision-malformed")
        said |= elsewhere(port, credential={"header": "Authorization", "value": "${file:token}"})
        (tmp_path / "token").write_text("Bearer hush\n", encoding="utf-8")
        assert Entitled(gate, auto.port, tmp_path, said).token("GET", "/orders").status == 200


def test_it_must_be_there_and_in_time(gate: Gate, auto: AutoUpstream, upstream: Upstream, tmp_path: Path) -> None:
    late = Entitled(gate, auto.port, tmp_path, asking(upstream.port, deadline="20ms"))
    assert refused(late.token("GET", "/orders")) == (503, "decision-timeout")
    with Upstream() as gone:
        port = gone.port
    away = Entitled(gate, auto.port, tmp_path, asking(port))
    assert refused(away.token("GET", "/orders")) == (503, "decision-unavailable")
    assert not auto.requests
    assert gate.count("lockgate_decisions_total", upstream="opa", outcome="timed_out") == 1
    assert gate.count("lockgate_decisions_total", upstream="opa", outcome="failed") == 1


def test_who_opens_it_while_nobody_answers_answers_for_it_until_a_day(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    with Upstream() as gone:
        port = gone.port
    said = asking(port, on_error="allow", waiver=WAIVER, to_upstream=["X-User-Level"])
    entitled = Entitled(gate, auto.port, tmp_path, said)
    bearer = f"Authorization: {entitled.tokens.bearer(2**31)}"
    assert entitled.ask("GET", "/orders", bearer, "X-User-Level: admin").status == 200
    assert auto.requests[0].all("x-user-level") == [], "it is taken off although nobody said another"

    def expire(bundle: dict[str, Any]) -> None:
        [placed] = bundle["apis"][0]["policies"]["decide"]
        placed["waiver"]["until_ms"] = 1

    closed = Entitled(gate, auto.port, tmp_path, said, expire)
    assert refused(closed.token("GET", "/orders")) == (503, "decision-unavailable")


@pytest.mark.parametrize(
    "told",
    [
        answer(b'{"result": "yes"}'),
        answer(b"<html>", status="200 OK"),
        answer(YES, status="404 Not Found"),
        answer(b'{"result": true, "more": "' + b"a" * 65536 + b'"}'),
    ],
)
def test_an_answer_that_makes_no_sense_refuses(told: bytes, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: told) as strange:
        entitled = Entitled(gate, auto.port, tmp_path, asking(strange.port))
        assert refused(entitled.token("GET", "/orders")) == (502, "decision-malformed")
    assert not auto.requests


def test_the_same_question_is_put_once_for_all_who_wait(
    gate: Gate, auto: AutoUpstream, upstream: Upstream, tmp_path: Path
) -> None:
    entitled = Entitled(gate, auto.port, tmp_path, asking(upstream.port))
    bearer = f"Authorization: {entitled.tokens.bearer(2**31)}"
    with gate.client() as first, gate.client() as second:
        first.send(request("/orders", bearer))
        asked = upstream.accept()
        body = json.loads(asked.message().body)["input"]
        assert (body["method"], body["path"], body["headers"]) == ("GET", ["orders"], {})
        second.send(request("/orders", bearer))
        # A third one asks otherwise, so that the second was read before.
        with gate.client() as third:
            third.send(request("/orders?other", bearer))
            other = upstream.accept()
            other.message()
            other.send(answer(YES))
            assert third.message().status == 200
        asked.send(answer(YES))
        assert [first.message().status, second.message().status] == [200, 200]
        assert upstream.untouched()


def test_a_client_that_leaves_takes_the_answer_from_nobody(
    gate: Gate, auto: AutoUpstream, upstream: Upstream, tmp_path: Path
) -> None:
    entitled = Entitled(gate, auto.port, tmp_path, asking(upstream.port))
    bearer = f"Authorization: {entitled.tokens.bearer(2**31)}"
    with gate.client() as first, gate.client() as second:
        first.send(request("/orders", bearer))
        asked = upstream.accept()
        asked.message()
        second.send(request("/orders", bearer))
        with gate.client() as third:
            third.send(request("/orders?other", bearer))
            upstream.accept().message()
        first.reset()
        asked.send(answer(YES))
        assert second.message().status == 200


def test_an_answer_is_believed_for_a_while_of_the_same_question_and_of_the_same_bundle(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    said: list[bytes] = [YES]
    with AutoUpstream(lambda _: answer(said[-1])) as point:
        config = asking(point.port, cache="1h", headers=["X-Tenant"])
        entitled = Entitled(gate, auto.port, tmp_path, config)
        bearer = f"Authorization: {entitled.tokens.bearer(2**31, sub='ada')}"
        for _ in range(3):
            assert entitled.ask("GET", "/orders", bearer).status == 200
        assert len(point.requests) == 1
        assert gate.count("lockgate_decisions_known_total", upstream="opa") == 2
        said.append(b'{"result": false}')
        assert entitled.ask("GET", "/orders", bearer).status == 200
        for other in (
            ("GET", "/orders?page=2", bearer),
            ("GET", "/orders", bearer, "X-Tenant: acme"),
            ("PUT", "/orders", bearer),
            ("GET", "/orders", f"Authorization: {entitled.tokens.bearer(2**31, sub='bob')}"),
        ):
            assert refused(entitled.ask(*other)) == (403, "decision-denied")
        assert len(point.requests) == 5
        again = Entitled(gate, auto.port, tmp_path, config)
        assert refused(again.ask("GET", "/orders", f"Authorization: {again.tokens.bearer(2**31, sub='ada')}"))[0] == 403


def test_without_a_cache_every_request_asks(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: answer(YES)) as point:
        entitled = Entitled(gate, auto.port, tmp_path, asking(point.port))
        for _ in range(3):
            assert entitled.token("GET", "/orders").status == 200
        assert len(point.requests) == 3
        assert point.connections == 1, "its connection is used again"


def test_a_connection_that_was_closing_is_no_reason_to_refuse(
    gate: Gate, auto: AutoUpstream, upstream: Upstream, tmp_path: Path
) -> None:
    entitled = Entitled(gate, auto.port, tmp_path, asking(upstream.port))
    answered: list[int] = []

    def ask() -> None:
        answered.append(entitled.token("GET", "/orders").status)

    for closing in (False, True):
        thread = threading.Thread(target=ask)
        thread.start()
        if closing:
            upstream.latest().message()
            upstream.latest().reset()
        upstream.serve(answer(YES))
        thread.join()
    assert answered == [200, 200]


def test_what_is_under_way_is_asked_about_again(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    said: list[bytes] = [YES]
    with AutoUpstream(lambda _: answer(said[-1])) as point:
        entitled = Entitled(gate, upstream.port, tmp_path, asking(point.port))
        with gate.client() as client:
            client.send(request("/orders", f"Authorization: {entitled.tokens.bearer(2**31)}"))
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
            serving, _ = upstream.serve(head)
            client.until(b"one")
            until(lambda: len(point.requests) > 2, "it to be asked about again")
            serving.send(b"3\r\ntwo\r\n")
            client.until(b"two")
            said.append(b'{"result": false}')
            assert not client.rest().endswith(b"0\r\n\r\n")
    [event] = gate.written(path="/orders", status=200)
    assert event["ended"] == "decision-denied"


def test_observing_refuses_nobody_and_writes_down_whom_it_would(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: answer(b'{"result": false}')) as point:
        said = asking(point.port, mode="observe", waiver=WAIVER)
        said["apis"]["orders"]["authorize"]["allow"] = "authenticated"
        entitled = Entitled(gate, auto.port, tmp_path, said)
        assert entitled.token("GET", "/orders").status == 200
    [event] = gate.written(path="/orders", status=200)
    assert {"policy": "decide", "outcome": "observe-deny", "reason": "decision-denied"} in event["verdicts"]


def browser(port: int, **more: Any) -> dict[str, Any]:
    """A configuration that asks a server of forward authentication."""
    said = {"upstream": "opa", "deadline": "10s", **more}
    return document({"decide": {"ext_authz": said}}, **elsewhere(port))


def test_others_are_asked_as_traefik_asks(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    def decide(asked: Message) -> bytes:
        if "theirs=1" in (asked.get("cookie") or ""):
            return answer(b"", "Remote-User: ada", "Remote-Groups: a", "Remote-Groups: b", "X-Other: 1")
        return answer(b"<a>", "Location: /login", "Set-Cookie: a=b", "X-Other: 1", status="302 Found")

    with AutoUpstream(decide) as point:
        more = {"path": "/verify", "headers": ["Cookie"], "to_upstream": ["Remote-User", "Remote-Groups"]}
        said = browser(point.port, **more, to_client=["Location", "Set-Cookie"])
        entitled = Entitled(gate, auto.port, tmp_path, said)
        bearer = f"Authorization: {entitled.tokens.bearer(2**31)}"
        assert entitled.ask("POST", "/orders?a=b", bearer, "Cookie: theirs=1", "Remote-User: eve").status == 200
        sent = entitled.ask("GET", "/orders", bearer, "Accept: text/html", "X-Forwarded-Uri: /free")
        asked, again = point.requests
    assert (asked.method, asked.target, asked.body, asked.get("authorization")) == ("GET", "/verify", b"", None)
    told = [asked.get(f"x-forwarded-{name}") for name in ("method", "proto", "host", "uri", "for")]
    assert told == ["POST", "http", "a.example", "/orders?a=b", "127.0.0.1"]
    assert again.all("x-forwarded-uri") == ["/orders"]
    [got] = auto.requests
    assert (got.all("remote-user"), got.all("remote-groups"), got.get("x-other")) == (["ada"], ["a", "b"], None)
    assert (sent.status, sent.reason) == (302, "decision-denied")
    assert (sent.get("location"), sent.get("set-cookie"), sent.get("x-other")) == ("/login", "a=b", None)


def test_others_are_asked_as_envoy_asks(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    def decide(asked: Message) -> bytes:
        if asked.method == "PUT":
            return answer(b"<h1>no</h1>", "Content-Type: text/html", "WWW-Authenticate: X", status="401 Unauthorized")
        return answer(b"", status="503 Away" if "away" in asked.target else "200 OK")

    with AutoUpstream(decide) as point:
        said = browser(point.port, prefix="/authz", body=True, to_client=["WWW-Authenticate"])
        entitled = Entitled(gate, auto.port, tmp_path, said)
        assert entitled.token("POST", "/orders?a=b").status == 200
        sent = entitled.token("PUT", "/orders")
        assert refused(entitled.token("GET", "/orders?away")) == (503, "decision-unavailable")
        asked = [(one.method, one.target, one.get("content-length")) for one in point.requests]
    assert asked == [
        ("POST", "/authz/orders?a=b", "0"),
        ("PUT", "/authz/orders", "0"),
        ("GET", "/authz/orders?away", None),
    ]
    assert (sent.status, sent.body, sent.get("content-type")) == (401, b"<h1>no</h1>", "text/html")
    assert sent.get("www-authenticate") == "X"


def test_within_an_application_nobody_could_ask(tmp_path: Path) -> None:
    file = tmp_path / "lockgate.yaml"
    said = document({"decide": {"opa": ASKED}}, **elsewhere(9), api={"authenticate": ["api_key"]})
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    with pytest.raises(ValueError, match=r"asks a decision point .*run a gate"):
        Engine(file)
    with pytest.raises(_native.LockgateError, match="asks the decision point"):
        _native.InProcess(json.dumps(compiled(tmp_path, said)).encode(), pepper=PEPPER)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({}, "decide-malformed"),
        ({"opa": {"upstream": "opa"}}, "missing-key"),
        ({"opa": {"upstream": "opa", "path": "v1/data"}}, "decide-malformed"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a b"}}, "decide-malformed"),
        ({"opa": {"upstream": "nobody", "path": "/v1/data/a"}}, "upstream-unknown"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "deadline": "11s"}}, "out-of-range"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "cache": "2h"}}, "out-of-range"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "on_error": "allow"}}, "fail-open-authorization"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "mode": "observe"}}, "unenforced-authorization"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "headers": ["Cookie"]}}, "decide-credential"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "headers": ["a b"]}}, "decide-malformed"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "headers": ["X-Real-IP"]}}, "decide-field"),
        ({"opa": {"upstream": "opa", "path": "/v1/data/a", "to_upstream": ["Host"]}}, "decide-field"),
        ({"ext_authz": {"upstream": "opa", "path": "/a", "prefix": "/b"}}, "decide-malformed"),
        ({"ext_authz": {"upstream": "opa", "prefix": "/b/"}}, "decide-malformed"),
        ({"ext_authz": {"upstream": "opa", "headers": ["Authorization"]}}, "decide-credential"),
        ({"ext_authz": {"upstream": "opa", "to_client": ["Content-Type"]}}, "decide-field"),
    ],
)
def test_what_could_not_be_asked_is_refused(said: dict[str, Any], code: str, tmp_path: Path) -> None:
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(document({"decide": said}, **elsewhere(9))), encoding="utf-8")
    with pytest.raises(ConfigErrors) as wrong:
        load(file)
    assert code in {error.code for error in wrong.value.errors}
    assert all(error.region.line > 1 for error in wrong.value.errors)
