"""HTTP/2 with a client that is built frame by frame: the same pipeline, stream by stream."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.secure import Http2, Reply, connect, context
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, Wire
from support.certificates import Authority
from support.waiting import until

REFUSED_STREAM = 7
Web = Callable[[], Http2]


def echo(request: Message) -> bytes:
    """Says what came."""
    said = f"{request.first}\n".encode() + b"\n".join(
        f"{name.lower()}: {value}".encode() for name, value in request.headers
    )
    said += b"\n\n" + request.body
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s" % (len(said), said)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path_factory.mktemp("http2"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A gate with a public API over TLS, and one that bounds bodies."""
    with AutoUpstream(echo) as upstream, Gate(tmp_path_factory.mktemp("shop") / "state") as running:
        issued = authority.issue("shop", "shop.example")
        listener = bundles.listener(tls=bundles.tls(issued))
        small = bundles.api("small", "/small", body=bundles.body_limit(1000))
        running.load(bundles.bundle([bundles.api(), small], [bundles.upstream(upstream.port)], listeners=[listener]))
        yield Place(running, upstream, running.port())


@pytest.fixture
def web(shop: Place, authority: Authority) -> Iterator[Http2]:
    """A client."""
    with Http2(shop.port, authority.pem) as client:
        yield client


def test_streams_are_served_side_by_side(web: Http2) -> None:
    streams = [web.ask(f"/{number}") for number in range(50)]
    for number, stream in enumerate(streams):
        reply = web.answer(stream)
        assert (reply.status, reply.body.split(b"\n")[0]) == (200, b"GET /%d HTTP/1.1" % number)
        assert reply.get("x-request-id")
        assert reply.get("date")
        assert reply.get("connection") is None, "it is a field of HTTP/1.1 (RFC 9113 section 8.2.2)"


def test_an_event_says_what_was_spoken_and_how_its_client_began(shop: Place, web: Http2) -> None:
    event = shop.gate.event(str(web.get().get("x-request-id")))
    assert (event["protocol"], event["tls"]) == ("h2", "1.3")
    # The form of JA4: TLS over TCP, 1.3, a name is asked for, so many ciphers and extensions, h2.
    assert re.fullmatch(r"t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}", event["ja4"])
    assert re.fullmatch(r"(\d+:\d+;?)*\|\d+\|0\|m,s,a,p", event["http2"])


def test_what_goes_on_is_what_http_11_would_say(web: Http2) -> None:
    fields = [("cookie", "a=1"), ("cookie", "b=2"), ("x-more", "x"), ("te", "trailers")]
    said = web.get("/p?q=1", *fields).body.decode()
    assert said.startswith("GET /p?q=1 HTTP/1.1\n")
    assert "\nhost: shop.example\n" in said
    assert "\ncookie: a=1; b=2\n" in said
    assert "\nx-more: x\n" in said
    assert "\nx-forwarded-proto: https\n" in said
    assert ":authority" not in said
    assert "\nte: trailers\n" in said


def test_bodies_go_both_ways(web: Http2) -> None:
    told = web.ask("/", "POST", ("content-length", "500000"), body=True)
    untold = web.ask("/", "POST", body=True)
    for stream in (told, untold):
        web.say(stream, b"x" * 500_000, end=True)
    for stream, framing in ((told, b"content-length: 500000"), (untold, b"transfer-encoding: chunked")):
        reply = web.answer(stream)
        head, _, body = reply.body.partition(b"\n\n")
        assert framing in head
        assert body == b"x" * 500_000


def test_head_has_no_body(web: Http2) -> None:
    reply = web.answer(web.ask("/", "HEAD"))
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.get("content-length") or 0) > 0


@pytest.mark.parametrize(
    ("fields", "pseudo", "reason"),
    [
        ([("host", "other.example")], {}, "http2-authority-differs"),
        ([("x-a", " padded")], {}, "http2-field-malformed"),
        ([], {"path": "/a%00b"}, "target-invalid-byte"),
        ([], {"path": "nowhere"}, "framing-target"),
        ([], {"authority": "a b"}, "framing-host"),
        ([("content-length", "5"), ("content-length", "6")], {}, "framing-content-length"),
        ([("x", "y" * 30_000), ("z", "y" * 10_000)], {}, None),
    ],
)
def test_heads_that_could_be_taken_in_two_ways_are_refused(
    shop: Place, authority: Authority, fields: list[tuple[str, str]], pseudo: dict[str, str], reason: str | None
) -> None:
    before = len(shop.upstream.requests)
    with Http2(shop.port, authority.pem) as web:
        reply = web.answer(web.ask(pseudo.get("path", "/"), "GET", *fields, authority=pseudo.get("authority", "")))
        assert reply.reset is not None or 400 <= reply.status < 500 or web.closed
    assert len(shop.upstream.requests) == before


def test_a_body_that_is_too_long_is_refused_while_it_comes(web: Http2) -> None:
    stream = web.ask("/small", "POST", body=True)
    web.say(stream, b"x" * 2_000)
    reply = web.answer(stream)
    assert reply.status == 413
    assert web.get().status == 200, "the connection serves on"


