"""`websocket`, from the configuration to the wire: handshakes by cases, and talks with a real client and server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import connect as secured
from gateway.harness.secure import context
from gateway.harness.talks import WITHIN, Server
from gateway.harness.tokens import Tokens
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Wire, request
from lockgate.config import load
from lockgate.config.bundle_types import Bundle, PlacedWebsocket
from policies.conftest import Evaluate, Refusals, written
from support.certificates import Authority
from support.vectors import Case, cases, name
from support.waiting import until

CASES = cases("websocket")
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def fields(case: Case) -> list[tuple[str, str]]:
    """The request's."""
    told = {**HANDSHAKE, **case["headers"]}
    return [("Host", "a.example"), *((key, value) for key, value in told.items() if value is not None)]


def said(case: Case) -> dict[str, Any]:
    """The API's part of the configuration."""
    return {"websocket": case["config"]} if "config" in case else {}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    got = evaluate(said(case), {"method": case.get("method", "GET"), "headers": fields(case)})
    assert got["verdict"] == case["verdict"]
    assert (got["reason"] or {}).get("code") == case.get("reason")


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    placed = compiled(tmp_path, case["config"]) if "config" in case else None
    gate.load(bundles.bundle([bundles.api(sockets=placed)], [bundles.upstream(auto.port)]))
    with gate.client() as client:
        lines = [f"{key}: {value}" for key, value in fields(case)[1:]]
        client.send(request("/", *lines, method=case.get("method", "GET"), host="a.example"))
        answer = client.message()
    if case["verdict"] == "allow":
        # The upstream grants none, and its answer is as any other.
        assert answer.status == 200
        asked = "upgrade" in auto.requests[-1].names
        assert asked == (dict(fields(case)).get("Upgrade") == "websocket")
    else:
        assert answer.reason == case["reason"]
    if case.get("reason") == "websocket-version":
        assert (answer.status, answer.get("sec-websocket-version")) == (426, "13")


def compiled(folder: Path, config: dict[str, Any]) -> PlacedWebsocket:
    """The policy as the bundle has it."""
    apis = load(written(folder, {"websocket": config})).compile(1, 1)["apis"]
    placed: PlacedWebsocket | None = apis[0]["policies"]["websocket"]
    assert placed is not None
    return placed


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"frame_bytes": 0}, ["out-of-range"]),
        ({"message_bytes": "much"}, ["size-malformed"]),
        ({"idle": "1ms"}, ["out-of-range"]),
        ({"messages": -1}, ["out-of-range"]),
        ({"origins": ["shop"]}, ["origin-malformed"]),
        ({"origin": "https://a.example"}, ["unknown-key"]),
    ],
)
def test_bad_configs_are_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"websocket": config}) == codes


@pytest.fixture
def server() -> Iterator[Server]:
    """An upstream."""
    with Server() as running:
        yield running


def taking(port: int, folder: Path, config: dict[str, Any] | None = None, **more: Any) -> Bundle:
    """An API that takes WebSockets."""
    placed = compiled(folder, config or {})
    return bundles.bundle([bundles.api(sockets=placed, **more)], [bundles.upstream(port)])


