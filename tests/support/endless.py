"""An upstream whose answer never ends by itself."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline() not in {b"\r\n", b""}:
            pass
        self.wfile.write(HEAD)
        number = 0
        stop: threading.Event = self.server.stop  # type: ignore[attr-defined]
        try:
            while not stop.wait(0.01):
                line = b"line %d\n" % number
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                number += 1
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stop = threading.Event()


@contextmanager
def endless() -> Iterator[tuple[str, threading.Event]]:
    """Where it listens, and what ends its answers."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server.stop
        finally:
            server.stop.set()
            server.shutdown()
            thread.join()
