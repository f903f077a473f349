"""A child's line to the supervisor that started it.

One socket does two things: the child tells what the supervisor must know
(`ready`, `fatal`), and its end-of-file tells the child that the supervisor is
gone, however it went. A child never outlives its supervisor for long.
"""

import contextlib
import json
import os
import socket
from typing import Any

SEND_SECONDS = 5.0
"""The supervisor reads at once or is gone."""


class Parent:
    """The supervisor, as a child sees it."""

    def __init__(self, fd: int) -> None:
        """`fd` is the inherited end of a socket pair."""
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(False)
        os.set_inheritable(fd, False)
        self._received = b""

    def report(self, type_: str, **fields: Any) -> None:
        """Tell the supervisor; that it is gone already is found out elsewhere."""
        line = json.dumps({"type": type_, **fields}).encode() + b"\n"
        # A configuration's errors can be more than the socket takes at once.
        self.socket.settimeout(SEND_SECONDS)
        with contextlib.suppress(OSError):
            self.socket.sendall(line)
        self.socket.setblocking(False)

    def messages(self) -> list[dict[str, Any]] | None:
        """What the supervisor has said since; `None` once it is gone."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]
