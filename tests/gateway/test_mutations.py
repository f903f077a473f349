"""Framing vectors, spoilt at random and cut at random: whatever comes in, only requests come out."""

from __future__ import annotations

import contextlib
import itertools
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.harness.framing import cases
from gateway.harness.place import Place
from gateway.harness.wire import Client, Closed, Message

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
RAW = [case.raw for case in cases("requests") if len(case.raw) < 1000]
BYTES = st.sampled_from([0, 9, 10, 11, 13, 32, 35, 44, 48, 58, 59, 127, 128, 255, ord("A"), ord("x")])


@st.composite
def spoilt(draw: st.DrawFn) -> list[bytes]:
    """Some vectors in a row, a few bytes exchanged, put in or left out, in pieces."""
    raw = bytearray(b"".join(draw(st.lists(st.sampled_from(RAW), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        match draw(st.sampled_from(["exchange", "put in", "leave out"])):
            case "exchange":
                raw[at] = draw(BYTES)
            case "put in":
                raw.insert(at, draw(BYTES))
            case _ if len(raw) > 1:
                del raw[at]
    cuts = sorted({0, len(raw), *draw(st.lists(st.integers(0, len(raw)), max_size=4))})
    return [bytes(raw[start:end]) for start, end in itertools.pairwise(cuts)]


def conversation(port: int, pieces: list[bytes]) -> list[Message]:
    """All answers; each must be whole. Who is still waited for says that nothing more will come."""
    found: list[Message] = []
    rest = b""
    with Client(port) as client, contextlib.suppress(OSError):
        for piece in pieces:
            client.send(piece)
        while True:
            try:
                found.append(client.message(within=0.3))
            except TimeoutError:
                client.finish()
            except Closed as closed:
                rest = closed.got
                break
    assert rest == b"", "the gate closed within an answer"
    return found


@given(pieces=spoilt())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_requests_come_out(place: Place, pieces: list[bytes]) -> None:
    before = len(place.upstream.requests)
    for got in conversation(place.port, [*pieces, b"\0"]):
        assert got.status in {200, 400, 408, 413, 414, 417, 431, 501, 505}
    assert place.upstream.nonsense == []
    for request in place.upstream.requests[before:]:
        method, target, version = request.first.split(" ")
        assert version == "HTTP/1.1"
        assert TOKEN.fullmatch(method)
        assert re.fullmatch(r"/[!-~]*|\*", target)
        assert all(TOKEN.fullmatch(name) for name, _ in request.headers)
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", "".join(value for _, value in request.headers))
        assert len(request.all("host")) <= 1
        assert len(request.all("content-length")) + len(request.all("transfer-encoding")) <= 1
    assert place.gate.tell("alive")
    with Client(place.port) as other:
        assert other.get("/other").status == 200, "and everyone else is served"
