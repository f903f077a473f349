"""The gate's policies within an ASGI application: FastAPI, Starlette, Django, or any other.

app = Middleware(app, "lockgate.yaml")

The application finds out who calls in `scope["lockgate"]`, a
`lockgate.inprocess.Judged`; with Starlette and FastAPI that is
`request.state.lockgate` as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from lockgate.inprocess.engine import Engine, Own
from lockgate.inprocess.guarded import Guarded
from lockgate.inprocess.judged import Identity, Judged

if TYPE_CHECKING:
    from lockgate._native import Call

__all__ = ["Identity", "Judged", "Middleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE: Final = "/!$&'()*+,;=:@-._~"
"""What may stand in a path as it is (RFC 3986 section 3.3)."""
POLICY_VIOLATION: Final = 1008
"""Why a WebSocket is closed (RFC 6455 section 7.4.1)."""


class Middleware(Guarded[Application]):
    """Judges each request before the application has it, as a gate before the application would."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge what is a request; pass on what concerns the application's own life."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        elif kind == "lifespan":
            await self._app(scope, receive, send)
        else:
            # What cannot be judged does not pass.
            raise ValueError(f"lockgate judges http and websocket, not {kind!r}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        # HTTP/2 and HTTP/3 need no header to say that a body follows.
        framed = scope.get("http_version", "1.1") in {"1.1", "1.0"}
        wanted = self._wants(scope, body=not framed)
        content: bytes | None = None
        if wanted is not None:
            came: list[Message] = []
            content = await _content(receive, came, wanted)
            if content is None:
                return  # The client is gone, and nobody is there to be answered.
            receive = _again(came, receive)
        call, own = self._begin(scope, scope["method"], body=not framed, content=content)
        if own is not None:
            await _answer(send, own)
            return
        exchange = _Exchange(self._engine, call, receive, send)
        watched = call.watches or call.length is not None
        try:
            await self._app(_judged(scope, call), exchange.receive if watched else receive, exchange.send)
        except Exception:
            # The application may well be cross at a body that ends early: the answer was given.
            if not exchange.refused:
                raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        call, own = self._begin(scope, "GET", body=False)
        if own is None:
            await self._app(_judged(scope, call), receive, _Exchange(self._engine, call, receive, send).send)
            return
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        if "websocket.http.response" in (scope.get("extensions") or {}):
            await _answer(send, own, "websocket.http.response")
        else:
            # Before it is accepted, a server answers this with 403 (the ASGI specification on `close`).
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "refused"})

    def _begin(self, scope: Scope, method: str, *, body: bool, content: bytes | None = None) -> tuple[Call, Own | None]:
        client = scope.get("client")
        return self._engine.begin(
            method,
            _target(scope),
            scope["headers"],
            peer=client[0] if client else None,
            old=scope.get("http_version") == "1.0",
            body=body,
            content=content,
        )

    def _wants(self, scope: Scope, *, body: bool) -> int | None:
        client = scope.get("client")
        return self._engine.wants(
            scope["method"],
            _target(scope),
            scope["headers"],
            peer=client[0] if client else None,
            old=scope.get("http_version") == "1.0",
            body=body,
        )


async def _content(receive: Receive, came: list[Message], most: int) -> bytes | None:
    """The body, or a piece more than `most` bytes of it; nothing where the client is gone."""
    length, more = 0, True
    while more and length <= most:
        message = await receive()
        if message["type"] != "http.request":
            return None
        came.append(message)
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(message.get("body", b"") for message in came)


def _again(came: list[Message], receive: Receive) -> Receive:
    """What has come already, and then what still comes."""

    async def received() -> Message:
        return came.pop(0) if came else await receive()

    return received


class _Exchange:
    """What goes to and fro between the server and the application."""

    __slots__ = ("_call", "_engine", "_receive", "_send", "_started", "refused")

    def __init__(self, engine: Engine, call: Call, receive: Receive, send: Send) -> None:
        self.refused = False
        """The body was refused on its way: nothing that the application still says is sent."""
        self._engine = engine
        self._call = call
        self._receive = receive
        self._send = send
        self._started = False

    async def receive(self) -> Message:
        """The next piece of the body, if policies let it pass."""
        if self.refused:
            return {"type": "http.disconnect"}
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            end = not message.get("more_body", False)
            left, own = self._call.body(message.get("body", b""), end)
            if own is not None:
                return await self._refuse(own)
            if left is None:
                return message
            # What a policy holds back is no piece to show, but where it is the last.
            if left or end:
                return {**message, "body": left}

    async def _refuse(self, own: Own) -> Message:
        self.refused = True
        self._engine.note(self._call)
        # Where the answer has begun already it is broken off: the server sees that it has no end.
        if not self._started:
            await _answer(self._send, own)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send on what the application says; only heads are changed."""
        if self.refused:
            return
        if message["type"] in _HEADS:
            message = {**message, "headers": self._call.edit(message.get("headers") or ())}
            self._started = True
        await self._send(message)


_HEADS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


async def _answer(send: Send, own: Own, kind: str = "http.response") -> None:
    status, fields, body = own
    await send({"type": f"{kind}.start", "status": status, "headers": fields})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})


def _judged(scope: Scope, call: Call) -> Scope:
    """The scope as the application gets it: what was judged, and who calls."""
    judged = Judged(call)
    changed: Scope = {**scope, "headers": call.fields(), "lockgate": judged}
    changed["state"] = {**(scope.get("state") or {}), "lockgate": judged}
    target = call.target
    if target is not None:
        path, _, query = target.partition(b"?")
        changed.update(path=_decoded(path), raw_path=path, query_string=query)
    return changed


def _target(scope: Mapping[str, Any]) -> bytes:
    """Path and query as they arrived; the path is the one that the application acts upon."""
    path: str = scope["path"]
    raw: bytes = (scope.get("raw_path") or b"").partition(b"?")[0]
    # Bytes beyond ASCII have no place in a target, and are refused as such.
    if not raw or (raw.isascii() and _decoded(raw) != path):
        raw = quote(path, safe=SAFE).encode("ascii")
    query: bytes = scope.get("query_string") or b""
    return raw + b"?" + query if query else raw


def _decoded(path: bytes) -> str:
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text
