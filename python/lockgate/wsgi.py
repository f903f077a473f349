"""The gate's policies within a WSGI application: Flask, Django, or any other.

app.wsgi_app = Middleware(app.wsgi_app, "lockgate.yaml")

The application finds out who calls in `environ["lockgate"]`, a
`lockgate.inprocess.Judged`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote_from_bytes, unquote_to_bytes

from lockgate.inprocess.engine import Engine, Own
from lockgate.inprocess.guarded import Guarded
from lockgate.inprocess.judged import Identity, Judged

if TYPE_CHECKING:
    from lockgate._native import Call

__all__ = ["BodyRefusedError", "Identity", "Judged", "Middleware"]

Environ = dict[str, Any]
Raised = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

SAFE: Final = "/!$&'()*+,;=:@-._~"
"""What may stand in a path as it is (RFC 3986 section 3.3)."""
PIECE: Final = 64 * 1024
"""Bytes that are read at once of a body that is wanted whole."""
WITHOUT_PREFIX: Final = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
"""Fields that CGI names otherwise (RFC 3875 section 4.1)."""
SEPARATORS: Final = {b"cookie": "; "}


NAMES: Final = 1024
"""Names of fields whose other spelling is remembered: some 100 are in use, and clients may invent more."""


class BodyRefusedError(OSError):
    """A policy refused the rest of the request's body; whatever the application answers, the refusal is sent."""


class Readable(Protocol):
    """A request's body, as a server gives it."""

    def read(self, size: int = ..., /) -> bytes:
        """Some of it."""
        ...

    def readline(self, size: int = ..., /) -> bytes:
        """A line of it."""
        ...


class Middleware(Guarded[Application]):
    """Judges each request before the application has it, as a gate before the application would."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Judge the request, and pass it on if it is let through."""
        method: str = environ["REQUEST_METHOD"]
        target, fields, peer = _target(environ), _fields(environ), environ.get("REMOTE_ADDR")
        old = environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
        raw, content = environ["wsgi.input"], None
        wanted = self._engine.wants(method, target, fields, peer=peer, old=old)
        if wanted is not None:
            content = _content(environ, wanted)
            raw = _Again(content, raw)
        call, own = self._engine.begin(method, target, fields, peer=peer, old=old, content=content)
        if own is not None:
            return _answer(start_response, own, method)
        told = _judged(environ, call)
        if not call.watches and call.length is None and content is None:
            return self._app(told, _editing(call, start_response))
        body = _Body(raw, self._engine, call)
        told["wsgi.input"] = body
        if call.length is not None:
            # It ends where it was told to; a body in chunks ends where the server says that it does.
            told["wsgi.input_terminated"] = True
        return _exchanged(self._app, told, body, start_response, method)


def _exchanged(
    app: Application, environ: Environ, body: _Body, start_response: StartResponse, method: str
) -> Iterable[bytes]:
    """Answer a request whose body may be refused while the application reads it."""
    editing = _editing(body.call, start_response)

    def starting(status: str, headers: list[tuple[str, str]], exc_info: Raised | None = None) -> Callable[..., object]:
        # The application answers that it could not read the body: the refusal is said instead.
        return _nowhere if body.refused is not None else editing(status, headers, exc_info)

    try:
        answer = app(environ, starting)
    except Exception:
        if body.refused is None:
            raise
        answer = ()
    if body.refused is not None:
        _close(answer)
        return _instead(start_response, body.refused, method)
    # A body that was read whole is refused no more; the answer goes as it is, a file too.
    return answer if body.ended else _Answer(answer, body, start_response, method)


