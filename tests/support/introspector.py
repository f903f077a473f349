"""An issuer that is asked about tokens and answers as a test wants it: for what no real one does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs


class Said(NamedTuple):
    """An answer."""

    body: bytes
    status: int = 200
    type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Asked(NamedTuple):
    """A question."""

    form: dict[str, list[str]]
    authorization: str | None


def active(**claims: Any) -> Said:
    """A good token's answer; a claim that is none is left out."""
    said = {"active": True, "sub": "ann", "client_id": "crm", "aud": "https://api.example.com", "token_type": "Bearer"}
    return Said(json.dumps({key: value for key, value in {**said, **claims}.items() if value is not None}).encode())


INACTIVE = Said(b'{"active":false}')


class Introspector:
    """It listens on loopback, from `with` to its end."""

    def __init__(self, answer: Callable[[str], Said] = lambda _: active()) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.open = threading.Event()
        """Until it is set no answer is given."""
        self.open.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                outer.asked.append(Asked(form, self.headers["authorization"]))
                outer.open.wait(60)
                said = outer.answer(form["token"][0])
                self.send_response(said.status)
                self.send_header("Content-Type", said.type)
                self.send_header("Content-Length", str(len(said.body)))
                self.send_header("Connection", "close")
                for name, value in said.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_: Any) -> None:
                pass  # Who asks may have gone.

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/introspect"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
