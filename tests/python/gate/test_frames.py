"""Frames: what is written is read, and what was not agreed upon is refused."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.gate.frames import (
    HEADER,
    MAX_FRAME_BYTES,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    encode,
    message,
    parse_header,
)


@given(st.sampled_from(Kind), st.binary(max_size=2000))
def test_what_is_written_is_read(kind: Kind, payload: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(encode(kind, payload))
        assert FrameReader(theirs, silence=5.0).read() == Frame(kind, payload)


def test_a_large_frame_arrives_whole_and_the_next_after_it() -> None:
    ours, theirs = socket.socketpair()
    payload = bytes(range(256)) * 20_000
    with ours, theirs:
        sender = threading.Thread(target=ours.sendall, args=(encode(Kind.BUNDLE, payload) + message("beat"),))
        sender.start()
        reader = FrameReader(theirs, silence=5.0)
        assert reader.read().payload == payload
        assert reader.read().message() == {"type": "beat"}
        sender.join()


def test_facts_are_lines() -> None:
    assert Frame(Kind.FACTS, b'{"a":1}\n{"b":2}').facts() == [b'{"a":1}', b'{"b":2}']


def test_a_length_over_the_limit_is_refused_before_anything_is_reserved() -> None:
    with pytest.raises(FrameError, match="over the limit"):
        parse_header(HEADER.pack(MAX_FRAME_BYTES + 1, Kind.BUNDLE))
    with pytest.raises(FrameError, match="do not fit"):
        encode(Kind.FACTS, bytes(MAX_FRAME_BYTES + 1))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(FrameError, match="kind 9"):
        parse_header(struct.pack(">IB", 0, 9))


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"{}", b'{"type":1}', b"\xff"])
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        Frame(Kind.MESSAGE, payload).message()


def test_the_end_of_the_stream_is_a_lost_connection() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(encode(Kind.FACTS, b"abc")[:-1])
        ours.close()
        with pytest.raises(ConnectionError, match="closed"):
            FrameReader(theirs, silence=5.0).read()


def test_a_frame_that_stops_in_the_middle_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(encode(Kind.FACTS, b"abc")[:-1])
        with pytest.raises(TimeoutError):
            FrameReader(theirs, silence=0.05).read()