def test_a_client_that_resets_a_stream_is_seen(authority: Authority, gate: Gate, upstream: Upstream) -> None:
    listener = bundles.listener(tls=bundles.tls(authority.issue("reset", "shop.example")))
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as web:
        stream = web.ask("/slow")
        wire = upstream.accept()
        wire.message()
        web.h2.reset_stream(stream)
        web.flush()
        assert wire.rest() == b"", "the upstream is let go"
        assert gate.written(reason="client-gone", path="/slow")
        again = web.ask("/again")
        upstream.serve(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert web.answer(again).status == 204


def test_an_upstream_that_breaks_off_resets_the_stream(authority: Authority, gate: Gate, upstream: Upstream) -> None:
    listener = bundles.listener(tls=bundles.tls(authority.issue("broken", "shop.example")))
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as web:
        stream = web.ask()
        wire, _ = upstream.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        wire.close()
        reply = web.answer(stream)
        assert (reply.over, reply.reset) == (False, 2)


def test_trailers_come_through(authority: Authority, gate: Gate, upstream: Upstream) -> None:
    listener = bundles.listener(tls=bundles.tls(authority.issue("trailers", "shop.example")))
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as web:
        stream = web.ask()
        chunks = b"2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"
        upstream.serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n" + chunks)
        reply = web.answer(stream)
        assert (reply.body, reply.trailers) == (b"ok", [("x-sum", "1")])


def test_trailers_say_nothing_that_belongs_in_a_head(authority: Authority, gate: Gate, upstream: Upstream) -> None:
    """An upstream may merge them (RFC 9110 section 6.5.1)."""
    listener = bundles.listener(tls=bundles.tls(authority.issue("merged", "shop.example")))
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as web:
        stream = web.ask("/", "POST", body=True)
        web.h2.send_data(stream, b"hi")
        names = ("host", "content-length", "cookie", "authorization", "x-request-id", "content-type", "x-real-ip")
        web.h2.send_headers(stream, [*((name, "1") for name in names), ("x-sum", "2")], end_stream=True)
        web.flush()
        _, asked = upstream.serve(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert web.answer(stream).status == 204
    assert asked.trailers == [("x-sum", "2")]


def test_a_gate_that_goes_down_lets_streams_end(authority: Authority, tmp_path: Path, upstream: Upstream) -> None:
    with Gate(tmp_path / "state") as gate:
        listener = bundles.listener(tls=bundles.tls(authority.issue("drain", "shop.example")))
        gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
        with Http2(gate.port(), authority.pem) as web:
            stream = web.ask()
            wire = upstream.accept()
            wire.message()
            assert gate.tell("drain", within=0.2) is False
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert web.answer(stream).body == b"ok"
            web.until_closed()
            assert web.ended == 0


def flood(web: Http2, count: int) -> None:
    """Asks and takes it back, so often or until the other end has enough."""
    head = [(":method", "GET"), (":scheme", "https"), (":authority", "shop.example"), (":path", "/")]
    for _ in range(count):
        stream = web.h2.get_next_available_stream_id()
        web.h2.send_headers(stream, head, end_stream=True)
        web.h2.reset_stream(stream)
        try:
            web.flush()
        except OSError:
            return


def test_a_second_content_type_is_refused(shop: Place, web: Http2) -> None:
    twice = [("content-type", "text/plain"), ("content-type", "text/xml")]
    for times, fields in enumerate((twice, [("content-type", "text/plain, text/xml")]), 1):
        assert web.get("/", *fields).status == 400
        shop.gate.refused("framing-content-type-repeated", times)


def test_connect_makes_no_tunnel(shop: Place, authority: Authority) -> None:
    with Http2(shop.port, authority.pem) as web:
        stream = web.h2.get_next_available_stream_id()
        web.replies[stream] = Reply()
        web.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", "shop.example:443")], end_stream=True)
        web.flush()
        assert web.answer(stream).status == 501
    shop.gate.refused("http2-connect-unsupported")


def test_too_many_resets_end_the_connection(shop: Place, authority: Authority) -> None:
    """CVE-2023-44487: a stream that is reset costs the client nothing, and the server a request."""
    with Http2(shop.port, authority.pem) as web:
        flood(web, 2_000)
        web.until_closed()
    until(lambda: shop.gate.refusals("http2-flood"), "the flood to be counted")


def test_what_is_no_http2_ends_the_connection(shop: Place, authority: Authority) -> None:
    with Http2(shop.port, authority.pem) as web:
        web.get()
        # DATA on stream 0 (RFC 9113 section 6.1).
        web.sock.sendall(struct.pack(">I", 4)[1:] + b"\x00\x00" + struct.pack(">I", 0) + b"data")
        web.until_closed()
        assert web.ended == 1
    until(lambda: shop.gate.refusals("http2-protocol-error"), "it to be counted")


def test_requests_beside_others_take_places_of_connections(
    authority: Authority, gate: Gate, upstream: Upstream
) -> None:
    """Nobody has more under way by multiplexing than by connections."""
    bounds = bundles.limits(connections_per_ip=5)
    listener = bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")), bounds=bounds)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as one, Http2(gate.port(), authority.pem) as other:
        held = [one.ask("/held") for _ in range(4)]
        wires = [upstream.accept() for _ in held]
        reply = one.answer(one.ask("/more"))
        assert reply.reset == REFUSED_STREAM
        assert gate.count("lockgate_connections_turned_away_total", limit="connections_per_ip") == 1
        first = other.ask("/first")
        wires.append(upstream.accept())
        assert other.answer(other.ask("/second")).reset == REFUSED_STREAM
        for wire in wires:
            wire.until(b"\r\n\r\n")
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert [one.answer(stream).status for stream in held] == [200] * 4
        assert other.answer(first).status == 200


def test_what_does_not_begin_with_the_preface_is_closed_at_once(shop: Place, authority: Authority) -> None:
    """Not once it has been idle for long: RFC 9113 section 3.4."""
    before = shop.gate.refusals("http2-preface")
    with Http2(shop.port, authority.pem) as polite:
        assert polite.get().status == 200
    rude = connect(shop.port, context(authority.pem, protocols=("h2",)))
    with Wire(rude) as wire:
        wire.send(b"INVALID CONNECTION PREFACE\r\n\r\n")
        wire.rest()
    shop.gate.refused("http2-preface", before + 1)
