"""Upstreams: one whose every byte the test says itself, and one that answers alone."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Awaitable, Callable
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
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class AutoUpstream:
    """Answers by itself, in a thread of its own, and keeps what it got."""

    def __init__(self, reply: Reply | None = None, script: Script | None = None) -> None:
        self.requests: list[Message] = []
        """Whole requests, in the order in which they were whole."""
        self.connections = 0
        self.bytes = 0
        self._reply = reply or (lambda _request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self._script = script
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
        server = await asyncio.start_server(self._script or self._talk, "127.0.0.1", 0, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ending.wait()
        server.close()
        await self._turns()
        talking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await self._turns()

    async def _turns(self) -> None:
        """Lets what was accepted begin, and what was closed end: neither happens within one turn of the loop."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
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
