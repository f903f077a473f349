"""RFC 6455 frame by frame, in both directions: what is right goes through unchanged, what is wrong goes no further.

Each case is first shown to wsproto alone, which has to judge it as the table does; then it is sent through a gate to a
wsproto at the other end.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pytest
from wsproto.frame_protocol import FrameProtocol, ParseFailed

from conformance.conftest import Told
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import Upstream
from gateway.harness.wire import Client, Closed, Wire, request
from lockgate.config.bundle_types import PlacedWebsocket
from support.suites import judge

pytestmark = pytest.mark.full

Side = Literal["client", "server"]
Heard = list[tuple[int, bytes, bool, bool]]

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MARK = b"that was all"
MASK = b"\x12\x34\x56\x78"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Frame:
    """A frame as it is to be written, right or not."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    length: Literal["shortest", "16", "64"] = "shortest"
    masked: bool | None = None
    """Nothing: as the side that sends it has to."""

    def written(self, side: Side) -> bytes:
        """Its bytes."""
        masked = side == "client" if self.masked is None else self.masked
        size, bit = len(self.payload), 0x80 if masked else 0
        head = bytes([self.fin << 7 | self.rsv << 4 | self.opcode])
        if self.length == "64" or (self.length == "shortest" and size > 0xFFFF):
            head += bytes([127 | bit]) + struct.pack(">Q", size)
        elif self.length == "16" or size > 125:
            head += bytes([126 | bit]) + struct.pack(">H", size)
        else:
            head += bytes([size | bit])
        if not masked:
            return head + self.payload
        return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(self.payload))


@dataclass(frozen=True)
class Case:
    """Frames, and the code that ends a connection on which they come; nothing where they are right."""

    name: str
    rfc: str
    frames: tuple[Frame, ...]
    code: int | None = None
    sides: tuple[Side, ...] = ("client", "server")


def right(name: str, rfc: str, *frames: Frame) -> Case:
    return Case(name, rfc, frames)


def wrong(code: int, name: str, rfc: str, *frames: Frame) -> Case:
    return Case(name, rfc, frames, code)


def close(code: int, reason: bytes = b"") -> Frame:
    return Frame(CLOSE, struct.pack(">H", code) + reason)


def pieces(payload: bytes, *at: int, opcode: int = TEXT) -> tuple[Frame, ...]:
    """A message in fragments, cut at these places."""
    ends = [0, *at, len(payload)]
    cut = [payload[begin:end] for begin, end in itertools.pairwise(ends)]
    last = len(cut) - 1
    return tuple(Frame(opcode if not nth else CONTINUATION, each, fin=nth == last) for nth, each in enumerate(cut))


SIZES = (0, 1, 125, 126, 127, 128, 65_535, 65_536, 200_000)
EVERY_LENGTH_OF_UTF8 = "a ä € 𝄞 \u0000 \ud7ff \ue000 \uffff \U0010ffff".encode()
NOT_UTF8 = {
    "a byte that never stands": b"\xff",
    "a continuation alone": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL": b"\xc0\x80",
    "an overlong of three": b"\xe0\x80\xaf",
    "an overlong of four": b"\xf0\x80\x80\xaf",
    "half of a surrogate pair": b"\xed\xa0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "cut off at the end": b"a\xe2\x82",
}