def _content(environ: Environ, most: int) -> bytes:
    """The body, or a byte more than `most` of it."""
    length: str = environ.get("CONTENT_LENGTH", "")
    left = min(int(length), most + 1) if length.isdecimal() else most + 1
    pieces: list[bytes] = []
    while left and (piece := environ["wsgi.input"].read(min(left, PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


class _Again:
    """What was read already, and then what is left."""

    def __init__(self, came: bytes, raw: Readable) -> None:
        self._came = io.BytesIO(came)
        self._raw = raw

    def read(self, size: int = -1, /) -> bytes:
        """Some of it."""
        return self._came.read(size) or self._raw.read(size)

    def readline(self, size: int = -1, /) -> bytes:
        """A line, or the part of it that was read already."""
        return self._came.readline(size) or self._raw.readline(size)


class _Answer:
    """An application's answer, while it may still read the body."""

    def __init__(self, answer: Iterable[bytes], body: _Body, start_response: StartResponse, method: str) -> None:
        self._answer = answer
        self._pieces = iter(answer)
        self._body = body
        self._start_response = start_response
        self._method = method

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except Exception as error:
            if self._body.refused is None:
                raise
            if isinstance(error, StopIteration) and self._body.told:
                raise
            piece = b""
        if self._body.refused is None or self._body.told:
            return piece
        self._body.told = True
        # Where the answer has begun already, the server raises what it is given, and breaks it off.
        self._pieces = iter(_instead(self._start_response, self._body.refused, self._method))
        return next(self._pieces, b"")

    def close(self) -> None:
        """The server is done with it."""
        _close(self._answer)


class _Body:
    """A request's body, counted and shown to policies as the application reads it; never past its end."""

    def __init__(self, raw: Readable, engine: Engine, call: Call) -> None:
        self.call = call
        self.refused: Own | None = None
        """The answer that is given instead, once the body was refused."""
        self.told = False
        """Whether it was given."""
        self.ended = call.length == 0
        self._raw = raw
        self._engine = engine
        self._left = call.length
        # What a policy let go of and nobody has read yet.
        self._ready = bytearray()

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes, all where it is not said."""
        if size is not None and size >= 0:
            return self._some(self._raw.read, size)
        return b"".join(iter(lambda: self._some(self._raw.read, PIECE), b""))

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line, or up to `size` bytes of it."""
        bound = size if size is not None and size >= 0 else None
        line = bytearray()
        while bound is None or len(line) < bound:
            piece = self._some(self._raw.readline, PIECE if bound is None else bound - len(line), line=True)
            line += piece
            if not piece or piece.endswith(b"\n"):
                break
        return bytes(line)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Lines, until they have `hint` bytes together."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _some(self, read: Callable[[int], bytes], size: int, *, line: bool = False) -> bytes:
        if self.refused is not None:
            raise BodyRefusedError("the request's body was refused")
        while size and not self._ready and not self.ended:
            bound = size if self._left is None else min(size, self._left)
            piece = read(bound)
            if self._left is not None:
                self._left -= len(piece)
            self.ended = not piece or self._left == 0
            left, own = self.call.body(piece, self.ended)
            if own is not None:
                self.refused = own
                self._engine.note(self.call)
                raise BodyRefusedError("the request's body was refused")
            if left is None:
                return piece
            self._ready += left
        end = self._ready.find(b"\n", 0, size) + 1 if line else 0
        taken = bytes(self._ready[: end or size])
        del self._ready[: len(taken)]
        return taken


def _judged(environ: Environ, call: Call) -> Environ:
    """The environment as the application gets it: what was judged, and who calls."""
    changed = {
        name: value for name, value in environ.items() if not name.startswith("HTTP_") and name not in WITHOUT_PREFIX
    }
    for field, raw in call.fields():
        name, value = _variable(field), raw.decode("latin-1")
        before = changed.get(name)
        changed[name] = value if before is None else f"{before}{SEPARATORS.get(field, ', ')}{value}"
    changed["lockgate"] = Judged(call)
    target = call.target
    if target is not None:
        path, _, query = target.partition(b"?")
        _route(changed, unquote_to_bytes(path).decode("latin-1"))
        changed["QUERY_STRING"] = query.decode("latin-1")
    return changed


def _route(environ: Environ, path: str) -> None:
    """Put another path in place; where the application is mounted stays as it is, if the path is still below it."""
    mount: str = environ.get("SCRIPT_NAME", "")
    if mount and f"{path}/".startswith(f"{mount}/"):
        environ["PATH_INFO"] = path[len(mount) :]
    else:
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "", path


def _target(environ: Environ) -> bytes:
    """Path and query; the path is the one that the application acts upon, which servers have decoded."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    raw = quote_from_bytes(path.encode("latin-1"), safe=SAFE).encode("ascii") or b"/"
    query: str = environ.get("QUERY_STRING", "")
    return raw + b"?" + query.encode("latin-1") if query else raw


def _fields(environ: Environ) -> list[tuple[bytes, bytes]]:
    fields = [(_field(name), value.encode("latin-1")) for name, value in environ.items() if name.startswith("HTTP_")]
    fields += [(field, environ[name].encode("latin-1")) for name, field in WITHOUT_PREFIX.items() if environ.get(name)]
    return fields


@lru_cache(NAMES)
def _field(variable: str) -> bytes:
    return variable[len("HTTP_") :].replace("_", "-").lower().encode("latin-1")


@lru_cache(NAMES)
def _variable(field: bytes) -> str:
    name = field.decode("latin-1").upper().replace("-", "_")
    return name if name in WITHOUT_PREFIX else f"HTTP_{name}"


def _editing(call: Call, start_response: StartResponse) -> StartResponse:
    def starting(
        status: str, headers: list[tuple[str, str]], exc_info: Raised | None = None
    ) -> Callable[[bytes], object]:
        given = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return start_response(status, _told(call.edit(given)), *([exc_info] if exc_info is not None else []))

    return starting


def _answer(start_response: StartResponse, own: Own, method: str, *exc_info: Raised) -> list[bytes]:
    status, fields, body = own
    start_response(_line(status), _told(fields), *exc_info)
    return [] if method == "HEAD" or not body else [body]


def _instead(start_response: StartResponse, own: Own, method: str) -> list[bytes]:
    """The refusal in the place of whatever head was said before (PEP 3333: by `exc_info`)."""
    error = BodyRefusedError("the request's body was refused")
    return _answer(start_response, own, method, (BodyRefusedError, error, None))


def _told(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(_capitals(name), value.decode("latin-1")) for name, value in fields]


@lru_cache(NAMES)
def _capitals(name: bytes) -> str:
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))


def _line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} -"


def _close(answer: object) -> None:
    close = getattr(answer, "close", None)
    if close is not None:
        close()


def _nowhere(_piece: bytes) -> None:
    """Where an answer goes in whose place another is given."""
