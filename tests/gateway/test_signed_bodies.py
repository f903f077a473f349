"""Bodies that say who calls, on every road that a body takes: held, verified, and passed on as if they arrived then."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2
from gateway.harness.talks import Server
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import chunked
from lockgate.config.bundle_types import Bundle
from support.certificates import Authority

SECRET = b"a secret of sixteen bytes or more"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(tmp_path_factory.mktemp("gate") / "state") as running:
        yield running


@pytest.fixture
def auto() -> Iterator[AutoUpstream]:
    with AutoUpstream() as serving:
        yield serving


def way(folder: Path, **more: Any) -> Any:
    """An entry for webhooks of a form with a time."""
    (folder / "secret").write_bytes(SECRET)
    form = {
        "header": "x-sign",
        "separator": None,
        "prefix": "",
        "public_prefix": None,
        "encoding": "hex",
        "secret_prefix": None,
        "id": None,
        "timestamp": "x-time",
        "timestamp_prefix": None,
        "signed": ["timestamp", {"text": "."}, "body"],
    }
    config = {
        "name": "sender",
        "secrets": [f"file:{folder / 'secret'}"],
        "public_keys": [],
        "form": form,
        "tolerance_ms": 300_000,
        "once": False,
        "body_bytes": 1 << 20,
        "forward": False,
        **more,
    }
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(35)}
    return {"webhook": {**placed, "config": config}}


def signed(body: bytes) -> list[tuple[str, str]]:
    """The fields of a webhook of now."""
    now = str(int(time.time()))
    return [("x-time", now), ("x-sign", hmac.digest(SECRET, f"{now}.".encode() + body, "sha256").hex())]


def serving(folder: Path, port: int, listener: Any = None, **more: Any) -> Bundle:
    api = bundles.api(keys=[way(folder)], **more)
    return bundles.bundle([api], [bundles.upstream(port)], listeners=[listener] if listener is not None else None)


def head(fields: list[tuple[str, str]], *more: str) -> bytes:
    lines = ["POST /hook HTTP/1.1", "Host: a.example", *(f"{name}: {value}" for name, value in fields), *more, "", ""]
    return "\r\n".join(lines).encode()


def test_over_http2_it_is_the_same(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("gate", "shop.example")))
    gate.load(serving(tmp_path, auto.port, listener))
    body = b"x" * 200_000
    with Http2(gate.port(), authority.pem) as client:
        stream = client.ask("/hook", "POST", *signed(body), body=True)
        client.say(stream, body[:100_000])
        assert not auto.requests
        client.say(stream, body[100_000:], end=True)
        assert client.answer(stream).status == 200
        stream = client.ask("/hook", "POST", *signed(body), body=True)
        client.say(stream, body[1:], end=True)
        assert client.answer(stream).status == 401
        # A stream that is refused ends alone.
        assert client.get("/hook").status == 401
    assert [request.body for request in auto.requests] == [body]


def test_a_client_that_waits_is_told_to_go_on(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(serving(tmp_path, auto.port))
    with gate.client() as client:
        client.send(head(signed(b"hello"), "Content-Length: 5", "Expect: 100-continue"))
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        client.send(b"hello")
        assert client.message().status == 200
    with gate.client() as client:
        old = [("x-time", "1"), ("x-sign", "00")]
        client.send(head(old, "Content-Length: 5", "Expect: 100-continue"))
        assert client.message().reason == "webhook-expired", "who is refused by the head sends no body"


def test_who_goes_away_in_the_middle_leaves_nothing_behind(gate: Gate, tmp_path: Path) -> None:
    with Upstream() as upstream:
        gate.load(serving(tmp_path, upstream.port))
        with gate.client() as client:
            client.send(head(signed(b"hello"), "Content-Length: 5"), b"he")
        [event] = gate.written(1, reason="client-closed-early")
        assert (event["path"], event["bytes_in"]) == ("/hook", 2)
        assert upstream.untouched()


def test_several_requests_on_one_connection(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(serving(tmp_path, auto.port))
    with gate.client() as client:
        client.send(*(head(signed(body), f"Content-Length: {len(body)}") + body for body in (b"one", b"two")))
        assert [client.message().status for _ in range(2)] == [200, 200]
        client.send(head(signed(b"three"), "Content-Length: 5"), b"THREE")
        assert client.message().reason == "webhook-wrong"
        client.send(head(signed(b"four"), "Content-Length: 4"), b"four")
        assert client.message().status == 200
    assert [request.body for request in auto.requests] == [b"one", b"two", b"four"]


def test_trailers_of_what_was_verified_do_not_go_on(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(serving(tmp_path, auto.port))
    with gate.client() as client:
        client.send(
            head(signed(b"hello"), "Transfer-Encoding: chunked"), chunked(b"he", b"llo", trailers="X-More: 1\r\n")
        )
        assert client.message().status == 200
    assert (auto.requests[-1].body, auto.requests[-1].trailers) == (b"hello", [])


def test_what_is_verified_is_what_arrived_and_what_goes_on_is_unpacked(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    unpacks: Any = {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(20),
        "config": {"codings": ["gzip"], "layers": 1, "ratio": 1000, "window": 8 << 20},
    }
    bundle = serving(tmp_path, auto.port)
    bundle["apis"][0]["policies"]["inflate"] = unpacks
    gate.load(bundle)
    packed = gzip.compress(b"hello " * 100)
    with gate.client() as client:
        client.send(head(signed(packed), f"Content-Length: {len(packed)}", "Content-Encoding: gzip"), packed)
        assert client.message().status == 200
    assert auto.requests[-1].body == b"hello " * 100


def test_a_body_limit_and_a_guard_see_what_was_held(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    limit: Any = {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(21),
        "config": {"bytes": 8},
    }
    bundle = serving(tmp_path, auto.port)
    bundle["apis"][0]["policies"]["body_limit"] = limit
    gate.load(bundle)
    with gate.client() as client:
        client.send(head(signed(b"x" * 9), "Transfer-Encoding: chunked"), chunked(b"x" * 9))
        assert client.message().reason == "body-too-large"
    with gate.client() as client:
        client.send(head(signed(b"x" * 8), "Transfer-Encoding: chunked"), chunked(b"x" * 8))
        assert client.message().status == 200


def test_memory_is_given_back(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    listener = bundles.listener(bounds=bundles.limits(inspect_memory=64 * 1024))
    gate.load(serving(tmp_path, auto.port, listener))
    body = b"x" * 20_000
    for number in range(12):
        with gate.client() as client:
            wrong = body if number % 2 else body[:-1] + b"y"
            client.send(head(signed(body), f"Content-Length: {len(body)}"), wrong)
            assert client.message().status == (200 if number % 2 else 401)


def test_a_websocket_is_opened_by_a_signature_over_no_body(gate: Gate, tmp_path: Path) -> None:
    sockets: Any = {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(22),
        "config": {"origins": [], "frame_bytes": 1 << 20, "message_bytes": 1 << 20, "messages": 0, "idle_ms": 60_000},
    }

    async def talk(port: int) -> str:
        fields = dict(signed(b""))
        async with connect(f"ws://127.0.0.1:{port}/talk", additional_headers=fields, proxy=None) as socket:
            await socket.send("hello")
            return str(await socket.recv())

    with Server() as server:
        bundle = serving(tmp_path, server.port)
        bundle["apis"][0]["policies"]["websocket"] = sockets
        gate.load(bundle)
        assert asyncio.run(talk(gate.port())) == "hello"
