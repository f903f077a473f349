"""`lockgate.wsgi.Middleware`, call by call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from inprocess.conftest import PUBLIC, Installed
from lockgate.wsgi import Application, BodyRefusedError, Environ, Middleware, StartResponse
from support.middleware import Asked, Pieces, environ_of

HOST = ("Host", "a.example")
CHUNKED = ("Transfer-Encoding", "chunked")
Guarded = Callable[[Application], Middleware]


class Server:
    """What a server does with a WSGI application's answer (PEP 3333)."""

    def __init__(self) -> None:
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.sent = b""
        self.began = False

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        if exc_info and self.began:
            raise exc_info[1]
        assert exc_info or self.head is None, "a head is said once"
        self.head = status, headers
        return self.write

    def write(self, piece: bytes) -> None:
        assert self.head is not None
        self.began = self.began or bool(piece)
        self.sent += piece

    def serve(self, app: Application, asked: Asked, **more: Any) -> int:
        answer = app({**environ_of(asked), **more}, self.start_response)
        try:
            for one in answer:
                self.write(one)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        assert self.head is not None
        return int(self.head[0][:3])


@pytest.fixture
def guarded(installed: Installed) -> Guarded:
    config = installed.write({"shop": {"public": PUBLIC, "body_limit": {"bytes": 12}}})
    return lambda app: Middleware(app, config)


def body_of(*pieces: bytes, length: int | None = None) -> Asked:
    said = CHUNKED if length is None else ("Content-Length", str(length))
    return Asked("POST", headers=[HOST, said], pieces=pieces)


Reading = Callable[[Any], bytes]
READ: dict[str, Reading] = {
    "whole": lambda body: bytes(body.read()),
    "by pieces": lambda body: b"".join(iter(lambda: body.read(2), b"")),
    "by lines": lambda body: b"".join(iter(body.readline, b"")),
    "by short lines": lambda body: b"".join(iter(lambda: body.readline(2), b"")),
    "all lines": lambda body: b"".join(body.readlines()),
    "some lines, then the rest": lambda body: b"".join(body.readlines(3)) + body.read(),
    "in a loop": b"".join,
    "nothing, then all": lambda body: body.read(0) + body.read(-1),
}


def echo(read: Reading) -> Application:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = read(environ["wsgi.input"])
        start_response("200 OK", [("X-Length", str(len(body)))])
        return [body]

    return app


@pytest.mark.parametrize("length", [None, 12])
@pytest.mark.parametrize("reading", READ)
def test_a_body_is_what_it_is_however_it_is_read(guarded: Guarded, reading: str, length: int | None) -> None:
    server = Server()
    assert server.serve(guarded(echo(READ[reading])), body_of(b"ab\nc", b"d\n", b"efghij", length=length)) == 200
    assert server.sent == b"ab\ncd\nefghij"


def test_lines_end_where_they_end(guarded: Guarded) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        assert [body.readline(), body.readline(), body.readline(1), body.readline()] == [b"ab\n", b"cd\n", b"e", b"f"]
        start_response("200 OK", [])
        return []

    assert Server().serve(guarded(app), body_of(b"ab\ncd\nef")) == 200


class Endless(Pieces):
    """A socket on which nothing more comes: whoever reads on waits for ever."""

    def read(self, size: int = -1, /) -> bytes:
        assert self.pieces, "nobody reads past the end"
        return super().read(size)


@pytest.mark.parametrize("reading", READ)
def test_nobody_reads_past_the_end(guarded: Guarded, reading: str) -> None:
    endless = Endless([b"ab\ncd\n", b"GET / HTTP/1.1"])
    server = Server()
    assert server.serve(guarded(echo(READ[reading])), body_of(length=6), **{"wsgi.input": endless}) == 200
    assert server.sent == b"ab\ncd\n"


@pytest.mark.parametrize(("length", "said"), [(None, [None, True]), (6, [True, True])])
def test_whether_a_body_has_an_end_is_said_as_it_is(guarded: Guarded, length: int | None, said: list[Any]) -> None:
    """A server that does not know chunks gives no end to them: frameworks then do not read, and wait for ever."""
    found: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        found.append(environ.get("wsgi.input_terminated"))
        start_response("200 OK", [])
        return []

    for more in ({}, {"wsgi.input_terminated": True}):
        Server().serve(guarded(app), body_of(b"abcdef", length=length), **more)
    assert found == said


