"""`waf` and gRPC: calls are judged message by message, with grpcio on both sides of a running gate."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.harness import bundles
from gateway.harness.calls import Shop, channel, loaded, served, status_of, unary
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2
from gateway.harness.wire import WITHIN
from lockgate.config import load
from lockgate.config.bundle_types import PlacedGrpc
from policies.conftest import written
from support.certificates import Authority


def message(text: bytes) -> bytes:
    """A message of Protocol Buffers with a text in it."""
    size = len(text)
    length = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    return b"\x0a" + length + text


ATTACK = message(b"1' UNION SELECT password FROM users-- ")
GOOD = message(b"shoes for o'brien")
TAKEN = [pytest.param(None, id="no word of grpc"), pytest.param(bundles.calls(), id="grpc")]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who issues the gate's certificate."""
    return Authority(tmp_path)


@pytest.fixture
def shop() -> Shop:
    """The service."""
    return Shop()


@contextlib.contextmanager
def guarded(
    gate: Gate, authority: Authority, shop: Shop, folder: Path, calls: PlacedGrpc | None, **config: Any
) -> Iterator[grpc.Channel]:
    """A client of the service, through a gate that looks at its calls."""
    placed = load(written(folder, {"waf": config})).compile(1, 1)["apis"][0]["policies"]["waf"]
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(guards=placed, calls=calls))
        with channel(gate, authority) as client:
            yield client


@pytest.mark.parametrize("calls", TAKEN)
def test_a_call_with_an_attack_is_refused(
    calls: PlacedGrpc | None, gate: Gate, authority: Authority, shop: Shop, tmp_path: Path
) -> None:
    with guarded(gate, authority, shop, tmp_path, calls) as client:
        echoed = unary(client, "/shop.Shop/Echo")
        assert echoed(GOOD, timeout=WITHIN) == GOOD
        code, words = status_of(lambda: echoed(ATTACK, timeout=WITHIN))
        assert code == grpc.StatusCode.PERMISSION_DENIED
        assert "waf-refused" in words
    event = gate.written(1, reason="waf-refused")[-1]
    found = event["waf"]["found"][0]
    assert (found["rule"], found["at"]) == ("sql-injection", "ARGS:grpc.1")
    assert "password" not in str(event)


@pytest.mark.parametrize("calls", TAKEN)
def test_a_talk_goes_on_message_by_message(
    calls: PlacedGrpc | None, gate: Gate, authority: Authority, shop: Shop, tmp_path: Path
) -> None:
    heard = threading.Event()
    again = threading.Event()

    def words() -> Iterator[bytes]:
        yield GOOD
        assert heard.wait(WITHIN)
        yield GOOD
        assert again.wait(WITHIN)
        yield ATTACK

    with guarded(gate, authority, shop, tmp_path, calls) as client:
        talking: grpc.StreamStreamMultiCallable[bytes, bytes] = client.stream_stream("/shop.Shop/Talk")
        talk = talking(words(), timeout=WITHIN)
        assert next(talk) == GOOD.upper()
        heard.set()
        assert next(talk) == GOOD.upper(), "the first answer came before the second message was sent"
        again.set()
        code, told = status_of(lambda: next(talk))
    assert code == grpc.StatusCode.PERMISSION_DENIED
    assert "waf-refused" in told


def test_many_good_messages_add_up_to_nothing(gate: Gate, authority: Authority, shop: Shop, tmp_path: Path) -> None:
    with guarded(gate, authority, shop, tmp_path, None) as client:
        talking: grpc.StreamStreamMultiCallable[bytes, bytes] = client.stream_stream("/shop.Shop/Talk")
        assert list(talking(iter([GOOD] * 500), timeout=WITHIN)) == [GOOD.upper()] * 500


def test_what_is_observed_goes_on(gate: Gate, authority: Authority, shop: Shop, tmp_path: Path) -> None:
    with guarded(gate, authority, shop, tmp_path, None, mode="observe") as client:
        assert unary(client, "/shop.Shop/Echo")(ATTACK, timeout=WITHIN) == ATTACK
        assert unary(client, "/shop.Shop/Echo")(b"\xff\xff", timeout=WITHIN) == b"\xff\xff"
    assert gate.written(2)[-2]["waf"]["score"] >= 5


def framed(text: bytes, flag: int = 0) -> bytes:
    """A message with its prefix."""
    return bytes([flag]) + len(text).to_bytes(4, "big") + text


def packed(text: bytes) -> bytes:
    """The same bytes whenever it is asked for: they name a test."""
    return gzip.compress(text, mtime=0)


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (framed(GOOD), None, None),
        (framed(packed(GOOD), 1), "gzip", None),
        (framed(packed(ATTACK), 1), "gzip", "waf-refused"),
        (framed(packed(message(b"x" * 5000)), 1), "gzip", "waf-body-too-long"),
        (framed(packed(bytes(10 << 20)), 1), "gzip", "waf-body-too-long"),
        (framed(packed(GOOD)[:-4], 1), "gzip", "coding-malformed"),
        (framed(GOOD, 1), "snappy", "grpc-compressed"),
        (framed(GOOD, 1), None, "grpc-compressed"),
        (framed(b"\x0a\x09abc"), None, "grpc-not-protobuf"),
        (framed(message(b"x" * 5000)), None, "waf-body-too-long"),
        (framed(GOOD)[:-1], None, "grpc-incomplete"),
        (framed(GOOD, 7), None, "grpc-flag"),
    ],
)
def test_messages_have_their_reasons(
    body: bytes,
    coding: str | None,
    reason: str | None,
    gate: Gate,
    authority: Authority,
    shop: Shop,
    tmp_path: Path,
) -> None:
    packed = () if coding is None else (("grpc-encoding", coding),)
    kind = ("content-type", "application/grpc")
    with (
        guarded(gate, authority, shop, tmp_path, None, inspect_bytes="4KiB"),
        Http2(gate.port(), authority.pem) as web,
    ):
        stream = web.ask("/shop.Shop/Echo", "POST", kind, ("te", "trailers"), *packed, body=True)
        web.say(stream, body, end=True)
        answer = web.answer(stream)
    told = dict([*answer.headers, *answer.trailers]).get("grpc-message", "")
    if reason is None:
        assert (told, answer.body) == ("", framed(GOOD))
    else:
        assert reason in told


def test_what_cannot_be_judged_goes_on_whole_where_it_is_observed(
    gate: Gate, authority: Authority, shop: Shop, tmp_path: Path
) -> None:
    body = framed(GOOD, 1) + framed(ATTACK)
    with (
        guarded(gate, authority, shop, tmp_path, None, mode="observe"),
        Http2(gate.port(), authority.pem) as web,
    ):
        kind = ("content-type", "application/grpc")
        stream = web.ask("/shop.Shop/Talk", "POST", kind, ("te", "trailers"), body=True)
        web.say(stream, body, end=True)
        web.answer(stream)
    event = gate.written(1)[-1]
    assert event["bytes_in"] == len(body)
    assert event["waf"]["score"] >= 5, "what comes behind it is judged"
