"""Connections to the admin API over real sockets: who only holds on is let go, who asks is answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lockgate.admin import connections
from lockgate.admin.api.guard import BODY_BYTES, Guard
from lockgate.admin.control import Counters
from lockgate.admin.listen import bind, name_of
from support.waiting import until

TOKEN = "lgadm_" + "x" * 43
FOREVER = 3600.0
SOON = 0.5
LARGE = 16 * 2**20
"""More than any pair of socket buffers holds."""


class Api:
    """The admin API's server in a thread, with resources that a test needs."""

    def __init__(self, listener: socket.socket) -> None:
        self.counters = Counters()
        self.address = name_of(listener)
        routes = [
            Route("/read", self._read, methods=["GET", "POST"]),
            Route("/ignore", self._ignore, methods=["GET", "POST"]),
            Route("/large", self._large),
        ]
        guard = Guard(Starlette(routes=routes), token=TOKEN, address=self.address, counters=self.counters)
        self.server = connections.Server(connections.config(guard, self.counters))
        self._listener = listener

    def run(self) -> None:
        asyncio.run(self.server.serve(sockets=[self._listener]))

    @property
    def open(self) -> int:
        return len(self.server.server_state.connections)

    def connect(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=20)

    def head(self, method: str, path: str, *fields: str, token: str = TOKEN) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address}", f"Authorization: Bearer {token}", *fields]
        return "\r\n".join([*lines, "", ""]).encode()

    @staticmethod
    async def _read(request: Request) -> Response:
        return PlainTextResponse(f"read {len(await request.body())}\n")

    @staticmethod
    async def _ignore(_request: Request) -> Response:
        return PlainTextResponse("ignored\n")

    @staticmethod
    async def _large(_request: Request) -> Response:
        return Response(bytes(LARGE))


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Limits for one test; what it does not name is not reached."""

    def limits(**given: float) -> None:
        for name in ("HEAD_SECONDS", "BODY_SECONDS", "IDLE_SECONDS", "WRITE_SECONDS", "CONNECTIONS"):
            monkeypatch.setattr(connections, name, given.get(name, FOREVER))

    limits()
    return limits


@pytest.fixture
def api(limits: Callable[..., None]) -> Iterator[Api]:
    with bind("127.0.0.1:0") as listener:
        api = Api(listener)
        thread = threading.Thread(target=api.run)
        thread.start()
        until(lambda: api.server.started, "the server")
        try:
            yield api
        finally:
            api.server.should_exit = api.server.force_exit = True
            thread.join()


def all_of(client: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            got += piece
    return got


def answer_of(client: socket.socket) -> bytes:
    """One answer of the resources here; each ends in a line's end that no head holds alone."""
    got = b""
    while not got.endswith(b"\n") or got.endswith(b"\r\n"):
        piece = client.recv(65536)
        assert piece, got
        got += piece
    return got


