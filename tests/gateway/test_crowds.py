"""Many at once: a thousand clients, ten thousand idle connections, and the bounds on both."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.conftest import Measured
from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate
from gateway.harness.secure import connect, context
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Client, Closed, Wire, request
from lockgate.config.bundle_types import Bundle, ListenerLimits
from support.certificates import Authority
from support.waiting import until

CLIENTS = 1_000
IDLE = 10_000
AT_ONCE = 100
MOST_EACH = 8_000
"""Bytes of the gate's memory."""
IDLE_TLS = 2_000
"""As many as shake hands here within a few seconds; each costs the test a session of OpenSSL's too."""
MOST_EACH_TLS = 20_000
ASKED = request(host="shop.example")
SPARE = 1_000
"""Descriptors besides the connections: upstreams, pipes, the test runner's own."""


@contextlib.contextmanager
def descriptors(wanted: int) -> Iterator[None]:
    """Lets this process open so many, or skips the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors, and the hard limit (ulimit -Hn) is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def bounded(auto: AutoUpstream, bounds: ListenerLimits) -> Bundle:
    return bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[bundles.listener(bounds=bounds)])


async def converse(port: int, number: int, ready: asyncio.Barrier) -> list[int]:
    """Two requests over a connection that is open with all the others."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.0.{2 + number % 4}", 0))
    statuses = []
    await ready.wait()
    for _ in range(2):
        writer.write(request(f"/{number}"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"ok"
        statuses.append(int(head.split()[1]))
    writer.close()
    await writer.wait_closed()
    return statuses


def test_a_thousand_clients_at_once(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    async def all_of_them(port: int) -> list[list[int]]:
        ready = asyncio.Barrier(CLIENTS)
        return await asyncio.gather(*(converse(port, number, ready) for number in range(CLIENTS)))

    with descriptors(3 * CLIENTS), Gate(tmp_path / "state", signer=signer, workers=2, descriptors=3 * CLIENTS) as gate:
        gate.load(bundles.plain(auto.port))
        statuses = asyncio.run(all_of_them(gate.port()))
        assert Counter(status for both in statuses for status in both) == {200: 2 * CLIENTS}
        assert len(auto.requests) == 2 * CLIENTS
        assert gate.count("lockgate_refusals_total") == 0
        assert gate.count("lockgate_connections_accepted_total") == CLIENTS
        until(lambda: gate.tell("stats")["connections"] == 0, "the last connection to end")
        until(lambda: gate.tell("stats")["events_written"] >= 2 * CLIENTS, "all events")
        assert gate.tell("stats")["events_dropped"] == 0


@pytest.mark.full
def test_ten_thousand_idle_connections(tmp_path: Path, auto: AutoUpstream, signer: Signer, measured: Measured) -> None:
    """Each has had an answer; then they cost memory alone, and little of it."""
    wanted = IDLE + SPARE
    with (
        descriptors(wanted),
        Gate(tmp_path / "state", signer=signer, workers=2, descriptors=wanted) as gate,
        contextlib.ExitStack() as connected,
    ):
        gate.load(bounded(auto, bundles.limits(idle_timeout_ms=600_000)))
        port = gate.port()
        for _ in range(200):
            with Client(port) as client:
                assert client.get().status == 200
        until(lambda: gate.tell("stats")["connections"] == 0, "the warm-up to end")
        before = gate.memory()
        crowd = [connected.enter_context(Client(port, source=f"127.0.0.{2 + number % 8}")) for number in range(IDLE)]
        for first in range(0, IDLE, AT_ONCE):
            for client in crowd[first : first + AT_ONCE]:
                client.send(request())
            for client in crowd[first : first + AT_ONCE]:
                assert client.message().status == 200
        assert gate.tell("stats")["connections"] == IDLE
        each = (gate.memory() - before) / IDLE
        measured("bytes of memory per idle connection", round(each))
        with Client(port) as late:
            assert late.get().status == 200, "there is room for one more"
        assert all(client.silent() for client in crowd[:: IDLE // 100])
        assert crowd[-1].get().status == 200
        assert gate.count("lockgate_refusals_total") == 0
        assert each <= MOST_EACH


def test_idle_connections_over_tls(tmp_path: Path, auto: AutoUpstream, signer: Signer, measured: Measured) -> None:
    """The same with TLS on top, held to what one may cost; whoever comes beside them is served."""
    authority = Authority(tmp_path)
    wanted = IDLE_TLS + SPARE
    how = context(authority.pem)
    with (
        descriptors(wanted),
        Gate(tmp_path / "state", signer=signer, workers=2, descriptors=wanted) as gate,
        contextlib.ExitStack() as connected,
    ):
        told = bounded(auto, bundles.limits(idle_timeout_ms=600_000, connections_per_ip=wanted))
        told["listeners"][0]["tls"] = bundles.tls(authority.issue("crowd", "shop.example"))
        gate.load(told)
        port = gate.port()

        def client() -> Wire:
            wire = Wire(connect(port, how))
            connected.callback(wire.close)
            wire.send(ASKED)
            assert wire.message().status == 200
            return wire

        for _ in range(200):
            client().close()
        until(lambda: gate.tell("stats")["connections"] == 0, "the warm-up to end")
        before = gate.memory()
        crowd = [client() for _ in range(IDLE_TLS)]
        assert gate.tell("stats")["connections"] == IDLE_TLS
        each = (gate.memory() - before) / IDLE_TLS
        measured("bytes of memory per idle connection over TLS", round(each))
        for held in (client(), crowd[0], crowd[-1]):
            held.send(ASKED)
            assert held.message().status == 200, "there is room for one more, and those that rest are still there"
        assert all(held.silent() for held in crowd[:: IDLE_TLS // 100])
        assert gate.count("lockgate_refusals_total") == 0
        assert 0 < each <= MOST_EACH_TLS


def test_more_connections_than_the_listener_takes(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bounded(auto, bundles.limits(connections=3)))
    held = [gate.client() for _ in range(3)]
    assert [client.get().status for client in held] == [200] * 3
    with gate.client() as turned_away, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        assert turned_away.ended(), "closed at once, without a word"
    until(lambda: gate.count("lockgate_connections_turned_away_total") == 1, "the count")
    assert [client.get().status for client in held] == [200] * 3
    held[0].close()
    until(lambda: gate.tell("stats")["connections"] == 2, "the place to be free")
    assert gate.client().get().status == 200


def test_more_connections_than_one_address_may_have(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bounded(auto, bundles.limits(connections_per_ip=2)))
    for _ in range(2):
        assert gate.client(source="127.0.0.2").get().status == 200
    with gate.client(source="127.0.0.2") as turned_away:
        assert turned_away.ended()
    assert gate.client(source="127.0.0.3").get().status == 200, "others have their own"
    assert gate.count("lockgate_connections_turned_away_total") == 1


def test_a_flood_of_connections_leaves_nothing_behind(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    port = gate.port()
    with Client(port) as client:
        client.get()
    until(lambda: gate.tell("stats")["connections"] == 0, "the warm-up to end")
    before = gate.descriptors()
    for number in range(500):
        with Client(port) as client:
            client.send(request("/")[: number % 40])
    until(lambda: gate.tell("stats")["connections"] == 0, "all of them to end")
    until(lambda: gate.descriptors() <= before, "all descriptors to be given back", within=60)


def test_descriptors_run_out(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    """Who is connected is served on; who comes waits, and is served once somebody leaves."""
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(bundles.plain(auto.port))
        port = gate.port()
        old = [Client(port) for _ in range(10)]
        assert [client.get().status for client in old] == [200] * 10
        gate.tell("descriptors", most=gate.descriptors() + 5)
        new = [Client(port) for _ in range(15)]
        for client in new:
            client.send(request("/new"))
        until(lambda: gate.count("lockgate_accept_errors_total") > 0, "descriptors to run out")
        assert [client.get("/old").status for client in old] == [200] * 10
        waiting = [client for client in new if client.silent()]
        assert waiting
        for client in old:
            client.close()
        for client in new:
            assert client.message().status == 200
            client.close()
        assert gate.tell("alive")
        assert gate.count("lockgate_refusals_total") == 0


def test_a_client_that_pipelines_without_reading_is_held_back(gate: Gate, auto: AutoUpstream) -> None:
    """Its requests wait in its own socket, not in the gate's memory."""
    gate.load(bundles.plain(auto.port))
    client = gate.client(receive=4096)
    client.get()
    before = gate.memory()
    client.sock.setblocking(False)
    sent = 0
    flood = request("/" + "x" * 2000) * 100
    with contextlib.suppress(BlockingIOError):
        while sent < 64 * 1024 * 1024:
            sent += client.sock.send(flood)
    assert sent < 64 * 1024 * 1024, "the gate stopped reading"
    assert gate.memory() - before < 8 * 1024 * 1024
    client.close()
    until(lambda: gate.tell("stats")["connections"] == 0, "the connection to end")


def test_a_crowd_of_strangers_talking_nonsense(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    port = gate.port()
    good = gate.client()
    for number in range(300):
        with Client(port) as client, contextlib.suppress(Closed, BrokenPipeError, ConnectionResetError):
            client.send(bytes([number % 256]) * (number + 1) + b"\r\n\r\n")
            assert client.message().status >= 400
    assert good.get().status == 200
    assert gate.tell("alive")
    assert len(auto.requests) == 1