CASES: list[Case] = [
    *(right(f"a text of {size} bytes", "5.2", Frame(TEXT, b"x" * size)) for size in SIZES),
    *(right(f"a binary message of {size} bytes", "5.2", Frame(BINARY, b"\xfe" * size)) for size in SIZES),
    *(right(f"a ping of {size} bytes", "5.5.2", Frame(PING, b"\x00" * size)) for size in (0, 1, 125)),
    *(right(f"a pong of {size} bytes that nobody asked for", "5.5.3", Frame(PONG, b"p" * size)) for size in (0, 125)),
    right("UTF-8 of every length", "5.6", Frame(TEXT, EVERY_LENGTH_OF_UTF8)),
    *(right(f"UTF-8 that is cut within a character, at {at}", "5.4", *pieces("€𝄞".encode(), at)) for at in range(1, 7)),
    right("fragments of nothing", "5.4", *pieces(b"", 0, 0)),
    right("a hundred fragments", "5.4", *pieces(b"y" * 100, *range(1, 100), opcode=BINARY)),
    right(
        "a ping between fragments",
        "5.4",
        Frame(TEXT, b"a", fin=False),
        Frame(PING, b"between"),
        Frame(CONTINUATION, b"b"),
    ),
    right("message after message", "5.4", Frame(TEXT, b"a"), Frame(BINARY, b"b"), *pieces(b"cd", 1), Frame(TEXT, b"e")),
    right("a close without a code", "5.5.1", Frame(CLOSE)),
    *(
        right(f"a close with {code}", "7.4.1", close(code))
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011)
    ),
    *(right(f"a close with {code}", "7.4.2", close(code)) for code in (3000, 3999, 4000, 4999)),
    right("a close with a reason", "5.5.1", close(1000, "bis später".encode())),
    right("a close with the longest reason", "5.5", close(1000, b"r" * 123)),
    *(wrong(1002, f"reserved bits {bits:03b}", "5.2", Frame(TEXT, b"a", rsv=bits)) for bits in range(1, 8)),
    wrong(1002, "a reserved bit on a ping", "5.2", Frame(PING, rsv=4)),
    *(
        wrong(1002, f"opcode {opcode:#x}, which is reserved", "5.2", Frame(opcode))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ),
    *(
        wrong(1002, f"opcode {opcode:#x} in fragments", "5.5", Frame(opcode, b"a", fin=False))
        for opcode in (CLOSE, PING, PONG)
    ),
    *(
        wrong(1002, f"opcode {opcode:#x} of 126 bytes", "5.5", Frame(opcode, b"\x03\xe8" + b"a" * 124))
        for opcode in (CLOSE, PING, PONG)
    ),
    wrong(1002, "a continuation of nothing", "5.4", Frame(CONTINUATION, b"a")),
    wrong(1002, "a continuation of what has ended", "5.4", *pieces(b"ab", 1), Frame(CONTINUATION, b"c")),
    wrong(1002, "a message within another", "5.4", Frame(TEXT, b"a", fin=False), Frame(TEXT, b"b")),
    wrong(1002, "a binary message within a text", "5.4", Frame(TEXT, b"a", fin=False), Frame(BINARY, b"b")),
    wrong(1002, "16 bits for a length of 125", "5.2", Frame(BINARY, b"a" * 125, length="16")),
    wrong(1002, "64 bits for a length of 125", "5.2", Frame(BINARY, b"a" * 125, length="64")),
    wrong(1002, "64 bits for a length of 65,535", "5.2", Frame(BINARY, b"a" * 65_535, length="64")),
    wrong(1002, "a close of one byte", "5.5.1", Frame(CLOSE, b"\x03")),
    *(wrong(1002, f"a close with {code}", "7.4.1", close(code)) for code in (0, 999, 1004, 1005, 1006, 1015)),
    *(wrong(1002, f"a close with {code}", "7.4.2", close(code)) for code in (1016, 1100, 2000, 2999, 5000, 65_535)),
    *(wrong(1007, f"a text with {what}", "8.1", Frame(TEXT, bad)) for what, bad in NOT_UTF8.items()),
    *(
        wrong(1007, f"a text in fragments with {what}", "8.1", *pieces(b"ok" + bad, 2, 3))
        for what, bad in NOT_UTF8.items()
    ),
    wrong(1007, "a close whose reason is no UTF-8", "5.5.1", close(1000, b"\xff")),
    Case("a frame of a client without a mask", "5.1", (Frame(TEXT, b"a", masked=False),), 1002, ("client",)),
    Case("a close of a client without a mask", "5.1", (Frame(CLOSE, masked=False),), 1002, ("client",)),
    Case("a frame of a server with a mask", "5.1", (Frame(TEXT, b"a", masked=True),), 1002, ("server",)),
]


def judged(case: Case, side: Side) -> tuple[Heard, int | None]:
    """What wsproto makes of it, without a gate."""
    reader = FrameProtocol(client=side == "server", extensions=[])
    return heard(reader, b"".join(frame.written(side) for frame in case.frames))


def heard(reader: FrameProtocol, data: bytes) -> tuple[Heard, int | None]:
    """The frames in some bytes, and the code by which they would be refused."""
    reader.receive_bytes(data)
    got: Heard = []
    try:
        for frame in reader.received_frames():
            payload = frame.payload
            if isinstance(payload, tuple):
                payload = struct.pack(">H", int(payload[0])) + (payload[1] or "").encode()
            elif isinstance(payload, str):
                payload = payload.encode()
            got.append((int(frame.opcode), bytes(payload), frame.frame_finished, frame.message_finished))
    except ParseFailed as failed:
        return got, int(failed.code)
    return got, None


