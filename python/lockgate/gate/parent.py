"""A child's line to the supervisor that started it.

One socket does two things: the child tells what the supervisor must know
(`ready`, `fatal`), and its end-of-file tells the child that the supervisor is
gone, however it went. A child never outlives its supervisor for long.
"""

import json
import os
import select
import socket
import threading
import time
from typing import Any

SEND_SECONDS = 5.0
"""The supervisor reads at once or is gone."""

DESCRIPTORS = 4
"""A message brings one at most."""

PING, PONG = "ping", "pong"
"""What the supervisor asks now and then, and what a child that is not stuck answers."""


class Parent:
    """The supervisor, as a child sees it."""

    def __init__(self, fd: int) -> None:
        """`fd` is the inherited end of a socket pair."""
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(False)
        os.set_inheritable(fd, False)
        self._received = b""
        self._sending = threading.Lock()
        self.descriptors: list[int] = []
        """What came with its messages; whoever takes one from here closes it."""

    def report(self, type_: str, **fields: Any) -> None:
        """Tell the supervisor; that it is gone already is found out elsewhere."""
        line = json.dumps({"type": type_, **fields}).encode() + b"\n"
        deadline = time.monotonic() + SEND_SECONDS
        # Threads report too, and each line must stay whole.
        with self._sending:
            while line and self._takes(deadline):
                try:
                    line = line[self.socket.send(line) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return

    def _takes(self, deadline: float) -> bool:
        """Wait for room: a configuration's errors can be more than the socket takes at once."""
        poller = select.poll()
        poller.register(self.socket, select.POLLOUT)
        return bool(poller.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def messages(self) -> list[dict[str, Any]] | None:
        """What the supervisor has said since; `None` once it is gone.

        A ping is answered here: whoever comes to read its messages is alive.
        """
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, 65536, DESCRIPTORS)
        except BlockingIOError:
            return []
        except OSError:
            return None
        self.descriptors += descriptors
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        said = [json.loads(line) for line in lines]
        if any(message["type"] == PING for message in said):
            self.report(PONG)
        return [message for message in said if message["type"] != PING]
