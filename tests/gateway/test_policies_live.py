"""What surrounds every policy: modes, waivers, the order, secrets, facts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import Mode, Signer
from gateway.harness.gate import Gate, Refused, key_revoke
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, chunked, request
from lockgate.config.bundle_types import Api, Credential, FactsPolicy
from support.waiting import until

PAST = 1_000_000_000_000


def serve(gate: Gate, auto: AutoUpstream, *apis: Api, facts: FactsPolicy | None = None) -> None:
    gate.load(bundles.bundle(apis, [bundles.upstream(auto.port)], facts=facts))


def verdicts(event: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {step["policy"]: (step["outcome"], step["reason"]) for step in event["verdicts"]}


def test_the_pipelines_order_is_kept(gate: Gate, auto: AutoUpstream) -> None:
    """All three would refuse: the first in the order does, and the others are not asked."""
    shut = bundles.api(
        keys=[bundles.api_key()], addresses=bundles.ip_filter(deny=["127.0.0.0/8"]), body=bundles.body_limit(1)
    )
    serve(gate, auto, shut)
    refusal = gate.client().get("/", "Content-Length: 2", method="POST")
    assert (refusal.status, refusal.reason) == (403, "address-denied")
    event = gate.event(refusal.id)
    assert verdicts(event) == {
        "ip_filter": ("deny", "address-denied"),
        "api_key": ("not-reached", None),
        "authorize": ("not-reached", None),
        "body_limit": ("not-reached", None),
    }
    assert event["span"] == {"file": "lockgate.yaml", "line": 31, "column": 1}
    assert auto.requests == []


def test_observing_writes_down_and_lets_pass(gate: Gate, auto: AutoUpstream) -> None:
    watched = bundles.api(
        keys=[bundles.api_key(mode="observe", until=bundles.waiver())],
        addresses=bundles.ip_filter(deny=["127.0.0.0/8"], mode="observe"),
        body=bundles.body_limit(1, mode="observe"),
    )
    serve(gate, auto, watched)
    client = gate.client()
    client.send(request("/", method="POST", body=b"hello"))
    got = client.message()
    assert got.status == 200
    event = gate.event(got.id)
    assert event["class"] == "access"
    assert verdicts(event) == {
        "ip_filter": ("observe-deny", "address-denied"),
        "api_key": ("observe-deny", "key-missing"),
        "authorize": ("allow", None),
        "body_limit": ("observe-deny", "body-too-large"),
    }
    assert auto.requests[0].body == b"hello"


def test_observing_notes_a_chunked_body_that_is_too_large(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(body=bundles.body_limit(1, mode="observe")))
    client = gate.client()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"), chunked(b"hello"))
    got = client.message()
    assert got.status == 200
    assert verdicts(gate.event(got.id))["body_limit"] == ("observe-deny", "body-too-large")


@pytest.mark.parametrize("mode", ["observe", "off"])
@pytest.mark.parametrize("coding", ["a length", "chunks"])
def test_an_expired_waiver_enforces_bodies(gate: Gate, auto: AutoUpstream, mode: Mode, coding: str) -> None:
    limit = bundles.body_limit(1, mode=mode)
    limit["waiver"] = bundles.waiver(PAST)
    serve(gate, auto, bundles.api(body=limit))
    client = gate.client()
    if coding == "chunks":
        client.send(request("/", "Transfer-Encoding: chunked", method="POST"), chunked(b"hello"))
    else:
        client.send(request("/", method="POST", body=b"hello"))
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (413, "body-too-large")
    assert auto.requests == []


def test_what_is_off_is_not_asked(gate: Gate, auto: AutoUpstream) -> None:
    off = bundles.api(
        keys=[bundles.api_key(mode="off", until=bundles.waiver())],
        addresses=bundles.ip_filter(deny=["127.0.0.0/8"], mode="off"),
        body=bundles.body_limit(1, mode="off"),
    )
    serve(gate, auto, off)
    client = gate.client()
    client.send(request("/", method="POST", body=b"hello"))
    got = client.message()
    assert got.status == 200
    outcomes = {policy: outcome for policy, (outcome, _) in verdicts(gate.event(got.id)).items()}
    assert outcomes == {"ip_filter": "off", "api_key": "off", "authorize": "allow", "body_limit": "off"}


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_an_expired_waiver_enforces(gate: Gate, auto: AutoUpstream, mode: Mode) -> None:
    serve(gate, auto, bundles.api(keys=[bundles.api_key(mode=mode, until=bundles.waiver(PAST))]))
    refusal = gate.client().get()
    assert (refusal.status, refusal.reason) == (401, "key-missing")
    assert auto.requests == []


def test_an_expired_waiver_of_another_policy_enforces(gate: Gate, auto: AutoUpstream) -> None:
    denied = bundles.ip_filter(deny=["127.0.0.0/8"], mode="observe", until=bundles.waiver(PAST))
    serve(gate, auto, bundles.api(addresses=denied))
    assert gate.client().get().reason == "address-denied"


def test_a_waiver_closes_by_the_clock_and_without_a_reload(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(public=bundles.waiver(bundles.now_ms() + 3_000)))
    client = gate.client()
    assert client.get().status == 200

    def refused() -> Message | None:
        got = client.get()
        return got if got.status != 200 else None

    refusal = until(refused, "the waiver to end")
    assert (refusal.status, refusal.reason) == (403, "waiver-expired")
    assert gate.event(refusal.id)["span"]["line"] == 34
    gate.refused("waiver-expired")


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_authentication_is_not_loosened_without_a_waiver(gate: Gate, auto: AutoUpstream, mode: Mode) -> None:
    with pytest.raises(Refused, match="waiver"):
        serve(gate, auto, bundles.api(keys=[bundles.api_key(mode=mode)]))


def test_authentication_never_lets_pass_on_error(gate: Gate, auto: AutoUpstream) -> None:
    way = bundles.api_key()
    way["api_key"]["on_error"] = "allow"
    with pytest.raises(Refused, match="must deny"):
        serve(gate, auto, bundles.api(keys=[way]))


def test_an_api_is_never_open_by_omission(gate: Gate, auto: AutoUpstream) -> None:
    forgotten = bundles.api()
    forgotten["public"] = None
    with pytest.raises(Refused, match="authenticate"):
        serve(gate, auto, forgotten)


def test_a_secret_is_added_and_replaces_what_a_client_sends(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    credential: Credential = {"header": "X-Gate-Token", "secret": "env:SHOP_TOKEN"}
    env = {**os.environ, "SHOP_TOKEN": "s3cret"}
    with Gate(tmp_path / "state", signer=signer, env=env) as gate:
        gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port, credential=credential)]))
        assert gate.client().get("/", "X-Gate-Token: guess", "X_Gate_Token: guess").status == 200
        assert auto.requests[0].all("x-gate-token") == ["s3cret"]
        assert "x_gate_token" not in auto.requests[0].names
        kept = "".join(path.read_text(errors="replace") for path in gate.state.rglob("*") if path.is_file())
        assert "s3cret" not in kept, "a secret is never written to disk"


def test_a_secret_in_a_file(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from a file\n", encoding="utf-8")
    credential: Credential = {"header": "Authorization", "secret": f"file:{secret}"}
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port, credential=credential)]))
    assert gate.client().get("/", "Authorization: mine").status == 200
    assert auto.requests[0].all("authorization") == ["from a file"]


@pytest.mark.parametrize("secret", ["env:LOCKGATE_TEST_NO_SUCH_VARIABLE", "file:/nonexistent/token"])
def test_a_missing_secret_closes_its_own_apis_alone(gate: Gate, auto: AutoUpstream, secret: str) -> None:
    needy = bundles.upstream(auto.port, name="needy", credential={"header": "X-Token", "secret": secret})
    apis = [bundles.api("needy", "/needy", to="needy"), bundles.api("plain", "/plain")]
    gate.load(bundles.bundle(apis, [needy, bundles.upstream(auto.port)]))
    client = gate.client()
    refusal = client.get("/needy")
    assert (refusal.status, refusal.reason) == (503, "secret-unresolved")
    assert gate.event(refusal.id)["class"] == "security"
    gate.refused("secret-unresolved")
    assert client.get("/plain").status == 200
    assert [message.target for message in auto.requests] == ["/plain"]


def test_stale_facts_deny_where_the_operator_says_so(gate: Gate, auto: AutoUpstream) -> None:
    """Only what needs facts is refused, and a word from the control process opens it again."""
    apis = [bundles.api("keyed", "/keyed", keys=[bundles.api_key()]), bundles.api("open", "/open")]
    serve(gate, auto, *apis, facts={"max_age_ms": 300, "then": "deny"})
    key = gate.key(1)
    client = gate.client()

    def ask() -> int:
        return client.get("/keyed", f"X-API-Key: {key}").status

    gate.tell("contact")
    assert ask() == 200
    until(lambda: ask() == 503, "facts to grow stale", within=10)
    refusal = client.get("/keyed", f"X-API-Key: {key}")
    assert (refusal.status, refusal.reason) == (503, "facts-stale")
    assert gate.event(refusal.id)["span"]["line"] == 32
    assert client.get("/open").status == 200
    assert client.get("/keyed").reason == "key-missing", "what needs no facts is refused for its own reason"
    gate.tell("contact")
    assert ask() == 200


def test_stale_facts_serve_on_where_the_operator_says_so(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(keys=[bundles.api_key()]), facts={"max_age_ms": 1, "then": "continue"})
    key = gate.key(1)
    heard = gate.tell("stats")["facts_heard_ms"]
    until(lambda: bundles.now_ms() > heard + 50, "facts to be old")
    assert gate.client().get("/", f"X-API-Key: {key}").status == 200


def test_a_fact_counts_at_once_on_every_worker(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    with Gate(tmp_path / "state", signer=signer, workers=4) as gate:
        serve(gate, auto, bundles.api(keys=[bundles.api_key()]))
        clients = [gate.client() for _ in range(16)]
        key = gate.key(1)
        assert {client.get("/", f"X-API-Key: {key}").status for client in clients} == {200}
        gate.facts(key_revoke(2, "key_1"))
        assert {client.get("/", f"X-API-Key: {key}").reason for client in clients} == {"key-revoked"}


def test_nothing_of_a_refused_head_leaves_the_gate(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api("shop", "/shop", methods=["GET"], keys=[bundles.api_key()]))
    client = gate.client()
    told = [
        client.get("/shop").reason,
        client.get("/shop", "X-API-Key: nonsense").reason,
        client.get("/shop", method="POST").reason,
        client.get("/elsewhere").reason,
        client.get("/shop/%00").reason,
    ]
    assert told == ["key-missing", "key-malformed", "method-not-allowed", "no-route", "target-control"]
    assert (auto.connections, auto.bytes) == (0, 0)


def test_any_one_of_several_ways_is_enough(gate: Gate, auto: AutoUpstream) -> None:
    ways = [bundles.api_key("X-First-Key"), bundles.api_key("X-Second-Key")]
    serve(gate, auto, bundles.api(keys=ways))
    key = gate.key(1, "key_1")
    client = gate.client()
    told = [
        client.get("/", f"X-First-Key: {key}").status,
        client.get("/", f"X-Second-Key: {key}").status,
        client.get("/", "X-First-Key: nonsense", f"X-Second-Key: {key}").status,
        client.get("/", f"X-First-Key: {key}", "X-Second-Key: nonsense").status,
    ]
    assert told == [200] * 4
    for message in auto.requests:
        assert {"x-first-key", "x-second-key"}.isdisjoint(message.names), "no credential goes further, used or not"
    assert client.get().reason == "key-missing"
    assert client.get("/", "X-Second-Key: nonsense").reason == "key-malformed", "what was presented says more"
    assert len(auto.requests) == 4


def test_a_key_opens_the_apis_that_it_names(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, *(bundles.api(name, f"/{name}", keys=[bundles.api_key()]) for name in ("shop", "bank")))
    key = gate.key(1, apis=["shop"])
    client = gate.client()
    assert client.get("/shop", f"X-API-Key: {key}").status == 200
    refusal = client.get("/bank", f"X-API-Key: {key}")
    assert (refusal.status, refusal.reason) == (403, "key-not-for-api")


def test_a_key_expires_by_the_clock(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(keys=[bundles.api_key()]))
    key = gate.key(1, expires_ms=bundles.now_ms() + 700)
    client = gate.client()
    assert client.get("/", f"X-API-Key: {key}").status == 200
    until(lambda: client.get("/", f"X-API-Key: {key}").status == 401, "the key to expire", within=10)
    assert client.get("/", f"X-API-Key: {key}").reason == "key-expired"


def test_a_rolled_keys_old_text_opens_nothing(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(keys=[bundles.api_key()]))
    old = gate.key(1, "key_1")
    new = gate.key(2, "key_1")
    client = gate.client()
    assert client.get("/", f"X-API-Key: {new}").status == 200
    assert client.get("/", f"X-API-Key: {old}").reason == "key-unknown"


def test_the_address_behind_a_trusted_proxy_is_judged(gate: Gate, auto: AutoUpstream) -> None:
    """And that of anyone else is the socket's, whatever they write."""
    filtered = bundles.api(addresses=bundles.ip_filter(allow=["203.0.113.0/24"], deny=["203.0.113.66"]))
    proxies = bundles.listener(trusted=["127.0.0.1/32"])
    gate.load(bundles.bundle([filtered], [bundles.upstream(auto.port)], listeners=[proxies]))
    proxy, stranger = gate.client(), gate.client(source="127.0.0.2")
    assert proxy.get("/", "X-Forwarded-For: 203.0.113.7").status == 200
    assert proxy.get("/", "Forwarded: for=203.0.113.7").status == 200
    assert proxy.get("/", "X-Forwarded-For: 203.0.113.66").reason == "address-denied"
    assert proxy.get("/", "X-Forwarded-For: 203.0.113.7, 192.0.2.1").reason == "address-not-allowed"
    assert proxy.get().reason == "address-not-allowed", "the proxy itself is on no list"
    assert stranger.get("/", "X-Forwarded-For: 203.0.113.7").reason == "address-not-allowed"
    assert len(auto.requests) == 2


