"""Upstreams: one whose every byte the test says itself, and one that answers alone."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from gateway.harness.wire import WITHIN, Message, Wire, parse_head


class Upstream:
    """A listening socket; the test accepts, reads and answers."""

    def __init__(self, host: str = "127.0.0.1", receive: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive:
            # Inherited by what is accepted.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self._socket.bind((host, 0))
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

    def __init__(self, reply: Reply | None = None) -> None:
        self.requests: list[Message] = []
        """Whole requests, in the order in which they were whole."""
        self.connections = 0
        self.bytes = 0
        self._reply = reply or (lambda _request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.transports: list[asyncio.WriteTransport] = []
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self.port = 0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: _Kept(self), "127.0.0.1", 0, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ending.wait()
        server.close()
        # What was accepted begins, and what was closed ends, only in later turns of the loop.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for transport in self.transports:
                transport.abort()
            await asyncio.wait(tasks, timeout=0.01)
        for transport in self.transports:
            transport.abort()
        await asyncio.sleep(0)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        self.connections += 1
        try:
            while True:
                message = await self._read(reader)
                self.requests.append(message)
                reply = self._reply(message)
                if message.method == "HEAD":
                    reply = reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Message:
        head = await reader.readuntil(b"\r\n\r\n")
        self.bytes += len(head)
        message = parse_head(head)
        if message.get("transfer-encoding") is not None:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                message.body += (await reader.readexactly(size + 2))[:-2]
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
        elif (length := message.get("content-length")) is not None:
            message.body = await reader.readexactly(int(length))
        self.bytes += len(message.body)
        return message

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(WITHIN):
            raise TimeoutError("the upstream does not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(WITHIN)


class _Kept(asyncio.StreamReaderProtocol):
    """A connection that is closed with its upstream, however far it has come."""

    def __init__(self, upstream: AutoUpstream) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(asyncio.StreamReader(loop=loop), upstream.talk, loop=loop)
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._upstream.transports.append(transport)
        super().connection_made(transport)
