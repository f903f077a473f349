"""A real backend on loopback that answers as `answer.py` says: HTTP/1.1, kept alive, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from conformance.crs.answer import Answer, answer
from conformance.crs.ftw import Response
from conformance.crs.request import read

LARGEST = 32 << 20
"""Bytes of a request that it takes."""
REASON = {200: "OK", 400: "Bad Request"}


def octets(found: Answer, without_body: bool) -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {found.status} {REASON.get(found.status, 'As told')}"]
    lines += [f"{name}: {value}" for name, value in found.fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + (b"" if without_body else found.body)


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.held = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a connection is a stream")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while self.transport is not None and not self.transport.is_closing() and self.served():
            pass

    def served(self) -> bool:
        """Answers one request, if a whole one is there."""
        if self.transport is None or b"\r\n\r\n" not in self.held:
            return False
        if len(self.held) > LARGEST:
            self.transport.abort()
            return False
        head = self.held.partition(b"\r\n\r\n")[0].lower()
        if b"expect: 100-continue" in head:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = read(self.held)
        if request.missing:
            return False
        self.held = request.rest
        configured = self.backend.configured.get((request.method, request.target))
        found = answer(request.method, request.target, request.body, configured)
        self.backend.served += 1
        self.transport.write(octets(found, request.method == "HEAD"))
        close = "close" in (request.get("connection") or "").lower() or request.version == "HTTP/1.0"
        if close:
            self.transport.close()
        return not close and bool(self.held)


class Backend:
    """Serves while its context is open.

    Attributes:
        port: Where it listens.
        configured: Answers by method and target that a case itself gives.
        served: How many requests came.
    """

    def __init__(self) -> None:
        self.configured: dict[tuple[str, str], Response] = {}
        self.served = 0
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, name="backend", daemon=True)

    def run(self) -> None:
        """The thread."""
        asyncio.set_event_loop(self.loop)

        async def serve() -> None:
            server = await self.loop.create_server(lambda: Conversation(self), "127.0.0.1", 0, backlog=512)
            self.port = server.sockets[0].getsockname()[1]
            self.ended = asyncio.Event()
            self.ready.set()
            await self.ended.wait()
            server.close()

        self.loop.run_until_complete(serve())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def __enter__(self) -> Self:
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()
