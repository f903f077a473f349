"""What is under way is judged again: answers without an end, calls of gRPC and WebSockets end with what let them in."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import grpc
import pytest

from gateway.harness import bundles
from gateway.harness.calls import Shop, channel, served, status_of
from gateway.harness.gate import Gate
from gateway.harness.http3 import Http3
from gateway.harness.secure import Http2, context, secure
from gateway.harness.tokens import Tokens
from gateway.harness.upstream import Upstream
from gateway.harness.wire import WITHIN, Closed, request
from lockgate.config.bundle_types import Api, Bundle, PlacedStepUp
from policies.entitled import Entitled, document
from support.certificates import Authority

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\none\n\n\n\r\n"
BUSY_S = 1.0
"""Beside the second that is promised: what a machine may need that runs other tests as well."""


class Stream(Protocol):
    """An answer that has begun, and goes on for as long as both sides like."""

    client: Any

    def says(self, wanted: bytes) -> None:
        """Waits until it has said this."""

    def ended(self) -> None:
        """Waits until it was broken off, so that its client can tell."""


class OverHttp1:
    """On a connection of its own."""

    def __init__(self, gate: Gate, authority: Authority, *fields: tuple[str, str]) -> None:
        self.client: Any = secure(gate.port(), context(authority.pem))
        told = (f"{name}: {said}" for name, said in fields)
        self.client.send(request("/events", *told, host="shop.example"))

    def says(self, wanted: bytes) -> None:
        self.client.until(wanted)

    def ended(self) -> None:
        assert not self.client.rest().endswith(b"0\r\n\r\n"), "its last chunk would say that this is all"


class OverHttp2:
    """On a stream."""

    def __init__(self, gate: Gate, authority: Authority, *fields: tuple[str, str]) -> None:
        self.client: Any = Http2(gate.port(), authority.pem)
        self.stream = self.client.ask("/events", "GET", *[(name.lower(), said) for name, said in fields])

    def says(self, wanted: bytes) -> None:
        reply = self.client.replies[self.stream]
        while wanted not in reply.body:
            assert reply.reset is None
            self.client.hear()

    def ended(self) -> None:
        reply = self.client.answer(self.stream)
        assert (reply.over, reply.reset is not None) == (False, True)


class OverHttp3(OverHttp2):
    """On a stream of QUIC."""

    def __init__(self, gate: Gate, authority: Authority, *fields: tuple[str, str]) -> None:
        self.client = Http3(gate.port(), authority.pem)
        self.stream = self.client.ask("/events", "GET", *[(name.lower(), said) for name, said in fields])


PROTOCOLS: dict[str, Callable[..., Stream]] = {"http/1.1": OverHttp1, "h2": OverHttp2, "h3": OverHttp3}
Open = Callable[..., Stream]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path)


@pytest.fixture
def tokens() -> Tokens:
    """An issuer."""
    return Tokens()


def serving(authority: Authority, port: int, tokens: Tokens, *apis: Api, grpc_too: bool = False) -> Bundle:
    """APIs over TLS, and QUIC."""
    listener = bundles.listener(tls=bundles.tls(authority.issue("gate", "shop.example")), http3=True)
    upstream = bundles.upstream(port, protocol="h2" if grpc_too else "http/1.1")
    return tokens.add_to(bundles.bundle(list(apis), [upstream], listeners=[listener]))


def keyed(tokens: Tokens, **more: Any) -> Api:
    """An API for those with a key or a token."""
    return bundles.api(keys=[bundles.api_key(), bundles.jwt(tokens.name)], **more)


def newly(within_s: int) -> PlacedStepUp:
    """Who calls must have been authenticated not long ago."""
    rule: Any = {"operations": [], "methods": [], "within_s": within_s, "amr": [], "acr": []}
    return {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(40),
        "config": {"rules": [rule], "sign_in": None},
    }


@pytest.fixture
def opened(gate: Gate, authority: Authority, upstream: Upstream, ends: ExitStack) -> Open:
    """Opens an answer that has begun."""

    def made(how: str, *fields: tuple[str, str]) -> Stream:
        stream = PROTOCOLS[how](gate, authority, *fields)
        ends.enter_context(stream.client)
        upstream.serve(BEGUN)
        stream.says(b"one\n")
        return stream

    return made


def soon(since: float) -> bool:
    """Whether no more than the second has gone that is promised, and what a busy machine needs besides."""
    return time.monotonic() - since < 1 + BUSY_S


@pytest.mark.parametrize("how", PROTOCOLS)
def test_what_is_revoked_ends_and_no_other(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, opened: Open, how: str
) -> None:
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    tokens.publish(gate)
    sequence = int(gate.tell("facts_seq"))
    key = gate.key(sequence + 1, "key_stream")
    until = int(time.time()) + 600
    other = opened(how, ("X-API-Key", gate.key(sequence + 2, "key_other")))
    goes_on = upstream.latest()
    stream = opened(how, ("X-API-Key", key))
    phone = opened(how, ("Authorization", tokens.bearer(until, sub="ann", device="phone")))
    laptop = opened(how, ("Authorization", tokens.bearer(until, sub="ann", device="laptop")))
    at_laptop = upstream.latest()
    began = time.monotonic()
    gate.facts({"seq": sequence + 3, "kind": "key.revoke", "id": "key_stream", "at_ms": 1})
    stream.ended()
    assert soon(began)
    began = time.monotonic()
    meant = {"issuer": "https://login.example", "by": "device", "value": "phone"}
    gate.facts({"seq": sequence + 4, "at_ms": bundles.now_ms(), "kind": "token.revoke", **meant})
    phone.ended()
    assert soon(began)
    for one, sender in ((other, goes_on), (laptop, at_laptop)):
        sender.send(b"4\r\ntwo\n\r\n")
        one.says(b"two\n")
    [by_key] = gate.written(path="/events", ended="key-revoked")
    [by_token] = gate.written(path="/events", ended="jwt-revoked")
    assert {by_key["reason"], by_token["reason"]} == {"credential-ended"}
    assert (by_key["key"], by_key["status"]) == ("key_stream", 200)


@pytest.mark.parametrize("how", PROTOCOLS)
def test_a_token_that_expires_ends_what_it_opened(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, opened: Open, how: str
) -> None:
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    tokens.publish(gate)
    until = int(time.time()) + 2
    later = opened(how, ("Authorization", tokens.bearer(until + 600)))
    goes_on = upstream.latest()
    stream = opened(how, ("Authorization", tokens.bearer(until)))
    stream.ended()
    assert until <= time.time() < until + 1 + BUSY_S
    goes_on.send(b"4\r\ntwo\n\r\n")
    later.says(b"two\n")
    [event] = gate.written(path="/events", ended="jwt-expired")
    assert event["reason"] == "credential-ended"
    ended_at_s = event["at_ms"] / 1_000 + event["took_us"] / 1_000_000
    assert until <= ended_at_s < until + 1 + BUSY_S


@pytest.mark.parametrize("how", PROTOCOLS)
def test_rules_that_change_end_what_they_let_in(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, opened: Open, how: str
) -> None:
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    tokens.publish(gate)
    until, now_s = int(time.time()) + 600, int(time.time())
    fresh = opened(how, ("Authorization", tokens.bearer(until, auth_time=now_s)))
    goes_on = upstream.latest()
    stream = opened(how, ("Authorization", tokens.bearer(until, auth_time=now_s - 500)))
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    goes_on.send(b"4\r\ntwo\n\r\n")
    fresh.says(b"two\n")
    api = keyed(tokens)
    api["policies"]["step_up"] = newly(300)
    began = time.monotonic()
    gate.load(serving(authority, upstream.port, tokens, api))
    stream.ended()
    assert soon(began)
    goes_on.send(b"6\r\nthree\n\r\n")
    fresh.says(b"three\n")
    assert gate.written(path="/events", ended="step-up-wanted")
    began = time.monotonic()
    denied = bundles.ip_filter(deny=["127.0.0.1"])
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens, addresses=denied)))
    fresh.ended()
    assert soon(began)
    [event] = gate.written(path="/events", ended="address-denied")
    assert event["reason"] == "access-ended"


def test_a_proof_that_gets_old_ends_what_it_opened(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, opened: Open
) -> None:
    api = keyed(tokens)
    api["policies"]["step_up"] = newly(3)
    gate.load(serving(authority, upstream.port, tokens, api))
    tokens.publish(gate)
    now_s = int(time.time())
    stream = opened("h2", ("Authorization", tokens.bearer(now_s + 600, auth_time=now_s)))
    stream.ended()
    assert now_s + 3 <= time.time() < now_s + 5 + BUSY_S


def test_what_comes_to_speak_against_a_caller_ends_what_it_opened(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, opened: Open, ends: ExitStack
) -> None:
    """Credentials that do not hold, from the address of who is let in."""
    penalty: Any = {"first_ms": 60_000, "longest_ms": 60_000, "absent": False}
    api = keyed(tokens, limits=[bundles.limit("guesses", allow=4, penalty=penalty)])
    api["policies"]["risk"] = {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(40),
        "config": {
            "step_up_at": None,
            "deny_at": 20,
            "weights": [{"signal": "failed_tries", "points": 20}],
            "within_s": 900,
            "amr": ["mfa"],
            "acr": [],
            "old_s": 43_200,
            "countries": [],
            "networks": [],
            "addresses": [],
            "hours": None,
            "sign_in": None,
        },
    }
    gate.load(serving(authority, upstream.port, tokens, api))
    tokens.publish(gate)
    until = int(time.time()) + 600
    stream = opened("h2", ("Authorization", tokens.bearer(until)))
    client = ends.enter_context(Http2(gate.port(), authority.pem))
    for _ in range(2):
        assert client.get("/events", ("authorization", "Bearer e30.e30.AAAA")).status == 401
    began = time.monotonic()
    stream.ended()
    assert soon(began)
    [event] = gate.written(path="/events", ended="risk-too-high")
    assert (event["reason"], event["risk"]) == ("access-ended", 20)


def test_a_program_that_is_stopped_ends_what_it_opened(
    gate: Gate, upstream: Upstream, tmp_path: Path, ends: ExitStack
) -> None:
    app = {"owner": "sales@example.com", "apis": ["orders"], "scopes": ["orders:read"]}
    said = document({"scopes": {"orders:read": "GET"}}, apps={"crm": app, "tool": app})
    shop = Entitled(gate, upstream.port, tmp_path, said)

    def used(client: str) -> tuple[Any, Any]:
        wire = ends.enter_context(gate.client())
        bearer = shop.tokens.bearer(2**31, scope="orders:read", client_id=client)
        wire.send(request("/orders", f"Authorization: {bearer}"))
        upstream.serve(BEGUN)
        wire.until(b"one\n")
        return wire, upstream.latest()

    (stopped, _), (other, goes_on) = used("crm"), used("tool")
    began = time.monotonic()
    fact = {"id": "crm", "tier": "unreviewed", "scopes": [], "apis": [], "clients": [], "stopped": True}
    seq = int(gate.tell("facts_seq")) + 1
    gate.facts({"seq": seq, "at_ms": bundles.now_ms(), "kind": "app.put", "app": fact})
    assert not stopped.rest().endswith(b"0\r\n\r\n")
    assert soon(began)
    goes_on.send(b"4\r\ntwo\n\r\n")
    other.until(b"two\n")
    [event] = gate.written(path="/orders", ended="app-stopped")
    assert event["reason"] == "access-ended"


def test_a_download_that_lasts_is_looked_at_too(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, ends: ExitStack
) -> None:
    """Its length is known: it is no stream, and is looked at once it has gone on for some seconds."""
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    tokens.publish(gate)
    until = int(time.time()) + 2
    wire = ends.enter_context(secure(gate.port(), context(authority.pem)))
    wire.send(request("/file", f"Authorization: {tokens.bearer(until)}", host="shop.example"))
    began = time.monotonic()
    upstream.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    wire.until(b"half")
    with pytest.raises(Closed):
        wire.exactly(1000)
    assert time.monotonic() - began > 4, "what is nearly there is not thrown away"
    assert gate.written(path="/file", ended="jwt-expired")


def test_who_waits_for_an_answer_is_told(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, ends: ExitStack
) -> None:
    """Nothing of the answer has come: so the refusal is the answer."""
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    tokens.publish(gate)
    wire = ends.enter_context(secure(gate.port(), context(authority.pem)))
    bearer = tokens.bearer(int(time.time()) + 2)
    wire.send(request("/slow", f"Authorization: {bearer}", host="shop.example"))
    upstream.accept().message()
    refused = wire.message()
    assert (refused.status, refused.reason) == (401, "jwt-expired")
    [event] = gate.written(path="/slow")
    assert (event["reason"], event["ended"]) == ("jwt-expired", "jwt-expired")


def test_a_client_that_takes_nothing_keeps_nothing_open(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, ends: ExitStack
) -> None:
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    sequence = int(gate.tell("facts_seq"))
    key = gate.key(sequence + 1, "key_stream")
    wire = ends.enter_context(secure(gate.port(), context(authority.pem)))
    wire.send(request("/events", f"X-API-Key: {key}", host="shop.example"))
    sender, _ = upstream.serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    sender.sock.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        for _ in range(1_000):
            sender.sock.sendall(b"10000\r\n%s\r\n" % (b"x" * 0x10000))
    gate.facts({"seq": sequence + 2, "kind": "key.revoke", "id": "key_stream", "at_ms": 1})
    assert gate.written(path="/events", ended="key-revoked")


def test_each_look_takes_nothing_from_a_keys_own_limit(
    gate: Gate, authority: Authority, tokens: Tokens, upstream: Upstream, opened: Open, ends: ExitStack
) -> None:
    gate.load(serving(authority, upstream.port, tokens, keyed(tokens)))
    tokens.publish(gate)
    rate = {"allow": 2, "per_ms": 3_600_000, "burst": 2}
    key = gate.key(int(gate.tell("facts_seq")) + 1, "key_stream", rate=rate)
    stream = opened("h2", ("X-API-Key", key))
    goes_on = upstream.latest()
    # Some looks later:
    opened("h2", ("Authorization", tokens.bearer(int(time.time()) + 3))).ended()
    goes_on.send(b"4\r\ntwo\n\r\n")
    stream.says(b"two\n")
    opened("h2", ("X-API-Key", key))
    client = ends.enter_context(Http2(gate.port(), authority.pem))
    assert client.get("/events", ("x-api-key", key)).status == 429


class Calls:
    """A client of gRPC before the service."""

    def __init__(self, client: grpc.Channel) -> None:
        self.client = client

    def talk(self, bearer: str) -> tuple[queue.SimpleQueue[bytes | None], Any]:
        """Both sides speak."""
        said = queue.SimpleQueue[bytes | None]()
        talking: grpc.StreamStreamMultiCallable[bytes, bytes] = self.client.stream_stream("/shop.Shop/Talk")
        return said, talking(iter(said.get, None), timeout=WITHIN, metadata=(("authorization", bearer),))


@pytest.fixture
def calls(gate: Gate, authority: Authority, tokens: Tokens, ends: ExitStack) -> Calls:
    """The service behind an API for those with a token."""
    port = ends.enter_context(served(Shop()))
    gate.load(serving(authority, port, tokens, keyed(tokens), grpc_too=True))
    tokens.publish(gate)
    return Calls(ends.enter_context(channel(gate, authority)))


def test_calls_of_every_kind_end_with_a_status(gate: Gate, tokens: Tokens, calls: Calls) -> None:
    until = int(time.time()) + 2
    told = (("authorization", tokens.bearer(until)),)
    other, answers = calls.talk(tokens.bearer(until + 600))
    said, ending = calls.talk(tokens.bearer(until))
    said.put(b"in")
    assert next(ending) == b"IN"
    stalling: grpc.UnaryStreamMultiCallable[bytes, bytes] = calls.client.unary_stream("/shop.Shop/Stall")
    stalled = stalling(b"one", timeout=WITHIN, metadata=told)
    assert next(stalled) == b"one"
    adding: grpc.StreamUnaryMultiCallable[bytes, bytes] = calls.client.stream_unary("/shop.Shop/Sum")
    numbers = queue.SimpleQueue[bytes | None]()
    numbers.put(b"1")
    added = adding.future(iter(numbers.get, None), timeout=WITHIN, metadata=told)
    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    for call in (lambda: next(ending), lambda: next(stalled), added.result):
        code, words = status_of(call)
        assert code == unauthenticated
        assert "jwt-expired" in words
        assert time.time() < until + 2 + BUSY_S
    other.put(b"still in")
    assert next(answers) == b"STILL IN"
    for queued in (said, numbers, other):
        queued.put(None)
    ended = gate.written(3, ended="jwt-expired")
    assert {event["path"] for event in ended} == {"/shop.Shop/Talk", "/shop.Shop/Stall", "/shop.Shop/Sum"}


def test_who_may_not_any_more_is_denied_permission(
    gate: Gate, authority: Authority, tokens: Tokens, calls: Calls
) -> None:
    said, answers = calls.talk(tokens.bearer(int(time.time()) + 600))
    said.put(b"in")
    assert next(answers) == b"IN"
    gate.load(serving(authority, 1, tokens, keyed(tokens, addresses=bundles.ip_filter(deny=["127.0.0.1"]))))
    code, words = status_of(lambda: next(answers))
    said.put(None)
    assert code == grpc.StatusCode.PERMISSION_DENIED
    assert "address-denied" in words
