"""An upstream on a socket in the file system."""

from __future__ import annotations

import socket
from pathlib import Path

from gateway.harness.upstream import AutoUpstream, Reply


class UnixUpstream(AutoUpstream):
    """As `AutoUpstream`, on a path."""

    def __init__(self, path: Path, reply: Reply | None = None) -> None:
        super().__init__(reply)
        self.path = path
        self._listening.close()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen(128)
        self._listening.setblocking(False)
