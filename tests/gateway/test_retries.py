"""What is sent once more, what is not, and how much may be under way."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Message, answer, request
from lockgate.config import bundle_types as types
from support.ports import free_port
from support.waiting import until


def on(*what: int | str, attempts: int = 1, budget: int = 100, per_try_ms: int = 0) -> types.Retry:
    return {
        "attempts": attempts,
        "connect": "connect" in what,
        "reset": "reset" in what,
        "timeout": "timeout" in what,
        "statuses": [status for status in what if isinstance(status, int)],
        "budget": budget,
        "per_try_ms": per_try_ms,
    }


def load(
    gate: Gate,
    servers: Sequence[types.Server],
    first_byte_ms: int = 10_000,
    retry: types.Retry | None = None,
    breaker: types.Breaker | None = None,
) -> None:
    told = bundles.upstream(free_port(), within=bundles.timeouts(connect_ms=500, first_byte_ms=first_byte_ms))
    told["targets"] = list(servers)
    told["retry"], told["breaker"] = retry, breaker
    gate.load(bundles.bundle([bundles.api()], [told]))


def failing(ends: ExitStack, status: str = "503 No") -> AutoUpstream:
    return ends.enter_context(AutoUpstream(lambda _message: answer(b"no", status=status)))


def refused(client: Client, status: int, reason: str, sent: bytes | None = None) -> Message:
    client.send(sent or request())
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (status, reason)
    return refusal


def test_another_server_mends_a_status(gate: Gate, ends: ExitStack, auto: AutoUpstream) -> None:
    bad = failing(ends)
    load(gate, [bundles.server(bad.port), bundles.server(auto.port)], retry=on(503))
    client = gate.client()
    for _ in range(10):
        got = client.get("/x", "X-Id: 7")
        assert (got.status, got.body) == (200, b"ok")
    assert len(bad.requests) == 5
    assert len(auto.requests) == 10
    assert gate.count("lockgate_upstream_retries_total") == 5
    # What is sent once more is what was sent first.
    assert all(message.get("x-id") == "7" for message in auto.requests)


def test_without_it_a_status_is_passed_on(gate: Gate, ends: ExitStack, auto: AutoUpstream) -> None:
    bad = failing(ends)
    load(gate, [bundles.server(bad.port), bundles.server(auto.port)])
    client = gate.client()
    assert sorted(client.get().status for _ in range(10)) == [200] * 5 + [503] * 5


@pytest.mark.parametrize(
    ("method", "body", "again"),
    [("GET", b"", True), ("HEAD", b"", True), ("DELETE", b"", True), ("PUT", b"x", False), ("POST", b"", False)],
)
def test_only_what_may_be_repeated_is(
    gate: Gate, ends: ExitStack, auto: AutoUpstream, method: str, body: bytes, again: bool
) -> None:
    bad = failing(ends)
    load(gate, [bundles.server(bad.port), bundles.server(auto.port)], retry=on(503, "reset"))
    client = gate.client()
    statuses = []
    for _ in range(6):
        client.send(request("/", method=method, body=body))
        statuses.append(client.message(bodiless=method == "HEAD").status)
    assert set(statuses) == ({200} if again else {200, 503})
    assert len(bad.requests) + len(auto.requests) == (9 if again else 6)


def test_any_request_may_be_connected_once_more(gate: Gate, auto: AutoUpstream) -> None:
    """Not a byte was sent."""
    load(gate, [bundles.server(free_port()), bundles.server(auto.port)])
    client = gate.client()
    for _ in range(6):
        client.send(request("/", method="POST", body=b"once"))
        assert client.message().status == 200
    assert [message.body for message in auto.requests] == [b"once"] * 6


def test_it_never_asks_the_same_server_while_another_is_there(gate: Gate, ends: ExitStack) -> None:
    bad = [failing(ends) for _ in range(3)]
    load(gate, [bundles.server(one.port) for one in bad], retry=on(503, attempts=2))
    assert gate.client().get().status == 503
    assert [len(one.requests) for one in bad] == [1, 1, 1]


def test_a_lone_server_is_asked_again_after_a_pause(gate: Gate, ends: ExitStack) -> None:
    count = iter(range(100))
    flaky = ends.enter_context(
        AutoUpstream(lambda _message: answer(status="503 No" if next(count) % 3 < 2 else "200 OK"))
    )
    load(gate, [bundles.server(flaky.port)], retry=on(503, attempts=2))
    client = gate.client()
    assert [client.get().status for _ in range(3)] == [200] * 3
    assert len(flaky.requests) == 9


def test_a_connection_that_breaks_is_mended(gate: Gate, upstream: Upstream, auto: AutoUpstream) -> None:
    load(gate, [bundles.server(upstream.port), bundles.server(auto.port)], retry=on("reset"))
    client = gate.client()
    client.send(request("/a"))
    wire = upstream.accept()
    wire.message()
    wire.reset()
    assert client.message().status == 200
    assert auto.requests[0].target == "/a"


def test_an_attempt_has_its_own_time(gate: Gate, upstream: Upstream, auto: AutoUpstream) -> None:
    load(gate, [bundles.server(upstream.port), bundles.server(auto.port)], retry=on("timeout", per_try_ms=200))
    client = gate.client()
    client.send(request("/slow"))
    wire = upstream.accept()
    wire.message()
    assert client.message().status == 200
    assert wire.rest() == b"", "its late answer must meet a closed connection"


def test_all_attempts_have_one_time_together(gate: Gate, ends: ExitStack) -> None:
    silent = [ends.enter_context(Upstream()) for _ in range(3)]
    load(
        gate,
        [bundles.server(one.port) for one in silent],
        first_byte_ms=700,
        retry=on("timeout", attempts=10, per_try_ms=300),
    )
    client = gate.client()
    refused(client, 504, "upstream-first-byte-timeout")
    attempts = gate.count("lockgate_upstream_requests_total")
    assert 2 <= attempts <= 10


def test_retries_are_a_share_of_requests(gate: Gate, ends: ExitStack) -> None:
    """Servers that all fail are not asked twice as much."""
    bad = [failing(ends) for _ in range(2)]
    load(gate, [bundles.server(one.port) for one in bad], retry=on(503, budget=20))
    client = gate.client()
    for _ in range(100):
        assert client.get().status == 503
    asked = sum(len(one.requests) for one in bad)
    # Ten are free, and each hundred requests pay for twenty.
    assert 128 <= asked <= 131
    assert gate.count("lockgate_upstream_retries_total") == asked - 100
    assert gate.count("lockgate_upstream_retries_withheld_total") == 200 - asked


def test_a_closed_connection_that_rested_costs_no_attempt(gate: Gate, upstream: Upstream) -> None:
    load(gate, [bundles.server(upstream.port)], breaker={"concurrent": 5, "queue": 0, "wait_ms": 1})
    client = gate.client()
    for _ in range(5):
        client.send(request())
        wire, _ = upstream.serve(answer())
        assert client.message().status == 200
        wire.close()
    assert gate.count("lockgate_upstream_failures_total") == 0


class Closing:
    """Answers, until it is told to close every connection on which something is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.closing = threading.Event()
        self.together = threading.Barrier(4)
        closing = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline():
                    while line not in (b"\r\n", b""):
                        line = self.rfile.readline()
                    closing.asked += 1
                    if closing.closing.is_set():
                        return
                    # All at once, so that each has a connection of its own.
                    closing.together.wait(20)
                    self.wfile.write(answer())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_connections_that_rested_are_no_free_attempts(gate: Gate) -> None:
    with Closing() as upstream:
        port = int(upstream.server.server_address[1])
        load(gate, [bundles.server(port)], retry=on("reset", attempts=2))
        clients = [gate.client() for _ in range(4)]
        for client in clients:
            client.send(request())
        for client in clients:
            assert client.message().status == 200
        upstream.asked = 0
        upstream.closing.set()
        refused(clients[0], 502, "upstream-reset")
        # The first, once more since its connection had rested, and two attempts.
        assert upstream.asked == 4


