"""Slow clients and slow readers: each gets its time and no more, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, answer, request
from lockgate.config.bundle_types import Bundle, ListenerLimits
from support.waiting import until

MIB = 1024 * 1024


def bounded(port: int, bounds: ListenerLimits) -> Bundle:
    return bundles.bundle([bundles.api()], [bundles.upstream(port)], listeners=[bundles.listener(bounds=bounds)])


class Dripping(threading.Thread):
    """Sends a byte at a time to each of some connections until it is told to end."""

    def __init__(self, clients: list[Client], raw: bytes) -> None:
        super().__init__()
        self._clients = clients
        self._raw = raw
        self._ending = threading.Event()

    def run(self) -> None:
        for at in range(len(self._raw)):
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.sock.send(self._raw[at : at + 1])
            if self._ending.wait(0.02):
                return

    def end(self) -> None:
        self._ending.set()
        self.join()


@contextlib.contextmanager
def dripping(clients: list[Client], raw: bytes) -> Iterator[None]:
    thread = Dripping(clients, raw)
    thread.start()
    try:
        yield
    finally:
        thread.end()


def test_slow_heads_are_refused_and_slow_nobody(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bounded(auto.port, bundles.limits(head_timeout_ms=4000)))
    slow = [gate.client() for _ in range(50)]
    good = gate.client()
    with dripping(slow, request("/", "X-Slow: " + "y" * 5000)):
        for _ in range(20):
            assert good.get().status == 200
        assert gate.refusals("head-too-slow") == 0
        refusals = [client.message() for client in slow]
    told = {(refusal.status, refusal.reason, refusal.get("connection")) for refusal in refusals}
    assert told == {(408, "head-too-slow", "close")}
    gate.refused("head-too-slow", 50)
    assert gate.event(refusals[-1].id)["class"] == "security"
    assert good.get().status == 200
    assert len(auto.requests) == 21


def test_who_connects_and_says_nothing_is_let_go(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bounded(auto.port, bundles.limits(head_timeout_ms=300)))
    client = gate.client()
    client.rest()
    until(lambda: gate.tell("stats")["connections"] == 0, "the connection to end")


def test_the_next_head_has_its_own_time(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bounded(auto.port, bundles.limits(head_timeout_ms=400)))
    client = gate.client()
    assert client.get().status == 200
    client.send(b"GET / HT")
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (408, "head-too-slow")
    assert client.ended()


def test_a_body_slower_than_the_floor_is_refused(gate: Gate, upstream: Upstream) -> None:
    """The rate is looked at after five seconds; other clients never notice."""
    gate.load(bounded(upstream.port, bundles.limits(body_rate_min=MIB)))
    slow = gate.client()
    slow.send(request("/slow", "Content-Length: 1000000", method="POST"))
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    with dripping([slow], b"x" * 10_000):
        refusal = slow.message()
    assert (refusal.status, refusal.reason, refusal.get("connection")) == (408, "body-too-slow", "close")
    event = gate.event(refusal.id)
    assert (event["class"], event["path"], event["api"]) == ("security", "/slow", "shop")
    assert 4_900_000 < event["took_us"] < 15_000_000
    gate.refused("body-too-slow")
    assert len(wire.rest()) < 1_000_000, "the upstream sees that the request is not whole"


def test_a_body_that_stalls_after_a_quick_beginning(gate: Gate, upstream: Upstream) -> None:
    """What was sent quickly buys no time: nginx waits a minute between two reads, the floor's grace is five seconds."""
    gate.load(bounded(upstream.port, bundles.limits(body_rate_min=MIB)))
    client = gate.client()
    client.send(request("/", f"Content-Length: {1024 * MIB}", method="POST"))
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    sending = threading.Thread(target=client.send, args=[b"x" * (32 * MIB)])
    sending.start()
    wire.exactly(32 * MIB)
    sending.join()
    refusal = client.message(within=12)
    assert (refusal.status, refusal.reason) == (408, "body-too-slow")


