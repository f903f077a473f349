"""A gibibyte each way: it passes through, and nothing of it stays."""

from __future__ import annotations

import threading

import pytest

from gateway.conftest import Measured
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import Upstream
from gateway.harness.wire import Wire, answer, request

GIB = 1024**3
PIECE = bytes(range(256)) * 4096
"""One MiB."""
MOST = 8 * 1024 * 1024
"""What the gate's memory may grow by."""


def drain(wire: Wire, count: int, told: list[int]) -> None:
    """Reads so many bytes and keeps none; every piece must be in its place."""
    room = bytearray(len(PIECE))
    view = memoryview(room)
    got = len(wire.inbox)
    assert wire.inbox == (PIECE * 2)[:got]
    wire.inbox = b""
    wire.sock.settimeout(60)
    while got < count:
        at = got % len(PIECE)
        size = wire.sock.recv_into(view[: min(len(PIECE) - at, count - got)])
        if size == 0 or view[:size] != PIECE[at : at + size]:
            break
        got += size
    told.append(got)


def pour(wire: Wire, count: int) -> None:
    wire.sock.settimeout(60)
    for _ in range(count // len(PIECE)):
        wire.sock.sendall(PIECE)


def warmed(gate: Gate, upstream: Upstream) -> int:
    """The gate's memory once it has seen some megabytes."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    sending = threading.Thread(target=client.send, args=[request("/", method="POST", body=PIECE * 8)])
    sending.start()
    wire = upstream.accept()
    wire.message()
    sending.join()
    answering = threading.Thread(target=wire.send, args=[answer(PIECE * 8)])
    answering.start()
    assert client.message().status == 200
    answering.join()
    gate.forget_peak()
    return gate.memory()


@pytest.mark.full
def test_a_gibibyte_up(gate: Gate, upstream: Upstream, measured: Measured) -> None:
    before = warmed(gate, upstream)
    client = gate.client()
    client.send(request("/", f"Content-Length: {GIB}", method="PUT"))
    sending = threading.Thread(target=pour, args=[client, GIB])
    sending.start()
    wire = upstream.latest()
    wire.until(b"\r\n\r\n")
    told: list[int] = []
    drain(wire, GIB, told)
    sending.join()
    wire.send(answer())
    got = client.message()
    growth = gate.memory("VmHWM") - before
    measured("bytes of memory that 1 GiB up takes", growth)
    assert (got.status, told) == (200, [GIB])
    assert gate.event(got.id)["bytes_in"] == GIB
    assert growth < MOST


@pytest.mark.full
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_a_gibibyte_down(gate: Gate, upstream: Upstream, coding: str, measured: Measured) -> None:
    before = warmed(gate, upstream)
    client = gate.client()
    client.send(request("/big"))
    wire = upstream.latest()
    assert wire.message().target == "/big"
    if coding == "length":
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n".encode())
    else:
        # One chunk of a gibibyte: its size says nothing about what must be kept.
        wire.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{GIB:x}\r\n".encode())
    sending = threading.Thread(target=pour, args=[wire, GIB])
    sending.start()
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    told: list[int] = []
    if coding == "length":
        drain(client, GIB, told)
        sending.join()
    else:
        told.append(unchunk(client, GIB))
        sending.join()
        wire.send(b"\r\n0\r\n\r\n")
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
    growth = gate.memory("VmHWM") - before
    measured(f"bytes of memory that 1 GiB down takes ({coding})", growth)
    assert told == [GIB]
    assert growth < MOST


def unchunk(wire: Wire, count: int) -> int:
    """Reads chunks of together so many bytes; each must be in its place."""
    got = 0
    while got < count:
        data = wire.chunk(60)
        at = got % len(PIECE)
        if not data or data != (PIECE * (2 + len(data) // len(PIECE)))[at : at + len(data)]:
            break
        got += len(data)
    return got