def bounded(concurrent: int, queue: int, wait_ms: int = 20_000) -> types.Breaker:
    return {"concurrent": concurrent, "queue": queue, "wait_ms": wait_ms}


def load_of(gate: Gate) -> tuple[int, int]:
    [told] = gate.tell("stats")["upstreams"]
    return told["under_way"], told["waiting"]


@pytest.mark.parametrize("workers", [1, 3])
def test_too_many_requests_wait_and_then_are_refused(
    tmp_path: Path, ends: ExitStack, upstream: Upstream, workers: int
) -> None:
    """True for the process, whichever worker has the request."""
    gate = ends.enter_context(Gate(tmp_path / "state", workers=workers))
    load(gate, [bundles.server(upstream.port)], breaker=bounded(2, 3))
    clients = [gate.client() for _ in range(5)]
    for client in clients:
        client.send(request())
    until(lambda: load_of(gate) == (2, 3), "two to be under way, three to wait")
    late = gate.client()
    refusal = refused(late, 503, "upstream-busy")
    assert 1 <= int(refusal.get("retry-after") or 0) <= 3
    assert gate.count("lockgate_upstream_waiting") == 3
    served = 0
    first, second = upstream.accept(), upstream.accept()
    assert upstream.untouched(), "no more than two are with the server"
    wires = [first, second]
    while served < 5:
        wire = wires.pop(0)
        wire.message()
        wire.send(answer(b"done", "Connection: close"))
        wire.close()
        served += 1
        if served <= 3:
            wires.append(upstream.accept())
    assert [client.message().body for client in clients] == [b"done"] * 5
    until(lambda: load_of(gate) == (0, 0), "nothing to be left")
    assert gate.count("lockgate_upstream_turned_away_total") == 1


