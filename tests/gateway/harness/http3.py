"""A client of HTTP/3, datagram by datagram."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aioquic.h3.connection import H3_ALPN, H3Connection, H3Stream
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamReset,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import SessionTicket

from gateway.harness.secure import Reply
from gateway.harness.wire import WITHIN
from support.certificates import Issued

DATAGRAM = 65_536
H3_REQUEST_CANCELLED = 0x10C

Thing = TypeVar("Thing")


class Ended(Exception):  # noqa: N818 - it may be what a test waits for
    """The gate ended the connection."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{code:#x} {words}")
        self.code = code


class Heads(H3Connection):
    """The library, which takes the length in an answer to HEAD for one of a body."""

    def __init__(self, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.heads: set[int] = set()

    def _check_content_length(self, stream: H3Stream) -> None:
        if stream.stream_id not in self.heads:
            super()._check_content_length(stream)


class Http3:
    """A client of HTTP/3; its handshake is over once it is made."""

    def __init__(
        self,
        port: int,
        trust: Path,
        name: str | None = "shop.example",
        *,
        shown: Issued | None = None,
        ticket: SessionTicket | None = None,
        window: int = 2**20,
        source: str = "127.0.0.1",
    ) -> None:
        configuration = QuicConfiguration(
            alpn_protocols=H3_ALPN,
            cafile=str(trust),
            max_data=window,
            max_stream_data=window,
            server_name=name,
            session_ticket=ticket,
            verify_mode=ssl.CERT_REQUIRED if name is not None else ssl.CERT_NONE,
        )
        if shown is not None:
            configuration.load_cert_chain(str(shown.chain), str(shown.key))
        self.name = name
        self.gate = ("127.0.0.1", port)
        self.tickets: list[SessionTicket] = []
        self.quic = QuicConnection(configuration=configuration, session_ticket_handler=self.tickets.append)
        self.replies: dict[int, Reply] = {}
        self.sent: list[bytes] = []
        self.came: list[bytes] = []
        self.ended: Ended | None = None
        self.resumed: bool | None = None
        self.sock = self._socket(source)
        self.quic.connect(self.gate, now=time.monotonic())
        self.flush()
        try:
            self.until(lambda: self.resumed is not None, "the handshake's end")
        except BaseException:
            self.sock.close()
            raise
        self.h3 = Heads(self.quic)
        self.flush()

    @staticmethod
    def _socket(source: str) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((source, 0))
        return made

    def move(self, source: str = "127.0.0.1") -> None:
        """Goes on from another address."""
        self.sock.close()
        self.sock = self._socket(source)

    def flush(self) -> None:
        """Sends what is to be sent."""
        for datagram, _ in self.quic.datagrams_to_send(now=time.monotonic()):
            self.sent.append(datagram)
            self.sock.sendto(datagram, self.gate)

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        *fields: tuple[str, str],
        body: bool = False,
        flush: bool = True,
        **pseudo: str,
    ) -> int:
        """Begins a request; the stream's number."""
        stream = self.quic.get_next_available_stream_id()
        head = {":method": method, ":scheme": "https", ":authority": self.name or "", ":path": path}
        head.update({f":{name}": value for name, value in pseudo.items()})
        told = [(name.encode(), value.encode()) for name, value in [*head.items(), *fields] if value]
        self.replies[stream] = Reply()
        self.h3.send_headers(stream, told, end_stream=not body)
        if method == "HEAD":
            self.h3.heads.add(stream)
        if flush:
            self.flush()
        return stream

    def may_ask(self, count: int) -> bool:
        """Whether the gate takes so many more streams."""
        return self.quic._remote_max_streams_bidi >= self.quic.get_next_available_stream_id() // 4 + count

    def ping_often(self, count: int) -> None:
        """Makes so many PING frames of each."""
        self.fill(lambda builder: builder.start_frame(QuicFrameType.PING, capacity=1), count)

    def fill(self, frame: Callable[[QuicPacketBuilder], object], count: int) -> None:
        """Makes so many other frames of each PING."""

        def write(builder: QuicPacketBuilder, uids: object = (), comment: str = "") -> None:
            del uids, comment
            for _ in range(count):
                frame(builder)

        self.quic._write_ping_frame = write  # type: ignore[method-assign]

    def say(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Sends of a body; the windows are minded beneath."""
        self.h3.send_data(stream, data, end_stream=end)
        self.flush()

    def trail(self, stream: int, *fields: tuple[str, str], end: bool = True) -> None:
        """Ends a body with trailers."""
        told = [(name.encode(), value.encode()) for name, value in fields]
        self.h3.send_headers(stream, told, end_stream=end)
        self.flush()

    def cancel(self, stream: int) -> None:
        """Wants no answer any more."""
        self.quic.reset_stream(stream, H3_REQUEST_CANCELLED)
        self.quic.stop_stream(stream, H3_REQUEST_CANCELLED)
        self.flush()

    def hear(self, within: float = WITHIN) -> None:
        """Takes in what came next, if anything does."""
        timer = self.quic.get_timer()
        now = time.monotonic()
        wait = within if timer is None else min(within, max(timer - now, 0.0))
        self.sock.settimeout(max(wait, 0.001))
        try:
            datagram = self.sock.recv(DATAGRAM)
        except (TimeoutError, ConnectionRefusedError):
            datagram = b""
        now = time.monotonic()
        if datagram:
            self.came.append(datagram)
            self.quic.receive_datagram(datagram, self.gate, now=now)
        timer = self.quic.get_timer()
        if timer is not None and timer <= now:
            self.quic.handle_timer(now=now)
        while (event := self.quic.next_event()) is not None:
            self._take(event)
        self.flush()

    def until(self, look: Callable[[], Thing | None], what: str, within: float = WITHIN) -> Thing:
        """Hears until there is something true."""
        deadline = time.monotonic() + within
        while True:
            found = look()
            if found:
                return found
            if self.ended is not None:
                raise self.ended
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {within:g} s in vain for {what}")
            self.hear(0.1)

    def answer(self, stream: int, within: float = WITHIN) -> Reply:
        """The whole answer."""
        reply = self.replies[stream]
        return self.until(lambda: reply if reply.over or reply.reset is not None else None, "an answer", within)

    def get(self, path: str = "/", *fields: tuple[str, str]) -> Reply:
        """Asks, and gives the answer."""
        return self.answer(self.ask(path, "GET", *fields))

    def end(self, within: float = WITHIN) -> int:
        """Waits until the gate ends the connection; with which code."""
        try:
            self.until(lambda: None, "the connection's end", within)
        except Ended as ended:
            return ended.code
        raise AssertionError

    def _take(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self.resumed = event.session_resumed
        elif isinstance(event, ConnectionTerminated):
            self.ended = Ended(event.error_code, event.reason_phrase)
        elif isinstance(event, StreamReset) and event.stream_id in self.replies:
            self.replies[event.stream_id].reset = event.error_code
        elif isinstance(event, StopSendingReceived):
            return
        if self.resumed is None or not hasattr(self, "h3"):
            return
        for said in self.h3.handle_event(event):
            reply = self.replies.get(getattr(said, "stream_id", -1))
            if reply is None:
                continue
            if isinstance(said, HeadersReceived):
                fields = [(name.decode(), value.decode()) for name, value in said.headers]
                (reply.trailers if reply.headers else reply.headers).extend(fields)
                reply.over = said.stream_ended
            elif isinstance(said, DataReceived):
                reply.body += said.data
                reply.over = said.stream_ended

    def close(self) -> None:
        """Ends the connection."""
        self.quic.close(error_code=QuicErrorCode.NO_ERROR)
        self.flush()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