@contextlib.asynccontextmanager
async def opened(gate: Gate, **more: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket through the gate."""
    async with connect(f"ws://127.0.0.1:{gate.port()}/talk", max_size=None, proxy=None, **more) as web:
        yield web


async def closes(web: ClientConnection) -> tuple[int | None, str | None]:
    """How the other end closes."""
    async with asyncio.timeout(WITHIN):
        with contextlib.suppress(ConnectionClosed):
            async for _ in web:
                pass
        await web.wait_closed()
    return web.close_code, web.close_reason


async def chatter(web: ClientConnection, times: int) -> None:
    """Says something, and hears it, so often."""
    for _ in range(times):
        await web.send("x")
        await web.recv()


def test_messages_go_both_ways(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path))

    async def talk() -> None:
        async with opened(gate, subprotocols=["chat"], compression=None) as web:
            assert web.subprotocol == "chat"
            for message in ("hello", "ä" * 10_000, b"", b"\x00\xff" * 100_000, ""):
                await web.send(message)
                assert await web.recv() == message
            await (await web.ping())
            await web.send(["in ", "three ", "parts"])
            assert await web.recv() == "in three parts"
        assert web.close_code == 1000

    asyncio.run(talk())
    [event] = gate.written(path="/talk", status=101)
    assert event.get("reason") is None
    assert event["bytes_in"] > 200_000
    assert event["bytes_out"] > 200_000
    until(lambda: server.closed == [1000], "the server to hear of the end")
    assert server.fields[0]["x-request-id"] == event["id"]


def test_compressed_messages_pass(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path))

    async def talk() -> None:
        async with opened(gate, compression="deflate") as web:
            assert "permessage-deflate" in (web.response.headers["Sec-WebSocket-Extensions"] if web.response else "")
            await web.send("again and " * 10_000)
            assert await web.recv() == "again and " * 10_000

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("config", "message", "code", "reason"),
    [
        ({"frame_bytes": 1000}, b"x" * 1001, 1009, "websocket-frame-too-large"),
        ({"message_bytes": 1000}, [b"x" * 600, b"x" * 600], 1009, "websocket-message-too-large"),
    ],
)
def test_what_is_too_large_ends_it(
    config: dict[str, Any],
    message: Any,
    code: int,
    reason: str,
    gate: Gate,
    server: Server,
    tmp_path: Path,
) -> None:
    gate.load(taking(server.port, tmp_path, config))
    before = gate.refusals(reason)

    async def talk() -> None:
        async with opened(gate, compression=None) as web:
            await web.send(message)
            assert await closes(web) == (code, reason)

    asyncio.run(talk())
    until(lambda: gate.refusals(reason) > before, f"{reason} to be counted")
    assert gate.written(path="/talk", reason=reason)


def test_what_is_too_large_from_the_upstream_ends_it(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path, {"frame_bytes": 1_000}))

    async def talk() -> None:
        async with opened(gate, compression=None) as web:
            await web.send("much")
            assert await closes(web) == (1009, "upstream-websocket-too-large")

    asyncio.run(talk())


def test_too_many_messages_end_it(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path, {"messages": 10}))

    async def talk() -> None:
        async with opened(gate) as web:
            await chatter(web, 40)
            with pytest.raises(ConnectionClosed):
                await chatter(web, 1_000)
            assert (web.close_code, web.close_reason) == (1008, "websocket-too-many-messages")

    asyncio.run(talk())


def test_one_that_rests_too_long_is_closed(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path, {"idle": "1s"}))

    async def talk() -> None:
        async with opened(gate, ping_interval=None) as web:
            assert await closes(web) == (1001, "websocket-idle")

    asyncio.run(talk())
    until(lambda: server.closed, "the server to hear of it")
    assert server.closed == [1001]


def test_a_revoked_key_ends_what_it_opened(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path, keys=[bundles.api_key()]))
    sequence = int(gate.tell("facts_seq"))
    key = gate.key(sequence + 1, "key_ws")

    async def talk() -> None:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{gate.port()}/talk", proxy=None)
        async with opened(gate, additional_headers={"X-API-Key": key}) as web:
            await web.send("in")
            assert await web.recv() == "in"
            gate.facts({"seq": sequence + 2, "kind": "key.revoke", "id": "key_ws", "at_ms": 1})
            assert await closes(web) == (1008, "websocket-ended")

    asyncio.run(talk())
    assert gate.written(path="/talk", reason="websocket-ended")


def test_a_token_that_expires_ends_what_it_opened(gate: Gate, server: Server, tmp_path: Path) -> None:
    tokens = Tokens()
    gate.load(tokens.add_to(taking(server.port, tmp_path, keys=[bundles.jwt(tokens.name)])))
    tokens.publish(gate)
    soon = int(time.time()) + 3

    def bearing(expires: int) -> dict[str, Any]:
        return {"additional_headers": {"Authorization": tokens.bearer(expires)}}

    async def talk() -> None:
        async with opened(gate, **bearing(soon + 600)) as other, opened(gate, **bearing(soon)) as web:
            await web.send("in")
            assert await web.recv() == "in"
            assert await closes(web) == (1008, "websocket-ended")
            assert time.time() >= soon, "it was good until then"
            await other.send("still in")
            assert await other.recv() == "still in"
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{gate.port()}/talk", proxy=None, **bearing(soon))

    asyncio.run(talk())
    assert gate.written(path="/talk", reason="websocket-ended")


def test_a_proof_that_gets_old_and_a_device_that_is_revoked_end_what_they_opened(
    gate: Gate, server: Server, tmp_path: Path
) -> None:
    tokens = Tokens()
    rule: Any = {"operations": [], "methods": [], "within_s": 4, "amr": [], "acr": []}
    bundle = taking(server.port, tmp_path, keys=[bundles.jwt(tokens.name)])
    bundle["apis"][0]["policies"]["step_up"] = {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(40),
        "config": {"rules": [rule], "sign_in": None},
    }
    gate.load(tokens.add_to(bundle))
    tokens.publish(gate)
    now_s = int(time.time())

    def of(device: str, proved_s: int) -> dict[str, Any]:
        bearer = tokens.bearer(now_s + 600, sub="ann", device=device, auth_time=proved_s)
        return {"additional_headers": {"Authorization": bearer}}

    async def talk() -> None:
        # An issuer's clock may be ahead by a minute: this proof is new for as long.
        async with (
            opened(gate, **of("laptop", now_s + 50)) as laptop,
            opened(gate, **of("phone", now_s + 50)) as phone,
            opened(gate, **of("tablet", now_s)) as tablet,
        ):
            revoked = {"kind": "token.revoke", "issuer": "https://login.example", "by": "device", "value": "phone"}
            gate.facts({"seq": int(gate.tell("facts_seq")) + 1, "at_ms": bundles.now_ms(), **revoked})
            assert await closes(phone) == (1008, "websocket-ended")
            assert await closes(tablet) == (1008, "websocket-ended")
            assert time.time() >= now_s + 4, "it was new enough until then"
            await laptop.send("still in")
            assert await laptop.recv() == "still in"

    asyncio.run(talk())
    for reason in ("jwt-revoked", "step-up-wanted"):
        assert gate.written(path="/talk", ended=reason)


def test_rules_that_change_end_what_they_let_in(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path))

    async def talk() -> None:
        async with opened(gate) as web:
            gate.load(taking(server.port, tmp_path))
            await web.send("a reload changes nothing")
            assert await web.recv()
            gate.load(taking(server.port, tmp_path, addresses=bundles.ip_filter(deny=["127.0.0.1"])))
            assert await closes(web) == (1008, "websocket-ended")

    asyncio.run(talk())


def test_an_api_that_takes_none_any_more_closes_those_that_it_took(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path))

    async def talk() -> None:
        async with opened(gate) as web:
            gate.load(bundles.bundle([bundles.api()], [bundles.upstream(server.port)]))
            assert await closes(web) == (1008, "websocket-ended")

    asyncio.run(talk())


def test_a_revoked_certificate_ends_what_it_opened(gate: Gate, server: Server, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.issue("client", "client.example")
    crl = authority.revoke()
    told = taking(server.port, tmp_path)
    clients = bundles.clients(authority.pem, crl=[crl])
    told["listeners"] = [bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example"), clients=clients))]
    gate.load(told)

    async def talk() -> None:
        how = context(authority.pem, shown=client)
        uri = f"wss://shop.example:{gate.port()}/talk"
        async with connect(uri, host="127.0.0.1", port=gate.port(), ssl=how, proxy=None) as web:
            await web.send("in")
            assert await web.recv() == "in"
            authority.revoke(client.certificate)
            assert gate.tell("renew_secrets")
            assert await closes(web) == (1008, "websocket-ended")

    asyncio.run(talk())


def test_pings_and_empty_pieces_are_bounded_too(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path, {"messages": 5}))
    mask = bytes(4)
    for flood in (b"\x89\x80" + mask, b"\x00\x80" + mask):
        with gate.client() as client:
            client.send(request("/talk", *(f"{key}: {value}" for key, value in HANDSHAKE.items())))
            client.until(b"\r\n\r\n")
            first = b"\x01\x80" + mask if flood[0] == 0 else b""
            with contextlib.suppress(OSError):
                client.send(first + flood * 5_000)
            assert b"websocket-too-many-messages" in client.rest()


def test_a_client_that_takes_nothing_is_let_go(gate: Gate, server: Server, tmp_path: Path) -> None:
    """Also over TLS, where there is a last word to say that it does not take either."""
    authority = Authority(tmp_path)
    told = taking(server.port, tmp_path, {"messages": 0, "message_bytes": "64MiB", "frame_bytes": "64MiB"})
    bounds = bundles.limits(write_timeout_ms=500)
    tls = bundles.tls(authority.issue("shop", "shop.example"))
    told["listeners"] = [bundles.listener(tls=tls, bounds=bounds)]
    gate.load(told)
    with Wire(secured(gate.port(), context(authority.pem))) as wire:
        wire.send(request("/talk", *(f"{key}: {value}" for key, value in HANDSHAKE.items()), host="shop.example"))
        wire.until(b"\r\n\r\n")
        piece = b"\x82\xff" + (1 << 20).to_bytes(8, "big") + bytes(4) + bytes(1 << 20)
        with contextlib.suppress(OSError):
            for _ in range(32):
                wire.send(piece)
        until(lambda: gate.tell("stats")["connections"] == 0, "the connection to be let go")


def test_over_tls(gate: Gate, server: Server, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    told = taking(server.port, tmp_path)
    told["listeners"] = [bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")))]
    gate.load(told)

    async def talk() -> None:
        uri = f"wss://shop.example:{gate.port()}/talk"
        async with connect(uri, host="127.0.0.1", port=gate.port(), ssl=context(authority.pem), proxy=None) as web:
            await web.send("x" * 100_000)
            assert await web.recv() == "x" * 100_000

    asyncio.run(talk())


def test_an_upstream_that_breaks_the_rules_is_found_out(gate: Gate, tmp_path: Path) -> None:
    def reply(_: object) -> bytes:
        granted = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        return granted + b"Sec-WebSocket-Accept: AAAA\r\n\r\n"

    with AutoUpstream(reply) as auto:
        gate.load(taking(auto.port, tmp_path))
        with gate.client() as client:
            client.send(request("/talk", *(f"{key}: {value}" for key, value in HANDSHAKE.items())))
            assert client.message().reason == "upstream-websocket-accept"


def test_unmasked_frames_of_a_client_end_it(gate: Gate, server: Server, tmp_path: Path) -> None:
    gate.load(taking(server.port, tmp_path))
    with gate.client() as client:
        client.send(request("/talk", *(f"{key}: {value}" for key, value in HANDSHAKE.items())))
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        client.send(b"\x81\x05hello")
        end = client.rest()
    assert end.startswith(b"\x88")
    assert end[2:4] == (1002).to_bytes(2, "big")
    assert end[4:] == b"websocket-mask"
    gate.refused("websocket-mask")
