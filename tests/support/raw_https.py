"""A server that speaks TLS and answers each path with bytes that a test chose, or stops in their midst."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from support.certificates import Issued


def answer(content: bytes, status: str = "200 OK", *fields: str, length: int | None = None) -> bytes:
    """A whole answer; `length` is what it says of its own, where that is not so."""
    said = [f"Content-Length: {len(content) if length is None else length}", "Connection: close", *fields]
    return "\r\n".join([f"HTTP/1.1 {status}", *said, "", ""]).encode() + content


def redirect(to: str) -> bytes:
    """To another place."""
    return answer(b"", "302 Found", f"Location: {to}")


@dataclass
class Files:
    """What is there, by path."""

    port: int
    answers: dict[str, bytes] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    """Paths whose answer has no end: after these bytes nothing comes, and the connection stays open."""
    asked: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "localhost") -> str:
        """Where it is."""
        return f"https://{host}:{self.port}{path}"


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        files: Files = self.server.files  # type: ignore[attr-defined]
        context: ssl.SSLContext | None = self.server.context  # type: ignore[attr-defined]
        plain: socket.socket = self.request
        with contextlib.suppress(OSError):
            spoken = plain if context is None else context.wrap_socket(plain, server_side=True)
            with spoken, spoken.makefile("rb") as reading:
                path = reading.readline().split()[1].decode()
                while reading.readline() not in {b"\r\n", b""}:
                    pass
                files.asked.append(path)
                spoken.sendall(files.answers.get(path, answer(b"", "404 Not Found")))
                if path in files.stuck:
                    files.stop.wait()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextlib.contextmanager
def served(issued: Issued | None, answers: Mapping[str, bytes] | None = None) -> Iterator[Files]:
    """Serve them with this certificate; in the clear where there is none."""
    context = None
    if issued is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.chain, issued.key)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        files = Files(server.server_address[1], dict(answers or {}))
        server.files, server.context = files, context  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield files
        finally:
            files.stop.set()
            server.shutdown()
            thread.join()
