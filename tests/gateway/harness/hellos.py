"""What a TLS client says first, whole and in odd forms."""

from __future__ import annotations

import contextlib
import ssl
import struct
from pathlib import Path

RECORD = 2**14
UNKNOWN = 0xFF5A
"""An extension of private use (RFC 8446 section 11). One of padding OpenSSL may have sent itself."""


def hello(name: str | None, *, padded: int = 0) -> bytes:
    """A real client's first record; `padded` makes its message at least so long, in as many records as that takes."""
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    # It waits for an answer, having said what is wanted.
    with contextlib.suppress(ssl.SSLWantReadError):
        how.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name).do_handshake()
    message = said.read()[5:]
    return records(_padded(message, padded) if padded > len(message) else message)


def records(message: bytes, each: int = RECORD) -> bytes:
    """A message cut into records of so many bytes."""
    pieces = [message[at : at + each] for at in range(0, len(message), each)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece)) + piece for piece in pieces)


def message_of(said: bytes) -> bytes:
    """The message in some records."""
    found = b""
    while said:
        (length,) = struct.unpack(">H", said[3:5])
        found, said = found + said[5 : 5 + length], said[5 + length :]
    return found


def _padded(message: bytes, size: int) -> bytes:
    """With an extension of nothing at its end."""
    at = 4 + 2 + 32
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2], "big")
    at += 1 + message[at]
    extensions = message[at + 2 :]
    more = max(0, size - len(message) - 4)
    extensions += struct.pack(">HH", UNKNOWN, more) + bytes(more)
    body = message[4:at] + struct.pack(">H", len(extensions)) + extensions
    return message[:1] + len(body).to_bytes(3, "big") + body


def trusting(authority: Path, only: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that believes this authority, and no other."""
    how = ssl.create_default_context(cafile=str(authority))
    if only is not None:
        how.minimum_version = how.maximum_version = only
    return how
