"""A socket read by a deadline, and HTTP/1.1 messages as they stand on it.

The reader here is strict and simple on purpose: what the gate writes must be
understood without any kindness.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WITHIN = 20.0
"""Seconds that any single look at a socket may take; far beyond what is expected."""

IP_BIND_ADDRESS_NO_PORT = 24
"""Of `linux/in.h`; the `socket` module has it from Python 3.12 on."""

Headers = list[tuple[str, str]]


class Closed(Exception):  # noqa: N818 -- It is no error of the test; tests expect it.
    """The other end closed before what was waited for came; `got` is what came instead."""

    def __init__(self, got: bytes) -> None:
        super().__init__(f"closed after {got!r}")
        self.got = got


@dataclass
class Message:
    """A message: its first line, its fields in order, its content."""

    first: str
    headers: Headers
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    head: bytes = b""
    """The head exactly as it came."""
    interim: list[Message] = field(default_factory=list)
    """1xx answers that came before."""

    def all(self, name: str) -> list[str]:
        """Values of every field of this name."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The one value of the field; None if it is not there."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} stands there {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def names(self) -> list[str]:
        """Names of the fields in lower case."""
        return [name.lower() for name, _ in self.headers]

    @property
    def status(self) -> int:
        """Status of an answer."""
        version, status, *_ = self.first.split(" ")
        if version not in {"HTTP/1.1", "HTTP/1.0"}:
            raise AssertionError(f"not an HTTP/1 answer: {self.first!r}")
        return int(status)

    @property
    def method(self) -> str:
        """Method of a request."""
        return self.first.split(" ")[0]

    @property
    def target(self) -> str:
        """Target of a request."""
        return self.first.split(" ")[1]

    @property
    def problem(self) -> dict[str, Any]:
        """The refusal that the answer tells."""
        if self.get("content-type") != "application/problem+json":
            raise AssertionError(f"no problem+json: {self.head!r} {self.body[:200]!r}")
        return dict(json.loads(self.body))

    @property
    def reason(self) -> str:
        """The reason code of a refusal."""
        told = self.problem
        if told["status"] != self.status:
            raise AssertionError(f"the body says {told['status']}, the status line {self.status}")
        return str(told["reason"])

    @property
    def id(self) -> str:
        """The request's id."""
        told = self.get("x-request-id")
        if told is None:
            raise AssertionError(f"no x-request-id: {self.head!r}")
        return told


def parse_head(head: bytes) -> Message:
    """Reads a head that ends with its empty line; every line must be as RFC 9112 says."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return Message(first.decode("latin-1"), fields(lines), head=head)


def fields(lines: list[bytes]) -> Headers:
    """Fields, one a line."""
    found: Headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or b"\n" in line or b"\r" in line:
            raise AssertionError(f"not a header line: {line!r}")
        found.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return found


class Wire:
    """One end of a connection, read by deadlines."""

    def __init__(self, sock: socket.socket) -> None:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.inbox = b""

    @property
    def local(self) -> tuple[str, int]:
        """Address and port of this end."""
        name = self.sock.getsockname()
        return str(name[0]), int(name[1])

    def send(self, *parts: bytes) -> None:
        """Sends all of it in one piece."""
        self.sock.settimeout(WITHIN)
        self.sock.sendall(b"".join(parts))

    def finish(self) -> None:
        """Says that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes."""
        self.sock.close()

    def reset(self) -> None:
        """Closes with RST in place of FIN, as a program that was killed does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def until(self, end: bytes, within: float = WITHIN) -> bytes:
        """Everything up to and including `end`."""
        by = time.monotonic() + within
        while end not in self.inbox:
            self._more(by)
        got, self.inbox = self.inbox.split(end, 1)
        return got + end

    def exactly(self, count: int, within: float = WITHIN) -> bytes:
        """So many bytes."""
        by = time.monotonic() + within
        while len(self.inbox) < count:
            self._more(by)
        got, self.inbox = self.inbox[:count], self.inbox[count:]
        return got

    def rest(self, within: float = WITHIN) -> bytes:
        """Everything until the other end closes."""
        by = time.monotonic() + within
        try:
            while True:
                self._more(by)
        except Closed as closed:
            self.inbox = b""
            return closed.got

    def silent(self) -> bool:
        """Whether nothing has come, and the connection stands, as of now."""
        # Not select(): it takes no descriptor above 1,023.
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not self.inbox and not poll.poll(0)

    def message(self, *, bodiless: bool = False, within: float = WITHIN) -> Message:
        """The next whole message."""
        message = parse_head(self.until(b"\r\n\r\n", within))
        answer = message.first.startswith("HTTP/")
        if answer and 100 <= message.status < 200:
            final = self.message(bodiless=bodiless, within=within)
            final.interim.insert(0, message)
            return final
        if bodiless or (answer and message.status in {204, 304}):
            return message
        if message.get("transfer-encoding") is not None:
            message.body, message.trailers = self._chunked(within)
        elif (length := message.get("content-length")) is not None:
            message.body = self.exactly(int(length), within)
        elif answer:
            message.body = self.rest(within)
        return message

    def chunk(self, within: float = WITHIN) -> bytes:
        """The next chunk's data; empty for the last one, whose trailers are still to come."""
        size = int(self.until(b"\r\n", within).removesuffix(b"\r\n"), 16)
        if size == 0:
            return b""
        data = self.exactly(size, within)
        if self.exactly(2, within) != b"\r\n":
            raise AssertionError("a chunk does not end with CRLF")
        return data

    def _chunked(self, within: float) -> tuple[bytes, Headers]:
        body = b"".join(iter(lambda: self.chunk(within), b""))
        lines: list[bytes] = []
        while (line := self.until(b"\r\n", within).removesuffix(b"\r\n")) != b"":
            lines.append(line)
        return body, fields(lines)

    def _more(self, by: float) -> None:
        left = by - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"waited in vain; so far: {self.inbox[:2000]!r}")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(256 * 1024)
        except ConnectionResetError as error:
            raise Closed(self.inbox) from error
        except TimeoutError as error:
            raise TimeoutError(f"waited in vain; so far: {self.inbox[:2000]!r}") from error
        if not data:
            raise Closed(self.inbox)
        self.inbox += data


