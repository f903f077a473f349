"""Upstreams over HTTP/2 that say good-bye, reset, or fall silent: none takes the gate's time or another's requests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.wire import request
from support.waiting import until


class Server:
    """Speaks HTTP/2 by prior knowledge, and does what a path asks for."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.connections: list[socket.socket] = []
        self.asked: list[str] = []
        self.last: dict[int, int] = {}
        self.silent = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                self.connections.append(sock)
                threading.Thread(target=self._serve, args=(sock, len(self.connections) - 1), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        spoken = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        spoken.initiate_connection()
        with contextlib.suppress(OSError):
            sock.sendall(spoken.data_to_send())
            while came := sock.recv(65536):
                for event in spoken.receive_data(came):
                    if isinstance(event, h2.events.RequestReceived):
                        self.last[number] = event.stream_id
                        self._answer(spoken, event)
                if not self.silent:
                    sock.sendall(spoken.data_to_send())

    def _answer(self, spoken: h2.connection.H2Connection, event: h2.events.RequestReceived) -> None:
        path = str({str(name): str(value) for name, value in event.headers}[":path"])
        self.asked.append(path)
        if path == "/reset":
            spoken.reset_stream(event.stream_id, 2)
            return
        spoken.send_headers(event.stream_id, [(":status", "200")])
        spoken.send_data(event.stream_id, b"ok", end_stream=path != "/long")

    def leave(self, number: int) -> None:
        """Takes no new stream on a connection, and finishes what there is."""
        last = self.last[number].to_bytes(4, "big")
        self.connections[number].sendall(b"\0\0\x08\x07\0\0\0\0\0" + last + b"\0\0\0\0")

    def close(self) -> None:
        """Closes everything."""
        self._listening.close()
        for sock in self.connections:
            sock.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """An upstream."""
    running = Server()
    yield running
    running.close()


def ask(gate: Gate, path: str, method: str = "GET") -> int:
    """The status of an answer."""
    with gate.client() as client:
        length = ("Content-Length: 2",) if method == "POST" else ()
        client.send(request(path, *length, method=method), b"hi" if length else b"")
        return client.message().status


def loaded(gate: Gate, port: int, first_byte_ms: int = 5_000) -> None:
    """A gate in front of it."""
    within = bundles.timeouts(first_byte_ms=first_byte_ms)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(port, protocol="h2", within=within)]))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_one_that_says_good_bye_is_asked_over_another_connection(method: str, gate: Gate, server: Server) -> None:
    loaded(gate, server.port)
    assert ask(gate, "/first") == 200
    with gate.client() as waiting:
        waiting.send(request("/long"))
        waiting.until(b"ok")
        server.leave(0)
        for _ in range(3):
            assert ask(gate, "/after", method) == 200
    assert len(server.connections) == 2


def test_a_stream_that_is_reset_is_not_asked_for_again(gate: Gate, server: Server) -> None:
    loaded(gate, server.port)
    assert ask(gate, "/first") == 200
    assert ask(gate, "/reset") == 502
    assert server.asked == ["/first", "/reset"]
    assert ask(gate, "/after") == 200, "the connection serves on"


def test_a_connection_that_falls_silent_is_not_used_again(gate: Gate, server: Server) -> None:
    loaded(gate, server.port, first_byte_ms=300)
    assert ask(gate, "/first") == 200
    server.silent = True
    assert ask(gate, "/lost") == 504
    server.silent = False
    until(lambda: ask(gate, "/again") == 200, "another connection")
    assert len(server.connections) >= 2
