"""WebSockets over HTTP/2 (RFC 8441), on either side: the same handshake, bounds and ends as over HTTP/1.1."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2, Reply, context
from gateway.harness.talks import Server
from gateway.harness.tokens import Tokens
from gateway.harness.upstream import AutoUpstream
from lockgate.config.bundle_types import Bundle, PlacedWebsocket, WebsocketConfig
from support.certificates import Authority
from support.waiting import until

CONNECT_PROTOCOL = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
VERSION = ("sec-websocket-version", "13")


def bounds(**more: Any) -> PlacedWebsocket:
    """What may pass, in its place."""
    usual = {"origins": [], "frame_bytes": 1 << 20, "message_bytes": 1 << 20, "messages": 0, "idle_ms": 60_000}
    config: WebsocketConfig = {**usual, **more}  # type: ignore[typeddict-item]
    return {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(38), "config": config}


class Web:
    """A WebSocket over a stream, its frames by a library."""

    def __init__(self, client: Http2, path: str = "/talk", *fields: tuple[str, str]) -> None:
        self.client = client
        self.frames = Protocol(CLIENT)
        self.stream = client.ask(path, "CONNECT", VERSION, *fields, body=True, protocol="websocket")
        self.taken = 0

    @property
    def reply(self) -> Reply:
        """The head of the answer, once it is there."""
        reply = self.client.replies[self.stream]
        while not reply.headers and reply.reset is None and not self.client.closed:
            self.client.hear()
        return reply

    def say(self, message: bytes | str) -> None:
        """Sends a message."""
        if isinstance(message, str):
            self.frames.send_text(message.encode())
        else:
            self.frames.send_binary(message)
        self.flush()

    def flush(self) -> None:
        """Sends what the library has to say."""
        for piece in self.frames.data_to_send():
            if piece:
                self.client.say(self.stream, piece)

    def hear(self) -> Frame:
        """The next frame."""
        while True:
            for event in self.frames.events_received():
                assert isinstance(event, Frame)
                return event
            reply = self.reply
            while len(reply.body) == self.taken:
                assert not reply.over, "the stream ended"
                assert reply.reset is None, "the stream was reset"
                self.client.hear()
            came, self.taken = reply.body[self.taken :], len(reply.body)
            self.frames.receive_data(came)

    def whole(self) -> bytes:
        """The next message."""
        frame = self.hear()
        message = bytes(frame.data)
        while not frame.fin:
            frame = self.hear()
            message += bytes(frame.data)
        return message

    def closes(self) -> tuple[int | None, str | None]:
        """How the other end closes."""
        while True:
            if self.hear().opcode is Opcode.CLOSE:
                told = self.frames.close_rcvd
                assert told is not None
                return told.code, told.reason


class Talks:
    """A server of WebSockets over HTTP/2 by prior knowledge, that says what it hears; `taking` says that it does."""

    def __init__(self, *, taking: bool = True, grants: tuple[tuple[str, str], ...] = ((":status", "200"),)) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.asked: list[dict[str, str]] = []
        self.closed: list[int | None] = []
        self.connections = 0
        self._taking, self._grants = taking, grants
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        spoken = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        if self._taking:
            told = {CONNECT_PROTOCOL: 1, h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100}
            spoken.local_settings = h2.settings.Settings(client=False, initial_values=told)
        spoken.initiate_connection()
        talks: dict[int, Protocol] = {}
        with contextlib.suppress(OSError), sock:
            sock.sendall(spoken.data_to_send())
            while came := sock.recv(65536):
                for event in spoken.receive_data(came):
                    if isinstance(event, h2.events.RequestReceived):
                        head = {str(name): str(value) for name, value in event.headers}
                        self.asked.append(head)
                        tunnel = head[":method"] == "CONNECT"
                        spoken.send_headers(event.stream_id, list(self._grants), end_stream=not tunnel)
                        talks[event.stream_id] = Protocol(SERVER)
                    elif isinstance(event, h2.events.DataReceived):
                        spoken.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        self._talk(spoken, event.stream_id, talks[event.stream_id], event.data)
                sock.sendall(spoken.data_to_send())

    def _talk(self, spoken: h2.connection.H2Connection, stream: int, talk: Protocol, data: bytes) -> None:
        talk.receive_data(data)
        for event in talk.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.CLOSE:
                self.closed.append(None if talk.close_rcvd is None else talk.close_rcvd.code)
            elif event.opcode is Opcode.TEXT:
                talk.send_text(bytes(event.data))
        for piece in talk.data_to_send():
            # Nothing stands for the end: it is the server that ends it (RFC 6455 section 7.1.1).
            spoken.send_data(stream, piece, end_stream=not piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    """An upstream of HTTP/1.1."""
    with Server() as running:
        yield running


def taking(
    authority: Authority, port: int, placed: PlacedWebsocket | None, protocol: Any = "http/1.1", **more: Any
) -> Bundle:
    """An API that takes WebSockets, over TLS."""
    listener = bundles.listener(tls=bundles.tls(authority.issue("gate", "shop.example")))
    upstream = bundles.upstream(port, protocol=protocol)
    return bundles.bundle([bundles.api(sockets=placed, **more)], [upstream], listeners=[listener])


def test_messages_go_both_ways(gate: Gate, authority: Authority, server: Server) -> None:
    gate.load(taking(authority, server.port, bounds()))
    with Http2(gate.port(), authority.pem) as client:
        web = Web(client, "/talk", ("sec-websocket-protocol", "chat"))
        assert web.reply.status == 200
        assert web.reply.get("sec-websocket-protocol") == "chat"
        assert web.reply.get("sec-websocket-accept") is None
        assert web.reply.get("x-request-id")
        for message in ("hello", "ä" * 10_000, ""):
            web.say(message)
            assert web.whole() == message.encode()
        web.say(b"\x00\xff" * 100_000)
        assert web.whole() == b"\x00\xff" * 100_000
        beside = client.get("/talk")
        assert beside.status == 426, "other streams of the connection are served meanwhile"
        web.frames.send_close(1000)
        web.flush()
        assert web.closes() == (1000, "")
        assert client.answer(web.stream).over
    until(lambda: server.closed, "the server to hear of it")
    assert server.closed == [1000]
    [event] = gate.written(path="/talk", status=101)
    assert event.get("reason") is None
    assert event["bytes_in"] > 200_000
    assert server.fields[0]["x-request-id"] == event["id"]


def test_many_share_a_connection(gate: Gate, authority: Authority, server: Server) -> None:
    gate.load(taking(authority, server.port, bounds()))
    with Http2(gate.port(), authority.pem) as client:
        webs = [Web(client) for _ in range(20)]
        for number, web in enumerate(webs):
            web.say(f"{number}")
        assert [web.whole() for web in reversed(webs)] == [f"{number}".encode() for number in reversed(range(20))]
        assert gate.count("lockgate_connections") == 1


def test_it_is_offered_only_where_an_api_takes_them(gate: Gate, authority: Authority, server: Server) -> None:
    gate.load(taking(authority, server.port, None))
    with Http2(gate.port(), authority.pem) as client:
        assert client.get("/talk").status == 426
        assert client.h2.remote_settings.enable_connect_protocol == 0
    gate.load(taking(authority, server.port, bounds()))
    with Http2(gate.port(), authority.pem) as client:
        assert client.get("/talk").status == 426
        assert client.h2.remote_settings.enable_connect_protocol == 1


@pytest.mark.parametrize(
    ("method", "fields", "pseudo", "status", "reason"),
    [
        ("CONNECT", [("sec-websocket-version", "8")], {"protocol": "websocket"}, 426, "websocket-version"),
        ("CONNECT", [], {"protocol": "websocket"}, 426, "websocket-version"),
        ("CONNECT", [VERSION, ("origin", "https://evil.example")], {"protocol": "websocket"}, 403, "websocket-origin"),
        ("CONNECT", [VERSION], {"protocol": "connect-udp"}, 501, "http2-connect-unsupported"),
        ("CONNECT", [VERSION], {"protocol": "websocket", "path": "/none"}, 403, "websocket-not-taken"),
    ],
)
def test_what_is_refused(
    method: str,
    fields: list[tuple[str, str]],
    pseudo: dict[str, str],
    status: int,
    reason: str,
    gate: Gate,
    authority: Authority,
    server: Server,
) -> None:
    bundle = taking(authority, server.port, bounds())
    bundle["apis"].append(bundles.api("none", "/none"))
    gate.load(bundle)
    with Http2(gate.port(), authority.pem) as client:
        stream = client.ask(pseudo.pop("path", "/talk"), method, *fields, body=True, **pseudo)
        reply = client.answer(stream)
    assert reply.status == status
    assert f'"reason":"{reason}"'.encode() in reply.body
    assert not server.fields


def test_plain_connect_is_none(gate: Gate, authority: Authority, server: Server) -> None:
    gate.load(taking(authority, server.port, bounds()))
    with Http2(gate.port(), authority.pem) as client:
        stream = client.h2.get_next_available_stream_id()
        client.replies[stream] = Reply()
        client.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", "shop.example:443")])
        client.flush()
        reply = client.answer(stream)
        assert reply.status == 501
        assert b"http2-connect-unsupported" in reply.body
        assert client.get("/talk").status == 426


def test_an_upstream_that_grants_none_opens_none(gate: Gate, authority: Authority) -> None:
    """Its 200 would say to a client of HTTP/2 that there is a tunnel."""
    with AutoUpstream() as auto:
        gate.load(taking(authority, auto.port, bounds()))
        with Http2(gate.port(), authority.pem) as client:
            reply = client.answer(Web(client).stream)
    assert reply.status == 502
    assert b"upstream-websocket-upgrade" in reply.body


@pytest.mark.parametrize(
    ("config", "message", "code", "reason"),
    [
        ({"frame_bytes": 1000}, b"x" * 1001, 1009, "websocket-frame-too-large"),
        ({"messages": 1}, None, 1008, "websocket-too-many-messages"),
        ({"idle_ms": 1000}, b"once", 1001, "websocket-idle"),
    ],
)
def test_bounds_hold(
    config: dict[str, Any],
    message: bytes | None,
    code: int,
    reason: str,
    gate: Gate,
    authority: Authority,
    server: Server,
) -> None:
    gate.load(taking(authority, server.port, bounds(**config)))
    with Http2(gate.port(), authority.pem) as client:
        web = Web(client)
        for _ in range(1 if message else 20):
            web.say(message or "again")
        assert web.closes() == (code, reason)
        assert client.answer(web.stream).over
        assert not client.closed, "the connection serves on"
    assert gate.written(path="/talk", reason=reason)


def test_a_revoked_key_ends_what_it_opened(gate: Gate, authority: Authority, server: Server) -> None:
    gate.load(taking(authority, server.port, bounds(), keys=[bundles.api_key()]))
    sequence = int(gate.tell("facts_seq"))
    key = gate.key(sequence + 1, "key_ws2")
    with Http2(gate.port(), authority.pem) as client:
        assert Web(client).reply.status == 401
        web = Web(client, "/talk", ("x-api-key", key))
        web.say("in")
        assert web.whole() == b"in"
        gate.facts({"seq": sequence + 2, "kind": "key.revoke", "id": "key_ws2", "at_ms": 1})
        assert web.closes() == (1008, "websocket-ended")


def test_a_token_that_expires_ends_what_it_opened(gate: Gate, authority: Authority, server: Server) -> None:
    tokens = Tokens()
    gate.load(tokens.add_to(taking(authority, server.port, bounds(), keys=[bundles.jwt(tokens.name)])))
    tokens.publish(gate)
    soon = int(time.time()) + 3
    with Http2(gate.port(), authority.pem) as client:
        other = Web(client, "/talk", ("authorization", tokens.bearer(soon + 600)))
        web = Web(client, "/talk", ("authorization", tokens.bearer(soon)))
        web.say("in")
        assert web.whole() == b"in"
        assert web.closes() == (1008, "websocket-ended")
        assert time.time() >= soon, "it was good until then"
        assert client.answer(web.stream).over
        other.say("still in")
        assert other.whole() == b"still in"
        assert Web(client, "/talk", ("authorization", tokens.bearer(soon))).reply.status == 401
    assert gate.written(path="/talk", reason="websocket-ended")


def test_a_stream_that_is_reset_ends_at_the_upstream(gate: Gate, authority: Authority, server: Server) -> None:
    gate.load(taking(authority, server.port, bounds()))
    with Http2(gate.port(), authority.pem) as client:
        web = Web(client)
        web.say("in")
        assert web.whole() == b"in"
        client.h2.reset_stream(web.stream, 8)
        client.flush()
        until(lambda: server.closed, "the server to hear of it")
    assert server.closed == [1001]
    assert gate.written(path="/talk", reason="client-gone")


def test_over_http2_to_the_upstream(gate: Gate, authority: Authority) -> None:
    with Talks() as talks:
        gate.load(taking(authority, talks.port, bounds(), "h2"))
        with Http2(gate.port(), authority.pem) as client:
            webs = []
            for _ in range(3):
                web = Web(client)
                webs.append(web)
                assert web.reply.status == 200
                for _ in range(50):
                    web.say("x" * 10_000)
                    assert web.whole() == b"x" * 10_000
            webs[0].frames.send_close(1000)
            webs[0].flush()
            assert webs[0].closes() == (1000, "")
        assert talks.connections == 1
        assert talks.closed[0] == 1000
    asked = talks.asked[0]
    assert (asked[":method"], asked[":protocol"], asked[":path"]) == ("CONNECT", "websocket", "/talk")
    assert asked["sec-websocket-version"] == "13"
    assert not {"sec-websocket-key", "upgrade", "connection"} & set(asked)


def test_from_http_11_to_http_2(gate: Gate, authority: Authority) -> None:
    with Talks() as talks:
        gate.load(taking(authority, talks.port, bounds(), "h2"))
        where: dict[str, Any] = {"host": "127.0.0.1", "port": gate.port(), "ssl": context(authority.pem)}

        async def talk() -> None:
            async with connect("wss://shop.example/talk", proxy=None, compression=None, **where) as web:
                await web.send("hello")
                assert await web.recv() == "hello"
            assert web.close_code == 1000

        asyncio.run(talk())


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ({"taking": False}, 502, "upstream-no-websocket"),
        ({"grants": ((":status", "200"), ("sec-websocket-protocol", "unasked"))}, 502, "upstream-websocket-choice"),
    ],
)
def test_an_upstream_that_does_not_take_them(
    how: dict[str, Any], status: int, reason: str, gate: Gate, authority: Authority
) -> None:
    with Talks(**how) as talks:
        gate.load(taking(authority, talks.port, bounds(), "h2"))
        with Http2(gate.port(), authority.pem) as client:
            for _ in range(2):
                reply = client.answer(Web(client).stream)
                assert reply.status == status
                assert reason.encode() in reply.body