class Client(Wire):
    """A client of the gate."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", host: str = "127.0.0.1", receive: int = 0) -> None:
        sock = socket.socket(family(host), socket.SOCK_STREAM)
        if receive:
            # Before connecting, so that the window never grows beyond it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        sock.settimeout(WITHIN)
        if sys.platform == "linux":
            # The port is chosen when connecting: one that waits out an older connection elsewhere serves too.
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        try:
            sock.bind((source, 0))
            sock.connect((host, port))
        except OSError:
            sock.close()
            raise
        super().__init__(sock)

    @classmethod
    def at(cls, path: Path) -> Self:
        """A client that comes over a Unix socket."""
        client = cls.__new__(cls)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(WITHIN)
        try:
            sock.connect(str(path))
        except OSError:
            sock.close()
            raise
        Wire.__init__(client, sock)
        return client

    def get(self, path: str = "/", *headers: str, host: str = "a.example", method: str = "GET") -> Message:
        """Sends a request without a body and gives its answer."""
        self.send(request(path, *headers, host=host, method=method))
        return self.message(bodiless=method == "HEAD")

    def ended(self, within: float = WITHIN) -> bool:
        """Whether the gate closes without another byte."""
        rest = self.rest(within)
        if rest:
            raise AssertionError(f"more came before the end: {rest[:500]!r}")
        return True


def family(host: str) -> socket.AddressFamily:
    """Of an address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def request(path: str = "/", *headers: str, host: str = "a.example", method: str = "GET", body: bytes = b"") -> bytes:
    """A request's bytes; the body's length is told if there is one."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answer(body: bytes = b"ok", *headers: str, status: str = "200 OK") -> bytes:
    """An answer's bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes, trailers: str = "") -> bytes:
    """A chunked body, one chunk a piece."""
    coded = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return coded + b"0\r\n" + trailers.encode("latin-1") + b"\r\n"
