"""Requests through the middlewares, without a server: what the application sees, and what the client gets."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, unquote_to_bytes

from lockgate import _native, asgi, wsgi
from lockgate.inprocess.engine import Engine
from lockgate.inprocess.judged import Judged

Headers = Sequence[tuple[str, str]]


@dataclass
class Asked:
    """A request."""

    method: str = "GET"
    target: str = "/"
    headers: Headers = ()
    peer: str | None = "127.0.0.1"
    pieces: Sequence[bytes] = ()
    now_ms: int | None = None


@dataclass
class Seen:
    """A request as an application gets it."""

    target: str
    headers: list[tuple[str, str]]
    body: bytes
    judged: Judged


@dataclass
class Got:
    """An answer as a client gets it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seen: Seen | None = None

    @property
    def reason(self) -> str | None:
        """Why it was refused."""
        if ("content-type", "application/problem+json") not in self.headers:
            return None
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["instance"] == self.get("x-request-id")
        return cast("str", problem["reason"])

    def get(self, name: str) -> str | None:
        """The value of a field that is there once."""
        found = [value for other, value in self.headers if other == name]
        assert len(found) < 2, f"{name} is there {len(found)} times"
        return found[0] if found else None


class Clocked:
    """An engine whose time a test tells."""

    def __init__(self, native: _native.InProcess) -> None:
        self.native = native
        self.now_ms: int | None = None

    def begin(self, *args: Any, **more: Any) -> _native.Call:
        return self.native.begin(*args, **more, now_ms=self.now_ms)

    def wants(self, *args: Any, **more: Any) -> int | None:
        return self.native.wants(*args, **more, now_ms=self.now_ms)

    def failed(self) -> _native.Call:
        return self.native.failed()


def engine(bundle: Any, facts: Iterable[bytes] = (), pepper: bytes = bytes(32), *, contact: bool = True) -> Engine:
    """An engine for a bundle that a test made."""
    native = _native.InProcess(json.dumps(bundle).encode(), pepper=pepper)
    native.apply_facts(list(facts))
    if contact:
        native.contact()
    made = object.__new__(Engine)
    made.native = cast("_native.InProcess", Clocked(native))
    made._keeper = None
    return made


def loaded(config: Path, **more: Any) -> Engine:
    """An engine as a middleware loads it."""
    made = Engine(config, **more)
    made.native = cast("_native.InProcess", Clocked(made.native))
    return made


Ask = Callable[[Asked], Got]


def through_asgi(of: Engine, answer: Headers = ()) -> Ask:
    """Ask an ASGI application that reads the body, and answers 200 with these fields."""
    seen: list[Seen] = []

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = scope["query_string"].decode("latin-1")
        told = [(name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in scope["headers"]]
        raw = scope["raw_path"].decode("latin-1")
        assert scope["path"] == unquote(raw)
        assert scope["state"]["lockgate"] is scope["lockgate"]
        seen.append(Seen(raw + ("?" + query if query else ""), told, body, scope["lockgate"]))
        head = [(name.lower().encode(), value.encode()) for name, value in answer]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"ok"})

    middleware = object.__new__(asgi.Middleware)
    middleware._app, middleware._engine = app, of

    def ask(asked: Asked) -> Got:
        seen.clear()
        cast("Clocked", of.native).now_ms = asked.now_ms
        return asyncio.run(_asked(middleware, asked, seen))

    return ask


async def _asked(app: asgi.Application, asked: Asked, seen: list[Seen]) -> Got:
    raw, question, query = asked.target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in asked.headers],
        "client": None if asked.peer is None else (asked.peer, 4711),
        "server": ("127.0.0.1", 80),
    }
    if question and not query:
        scope["query_string"] = b""
    pieces = list(asked.pieces) or [b""]
    sent: list[asgi.Message] = []

    async def receive() -> asgi.Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    (start,) = [message for message in sent if message["type"] == "http.response.start"]
    body = b"".join(message["body"] for message in sent if message["type"] == "http.response.body")
    headers = [(name.decode("latin-1"), value.decode("utf-8")) for name, value in start["headers"]]
    return Got(start["status"], headers, body, seen[0] if seen and start["status"] == 200 else None)


def through_wsgi(of: Engine, answer: Headers = ()) -> Ask:
    """Ask a WSGI application that reads the body, and answers 200 with these fields."""
    seen: list[Seen] = []

    def app(environ: wsgi.Environ, start_response: wsgi.StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read()
        path, query = environ["SCRIPT_NAME"] + environ["PATH_INFO"], environ["QUERY_STRING"]
        told = [
            (name[5:].replace("_", "-").lower(), value.encode("latin-1").decode("utf-8", "replace"))
            for name, value in environ.items()
            if name.startswith("HTTP_")
        ]
        seen.append(Seen(path + ("?" + query if query else ""), told, body, environ["lockgate"]))
        start_response("200 OK", list(answer))
        return [b"ok"]

    middleware = object.__new__(wsgi.Middleware)
    middleware._app, middleware._engine = app, of

    def ask(asked: Asked) -> Got:
        seen.clear()
        cast("Clocked", of.native).now_ms = asked.now_ms
        heads: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
            assert exc_info or not heads
            heads[:] = [(status, headers)]
            return lambda _piece: None

        body = b"".join(middleware(environ_of(asked), start_response))
        status, headers = heads[0]
        told = [(name.lower(), value.encode("latin-1").decode("utf-8")) for name, value in headers]
        return Got(int(status[:3]), told, body, seen[0] if seen and status.startswith("200") else None)

    return ask


@dataclass
class Pieces(io.RawIOBase):
    """A body that comes in pieces, however much is asked for."""

    pieces: list[bytes] = field(default_factory=list)

    def read(self, size: int = -1, /) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if 0 <= size < len(piece):
            self.pieces.insert(0, piece[size:])
            piece = piece[:size]
        return piece


def environ_of(asked: Asked) -> wsgi.Environ:
    """A request as servers tell it to WSGI applications."""
    raw, _, query = asked.target.partition("?")
    environ: wsgi.Environ = {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": asked.peer,
        "wsgi.input": Pieces(list(asked.pieces)),
    }
    for name, value in asked.headers:
        told = name.upper().replace("-", "_")
        told = told if told in wsgi.WITHOUT_PREFIX else f"HTTP_{told}"
        assert told not in environ, "CGI knows each field once"
        environ[told] = value.encode().decode("latin-1")
    return environ
