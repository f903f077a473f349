"""Attacks on HTTP/2: each meets its bound and is counted, and the others are served meanwhile."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count, repeat

import hpack
import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.secure import Http2
from gateway.harness.upstream import AutoUpstream
from support.certificates import Authority
from support.waiting import until

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
ENHANCE_YOUR_CALM = 11
HEAD = hpack.Encoder().encode(
    [(":method", "POST"), (":scheme", "https"), (":authority", "shop.example"), (":path", "/")]
)


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def resets() -> Iterator[bytes]:
    """CVE-2023-44487: a request and its end at once."""
    for stream in count(101, 2):
        asked = frame(HEADERS, HEAD, END_HEADERS | END_STREAM, stream)
        yield asked + frame(RST_STREAM, struct.pack(">I", 8), stream=stream)


def empty_data() -> Iterator[bytes]:
    """CVE-2019-9518."""
    yield frame(HEADERS, HEAD, END_HEADERS, 101)
    yield from repeat(frame(DATA, stream=101))


def continuations() -> Iterator[bytes]:
    """CVE-2024-27316."""
    yield frame(HEADERS, HEAD, END_STREAM, 101)
    yield from repeat(frame(CONTINUATION, hpack.Encoder().encode([("x-more", "y" * 100)]), stream=101))


def a_large_block() -> Iterator[bytes]:
    """The same, with few large frames."""
    yield frame(HEADERS, HEAD, END_STREAM, 101)
    yield from repeat(frame(CONTINUATION, b"\x00\x01x\x7f\x81\x7c" + b"y" * 16_000, stream=101))


def a_bomb() -> Iterator[bytes]:
    """CVE-2016-6581: one field in the table, and a byte for each time that it is said again."""
    table = b"\x40\x01x" + b"\x7f\xa1\x1e" + b"y" * 4_000
    yield frame(HEADERS, HEAD + table + b"\xbe" * 12_000, END_HEADERS | END_STREAM, 101)
    yield from repeat(frame(PING, bytes(8)))


FLOODS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "resets": (resets, "http2-(reset-flood|flood)"),
    "settings": (lambda: repeat(frame(SETTINGS)), "http2-settings-flood"),
    "pings": (lambda: repeat(frame(PING, bytes(8))), "http2-ping-flood"),
    "priorities": (lambda: repeat(frame(PRIORITY, struct.pack(">IB", 0, 1), stream=101)), "http2-priority-flood"),
    "windows": (lambda: repeat(frame(WINDOW_UPDATE, struct.pack(">I", 1))), "http2-window-update-flood"),
    "empty data": (empty_data, "http2-empty-frames-flood"),
    "continuations": (continuations, "http2-header-block-frames"),
    "a large block": (a_large_block, "http2-header-block-(too-large|frames)"),
    "unknown frames": (lambda: repeat(frame(0xFE)), "http2-unknown-frames-flood"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path_factory.mktemp("floods"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A gate with a public API over TLS."""
    with AutoUpstream() as upstream, Gate(tmp_path_factory.mktemp("shop") / "state") as running:
        listener = bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")))
        running.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
        yield Place(running, upstream, running.port())


def send(web: Http2, frames: Iterator[bytes], most: int = 32 << 20) -> int:
    """Sends until the other end has enough; how many bytes it took."""
    sent = 0
    while sent < most:
        piece = b"".join(next(frames) for _ in range(100))
        try:
            web.sock.sendall(piece)
        except OSError:
            return sent
        sent += len(piece)
    raise AssertionError(f"{sent} bytes of it were borne")


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_its_connection_and_no_other(name: str, shop: Place, authority: Authority) -> None:
    frames, reason = FLOODS[name]
    before = shop.gate.memory()
    with Http2(shop.port, authority.pem) as bystander, Http2(shop.port, authority.pem) as attacker:
        attacker.get()
        sent = send(attacker, frames())
        assert bystander.get().status == 200
    until(lambda: counted(shop.gate, reason), f"{reason} to be counted")
    # What a connection may hold at most is far below this.
    assert shop.gate.memory() - before < 8 << 20
    assert sent < 16 << 20


def counted(gate: Gate, reason: str) -> bool:
    """Whether a reason of this pattern was given."""
    alternatives = [reason]
    if "(" in reason:
        start, _, rest = reason.partition("(")
        inner, _, end = rest.partition(")")
        alternatives = [start + each + end for each in inner.split("|")]
    return any(gate.refusals(each) for each in alternatives)


def test_a_bomb_of_headers_is_refused_without_being_unpacked(shop: Place, authority: Authority) -> None:
    before = shop.gate.memory()
    with Http2(shop.port, authority.pem) as web:
        frames = a_bomb()
        web.sock.sendall(next(frames))
        kinds: set[int] = set()
        while not kinds & {HEADERS, RST_STREAM, GOAWAY} and (came := web.sock.recv(65536)):
            kinds |= set(kinds_of(came))
        assert kinds & {HEADERS, RST_STREAM, GOAWAY}, "refused, reset or ended"
    assert not any("x" in dict(each.headers) for each in shop.upstream.requests)
    assert shop.gate.memory() - before < 8 << 20


def kinds_of(came: bytes) -> Iterator[int]:
    """The kinds of the frames that came, whole or begun."""
    while len(came) > 3:
        yield came[3]
        came = came[9 + int.from_bytes(came[:3], "big") :]
