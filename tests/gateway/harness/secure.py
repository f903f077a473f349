"""Clients over TLS: HTTP/1.1 on a `Wire`, and HTTP/2 frame by frame."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from gateway.harness.wire import WITHIN, Headers, Wire
from support.certificates import Issued

FRAME_HEAD = 9
GOAWAY = 7


def context(
    trust: Path,
    *,
    protocols: tuple[str, ...] = ("http/1.1",),
    shown: Issued | None = None,
    only: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    """How a client shakes hands."""
    made = ssl.create_default_context(cafile=str(trust))
    made.set_alpn_protocols(list(protocols))
    if shown is not None:
        made.load_cert_chain(shown.chain, shown.key)
    if only is not None:
        made.minimum_version = made.maximum_version = only
    return made


def connect(
    port: int,
    how: ssl.SSLContext,
    name: str | None = "shop.example",
    session: ssl.SSLSession | None = None,
) -> ssl.SSLSocket:
    """Shakes hands; `name` is asked for and has to be proved."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=WITHIN)
    try:
        return how.wrap_socket(raw, server_hostname=name, session=session)
    except BaseException:
        raw.close()
        raise


def secure(port: int, how: ssl.SSLContext, name: str = "shop.example") -> Wire:
    """HTTP/1.1 over TLS."""
    return Wire(connect(port, how, name))


@dataclass
class Reply:
    """An answer on a stream."""

    headers: Headers = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    over: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        """Its status."""
        return int(dict(self.headers)[":status"])

    def get(self, name: str) -> str | None:
        """A field's value."""
        return dict(self.headers).get(name)


class Http2:
    """A client of HTTP/2."""

    def __init__(self, port: int, trust: Path, name: str = "shop.example", *, shown: Issued | None = None) -> None:
        how = context(trust, protocols=("h2",), shown=shown)
        self.sock = connect(port, how, name)
        self.name = name
        config = h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.replies: dict[int, Reply] = {}
        self.ended: int | None = None
        self.closed = False
        self._part = b""
        self.flush()

    def flush(self) -> None:
        """Sends what is to be sent."""
        self.sock.sendall(self.h2.data_to_send())

    def ask(
        self, path: str = "/", method: str = "GET", *fields: tuple[str, str], body: bool = False, **pseudo: str
    ) -> int:
        """Begins a request; the stream's number."""
        stream = self.h2.get_next_available_stream_id()
        head = {":method": method, ":scheme": "https", ":authority": self.name, ":path": path}
        head.update({f":{name}": value for name, value in pseudo.items()})
        told = [(name, value) for name, value in head.items() if value]
        self.replies[stream] = Reply()
        self.h2.send_headers(stream, [*told, *fields], end_stream=not body)
        self.flush()
        return stream

    def say(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Sends of a body, as the window lets it."""
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            piece, data = data[:room], data[room:]
            if piece or not data:
                self.h2.send_data(stream, piece, end_stream=end and not data)
                self.flush()
            if not data:
                return
            if not room:
                self.hear()

    def cancel(self, stream: int) -> None:
        """Wants no answer any more."""
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self.flush()

    def hear(self, within: float = WITHIN) -> None:
        """Reads once, and takes in what came."""
        self.sock.settimeout(within)
        try:
            came = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            came = b""
        if not came:
            self.closed = True
            return
        for event in self.h2.receive_data(self._frames(came)):
            self._take(event)
        try:
            self.flush()
        except OSError:
            self.closed = True

    def _frames(self, came: bytes) -> bytes:
        """Whole frames, but for GOAWAY: to the library all is over with it, and streams may go on (RFC 9113, 6.8)."""
        self._part += came
        whole = b""
        while len(self._part) >= FRAME_HEAD:
            length = FRAME_HEAD + int.from_bytes(self._part[:3], "big")
            if len(self._part) < length:
                break
            frame, self._part = self._part[:length], self._part[length:]
            if frame[3] == GOAWAY:
                self.ended = int.from_bytes(frame[13:17], "big")
            else:
                whole += frame
        return whole

    def answer(self, stream: int, within: float = WITHIN) -> Reply:
        """The whole answer, or what came of it."""
        by = time.monotonic() + within
        reply = self.replies[stream]
        while not reply.over and reply.reset is None and not self.closed:
            self.hear(max(0.01, by - time.monotonic()))
        return reply

    def get(self, path: str = "/", *fields: tuple[str, str]) -> Reply:
        """Asks and waits."""
        return self.answer(self.ask(path, "GET", *fields))

    def until_closed(self, within: float = WITHIN) -> None:
        """Reads until the other end closes."""
        by = time.monotonic() + within
        while not self.closed:
            self.hear(max(0.01, by - time.monotonic()))

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.replies[event.stream_id].headers = _texts(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            reply = self.replies[event.stream_id]
            reply.body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self.replies[event.stream_id].trailers = _texts(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            self.replies[event.stream_id].over = True
        elif isinstance(event, h2.events.StreamReset):
            self.replies[event.stream_id].reset = int(event.error_code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()


def _texts(fields: Iterable[tuple[str | bytes, str | bytes]]) -> Headers:
    return [(str(name), str(value)) for name, value in fields]
