"""Content on its way through, both ways: whole, in order, never kept back."""

from __future__ import annotations

import hashlib
import secrets
import threading
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Http3
from gateway.harness.secure import Http2, Reply
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import answer, chunked, request
from support.certificates import Authority
from support.waiting import until


def test_a_length_stays_a_length(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", method="POST", body=b"hello"))
    _, message = upstream.serve(answer(b"world!"))
    assert (message.get("content-length"), message.get("transfer-encoding"), message.body) == ("5", None, b"hello")
    got = client.message()
    assert (got.get("content-length"), got.get("transfer-encoding"), got.body) == ("6", None, b"world!")
    event = gate.event(got.id)
    assert (event["bytes_in"], event["bytes_out"]) == (5, 6)


def test_chunks_stay_chunks(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"), chunked(b"hel", b"lo"))
    _, message = upstream.serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"wor", b"ld!"))
    assert (message.get("content-length"), message.get("transfer-encoding"), message.body) == (
        None,
        "chunked",
        b"hello",
    )
    got = client.message()
    assert (got.get("content-length"), got.get("transfer-encoding"), got.body) == (None, "chunked", b"world!")
    event = gate.event(got.id)
    assert (event["bytes_in"], event["bytes_out"]) == (5, 6), "content, without the coding"


def test_chunks_pass_as_they_come(gate: Gate, upstream: Upstream) -> None:
    """Both ways at once: each piece is through before the next is sent."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"))
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.until(b"\r\n\r\n")
    for number in range(10):
        piece = b"piece %d" % number
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert wire.chunk() == piece
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece[::-1]))
        assert client.chunk() == piece[::-1]
    client.send(b"0\r\n\r\n")
    assert wire.until(b"0\r\n\r\n") == b"0\r\n\r\n"
    wire.send(b"0\r\n\r\n")
    assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_an_answer_until_the_end_becomes_chunks(gate: Gate, upstream: Upstream) -> None:
    """The end of the upstream's connection is no end of the client's."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request())
    wire, _ = upstream.serve(b"HTTP/1.1 200 OK\r\n\r\nhello ")
    wire.send(b"world")
    wire.close()
    got = client.message()
    assert (got.get("transfer-encoding"), got.body) == ("chunked", b"hello world")
    client.send(request())
    upstream.serve(answer())
    assert client.message().status == 200


@pytest.mark.parametrize("coding", ["chunked", "until the end"])
def test_http_1_0_gets_no_chunks(gate: Gate, upstream: Upstream, coding: str) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    if coding == "chunked":
        upstream.serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"))
    else:
        upstream.serve(b"HTTP/1.1 200 OK\r\n\r\nhello")[0].close()
    got = client.message()
    assert (got.get("transfer-encoding"), got.get("content-length"), got.body) == (None, None, b"hello")


def test_head_has_a_length_and_no_content(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", method="HEAD"))
    wire = upstream.accept()
    assert wire.message().method == "HEAD"
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    got = client.message(bodiless=True)
    assert (got.status, got.get("content-length")) == (200, "1000")
    client.send(request("/after"))
    assert wire.message().target == "/after", "both connections stand, and nothing is awaited"
    wire.send(answer())
    assert client.message().body == b"ok"


def test_head_of_a_chunked_answer(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", method="HEAD"))
    wire = upstream.accept()
    wire.message()
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert client.message(bodiless=True).status == 200
    client.send(request("/after"))
    assert wire.message().target == "/after"
    wire.send(answer())
    assert client.message().body == b"ok"


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', None),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "1000"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"),
    ],
    ids=["204", "304", "304 with a length", "no content"],
)
def test_answers_without_content(gate: Gate, upstream: Upstream, head: bytes, length: str | None) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request())
    wire, _ = upstream.serve(head)
    got = client.message()
    assert got.first.encode() == head.partition(b"\r\n")[0]
    # RFC 9110, 8.6: the length of a 304 may be told; it must not be awaited.
    assert got.get("content-length") in ({length, None} if got.status == 304 else {length})
    assert (got.get("transfer-encoding"), got.body) == (None, b"")
    client.send(request("/after"))
    assert wire.message().target == "/after"
    wire.send(answer())
    assert client.message().body == b"ok"


