"""A ClientHello of our own, and the beginning of what a server answers.

Libraries for TLS rightly refuse to offer what is broken, and tell little of what was agreed on. To learn
what a server would take from somebody else, one has to offer just that. Nothing here keeps a secret or
finishes a handshake: a server shows its version, cipher and group before any key is used.

RFC 8446 section 4.1, RFC 5246 section 7.4, RFC 8422 section 5.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

SSL3: Final = 0x0300
TLS1_0: Final = 0x0301
TLS1_1: Final = 0x0302
TLS1_2: Final = 0x0303
TLS1_3: Final = 0x0304
VERSIONS: Final = {SSL3: "SSL 3", TLS1_0: "TLS 1.0", TLS1_1: "TLS 1.1", TLS1_2: "TLS 1.2", TLS1_3: "TLS 1.3"}

X25519MLKEM768: Final = 0x11EC
GROUPS: Final = {
    0x0017: "P-256",
    0x0018: "P-384",
    0x0019: "P-521",
    0x001D: "X25519",
    0x001E: "X448",
    0x0100: "ffdhe2048",
    0x11EB: "SecP256r1MLKEM768",
    X25519MLKEM768: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}
USUAL_GROUPS: Final = (0x001D, 0x0017, 0x0018, 0x0019)

# The registry's numbers (https://www.iana.org/assignments/tls-parameters).
TLS13_CIPHERS: Final = (0x1301, 0x1302, 0x1303)
GOOD: Final = (0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8)
"""Forward secrecy, and authenticated encryption."""
CBC: Final = (0xC009, 0xC013, 0xC00A, 0xC014, 0xC023, 0xC027, 0xC024, 0xC028)
DHE: Final = (0x009E, 0x009F, 0xCCAA, 0x0033, 0x0039, 0x0067, 0x006B)
STATIC: Final = (0x009C, 0x009D, 0x002F, 0x0035, 0x003C, 0x003D)
"""The key is sent under the certificate's own: who has that later reads all."""
SMALL_BLOCKS: Final = (0x000A, 0xC012, 0xC008, 0x0016, 0x0007, 0x0009, 0x0015)
RC4: Final = (0x0005, 0x0004, 0xC011, 0xC007)
NOTHING: Final = (
    *(0x0001, 0x0002, 0x003B, 0xC006, 0xC010),  # No encryption.
    *(0x0018, 0x001A, 0x001B, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6, 0x00A7, 0xC015, 0xC016, 0xC017, 0xC018, 0xC019),
    *(0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064),  # Export.
)
"""No encryption, nobody who is vouched for, or keys of 40 bits."""
ANY: Final = (*GOOD, *CBC, *DHE, *STATIC, *SMALL_BLOCKS, *RC4)

SIGNATURES: Final = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),
    *(0x0401, 0x0501, 0x0601, 0x0203, 0x0201),
)

MESSAGE_BYTES: Final = 128 * 1024
"""Of a server's first messages together. A chain is seldom above 8 KiB; OpenSSL takes 100 KiB of one."""
RECORD_BYTES: Final = 16_384 + 2_048
"""RFC 5246 section 6.2.3; a longer record is none."""

_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""What a ServerHello has for a random where it wants another key share (RFC 8446 section 4.1.3)."""

Read = Callable[[], bytes]


class NotTlsError(Exception):
    """What came is not TLS, or is too much of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server chose."""

    version: int
    cipher: int
    group: int | None = None
    dh_bits: int | None = None
    """Of the prime, where the key is agreed on by Diffie and Hellman's own way."""
    renegotiates_safely: bool = True


def client_hello(version: int, ciphers: Sequence[int], name: str | None, groups: Sequence[int] = USUAL_GROUPS) -> bytes:
    """The record of a ClientHello. For TLS 1.3 it has no key share, so that the server names the group it wants."""
    suites = b"".join(struct.pack(">H", each) for each in ciphers)
    session = os.urandom(32) if version >= TLS1_3 else b""
    body = struct.pack(">H", min(version, TLS1_2)) + os.urandom(32) + _short(session) + _long(suites) + b"\x01\x00"
    if version > SSL3:
        body += _long(b"".join(_extensions(version, name, groups)))
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16" + struct.pack(">H", min(version, TLS1_0)) + _long(message)