def send_until_cut(client: socket.socket, piece: bytes, most: int) -> int:
    """Send again and again; how much went out before the server ended the connection."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < most:
            client.sendall(piece)
            sent += len(piece)
    return sent


def drip_until_cut(client: socket.socket, *, within: float = 20.0) -> None:
    """Send a byte of a header now and then; returns once the server has ended the connection."""
    client.settimeout(0.05)
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            client.sendall(b"x")
            if client.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except ConnectionError:
            return
    raise AssertionError("the connection is open still")


def test_a_head_has_its_time_however_it_drips(api: Api, limits: Callable[..., None]) -> None:
    limits(HEAD_SECONDS=SOON)
    with api.connect() as client:
        client.sendall(b"GET /read HTTP/1.1\r\nX-A: ")
        drip_until_cut(client)
    assert api.counters.refused_requests == {"admin-too-slow": 1}


def test_a_connection_that_says_nothing_has_no_more(api: Api, limits: Callable[..., None]) -> None:
    limits(HEAD_SECONDS=SOON)
    with api.connect() as client:
        assert all_of(client) == b""


def test_the_next_head_has_its_time_too(api: Api, limits: Callable[..., None]) -> None:
    limits(HEAD_SECONDS=SOON)
    with api.connect() as client:
        client.sendall(api.head("GET", "/read"))
        assert b"read 0" in answer_of(client)
        client.sendall(b"GET /read HTTP/1.1\r\nX-A: ")
        drip_until_cut(client)


def test_an_answer_takes_the_time_that_it_takes(api: Api, limits: Callable[..., None]) -> None:
    limits(HEAD_SECONDS=SOON, BODY_SECONDS=FOREVER)
    with api.connect() as client:
        client.sendall(api.head("POST", "/read", "Content-Length: 1"))
        time.sleep(2 * SOON)  # sleep: the time that heads are given has to pass while a body is awaited.
        client.sendall(b"x")
        assert b"read 1" in answer_of(client)


def test_a_body_has_its_time(api: Api, limits: Callable[..., None]) -> None:
    limits(BODY_SECONDS=SOON)
    with api.connect() as client:
        client.sendall(api.head("POST", "/read", "Content-Length: 1000000"))
        drip_until_cut(client)
    assert api.counters.refused_requests == {"admin-too-slow": 1}


def test_half_heads_make_room_for_who_asks(api: Api, limits: Callable[..., None]) -> None:
    limits(CONNECTIONS=8)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(api.connect()).sendall(b"GET / HTTP/1.1\r\nX-A: ")
        until(lambda: api.counters.refused_requests.get("admin-connections", 0) >= 92, "92 that were cut")
        until(lambda: api.open <= 8, "the end of those")
        for _ in range(20):
            with api.connect() as client:
                client.sendall(api.head("GET", "/read", "Connection: close"))
                assert b"read 0" in all_of(client)


def test_what_is_being_answered_makes_no_room(api: Api, limits: Callable[..., None]) -> None:
    limits(CONNECTIONS=8)
    with api.connect() as asking, contextlib.ExitStack() as stack:
        asking.sendall(api.head("POST", "/read", "Content-Length: 4"))
        until(lambda: api.open == 1, "a connection")
        for _ in range(50):
            stack.enter_context(api.connect()).sendall(b"GET / HTTP/1.1\r\nX-A: ")
        until(lambda: api.counters.refused_requests.get("admin-connections", 0) >= 43, "43 that were cut")
        asking.sendall(b"body")
        assert b"read 4" in answer_of(asking)


def test_who_takes_no_answer_is_let_go(api: Api, limits: Callable[..., None]) -> None:
    limits(WRITE_SECONDS=SOON)
    with api.connect() as client:
        client.sendall(api.head("GET", "/large"))
        until(lambda: api.counters.refused_requests.get("admin-too-slow"), "the connection's end")
        assert len(all_of(client)) < LARGE


def test_who_takes_no_answer_makes_room(api: Api, limits: Callable[..., None]) -> None:
    limits(CONNECTIONS=4)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(api.connect()).sendall(api.head("GET", "/large"))
        with api.connect() as client:
            client.sendall(api.head("GET", "/read", "Connection: close"))
            assert b"read 0" in all_of(client)


@pytest.mark.parametrize(
    "framing", ["Content-Length: 100000000000", "Content-Length: 4000000", "Transfer-Encoding: chunked"]
)
@pytest.mark.parametrize("expect", ["X-None: 1", "Expect: 100-continue"])
def test_without_the_credential_no_body_is_read(api: Api, framing: str, expect: str) -> None:
    with api.connect() as client:
        client.sendall(api.head("POST", "/read", framing, expect, token="wrong"))
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 401 ")
        sent = send_until_cut(client, b"10000\r\n" + bytes(0x10000) + b"\r\n", most=2 * LARGE)
        assert sent < LARGE
    until(lambda: api.open == 0, "the connection's end")


def test_the_answer_arrives_though_the_body_is_under_way(api: Api) -> None:
    with api.connect() as client:
        client.sendall(api.head("POST", "/read", "Content-Length: 300000", token="wrong") + bytes(300_000))
        assert all_of(client).startswith(b"HTTP/1.1 401 ")


def test_a_body_that_nobody_reads_ends_the_connection(api: Api) -> None:
    with api.connect() as client:
        client.sendall(api.head("POST", "/ignore", "Content-Length: 5"))
        assert all_of(client).endswith(b"ignored\n")


def test_a_length_beyond_the_limit_is_refused_before_the_body(api: Api) -> None:
    with api.connect() as client:
        client.sendall(api.head("POST", "/read", f"Content-Length: {BODY_BYTES + 1}", "Expect: 100-continue"))
        assert all_of(client).startswith(b"HTTP/1.1 413 ")


def test_chunks_without_an_end_are_refused(api: Api) -> None:
    with api.connect() as client:
        client.sendall(api.head("POST", "/read", "Transfer-Encoding: chunked"))
        sent = send_until_cut(client, b"10000\r\n" + bytes(0x10000) + b"\r\n", most=4 * LARGE)
        assert BODY_BYTES <= sent < BODY_BYTES + LARGE
        assert b" 413 " in all_of(client)
    assert api.counters.refused_requests == {"admin-body-too-large": 1}


def test_requests_in_a_row_are_answered_in_order(api: Api) -> None:
    with api.connect() as client:
        requests = [
            api.head("POST", "/read", "Content-Length: 3") + b"abc",
            api.head("GET", "/read"),
            api.head("POST", "/read", "Transfer-Encoding: chunked") + b"5\r\nabcde\r\n0\r\n\r\n",
            api.head("GET", "/read", "Connection: close"),
        ]
        client.sendall(b"".join(requests))
        answers = all_of(client)
        assert [line for line in answers.split(b"\n") if line.startswith(b"read")] == [
            b"read 3",
            b"read 0",
            b"read 5",
            b"read 0",
        ]


def test_a_head_has_its_size(api: Api) -> None:
    with api.connect() as client:
        sent = send_until_cut(client, b"GET /read HTTP/1.1\r\nX-A: " + b"a" * 70_000, most=70_000)
        assert sent
        assert all_of(client).startswith(b"HTTP/1.1 4")


def test_made_up_methods_are_counted_as_one() -> None:
    counters = Counters()
    for number in range(100):
        counters.answered(f"M{number}", 401)
    counters.answered("GET", 200)
    assert counters.requests == {("OTHER", 401): 100, ("GET", 200): 1}
