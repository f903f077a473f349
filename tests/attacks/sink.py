"""An upstream that takes all that comes, and never answers."""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType
from typing import Self

ROOM = 1 << 20


class Sink:
    """Counts bytes, in a thread of its own."""

    def __init__(self) -> None:
        self.bytes = 0
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._ending, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def _run(self) -> None:
        room = bytearray(ROOM)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._ending, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    sock = key.fileobj
                    if sock is self._ending:
                        for other in list(selector.get_map().values()):
                            if isinstance(other.fileobj, socket.socket):
                                other.fileobj.close()
                        return
                    if sock is self._listening:
                        selector.register(self._listening.accept()[0], selectors.EVENT_READ)
                    elif isinstance(sock, socket.socket) and not self._take(sock, room):
                        selector.unregister(sock)
                        sock.close()

    def _take(self, sock: socket.socket, room: bytearray) -> bool:
        """Whether the connection stands."""
        try:
            got = sock.recv_into(room)
        except OSError:
            return False
        self.bytes += got
        return got > 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self._thread.join()