def test_trailers_go_up(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(
        request("/", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST"),
        chunked(b"hello", trailers="X-Sum: 5\r\n"),
    )
    _, message = upstream.serve(answer())
    assert message.get("trailer") == "X-Sum"
    assert [(name.lower(), value) for name, value in message.trailers] == [("x-sum", "5")]
    assert client.message().status == 200


def test_trailers_come_down(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", "TE: trailers", "Connection: TE"))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    _, message = upstream.serve(head + chunked(b"hello", trailers="X-Sum: 5\r\n"))
    assert message.get("te") == "trailers", "the upstream must know that they are wanted"
    got = client.message()
    assert got.body == b"hello"
    assert [(name.lower(), value) for name, value in got.trailers] == [("x-sum", "5")]


def test_an_expectation_is_met_when_policies_allow(gate: Gate, upstream: Upstream) -> None:
    limited = bundles.api(body=bundles.body_limit(1000))
    gate.load(bundles.bundle([limited], [bundles.upstream(upstream.port)]))
    client = gate.client()
    client.send(request("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hello")
    _, message = upstream.serve(answer())
    assert message.body == b"hello"
    assert client.message().status == 200


def test_an_expectation_is_refused_before_the_body_is_sent(gate: Gate, upstream: Upstream) -> None:
    limited = bundles.api(body=bundles.body_limit(4))
    gate.load(bundles.bundle([limited], [bundles.upstream(upstream.port)]))
    client = gate.client()
    client.send(request("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
    refusal = client.message()
    assert (refusal.interim, refusal.status, refusal.reason) == ([], 413, "body-too-large")
    assert upstream.untouched()
    # Whether the body will follow is not known: the connection can only end (RFC 9110, 10.1.1).
    assert client.ended()


def test_interim_answers_are_not_the_answer(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/", method="POST", body=b"hello"))
    _, message = upstream.serve(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + answer(b"final"))
    assert message.body == b"hello"
    assert client.message().body == b"final"


def test_server_sent_events_are_not_kept_back(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/events", "Accept: text/event-stream"))
    wire, _ = upstream.serve(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    head = client.until(b"\r\n\r\n")
    assert b"text/event-stream" in head
    for number in range(20):
        event = b"id: %d\ndata: tick\n\n" % number
        wire.send(b"%x\r\n%b\r\n" % (len(event), event))
        assert client.chunk() == event
    client.close()
    assert wire.rest() == b"", "a reader that left ends the stream"


@pytest.mark.parametrize("version", ["HTTP/2", "HTTP/3"])
@pytest.mark.parametrize("leaves", ["the stream", "the connection"])
def test_server_sent_events_are_not_kept_back_over(
    version: str, leaves: str, gate: Gate, upstream: Upstream, tmp_path: Path
) -> None:
    """Each event is there before the next is sent, as over HTTP/1.1."""
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("gate", "shop.example")), http3=True)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
    client = (Http2 if version == "HTTP/2" else Http3)(gate.port(), authority.pem)
    with client:
        stream = client.ask("/events", "GET", ("accept", "text/event-stream"))
        reply = client.replies[stream]
        wire, _ = upstream.serve(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        while not reply.headers:
            client.hear()
        assert (reply.status, reply.get("content-type")) == (200, "text/event-stream")
        sent = b""
        for number in range(20):
            event = b"id: %d\ndata: tick\n\n" % number
            wire.send(b"%x\r\n%b\r\n" % (len(event), event))
            sent += event
            take(client, reply, len(sent))
            assert (reply.body, reply.over, reply.reset) == (sent, False, None)
        if leaves == "the stream":
            client.cancel(stream)
            assert wire.rest() == b"", "a reader that left ends the stream, however long no event comes"
    if leaves == "the connection":
        assert wire.rest() == b"", "the same"
    assert gate.written(path="/events", reason="client-gone")


def take(client: Http2 | Http3, reply: Reply, length: int) -> None:
    """Hears until so much of a body is there."""

    def is_there() -> bool:
        if len(reply.body) < length:
            client.hear()
        return len(reply.body) >= length

    until(is_there, f"{length} bytes")


def test_server_sent_events_until_the_end(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/events"))
    wire, _ = upstream.serve(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    client.until(b"\r\n\r\n")
    for number in range(5):
        wire.send(b"data: %d\n\n" % number)
        assert client.chunk() == b"data: %d\n\n" % number
    wire.close()
    assert client.chunk() == b""


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_megabytes_there_and_back_are_the_same(gate: Gate, coding: str) -> None:
    content = secrets.token_bytes(8 * 1024 * 1024)
    with AutoUpstream(lambda message: answer(message.body)) as upstream:
        gate.load(bundles.plain(upstream.port))
        client = gate.client()
        if coding == "length":
            raw = request("/", method="PUT", body=content)
        else:
            pieces = [content[at : at + 60_000] for at in range(0, len(content), 60_000)]
            raw = request("/", "Transfer-Encoding: chunked", method="PUT") + chunked(*pieces)
        sending = threading.Thread(target=client.send, args=[raw])
        sending.start()
        got = client.message()
        sending.join()
        assert hashlib.sha256(got.body).digest() == hashlib.sha256(content).digest()
        assert hashlib.sha256(upstream.requests[0].body).digest() == hashlib.sha256(content).digest()
        event = gate.event(got.id)
        assert (event["bytes_in"], event["bytes_out"]) == (len(content), len(content))
