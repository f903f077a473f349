"""Floods of HTTP/2's frames, each without an end."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count, repeat

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
UNKNOWN = 0xFE
HEAD = hpack.Encoder().encode(
    [(":method", "POST"), (":scheme", "https"), (":authority", "shop.example"), (":path", "/")]
)
FIRST = 101
"""The number of the first stream of a flood: whoever begins it may have asked for something before."""


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def resets() -> Iterator[bytes]:
    """CVE-2023-44487: a request and its end at once."""
    for stream in count(FIRST, 2):
        asked = frame(HEADERS, HEAD, END_HEADERS | END_STREAM, stream)
        yield asked + frame(RST_STREAM, struct.pack(">I", 8), stream=stream)


def induced_resets() -> Iterator[bytes]:
    """CVE-2025-8671: a request, and a frame that makes the server reset it, here that it waits for itself."""
    for stream in count(FIRST, 2):
        asked = frame(HEADERS, HEAD, END_HEADERS, stream)
        yield asked + frame(PRIORITY, struct.pack(">IB", stream, 1), stream=stream)


def empty_data() -> Iterator[bytes]:
    """CVE-2019-9518."""
    yield frame(HEADERS, HEAD, END_HEADERS, FIRST)
    yield from repeat(frame(DATA, stream=FIRST))


def continuations() -> Iterator[bytes]:
    """CVE-2024-27316."""
    yield frame(HEADERS, HEAD, END_STREAM, FIRST)
    yield from repeat(frame(CONTINUATION, hpack.Encoder().encode([("x-more", "y" * 100)]), stream=FIRST))


def a_large_block() -> Iterator[bytes]:
    """The same, with few large frames."""
    yield frame(HEADERS, HEAD, END_STREAM, FIRST)
    yield from repeat(frame(CONTINUATION, b"\x00\x01x\x7f\x81\x7c" + b"y" * 16_000, stream=FIRST))


def a_bomb() -> Iterator[bytes]:
    """CVE-2016-6581: one field in the table, and a byte for each time that it is said again."""
    table = b"\x40\x01x" + b"\x7f\xa1\x1e" + b"y" * 4_000
    yield frame(HEADERS, HEAD + table + b"\xbe" * 12_000, END_HEADERS | END_STREAM, FIRST)
    yield from repeat(frame(PING, bytes(8)))


def bombs() -> Iterator[bytes]:
    """Bomb after bomb: the table is filled once, and each further request says its field 12,000 times."""
    table = b"\x40\x01x" + b"\x7f\xa1\x1e" + b"y" * 4_000
    for stream in count(FIRST, 2):
        yield frame(HEADERS, HEAD + (table if stream == FIRST else b"") + b"\xbe" * 12_000, 5, stream)


FLOODS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "resets": (resets, "http2-flood"),
    "induced resets": (induced_resets, "http2-induced-resets"),
    "settings": (lambda: repeat(frame(SETTINGS)), "http2-settings-flood"),
    "pings": (lambda: repeat(frame(PING, bytes(8))), "http2-ping-flood"),
    "priorities": (lambda: repeat(frame(PRIORITY, struct.pack(">IB", 0, 1), stream=FIRST)), "http2-priority-flood"),
    "windows": (lambda: repeat(frame(WINDOW_UPDATE, struct.pack(">I", 1))), "http2-window-update-flood"),
    "empty data": (empty_data, "http2-empty-frames-flood"),
    "continuations": (continuations, "http2-header-block-frames"),
    "a large block": (a_large_block, "http2-header-block-too-large"),
    "unknown frames": (lambda: repeat(frame(UNKNOWN)), "http2-unknown-frames-flood"),
}
"""Each flood, and the reason that it meets. Resets that come all at once meet the bound on those that wait first."""