def joined(frames: Heard) -> list[tuple[int, bytes]]:
    """Messages whole, control frames between them where they stood; wsproto hands frames out piece by piece."""
    found: list[tuple[int, bytes]] = []
    opcode, message = 0, b""
    for kind, payload, _, ended in frames:
        if kind >= CLOSE:
            found.append((kind, payload))
            continue
        opcode, message = opcode or kind, message + payload
        if ended:
            found.append((opcode, message))
            opcode, message = 0, b""
    return found


def arrives(wire: Wire, side: Side) -> tuple[list[tuple[int, bytes]], int | None]:
    """What comes out at the other end, up to the mark, a close or the end; and how wsproto would refuse it."""
    reader = FrameProtocol(client=side == "server", extensions=[])
    got: Heard = []
    while True:
        try:
            data = wire.exactly(1) + wire.inbox
        except Closed:
            return joined(got), None
        wire.inbox = b""
        more, code = heard(reader, data)
        got += more
        if code is not None or any(frame[0] == CLOSE for frame in more) or (PING, MARK, True, True) in more:
            return joined(got), code


def placed() -> PlacedWebsocket:
    """An API that takes WebSockets of any number of messages."""
    return {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": bundles.span(),
        "config": {
            "frame_bytes": 1 << 20,
            "message_bytes": 1 << 20,
            "idle_ms": 60_000,
            "messages": 0,
            "origins": [],
        },
    }


@pytest.fixture(scope="module")
def far() -> Iterator[Upstream]:
    """A server whose every byte the test says itself."""
    with Upstream() as listening:
        yield listening


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, far: Upstream) -> Iterator[Gate]:
    """A gate that takes WebSockets."""
    with Gate(tmp_path_factory.mktemp("frames") / "state") as running:
        running.load(bundles.bundle([bundles.api(sockets=placed())], [bundles.upstream(far.port)]))
        yield running


def opened(gate: Gate, far: Upstream) -> tuple[Wire, Wire]:
    """Both ends of a WebSocket through the gate: the client's, and the server's."""
    client = Client(gate.port())
    asked = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
    client.send(request("/talk", *asked))
    server = far.accept()
    server.until(b"\r\n\r\n")
    accept = base64.b64encode(hashlib.sha1((KEY + GUID).encode(), usedforsecurity=False).digest()).decode()
    server.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
    )
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    return client, server


def outcome(gate: Gate, far: Upstream, case: Case, side: Side) -> str | None:
    """What goes wrong with a case, in one direction."""
    alone, refused = judged(case, side)
    if refused != case.code:
        return f"wsproto alone judges it otherwise: {refused}"
    wanted = joined(alone)
    client, server = opened(gate, far)
    with client, server:
        sender, receiver = (client, server) if side == "client" else (server, client)
        closes = bool(wanted) and wanted[-1][0] == CLOSE
        mark = b"" if closes or case.code is not None else Frame(PING, MARK).written(side)
        with suppress(OSError):  # The gate may have seen enough before the last byte.
            sender.send(b"".join(frame.written(side) for frame in case.frames) + mark)
        if case.code is None:
            got, bad = arrives(receiver, side)
            good = wanted if closes else [*wanted, (PING, MARK)]
            return None if (got, bad) == (good, None) else f"{[each[:1] for each in got]} came, refused by {bad}"
        # Whoever is at fault: the client is told the code, and the other end gets nothing of the bad frame.
        told, _ = arrives(client, "server")
        if not told or told[-1][0] != CLOSE:
            return f"the client was not told to close: {told}"
        code = int.from_bytes(told[-1][1][:2], "big")
        if code != case.code:
            return f"the client was told {code}, {told[-1][1][2:]!r}"
        if side == "client":
            got, bad = arrives(server, side)
            whole = [each for each in got if each[0] != CLOSE]
            # What came before it may be kept back: the connection has failed (RFC 6455, 7.1.7).
            if bad is not None or whole != wanted[: len(whole)]:
                return f"the server got {got}, refused by {bad}"
    return None


def test_every_case(gate: Gate, far: Upstream, summary: Told) -> None:
    outcomes = {
        f"{case.name}, from the {side} (RFC 6455, {case.rfc})": outcome(gate, far, case, side)
        for case in CASES
        for side in case.sides
    }
    assert len(outcomes) == sum(len(case.sides) for case in CASES) > 200, "names are unique, and none is lost"
    summary("RFC 6455 by wsproto", judge("websocket-frames", outcomes))