def test_a_body_that_waits_for_the_upstream_is_not_slow(gate: Gate, upstream: Upstream) -> None:
    """Time in which the gate does not read is not the client's."""
    gate.load(bounded(upstream.port, bundles.limits(body_rate_min=64 * MIB)))
    client = gate.client()
    sending = threading.Thread(target=client.send, args=[request("/", method="POST", body=b"x" * (32 * MIB))])
    sending.start()
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    ends = time.monotonic() + 6.5
    until(lambda: time.monotonic() > ends, "the grace to be over")
    assert wire.exactly(32 * MIB) == b"x" * (32 * MIB)
    sending.join()
    wire.send(answer())
    assert client.message().status == 200


def test_a_client_that_takes_nothing_is_let_go(gate: Gate, upstream: Upstream) -> None:
    gate.load(bounded(upstream.port, bundles.limits(write_timeout_ms=400)))
    client = gate.client(receive=4096)
    before = gate.memory()
    client.send(request("/big"))
    wire = upstream.accept()
    wire.message()
    body = b"x" * (64 * MIB)
    ended = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError):
            wire.send(answer(body))
        ended.set()

    sending = threading.Thread(target=send)
    sending.start()
    good = gate.client()
    good.send(request("/good"))
    upstream.serve(answer(b"quick"))
    assert good.message().body == b"quick", "nobody waits for the slow one"
    sending.join()
    assert gate.memory() - before < 8 * MIB, "an answer that is not taken is not kept"
    (event,) = gate.written(path="/big")
    assert (event["class"], event["reason"]) == ("security", "client-takes-nothing")
    assert gate.count("lockgate_clients_timed_out_total", limit="write_timeout") == 1
    assert event["bytes_out"] < len(body)
    client.close()


def test_a_client_that_reads_slowly_gets_it_all(gate: Gate, upstream: Upstream) -> None:
    gate.load(bounded(upstream.port, bundles.limits(write_timeout_ms=1000)))
    client = gate.client(receive=4096)
    client.send(request("/big"))
    wire = upstream.accept()
    wire.message()
    body = bytes(range(256)) * 2048
    sending = threading.Thread(target=wire.send, args=[answer(body)])
    sending.start()
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    got = b""
    pieces = 0
    while len(got) < len(body):
        client.sock.settimeout(10)
        piece = client.inbox or client.sock.recv(3000)
        client.inbox = b""
        got += piece
        pieces += 1
    sending.join()
    assert got == body
    assert pieces > 50


def test_a_slow_upstream_slows_nobody_else(gate: Gate, auto: AutoUpstream, upstream: Upstream) -> None:
    apis = [bundles.api("slow", "/slow", to="slow"), bundles.api("shop", "/shop")]
    gate.load(bundles.bundle(apis, [bundles.upstream(upstream.port, name="slow"), bundles.upstream(auto.port)]))
    stuck = [gate.client() for _ in range(40)]
    for client in stuck:
        client.send(request("/slow"))
    wires = [upstream.accept() for _ in stuck]
    good = gate.client()
    for _ in range(50):
        assert good.get("/shop").status == 200
    for wire in wires:
        wire.message()
        wire.send(answer(b"late"))
    assert [client.message().body for client in stuck] == [b"late"] * 40


@pytest.mark.slow
def test_heads_of_a_byte_a_second(gate: Gate, auto: AutoUpstream) -> None:
    """As in the wild: with the default limits, ten seconds and no longer."""
    gate.load(bounded(auto.port, bundles.limits()))
    client = gate.client()
    raw = iter(request("/", "X: " + "y" * 100))
    begun = time.monotonic()
    turn = begun
    while client.silent():
        if time.monotonic() >= turn:
            client.send(bytes([next(raw)]))
            turn += 1
        assert time.monotonic() - begun < 15
    assert client.message().reason == "head-too-slow"
    assert 9.5 < time.monotonic() - begun < 12
