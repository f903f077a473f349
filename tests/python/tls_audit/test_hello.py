"""What a server answers to a ClientHello of ours: strangers' bytes, however they come."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.tls_audit import hello
from lockgate.tls_audit.hello import MESSAGE_BYTES, NotTlsError, client_hello, read_answer


def answered(*pieces: bytes) -> hello.Answer | None:
    left: Iterator[bytes] = iter(pieces)
    return read_answer(lambda: next(left, b""))


def record(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + struct.pack(">H", len(content)) + content


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def server_hello(version: int, cipher: int, *extensions: tuple[int, bytes], random: bytes = b"r" * 32) -> bytes:
    held = b"".join(struct.pack(">HH", kind, len(content)) + content for kind, content in extensions)
    body = struct.pack(">H", version) + random + b"\x00" + struct.pack(">H", cipher) + b"\x00"
    return message(2, body + (struct.pack(">H", len(held)) + held if extensions else b""))


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
ALERT = record(21, b"\x02\x28")
THIRTEEN = record(22, server_hello(0x0303, 0x1301, (43, b"\x03\x04"), (51, b"\x11\xec"), random=RETRY))
TWELVE = record(22, server_hello(0x0303, 0xC02F, (0xFF01, b"\x00")))
CURVE = record(22, message(12, b"\x03\x00\x1d" + b"\x20" + b"k" * 32))
PRIME = record(22, message(12, struct.pack(">H", 128) + b"\xff" * 128 + b"\x00\x01\x02"))


def test_the_group_that_a_server_wants_is_told() -> None:
    assert answered(THIRTEEN) == hello.Answer(hello.TLS1_3, 0x1301, hello.X25519MLKEM768)


def test_curves_and_primes_are_told() -> None:
    assert answered(TWELVE + CURVE) == hello.Answer(hello.TLS1_2, 0xC02F, 0x001D)
    old = record(22, server_hello(0x0301, 0x0033))
    assert answered(old + PRIME) == hello.Answer(hello.TLS1_0, 0x0033, None, 1024, renegotiates_safely=False)


def test_a_refusal_is_none() -> None:
    assert answered(ALERT) is None
    assert answered() is None
    assert answered(b"\x15\x03") is None


def test_pieces_and_joined_messages_are_the_same() -> None:
    whole = TWELVE + CURVE
    assert answered(*(bytes([each]) for each in whole)) == answered(whole)
    inner = whole[5 : 5 + int.from_bytes(whole[3:5], "big")] + CURVE[5:]
    assert answered(record(22, inner)) == answered(whole)
    assert answered(record(22, inner[:3]), record(22, inner[3:])) == answered(whole)


@pytest.mark.parametrize(
    "bad",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x03\xff\xff",
        b"\x16\x02\x00\x00\x10",
        record(22, message(2, b"\x03\x03")),
        record(22, message(2, b"\x7f\x7f" + b"r" * 32 + b"\x00\x13\x01\x00")),
        record(22, server_hello(0x0303, 0x1301, (43, b"\x03\x04")).replace(b"\x00\x2b\x00\x02", b"\x00\x2b\x00\xff")),
    ],
)
def test_what_is_not_tls_is_said_to_be_none(bad: bytes) -> None:
    with pytest.raises(NotTlsError):
        answered(bad)


def test_no_server_sends_for_ever() -> None:
    sent = 0

    def endless() -> bytes:
        nonlocal sent
        sent += 0x4000
        return record(22, b"\x0b\xff\xff\xff" + b"\x00" * (0x4000 - 9))

    with pytest.raises(NotTlsError):
        read_answer(endless)
    assert sent <= 2 * MESSAGE_BYTES


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_borne(pieces: list[bytes]) -> None:
    with contextlib.suppress(NotTlsError):
        answered(*pieces)


@given(st.sampled_from([THIRTEEN, TWELVE + CURVE, PRIME]), st.integers(0, 400), st.integers(0, 255))
def test_spoiled_answers_are_borne(good: bytes, at: int, byte: int) -> None:
    spoiled = bytearray(good)
    spoiled[at % len(spoiled)] = byte
    try:
        found = answered(bytes(spoiled))
    except NotTlsError:
        return
    assert found is None or isinstance(found.version, int)


@given(st.sampled_from(sorted(hello.VERSIONS)), st.none() | st.just("a.example"))
def test_every_hello_says_its_own_length(version: int, name: str | None) -> None:
    sent = client_hello(version, hello.ANY, name)
    assert int.from_bytes(sent[3:5], "big") == len(sent) - 5
    assert int.from_bytes(sent[6:9], "big") == len(sent) - 9
    assert (b"a.example" in sent) == (name is not None and version > hello.SSL3)
