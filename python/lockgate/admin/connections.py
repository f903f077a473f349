"""The admin API's connections, with the bounds that uvicorn leaves out.

Another account on this machine can connect to loopback, so what it sends is a
stranger's until the credential has been seen. uvicorn bounds how large a head
is, but not how long it takes, nor how many wait; and it reads the rest of a
body that nobody wants.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from lockgate.admin.control import Counters

HEAD_BYTES = 32 * 1024
"""Request line and headers together. The gate's own listeners take as much."""

HEAD_SECONDS = 10.0
"""From a connection's beginning, or from the last answer, to the end of the next head; what the gate's listeners allow.
Apache's mod_reqtimeout gives a head 20 to 40 s, nginx 60 s, but those face slow networks."""

BODY_SECONDS = 60.0
"""From the head to the body's end: 4 MiB in that time are 70 KB/s, which an SSH tunnel over a poor line brings."""

WRITE_SECONDS = 30.0
"""How long a client may take nothing of its answer; small ones fit into the system's buffers and wait for nobody."""

IDLE_SECONDS = 5
"""Between two requests, when nothing comes at all; uvicorn's own default."""

CONNECTIONS = 512
"""Open at once. A command and a scraper have one each; with the control process's own files this stays below
1024 descriptors, the smallest limit that is common."""

ACCEPTED_AT_ONCE = 128
"""Connections that asyncio takes in one go, before any of them can be closed again."""

BACKLOG = 4096
"""Connections that the system keeps for us meanwhile; Linux's own upper bound. Beyond it a client's first packet is
dropped and comes again a second later: the operator's, too, while somebody floods the port."""

LINGER_BYTES = 64 * 1024
LINGER_SECONDS = 2.0
"""What is still read, and thrown away, after an answer to a request whose body nobody reads: were the connection
closed with bytes unread, the system would reset it, and the answer could be lost (RFC 9112, 9.6)."""


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, since this process has its own, and with a backlog apart from `accept`."""

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)  # To asyncio its `backlog` is also how many it takes in one go.


class Connection(H11Protocol):
    """One connection. A single timer runs whenever the client has to do something: send, or take its answer."""

    counters: Counters
    in_order: dict["Connection", None]
    """Those that are open, the oldest first. Both are set by `config`, once for a server."""

    _timer: asyncio.TimerHandle | None = None
    _awaited: Any = None
    """The state of the client that the timer was set for; h11's states are classes without a common type."""
    _lingering: int | None = None
    """How many bytes may still come, once the answer is out."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # As uvicorn has it.
        super().connection_made(transport)
        self.in_order[self] = None
        self._watch()
        if len(self.in_order) > CONNECTIONS:
            # Of those that we wait for, the oldest has had its time. Who comes with a whole request gets in,
            # however many others only hold on.
            next((one for one in self.in_order if one.is_waiting), self).give_up("admin-connections")

    @property
    def is_waiting(self) -> bool:
        """Whether the next step is the client's."""
        return self.conn.our_state not in {h11.SEND_RESPONSE, h11.SEND_BODY} or self.flow.write_paused

    def give_up(self, code: str | None) -> None:
        """Let it go, and count why."""
        if code is not None:
            self.counters.refused(code)
        # It counts no more from now on; asyncio tells of the loss only later.
        self.in_order.pop(self, None)
        self.transport.abort()

    @override
    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            self._lingering -= len(data)
            if self._lingering < 0:
                self.transport.abort()
            return
        super().data_received(data)
        self._watch()

    @override
    def on_response_complete(self) -> None:
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._linger()
            return
        super().on_response_complete()
        self._watch()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._set_timer(WRITE_SECONDS)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._lingering is None:
            self._awaited = None
            self._watch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.in_order.pop(self, None)
        self._set_timer(None)

    def _watch(self) -> None:
        """Set the timer for what the client is to send next, unless it runs for that already."""
        if self.conn.their_state is self._awaited or self.flow.write_paused:
            return
        self._awaited = self.conn.their_state
        self._set_timer({h11.IDLE: HEAD_SECONDS, h11.SEND_BODY: BODY_SECONDS}.get(self._awaited))

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self.give_up("admin-too-slow" if self._lingering is None else None)

    def _linger(self) -> None:
        """Say that nothing more is answered, and read a little further so that the answer arrives."""
        self.server_state.total_requests += 1
        self._lingering = LINGER_BYTES
        self._set_timer(LINGER_SECONDS)
        self.transport.write_eof()
        self.flow.resume_reading()


def config(app: Any, counters: Counters) -> uvicorn.Config:
    """The server's settings; refusals are counted in `counters`."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        backlog=ACCEPTED_AT_ONCE,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=IDLE_SECONDS,
        # The admin API has no use for large heads, and no WebSocket.
        h11_max_incomplete_event_size=HEAD_BYTES,
        http=type("CountedConnection", (Connection,), {"counters": counters, "in_order": {}}),
        ws="none",
    )