def test_nobody_waits_for_longer_than_is_said(gate: Gate, upstream: Upstream) -> None:
    load(gate, [bundles.server(upstream.port)], breaker=bounded(1, 5, wait_ms=200))
    held = gate.client()
    held.send(request())
    wire = upstream.accept()
    refusal = refused(gate.client(), 503, "upstream-queue-timeout")
    assert refusal.get("retry-after") is not None
    wire.message()
    wire.send(answer())
    assert held.message().status == 200


def test_who_goes_away_while_waiting_leaves_no_hole(gate: Gate, upstream: Upstream) -> None:
    load(gate, [bundles.server(upstream.port)], breaker=bounded(1, 1))
    held, gone = gate.client(), gate.client()
    held.send(request("/held"))
    wire = upstream.accept()
    gone.send(request("/gone"))
    until(lambda: load_of(gate) == (1, 1), "one to wait")
    gone.close()
    until(lambda: load_of(gate) == (1, 0), "nobody to wait")
    waiting = gate.client()
    waiting.send(request("/waiting"))
    until(lambda: load_of(gate) == (1, 1), "the next to wait")
    wire.message()
    wire.send(answer(b"1", "Connection: close"))
    assert held.message().body == b"1"
    other, message = upstream.serve(answer(b"2"))
    assert (message.target, waiting.message().body) == ("/waiting", b"2")
    other.close()


def test_a_place_is_held_to_the_last_byte(gate: Gate, upstream: Upstream) -> None:
    load(gate, [bundles.server(upstream.port)], breaker=bounded(1, 0))
    client = gate.client()
    client.send(request())
    wire = upstream.accept()
    wire.message()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
    client.until(b"a")
    assert load_of(gate) == (1, 0)
    refused(gate.client(), 503, "upstream-busy")
    wire.send(b"b")
    client.until(b"b")
    until(lambda: load_of(gate) == (0, 0), "the place to be free")


def test_a_bound_can_be_changed_while_requests_wait(gate: Gate, upstream: Upstream) -> None:
    load(gate, [bundles.server(upstream.port)], breaker=bounded(1, 5))
    clients = [gate.client() for _ in range(3)]
    for client in clients:
        client.send(request())
    until(lambda: load_of(gate) == (1, 2), "two to wait")
    load(gate, [bundles.server(upstream.port)], breaker=bounded(4, 5))
    another = gate.client()
    another.send(request())
    until(lambda: load_of(gate) == (4, 0), "all to be under way")
    for _ in range(4):
        upstream.serve(answer(b"done", "Connection: close"))
    assert [client.message().body for client in [*clients, another]] == [b"done"] * 4


def test_a_storm_of_clients_never_exceeds_the_bound(tmp_path: Path, ends: ExitStack) -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    gate = ends.enter_context(Gate(tmp_path / "state", workers=2))
    upstream = ends.enter_context(Upstream())
    load(gate, [bundles.server(upstream.port)], breaker=bounded(3, 100))
    clients = [gate.client() for _ in range(30)]
    for client in clients:
        client.send(request("/", "Connection: close"))
    for _ in range(30):
        wire = upstream.accept()
        with lock:
            under_way += 1
            most = max(most, load_of(gate)[0])
        wire.message()
        wire.send(answer(b"done", "Connection: close"))
        wire.close()
    assert [client.message().body for client in clients] == [b"done"] * 30
    assert most <= 3
