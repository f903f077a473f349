"""A WebSocket server."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

WITHIN = 20


def chosen(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first that a client offers, if any."""
    return offered[0] if offered else None


class Server:
    """A WebSocket server that says what it got back, and keeps how each ended."""

    def __init__(self) -> None:
        self.port = 0
        self.closed: list[int | None] = []
        self.fields: list[dict[str, str]] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._end: Callable[[], object] = lambda: None

    async def _run(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._end = functools.partial(loop.call_soon_threadsafe, stop.set)
        async with serve(self._talk, "127.0.0.1", 0, max_size=None, select_subprotocol=chosen) as server:
            self.port = int(next(iter(server.sockets)).getsockname()[1])
            self._ready.set()
            await stop.wait()

    async def _talk(self, connection: ServerConnection) -> None:
        asked = connection.request
        self.fields.append({key.lower(): value for key, value in asked.headers.raw_items()} if asked else {})
        try:
            async for message in connection:
                await connection.send("x" * 5_000 if message == "much" else message)
        except ConnectionClosed:
            pass
        finally:
            self.closed.append(connection.close_code)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(WITHIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._thread.join(WITHIN)
