"""RFC 9110 and RFC 9112 by tables: no attempt to smuggle reaches the upstream, over HTTP/1.1 or down from HTTP/2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import h2.exceptions
import pytest

from conformance.conftest import Told
from conformance.smuggling import HOST, STREAMS, Attempt, Stream, attempts
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.secure import Http2, Reply
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Client, Closed, Message
from support.certificates import Authority
from support.suites import judge

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gate without TLS."""
    with AutoUpstream() as upstream, Gate(tmp_path_factory.mktemp("plain") / "state") as running:
        running.load(bundles.plain(upstream.port))
        yield Place(running, upstream, running.port())


def reached(upstream: AutoUpstream, before: int) -> str | None:
    """What the upstream got that it must not get."""
    for message in upstream.requests[before:]:
        if message.first.count(" ") != 2:
            return f"the upstream was asked for {message.first!r}"
        if message.target.startswith("/smuggled"):
            return f"the upstream was asked for {message.target}"
        if "x-injected" in [*message.names, *(name.lower() for name, _ in message.trailers)]:
            return "a field was injected"
        if "evil" in (message.get("host") or ""):
            return f"the upstream took it for {message.get('host')}"
        if message.get("content-length") is not None and message.get("transfer-encoding") is not None:
            return "both a length and chunks went on"
    return f"the upstream could not read it: {upstream.nonsense[-1]}" if upstream.nonsense else None


def answers(port: int, raw: bytes) -> list[Message]:
    """All answers until the gate closes, with a right request behind the bytes."""
    found: list[Message] = []
    with Client(port) as client:
        with suppress(OSError):
            client.send(raw)
            client.send(b"y\r\n\r\nGET /after HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
            client.finish()
        with suppress(Closed):
            while True:
                found.append(client.message())
    return found


def outcome(place: Place, attempt: Attempt) -> str | None:
    """What is wrong with how an attempt ended."""
    before = len(place.upstream.requests)
    got = answers(place.port, attempt.raw)
    if not got:
        return "no answer"
    seen = place.upstream.requests[before:]
    if len(seen) > len(got):
        return f"{len(seen)} requests went on for {len(got)} answers"
    return reached(place.upstream, before)


def test_smuggling_over_http_11(plain: Place, summary: Told) -> None:
    every = attempts()
    outcomes = {attempt.name: outcome(plain, attempt) for attempt in every}
    assert len(outcomes) == len(every) > 250, "names are unique"
    summary("smuggling over HTTP/1.1", judge("smuggling", outcomes))


def test_without_a_gate_they_do_harm() -> None:
    """The upstream is a simple reader: what is shown to it goes through, so the table can fail."""
    harmed = 0
    with AutoUpstream() as upstream:
        for attempt in attempts():
            if not attempt.name.startswith(("CL.TE,", "TE.CL,")):
                continue
            before = len(upstream.requests)
            answers(upstream.port, attempt.raw)
            harmed += any("/smuggled" in message.first for message in upstream.requests[before:])
    assert harmed > 20


def down(place: Place, authority: Authority, stream: Stream) -> str | None:
    """What is wrong with how a request of HTTP/2 ended."""
    before = len(place.upstream.requests)
    with Http2(place.port, authority.pem) as web:
        number = web.h2.get_next_available_stream_id()
        web.replies[number] = reply = Reply()
        pseudo = {":method": "GET", ":scheme": "https", ":authority": HOST, ":path": "/", **stream.pseudo}
        with suppress(OSError):
            web.h2.send_headers(number, [*pseudo.items(), *stream.fields], end_stream=stream.body is None)
            if stream.body is not None:
                web.h2.send_data(number, stream.body.encode(), end_stream=not stream.trailers)
            if stream.trailers:
                web.h2.send_headers(number, list(stream.trailers), end_stream=True)
            # All in one piece: the gate does not answer before it has seen what is wrong.
            web.flush()
        with suppress(h2.exceptions.ProtocolError):  # The stream is closed already.
            web.answer(number)
        refused = reply.reset is not None or web.closed or web.ended is not None or not reply.headers
        if not refused and reply.status < 400:
            return f"it was answered with {reply.status}; {reached(place.upstream, before)}"
    return reached(place.upstream, before)


def test_smuggling_down_from_http2(place: Place, authority: Authority, summary: Told) -> None:
    outcomes = {stream.name: down(place, authority, stream) for stream in STREAMS}
    assert len(outcomes) == len(STREAMS) > 80, "names are unique"
    summary("smuggling from HTTP/2", judge("smuggling-http2", outcomes))