def test_what_is_observed_is_counted_and_shown(gate: Gate, auto: AutoUpstream) -> None:
    """For every policy: the counters say what enforcing it would do."""
    watched = bundles.api(
        keys=[bundles.api_key(mode="observe", until=bundles.waiver())],
        addresses=bundles.ip_filter(deny=["127.0.0.0/8"], mode="observe"),
        body=bundles.body_limit(1, mode="observe"),
        limits=[bundles.limit("few", allow=2, mode="observe")],
    )
    serve(gate, auto, watched)
    client = gate.client()
    for _ in range(5):
        client.send(request("/", method="POST", body=b"hello"))
        assert client.message().status == 200
    would = {"ip_filter": 5, "api_key": 5, "body_limit": 5, "limits": 3}
    until(lambda: gate.tell("stats")["observed"] == would, "all to be counted")
    for policy, number in would.items():
        assert gate.count("lockgate_policy_verdicts_total", policy=policy, outcome="observe-deny") == number
    assert gate.count("lockgate_policy_verdicts_total", policy="limits", outcome="allow") == 2
    assert gate.count("lockgate_observed_refusals_total", reason="rate-limited") == 3
    assert gate.refusals("rate-limited") == 0, "nothing was refused"


def test_after_an_enforced_refusal_nothing_is_counted(gate: Gate, auto: AutoUpstream) -> None:
    few = [bundles.limit("few", "client", allow=1), bundles.limit("seen", "client", allow=1, mode="observe")]
    shut = bundles.api(addresses=bundles.ip_filter(deny=["127.0.0.9"]), limits=few)
    serve(gate, auto, shut)
    denied = gate.client(source="127.0.0.9")
    refusals = [denied.get() for _ in range(3)]
    assert {refusal.reason for refusal in refusals} == {"address-denied"}
    assert {outcome for outcome, _ in list(verdicts(gate.event(refusals[-1].id)).values())[1:]} == {"not-reached"}
    stats = gate.tell("stats")
    assert (stats["observed"], stats["counters"]["counters"]) == ({}, 0)


