"""`lockgate.asgi.Middleware`, message by message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from inprocess.conftest import PUBLIC, Installed
from lockgate.asgi import Application, Message, Middleware, Receive, Scope, Send
from support.middleware import Asked, loaded, through_asgi

HOST = (b"host", b"a.example")
CHUNKED = (b"transfer-encoding", b"chunked")


def scope_of(kind: str = "http", *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    scope = {
        "type": kind,
        "http_version": "1.1",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [HOST, *headers],
        "client": ("127.0.0.1", 4711),
    }
    return {**scope, **more}


def run(app: Application, scope: Scope, messages: Iterable[Message] = ()) -> list[Message]:
    """What an application sends when it is given these messages."""
    given, sent = list(messages), list[Message]()

    async def receive() -> Message:
        return given.pop(0) if given else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(cast("Any", app(scope, receive, send)))
    return sent


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.fixture
def guarded(installed: Installed) -> Callable[[Application], Middleware]:
    config = installed.write({"shop": {"public": PUBLIC, "body_limit": {"bytes": 5}}})
    return lambda app: Middleware(app, config)


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def test_what_concerns_the_applications_life_passes(guarded: Callable[[Application], Middleware]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (scope, await receive()) == ({"type": "lifespan"}, {"type": "lifespan.startup"})
        await send({"type": "lifespan.startup.complete"})

    sent = run(guarded(app), {"type": "lifespan"}, [{"type": "lifespan.startup"}])
    assert sent == [{"type": "lifespan.startup.complete"}]


def test_what_cannot_be_judged_does_not_pass(guarded: Callable[[Application], Middleware]) -> None:
    with pytest.raises(ValueError, match="not 'telnet'"):
        run(guarded(ok), {"type": "telnet"})


def test_pieces_go_through_as_they_are(guarded: Callable[[Application], Middleware]) -> None:
    pieces = [piece(b"ab", more=True), piece(b"", more=True), piece(b"cde")]
    answers: list[Message] = [
        {"type": "http.response.body", "body": b"x", "more_body": True},
        {"type": "http.response.body"},
    ]
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"shop")]})
        for answer in answers:
            seen.append(await receive())
            await send(answer)
        seen.append(await receive())

    start, *sent = run(guarded(app), scope_of("http", CHUNKED), pieces)
    assert all(one is other for one, other in zip(seen, pieces, strict=True))
    assert all(one is other for one, other in zip(sent, answers, strict=True))
    assert (b"server", b"shop") in start["headers"]


@pytest.mark.parametrize("cross", [False, True])
def test_a_body_that_grows_too_large_is_refused_whatever_the_application_says(
    guarded: Callable[[Application], Middleware], cross: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"abc"
        assert await receive() == {"type": "http.disconnect"}
        assert await receive() == {"type": "http.disconnect"}
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"bad request"})
        if cross:
            raise RuntimeError("the client went away")

    caplog.set_level(logging.INFO, "lockgate")
    start, body = run(guarded(app), scope_of("http", CHUNKED), [piece(b"abc", more=True), piece(b"def")])
    assert start["status"] == 413
    assert b"body-too-large" in body["body"]
    assert "refused 413 body-too-large by body_limit (lockgate.yaml:" in caplog.text


def test_a_body_of_http_2_is_counted_without_a_word_of_it(guarded: Callable[[Application], Middleware]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.disconnect"}

    start, _ = run(guarded(app), scope_of(http_version="2"), [piece(b"abcdef")])
    assert start["status"] == 413


def test_an_answer_that_has_begun_is_broken_off(guarded: Callable[[Application], Middleware]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert await receive() == {"type": "http.disconnect"}
        await send({"type": "http.response.body", "body": b"all is well"})

    (start,) = run(guarded(app), scope_of("http", CHUNKED), [piece(b"abcdef")])
    assert start["status"] == 200


def test_a_server_that_gives_more_than_was_told_is_not_believed(guarded: Callable[[Application], Middleware]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.disconnect"}

    start, _ = run(guarded(app), scope_of("http", (b"content-length", b"3")), [piece(b"abcd")])
    assert start["status"] == 400


def test_an_applications_own_failure_is_its_servers(guarded: Callable[[Application], Middleware]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("of the application")

    with pytest.raises(LookupError, match="of the application"):
        run(guarded(app), scope_of())


def test_what_the_engine_cannot_read_is_refused(
    guarded: Callable[[Application], Middleware], caplog: pytest.LogCaptureFixture
) -> None:
    start, body = run(guarded(ok), scope_of(headers=[(b"host",)]))
    assert start["status"] == 500
    assert b"internal-panic" in body["body"]
    assert "the engine failed, so the request is refused" in caplog.text


def test_the_path_that_the_application_acts_upon_is_the_one_that_is_judged(installed: Installed) -> None:
    apis = {"open": {"path": "/open", "public": PUBLIC}, "shut": {"path": "/", "public": PUBLIC, "methods": ["GET"]}}
    app = Middleware(ok, installed.write(apis))
    assert run(app, scope_of(path="/open", raw_path=b"/open"))[0]["status"] == 200
    assert run(app, scope_of(path="/open"))[0]["status"] == 200
    # Somebody between the server and the middleware has changed one and not the other.
    assert run(app, scope_of(path="/shut", raw_path=b"/open"))[0]["status"] == 405
    assert run(app, scope_of(path="/open/caf\N{LATIN SMALL LETTER E WITH ACUTE}"))[0]["status"] == 200


def test_the_normal_form_is_what_the_application_gets(guarded: Callable[[Application], Middleware]) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await ok(scope, receive, send)

    asked = scope_of(path="/a/./../b c", raw_path=b"/%61/./../b%20c", query_string=b"d=%2F")
    assert run(guarded(app), asked)[0]["status"] == 200
    assert (seen[0]["path"], seen[0]["raw_path"], seen[0]["query_string"]) == ("/b c", b"/b%20c", b"d=%2F")
    assert asked["path"] == "/a/./../b c", "the server's own scope stays as it is"


def test_a_websocket_is_refused_as_a_server_lets_one(installed: Installed) -> None:
    installed.key()
    app = Middleware(ok, installed.keyed())
    scope = scope_of("websocket", (b"upgrade", b"websocket"), (b"connection", b"Upgrade"))
    connect = [{"type": "websocket.connect"}]
    assert run(app, scope, connect) == [{"type": "websocket.close", "code": 1008, "reason": "refused"}]
    scope["extensions"] = {"websocket.http.response": {}}
    start, body = run(app, scope, connect)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (body["type"], b"key-missing" in body["body"]) == ("websocket.http.response.body", True)
    assert run(app, scope, [{"type": "websocket.disconnect"}]) == []


def test_who_forwards_is_believed_where_the_configuration_says_so(installed: Installed) -> None:
    forwarded = Asked(headers=[("Host", "a"), ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")])
    shop = {"shop": {"public": PUBLIC, "ip_filter": {"deny": ["192.0.2.0/24"]}}}
    got = through_asgi(loaded(installed.write(shop)))(forwarded)
    assert got.seen is not None
    assert got.seen.judged.client == "127.0.0.1"
    assert "x-forwarded-proto" not in dict(got.seen.headers)
    listeners = {"public": {"address": "127.0.0.1:8080", "trusted_proxies": ["127.0.0.1"]}}
    ask = through_asgi(loaded(installed.write(shop, listeners=listeners)))
    assert ask(forwarded).reason == "address-denied"
    got = ask(Asked(headers=[("Host", "a"), ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]))
    assert got.seen is not None
    assert (got.seen.judged.client, dict(got.seen.headers)["x-forwarded-proto"]) == ("203.0.113.9", "https")


@pytest.mark.parametrize("peer", [None, "testclient", "unix:/run/app"])
def test_a_caller_without_an_address_is_on_no_list(installed: Installed, peer: str | None) -> None:
    shop: dict[str, Any] = {"public": PUBLIC, "ip_filter": {"allow": ["127.0.0.0/8"]}}
    ask = through_asgi(loaded(installed.write({"shop": shop})))
    assert ask(Asked(headers=[("Host", "a")])).status == 200
    assert ask(Asked(headers=[("Host", "a")], peer=peer)).reason == "address-not-allowed"


def test_a_key_that_was_sent_to_the_wrong_api_goes_no_further(installed: Installed) -> None:
    key = installed.key().key
    apis = {
        "open": {"path": "/open", "public": PUBLIC},
        "shop": {"path": "/shop", "authenticate": ["api_key"], "authorize": "authenticated"},
    }
    got = through_asgi(loaded(installed.write(apis)))(
        Asked(target="/open", headers=[("Host", "a"), ("X-API-Key", key)])
    )
    assert got.seen is not None
    assert "x-api-key" not in dict(got.seen.headers)


def test_a_refusal_is_logged_without_secrets(installed: Installed, caplog: pytest.LogCaptureFixture) -> None:
    key = installed.key().key
    caplog.set_level(logging.INFO, "lockgate")
    ask = through_asgi(loaded(installed.keyed()))
    got = ask(Asked(target=f"/{key}?token=secret", headers=[("Host", "a"), ("X-API-Key", "lg_live_wrong")]))
    (record,) = caplog.records
    told = cast("dict[str, Any]", record.__dict__["lockgate"])
    assert (told["reason"], told["status"], told["policy"]) == (got.reason, got.status, "api_key")
    assert (told["api"], told["client"], told["request_id"]) == ("shop", "127.0.0.1", got.get("x-request-id"))
    assert told["place"].startswith("lockgate.yaml:")
    said = f"{record.getMessage()} {told}"
    assert key not in said
    assert "token" not in said


def test_frameworks_can_be_told_to_add_it(installed: Installed) -> None:
    config = installed.write({"shop": {"path": "/shop", "public": PUBLIC}})
    app = Starlette(routes=[Route("/shop", lambda request: PlainTextResponse(request.state.lockgate.api))])
    app.add_middleware(Middleware, config=config)
    start, body = run(app, scope_of(method="GET", path="/shop"))
    assert (start["status"], body["body"]) == (200, b"shop")
    assert run(app, scope_of(method="GET", path="/else"))[0]["status"] == 404


def test_the_reasons_pages_are_there(installed: Installed) -> None:
    ask = through_asgi(loaded(installed.write({"shop": {"path": "/shop", "public": PUBLIC}})))
    got = ask(Asked(target="/.lockgate/reasons/no-route", headers=[("Host", "a")]))
    assert (got.status, b"no-route" in got.body, got.seen) == (200, True, None)


def test_an_api_with_plugins_refuses_since_no_process_runs_them(installed: Installed) -> None:
    fine = "from lockgate.plugin import Plugin\nclass Fine(Plugin):\n    on_request = staticmethod(lambda head: None)\n"
    (installed.folder / "checks.py").write_text(fine, encoding="utf-8")
    config = installed.write({"shop": {"public": PUBLIC, "plugins": ["checks:Fine"]}})
    start, body = run(Middleware(ok, config), scope_of(), [piece(b"")])
    assert start["status"] == 500
    assert b"plugin-failed" in body["body"]
