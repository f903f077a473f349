"""Frames of the link between the control process and a gate.

A frame is a length (four bytes, big-endian), a kind (one byte) and a payload.
Bundles and facts travel as they are, not inside a JSON text: escaping and
unescaping a bundle of 10,000 routes would cost more than loading it.
"""

import json
import socket
import struct
import time
from enum import IntEnum
from typing import Any, NamedTuple

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A bundle of 10,000 routes has some 15 MB. Both ends are ours, but a damaged length must not
make either reserve gigabytes."""

HEADER = struct.Struct(">IB")

NUMBER_DIGITS = 18

CHUNK_BYTES = 256 * 1024


class Kind(IntEnum):
    """What a payload is."""

    MESSAGE = 1
    """A JSON object with a `type`."""
    BUNDLE = 2
    """A signed bundle, exactly as it goes to `Gate.load`."""
    FACTS = 3
    """Facts, one JSON text a line."""
    CERTIFICATES = 4
    """A number, a line break, and what goes to `Gate.put_certificates`. Keys are in it: no log has it."""


class Frame(NamedTuple):
    """One frame, read."""

    kind: Kind
    payload: bytes

    def message(self) -> dict[str, Any]:
        """The payload of a MESSAGE."""
        try:
            value = json.loads(self.payload)
        except ValueError as error:
            raise FrameError("a message on the link is not JSON") from error
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise FrameError("a message on the link has no type")
        return value

    def facts(self) -> list[bytes]:
        """The payload of FACTS."""
        return self.payload.split(b"\n")

    def certificates(self) -> tuple[int, bytes]:
        """The payload of CERTIFICATES."""
        number, found, text = self.payload.partition(b"\n")
        if not found or not number.isdigit() or len(number) > NUMBER_DIGITS:
            raise FrameError("certificates on the link have no number")
        return int(number), text


class FrameError(Exception):
    """The other end does not speak as agreed; the connection is closed."""


def encode(kind: Kind, payload: bytes) -> bytes:
    """A frame, ready to be sent."""
    if len(payload) > MAX_FRAME_BYTES:
        raise FrameError(f"{len(payload)} bytes do not fit into a frame of {MAX_FRAME_BYTES}")
    return HEADER.pack(len(payload), kind) + payload


def message(type_: str, **fields: Any) -> bytes:
    """A MESSAGE frame."""
    return encode(Kind.MESSAGE, json.dumps({"type": type_, **fields}, separators=(",", ":")).encode())


def parse_header(header: bytes) -> tuple[Kind, int]:
    """Kind and length of the frame that begins with `header`."""
    length, kind = HEADER.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
    try:
        return Kind(kind), length
    except ValueError as error:
        raise FrameError(f"a frame of the unknown kind {kind}") from error


class FrameReader:
    """Frames from a blocking socket, for the gate's side."""

    def __init__(self, connection: socket.socket, *, silence: float) -> None:
        """A peer that says nothing for `silence` seconds in the middle of a frame is given up."""
        self._connection = connection
        self._silence = silence

    def read(self) -> Frame:
        """The next frame; raises `ConnectionError` at the end of the stream."""
        kind, length = parse_header(self._exactly(HEADER.size))
        return Frame(kind, self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        self._connection.settimeout(self._silence)
        received = bytearray()
        deadline = time.monotonic() + self._silence
        while len(received) < count:
            chunk = self._connection.recv(min(count - len(received), CHUNK_BYTES))
            if not chunk:
                raise ConnectionError("the control process closed the link")
            received += chunk
            if time.monotonic() > deadline and len(received) < count:
                raise TimeoutError("the control process sends a frame too slowly")
        return bytes(received)
