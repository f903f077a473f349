"""Packed bodies: right ones, and bombs. zstd and brotli are written block by block, as their RFCs say."""

from __future__ import annotations

import gzip
import zlib

ZSTD_BLOCK = 128 * 1024
"""The most that one block becomes (RFC 8878 section 3.1.1.2)."""


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
    """What becomes so many zeros, as small as it goes; a multiple of 128 KiB for zstd."""
    if coding == "zstd":
        blocks = size // ZSTD_BLOCK
        return _zstd_head() + b"".join(_block(at == blocks - 1, 1, ZSTD_BLOCK) + b"\0" for at in range(blocks))
    pressed = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    pieces = [pressed.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, pressed.compress(bytes(size & 0xFFFFF)), pressed.flush()])


def zstd_with_window(exponent: int) -> bytes:
    """A frame of one byte that asks for a window of two to this power (RFC 8878 section 3.1.1.1.2)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(exponent - 10) << 3]) + _block(True, 0, 1) + b"x"


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