def answering(status: str) -> Application:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError:
            start_response(status, [])(b"")
            return [b"the client went away"]
        raise AssertionError("the body is too large")

    return app


def test_a_body_that_grows_too_large_is_refused_whatever_the_application_says(guarded: Guarded) -> None:
    for app in (answering("400 Bad Request"), echo(READ["whole"]), echo(READ["by lines"])):
        server = Server()
        assert server.serve(guarded(app), body_of(b"ab\ncde", b"fghijklm")) == 413
        assert b"body-too-large" in server.sent
        assert server.head is not None
        assert "X-Request-Id" in dict(server.head[1])


def lazily(before: Iterable[bytes] = ()) -> Application:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from before
        yield environ["wsgi.input"].read()

    return app


def test_an_answer_that_has_not_begun_gives_way(guarded: Guarded) -> None:
    server = Server()
    assert server.serve(guarded(lazily()), body_of(b"abcdefghijklm")) == 413
    assert b"body-too-large" in server.sent


def test_one_that_has_begun_is_broken_off(guarded: Guarded) -> None:
    server = Server()
    with pytest.raises(BodyRefusedError):
        server.serve(guarded(lazily([b"all ", b"is "])), body_of(b"abcdefghijklm"))
    assert server.sent == b"all is "


def test_an_answer_is_closed_and_otherwise_untouched(guarded: Guarded) -> None:
    class Answer(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    answer = Answer([b"ok"])

    def app(environ: Environ, start_response: StartResponse) -> Answer:
        start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return answer

    server = Server()
    asked = Asked(headers=[HOST])
    assert guarded(app)(environ_of(asked), Server().start_response) is answer
    assert server.serve(guarded(app), asked) == 200
    assert answer.closed == 1
    assert server.head is not None
    assert [value for name, value in server.head[1] if name == "Set-Cookie"] == ["a=1", "b=2"]
    # A body that nobody read may still be refused, so the answer is watched, and closed all the same.
    assert Server().serve(guarded(app), body_of(b"x", length=1)) == 200
    assert answer.closed == 2


def test_an_applications_own_failure_is_its_servers(guarded: Guarded) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise LookupError("of the application")

    for asked in (Asked(headers=[HOST]), body_of(b"x")):
        with pytest.raises(LookupError, match="of the application"):
            Server().serve(guarded(app), asked)


def test_the_normal_form_is_what_the_application_gets(guarded: Guarded) -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    asked = Asked(target="/shop/./x/../b%20c?d=%2F", headers=[HOST, ("Cookie", "a=1; b=2")])
    environ = {**environ_of(asked), "SCRIPT_NAME": "/shop", "PATH_INFO": "/./x/../b c"}
    assert Server().serve(guarded(app), asked, **environ) == 200
    (told,) = seen
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("/shop", "/b c", "d=%2F")
    assert told["HTTP_COOKIE"] == "a=1; b=2"
    assert told["HTTP_X_REQUEST_ID"] == told["lockgate"].request_id


def test_what_a_client_says_of_itself_is_not_believed(guarded: Guarded) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ.get("HTTP_X_FORWARDED_FOR", "nothing").encode()]

    server = Server()
    assert server.serve(guarded(app), Asked(headers=[HOST, ("X-Forwarded-For", "10.0.0.1")])) == 200
    assert server.sent == b"nothing"


def test_limits_are_true_for_all_threads(installed: Installed) -> None:
    limits = [{"name": "few", "by": "address", "allow": "50/h"}]
    app = Middleware(echo(READ["whole"]), installed.write({"shop": {"public": PUBLIC, "limits": limits}}))
    statuses: list[int] = []

    def ask() -> None:
        statuses.extend(Server().serve(app, Asked(headers=[HOST])) for _ in range(25))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(200), statuses.count(429)) == (50, 150)
