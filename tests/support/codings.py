"""Packed bodies: right ones, and bombs. zstd and brotli are written block by block, as their RFCs say."""

from __future__ import annotations

import gzip
import hashlib
import zlib

ZSTD_BLOCK = 128 * 1024
"""The most that one block becomes (RFC 8878 section 3.1.1.2)."""
BROTLI_BLOCK = 1 << 24
"""The same (RFC 7932 section 9.2)."""


def packed(coding: str, content: bytes) -> bytes:
    """The content in a coding."""
    if coding == "gzip":
        return gzip.compress(content, mtime=0)
    if coding == "deflate":
        return zlib.compress(content)
    if coding == "br":
        return _brotli(content)
    return _zstd(content)


def bomb(coding: str, size: int) -> bytes:
    """What becomes so many zeros, as small as it goes; a multiple of 128 KiB for zstd, and of 16 MiB for brotli."""
    if coding == "br":
        return _brotli_bomb(size // BROTLI_BLOCK)
    if coding == "zstd":
        blocks = size // ZSTD_BLOCK
        return _zstd_head() + b"".join(_block(at == blocks - 1, 1, ZSTD_BLOCK) + b"\0" for at in range(blocks))
    pressed = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    pieces = [pressed.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, pressed.compress(bytes(size & 0xFFFFF)), pressed.flush()])


def endless(coding: str) -> tuple[bytes, bytes]:
    """How a body of zeros begins, and what may be said again for ever after."""
    if coding == "br":
        # Four metablocks are whole bytes, if one bit of the head before them is counted.
        return b"", _brotli_bomb(5)[:51]
    if coding == "zstd":
        return _zstd_head(), (_block(False, 1, ZSTD_BLOCK) + b"\0") * 8
    pressed = zlib.compressobj(9, zlib.DEFLATED, 31)
    begin, again = (pressed.compress(bytes(1 << 20)) + pressed.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return begin, again


def zstd_with_window(exponent: int) -> bytes:
    """A frame of one byte that asks for a window of two to this power (RFC 8878 section 3.1.1.1.2)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(exponent - 10) << 3]) + _block(True, 0, 1) + b"x"


def zstd_filling(exponent: int, room: int = 90_000) -> bytes:
    """What begins a frame with a window of two to this power, and fills it: `room` bytes of noise, then zeros."""
    noise = hashlib.shake_128(b"noise").digest(room)
    head = b"\x28\xb5\x2f\xfd\x00" + bytes([(exponent - 10) << 3]) + _block(False, 0, room) + noise
    return head + (_block(False, 1, ZSTD_BLOCK) + b"\0") * ((1 << exponent) // ZSTD_BLOCK)


def _brotli_bomb(blocks: int) -> bytes:
    """Metablocks of one command each: a zero, and a copy of 16 MiB less one of what is one byte back."""
    fields = [
        (1, 0),  # Not the last,
        (2, 2),  # of a length in six nibbles:
        (24, BROTLI_BLOCK - 1),
        (1, 0),  # compressed,
        (3, 0),  # one type of blocks of each kind,
        (6, 0),  # distances as they are,
        (2, 0),  # one mode of contexts
        (2, 0),  # and one tree of each kind,
        *((2, 1), (2, 0), (8, 0)),  # which has one literal,
        *((2, 1), (2, 0), (10, 399)),  # one command, of one literal and a copy with 24 bits more,
        *((2, 1), (2, 0), (6, 16)),  # and one distance with one bit more.
        (24, BROTLI_BLOCK - 1 - 2118),
        (1, 0),
    ]
    block = at = 0
    for width, value in fields:
        block |= value << at
        at += width
    # A window of 64 KiB is one bit; the last block is an empty one.
    stream = sum(block << (1 + at * number) for number in range(blocks)) | 3 << (1 + at * blocks)
    return stream.to_bytes((1 + at * blocks + 2 + 7) // 8, "little")


def _zstd_head() -> bytes:
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(20 - 10) << 3])


def _zstd(content: bytes) -> bytes:
    pieces = [content[at : at + ZSTD_BLOCK] for at in range(0, len(content), ZSTD_BLOCK)] or [b""]
    return _zstd_head() + b"".join(
        _block(at == len(pieces) - 1, 0, len(piece)) + piece for at, piece in enumerate(pieces)
    )


def _block(last: bool, kind: int, size: int) -> bytes:
    return (int(last) | kind << 1 | size << 3).to_bytes(3, "little")


def _brotli(content: bytes) -> bytes:
    # A window of 64 KiB, metablocks that are not compressed, and an empty last one (RFC 7932 section 9).
    if not content:
        return b"\x06"
    first, rest = content[: 1 << 16], content[1 << 16 :]
    out = ((len(first) - 1) << 4 | 1 << 20).to_bytes(3, "little") + first
    while rest:
        piece, rest = rest[: 1 << 16], rest[1 << 16 :]
        out += ((len(piece) - 1) << 3 | 1 << 19).to_bytes(3, "little") + piece
    return out + b"\x03"
