"""Upstreams: one whose every byte the test says itself, and one that answers alone."""

from __future__ import annotations

import select
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway.harness.wire import WITHIN, Message, Wire, family, parse_head


class Upstream:
    """A listening socket; the test accepts, reads and answers."""

    def __init__(self, host: str = "127.0.0.1", receive: int = 0) -> None:
        self._socket = socket.socket(family(host), socket.SOCK_STREAM)
        if receive:
            # Inherited by what is accepted.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        try:
            self._socket.bind((host, 0))
        except OSError:
            self._socket.close()
            raise
        self._socket.listen(128)
        self._accepted: list[Wire] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def accept(self, within: float = WITHIN) -> Wire:
        """The next connection."""
        self._socket.settimeout(within)
        connection = Wire(self._socket.accept()[0])
        self._accepted.append(connection)
        return connection

    def latest(self) -> Wire:
        """The connection that was accepted last; the gate uses it again."""
        return self._accepted[-1]

    def serve(self, answer: bytes, within: float = WITHIN) -> tuple[Wire, Message]:
        """Accepts, reads one whole request, and answers it."""
        connection = self.accept(within)
        request = connection.message(within=within)
        connection.send(answer)
        return connection, request

    def untouched(self) -> bool:
        """Whether nobody is waiting to be accepted."""
        return not select.select([self._socket], [], [], 0)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._accepted:
            connection.close()
        self._socket.close()


Reply = Callable[[Message], bytes]


class AutoUpstream:
    """Answers by itself, in a thread of its own, and keeps what it got."""

    def __init__(self, reply: Reply | None = None, *, proxied: bool = False) -> None:
        """`proxied` is whether each connection begins with the PROXY protocol, version 1."""
        self.requests: list[Message] = []
        """Whole requests, in the order in which they were whole."""
        self.nonsense: list[str] = []
        """What came and is no request: a gate must never send such."""
        self.proxied = proxied
        self.connections = 0
        self.bytes = 0
        self._reply = reply or (lambda _request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listening.setblocking(False)
        self._ending, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._ending, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._ending:
                        for other in list(selector.get_map().values()):
                            if isinstance(other.data, _Connection):
                                other.data.sock.close()
                        return
                    if key.fileobj is self._listening:
                        self._accept(selector)
                    elif not self._serve(key.data):
                        selector.unregister(key.fileobj)
                        key.data.sock.close()
                        continue
                    if key.data is not None:
                        wanted = selectors.EVENT_WRITE if key.data.outbox else selectors.EVENT_READ
                        if wanted != key.events:
                            selector.modify(key.fileobj, wanted, key.data)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            sock, _ = self._listening.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        selector.register(sock, selectors.EVENT_READ, _Connection(sock))

    def _serve(self, connection: _Connection) -> bool:
        """Moves a connection on; false at its end."""
        try:
            if connection.outbox:
                del connection.outbox[: connection.sock.send(connection.outbox)]
                return True
            data = connection.sock.recv(256 * 1024)
            connection.inbox += data
            self.bytes += len(data)
            if self.proxied and not connection.told:
                line, end, rest = bytes(connection.inbox).partition(b"\r\n")
                if not end:
                    return bool(data)
                assert line.startswith(b"PROXY "), "no PROXY protocol"
                connection.told, connection.inbox = line, bytearray(rest)
            while (message := whole(connection.inbox)) is not None:
                self.requests.append(message)
                answer = self._reply(message)
                if message.method == "HEAD":
                    answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                connection.outbox += answer
            if connection.outbox:
                del connection.outbox[: connection.sock.send(connection.outbox)]
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        except (AssertionError, ValueError) as error:
            self.nonsense.append(f"{error}: {bytes(connection.inbox[:500])!r}")
            return False
        return bool(data)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self._thread.join(WITHIN)
        self._listening.close()
        self._ending.close()


@dataclass
class _Connection:
    sock: socket.socket
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    told: bytes = b""
    """The line of the PROXY protocol."""


def whole(inbox: bytearray) -> Message | None:
    """Takes a message off the front, if all of it is there."""
    end = inbox.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    message = parse_head(bytes(inbox[:end]))
    if message.get("transfer-encoding") is None:
        length = int(message.get("content-length") or 0)
        if len(inbox) < end + length:
            return None
        message.body = bytes(inbox[end : end + length])
        del inbox[: end + length]
        return message
    body = bytearray()
    while True:
        line = inbox.find(b"\r\n", end)
        if line < 0:
            return None
        size = int(inbox[end:line], 16)
        if size == 0:
            break
        end = line + 2 + size + 2
        body += inbox[line + 2 : end - 2]
        if len(inbox) < end:
            return None
    after = inbox.find(b"\r\n\r\n", line)
    if after < 0:
        return None
    message.body = bytes(body)
    del inbox[: after + 4]
    return message