def read_answer(read: Read) -> Answer | None:
    """What the server chose; nothing where it refused. `read` gives what came, or nothing at the end."""
    found: Answer | None = None
    for kind, body in _messages(read):
        if kind == 2 and found is None:
            found = _server_hello(body)
            if found.version >= TLS1_3 or not _has_exchange(found.cipher):
                return found
        elif kind == 12 and found is not None:
            return _key_exchange(found, body)
        elif kind == 14:
            return found
    return found


def _extensions(version: int, name: str | None, groups: Sequence[int]) -> Iterator[bytes]:
    if name is not None:
        yield _extension(0, _long(b"\x00" + _long(name.encode("ascii"))))
    yield _extension(10, _long(b"".join(struct.pack(">H", each) for each in groups)))
    yield _extension(11, b"\x01\x00")
    yield _extension(13, _long(b"".join(struct.pack(">H", each) for each in SIGNATURES)))
    if version >= TLS1_3:
        yield _extension(43, _short(struct.pack(">H", version)))
        yield _extension(51, _long(b""))
    else:
        yield _extension(23, b"")
        yield _extension(0xFF01, b"\x00")


def _messages(read: Read) -> Iterator[tuple[int, bytes]]:
    """Handshake messages until an alert, the end, or a limit."""
    held, total = bytearray(), 0
    for kind, content in _records(read):
        if kind != 22:
            return  # An alert, mostly: it refuses.
        held += content
        total += len(content)
        if total > MESSAGE_BYTES:
            raise NotTlsError(f"its first messages have more than {MESSAGE_BYTES >> 10} KiB")
        while len(held) >= 4 and len(held) >= 4 + (length := int.from_bytes(held[1:4], "big")):
            yield held[0], bytes(held[4 : 4 + length])
            del held[: 4 + length]


def _records(read: Read) -> Iterator[tuple[int, bytes]]:
    held = bytearray()
    while True:
        while len(held) < 5 or len(held) < 5 + int.from_bytes(held[3:5], "big"):
            if len(held) >= 5 and (int.from_bytes(held[3:5], "big") > RECORD_BYTES or held[1] != 3):
                raise NotTlsError("what it answers is not TLS")
            if held and not 20 <= held[0] <= 23:
                raise NotTlsError("what it answers is not TLS")
            came = read()
            if not came:
                return
            held += came
        length = int.from_bytes(held[3:5], "big")
        yield held[0], bytes(held[5 : 5 + length])
        del held[: 5 + length]


def _server_hello(body: bytes) -> Answer:
    try:
        version = int.from_bytes(body[:2], "big")
        random, session = body[2:34], body[34]
        at = 35 + session
        cipher = int.from_bytes(body[at : at + 2], "big")
        extensions = dict(_read_extensions(body[at + 3 :]))
    except (IndexError, ValueError) as error:
        raise NotTlsError("its ServerHello cannot be read") from error
    if len(random) != 32 or version not in VERSIONS:
        raise NotTlsError("its ServerHello cannot be read")
    if 43 in extensions:
        version = int.from_bytes(extensions[43], "big")
    share = extensions.get(51, b"")
    group = int.from_bytes(share[:2], "big") if len(share) >= 2 and (random == _RETRY or len(share) > 2) else None
    return Answer(version, cipher, group, renegotiates_safely=version >= TLS1_3 or 0xFF01 in extensions)


def _read_extensions(content: bytes) -> Iterator[tuple[int, bytes]]:
    if not content:
        return
    held = content[2 : 2 + int.from_bytes(content[:2], "big")]
    while held:
        length = int.from_bytes(held[2:4], "big")
        if len(held) < 4 + length:
            raise ValueError("an extension is cut off")
        yield int.from_bytes(held[:2], "big"), held[4 : 4 + length]
        held = held[4 + length :]


def _has_exchange(cipher: int) -> bool:
    return cipher not in STATIC


def _key_exchange(found: Answer, body: bytes) -> Answer:
    """The curve that is used, or how large the prime is."""
    group = bits = None
    if found.cipher in DHE:
        length = int.from_bytes(body[:2], "big")
        bits = int.from_bytes(body[2 : 2 + length], "big").bit_length()
    elif body[:1] == b"\x03":
        group = int.from_bytes(body[1:3], "big")
    return Answer(found.version, found.cipher, group, bits, found.renegotiates_safely)


def _extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">H", kind) + _long(content)


def _short(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def _long(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content
