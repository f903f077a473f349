"""The load generator: it must notice wrong answers, and charge a stall to all whom it delays."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from bench.load import Load, Target, build, started, write_requests
from bench.process import BenchError

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the benchmark is for Linux")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    core = max(os.sched_getaffinity(0))
    with started(build(), core, tmp_path_factory.mktemp("load") / "log", connections=4) as running:
        yield running


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    return write_requests(tmp_path / "requests", [("/a", {}), ("/b", {"X-API-Key": "k"})])


RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + b"x" * 300
LEAVE_AFTER_ONE = -2


def serve(listener: socket.socket, answer: bytes, stall_at: int, stall_seconds: float) -> None:
    """Answers one connection's requests; stalls once before one of them, or leaves after the first."""
    peer, _ = listener.accept()
    served = 0
    with peer:
        while data := peer.recv(65536):
            for _ in range(data.count(b"\r\n\r\n")):
                if served == stall_at:
                    threading.Event().wait(stall_seconds)
                peer.sendall(answer)
                served += 1
                if stall_at == LEAVE_AFTER_ONE:
                    return


@contextmanager
def server(answer: bytes, stall_at: int = -1, stall_seconds: float = 0.0) -> Iterator[tuple[str, threading.Thread]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, answer, stall_at, stall_seconds))
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", thread
        finally:
            thread.join(10)


def test_a_closed_run_of_so_many_requests_makes_them_all(load: Load, requests: Path) -> None:
    result = load.closed(Target(load.origin, requests), seconds=10, count=500)
    assert result.requests == 500
    assert 0 < result.latency.p50 <= result.latency.p99 <= result.latency.max


def test_messages_come_back_over_websockets(load: Load, requests: Path) -> None:
    result = load.messages(Target(load.origin, requests), seconds=0.3)
    assert result.requests > 100
    assert 0 < result.latency.p50 <= result.latency.max


def test_a_run_of_messages_wants_websockets(load: Load, requests: Path) -> None:
    with server(RIGHT) as (address, _), pytest.raises(BenchError, match=r"HTTP/1\.1 200 OK"):
        replace(load, connections=1).messages(Target(address, requests), seconds=1)


def test_an_open_run_keeps_its_rate(load: Load, requests: Path) -> None:
    result = load.open(Target(load.origin, requests), seconds=0.5, rate=400)
    assert result.requests == 200
    assert result.seconds == pytest.approx(0.5, abs=0.2)


def test_an_open_run_charges_a_stall_to_every_request_that_was_due(load: Load, requests: Path) -> None:
    with server(RIGHT, stall_at=50, stall_seconds=0.4) as (address, _):
        result = replace(load, connections=1).open(Target(address, requests), seconds=1.0, rate=200)
    # About eighty of two hundred requests fell due while nothing was answered. A closed loop
    # would have seen a single slow one.
    assert result.latency.p90 > 100_000


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502", id="status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "not 300", id="length"),
        pytest.param(RIGHT.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), "close", id="close"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked", id="chunked"),
    ],
)
def test_a_wrong_answer_ends_the_run(load: Load, requests: Path, wrong: bytes, says: str) -> None:
    with server(wrong) as (address, _), pytest.raises(BenchError, match=says):
        replace(load, connections=1).closed(Target(address, requests), seconds=5)


def test_only_loopback_may_be_a_target(load: Load, requests: Path) -> None:
    with pytest.raises(BenchError, match=r"not in 127\.0\.0\.0/8"):
        load.closed(Target("192.0.2.1:80", requests), seconds=1)


def test_idle_connections_are_held(load: Load, requests: Path) -> None:
    with load.idle(Target(load.origin, requests), 20):
        pass
    # It goes on obeying afterwards.
    assert load.closed(Target(load.origin, requests), seconds=5, count=10).requests == 10


def test_an_idle_connection_that_is_let_go_is_noticed(load: Load, requests: Path) -> None:
    with (
        server(RIGHT, stall_at=LEAVE_AFTER_ONE) as (address, thread),
        pytest.raises(BenchError, match="1 of 1 idle connections were closed"),
        load.idle(Target(address, requests), 1),
    ):
        thread.join(5)