def test_a_limit_is_one_for_all_workers(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    with Gate(tmp_path / "state", signer=signer, workers=4) as gate:
        serve(gate, auto, bundles.api(limits=[bundles.limit("few", allow=20)]))
        clients = [gate.client() for _ in range(16)]
        statuses = [client.get().status for _ in range(5) for client in clients]
        assert (statuses.count(200), statuses.count(429)) == (20, 60)


def test_a_reload_keeps_what_was_counted(gate: Gate, auto: AutoUpstream) -> None:
    serve(gate, auto, bundles.api(limits=[bundles.limit("few", allow=2)]))
    client = gate.client()
    assert client.get().status == 200
    serve(gate, auto, bundles.api(limits=[bundles.limit("few", allow=2), bundles.limit("more", allow=9)]))
    assert [client.get().status for _ in range(2)] == [200, 429]


def test_answers_tell_of_limits_beside_what_the_upstream_says(gate: Gate, upstream: Upstream) -> None:
    limits = [
        bundles.limit("few", allow=2, per_ms=1_000, burst=60),
        bundles.limit("quiet", allow=9, tell="refused"),
        bundles.limit("silent", allow=9, tell="never"),
    ]
    limits[0]["config"]["legacy"] = True
    gate.load(bundles.bundle([bundles.api(limits=limits)], [bundles.upstream(upstream.port)]))
    client = gate.client()
    client.send(request("/"))
    upstream.serve(b'HTTP/1.1 200 OK\r\nRateLimit: "theirs";r=1\r\nContent-Length: 0\r\n\r\n')
    got = client.message()
    assert got.status == 200
    assert got.all("ratelimit") == ['"theirs";r=1', '"few";r=59;t=1']
    assert got.all("ratelimit-policy") == ['"few";q=60;w=30']
    assert [got.all(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset")] == [["60"], ["59"], ["1"]]
