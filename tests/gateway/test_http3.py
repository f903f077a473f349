"""HTTP/3 with a client of another make: the same pipeline, the same bounds, and QUIC's own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from attacks.quic import cancels, many_pings, pings
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Ended, Http3
from gateway.harness.place import Place
from gateway.harness.secure import Http2, Reply, context, secure
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, answer, chunked
from lockgate.config.bundle_types import Bundle, Tls
from support.certificates import Authority
from support.waiting import until

H3_NO_ERROR = 0x100
H3_FRAME_UNEXPECTED = 0x105
H3_FRAME_ERROR = 0x106
H3_REQUEST_REJECTED = 0x10B
H3_MESSAGE_ERROR = 0x10E
H3_EXCESSIVE_LOAD = 0x107
UNRECOGNIZED_NAME = 0x100 + 112
CERTIFICATE_REQUIRED = 0x100 + 116
RETRY = 0b11
DATAGRAM = 65_536


def echo(request: Message) -> bytes:
    """Says what came."""
    said = f"{request.first}\n".encode() + b"\n".join(
        f"{name.lower()}: {value}".encode() for name, value in request.headers
    )
    said += b"\n\n" + request.body
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s" % (len(said), said)


def serving(port: int, tls: Tls, **more: int) -> Bundle:
    """One public API over TLS, and QUIC."""
    listener = bundles.listener(tls=tls, bounds=bundles.limits(**more), http3=True)
    return bundles.bundle([bundles.api()], [bundles.upstream(port)], listeners=[listener])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path_factory.mktemp("http3"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A gate with a public API, and one that bounds bodies."""
    with AutoUpstream(echo) as upstream, Gate(tmp_path_factory.mktemp("shop") / "state") as running:
        issued = authority.issue("shop", "shop.example")
        listener = bundles.listener(tls=bundles.tls(issued, hsts="max-age=60"), http3=True)
        small = bundles.api("small", "/small", body=bundles.body_limit(1000))
        running.load(bundles.bundle([bundles.api(), small], [bundles.upstream(upstream.port)], listeners=[listener]))
        yield Place(running, upstream, running.port())


@pytest.fixture
def web(shop: Place, authority: Authority) -> Iterator[Http3]:
    """A client."""
    with Http3(shop.port, authority.pem) as client:
        yield client


def test_an_event_says_what_was_spoken(shop: Place, web: Http3) -> None:
    event = shop.gate.event(str(web.get("/").get("x-request-id")))
    assert (event["protocol"], event["tls"], event["http2"]) == ("h3", "1.3", None)
    # As JA4 has it: QUIC, TLS 1.3, a name is asked for, and h3.
    assert re.fullmatch(r"q13d\d{4}h3_[0-9a-f]{12}_[0-9a-f]{12}", event["ja4"])


def test_streams_are_served_side_by_side(web: Http3) -> None:
    streams = [web.ask(f"/{number}") for number in range(50)]
    for number, stream in enumerate(streams):
        reply = web.answer(stream)
        assert (reply.status, reply.body.split(b"\n")[0]) == (200, b"GET /%d HTTP/1.1" % number)
        assert reply.get("x-request-id")
        assert reply.get("date")
        assert reply.get("strict-transport-security") == "max-age=60"
        assert reply.get("connection") is None, "it is a field of HTTP/1.1 (RFC 9114 section 4.2)"


def test_what_goes_on_is_what_http_11_would_say(web: Http3) -> None:
    fields = [("cookie", "a=1"), ("cookie", "b=2"), ("x-more", "x"), ("te", "trailers")]
    said = web.get("/p?q=1", *fields).body.decode()
    assert said.startswith("GET /p?q=1 HTTP/1.1\n")
    assert "\nhost: shop.example\n" in said
    assert "\ncookie: a=1; b=2\n" in said
    assert "\nx-more: x\n" in said
    assert "\nx-forwarded-proto: https\n" in said
    assert ":authority" not in said


def test_a_second_content_type_is_refused(shop: Place, web: Http3) -> None:
    twice = [("content-type", "text/plain"), ("content-type", "text/xml")]
    for times, fields in enumerate((twice, [("content-type", "text/plain, text/xml")]), 1):
        assert web.get("/", *fields).status == 400
        shop.gate.refused("framing-content-type-repeated", times)


def test_many_requests_follow_each_other(web: Http3) -> None:
    """More than may be under way at once: each that is over makes room for another."""
    for _ in range(6):
        streams = [web.ask("/") for _ in range(50)]
        assert {web.answer(stream).status for stream in streams} == {200}


def test_bodies_go_both_ways(web: Http3) -> None:
    told = web.ask("/", "POST", ("content-length", "500000"), body=True)
    untold = web.ask("/", "POST", body=True)
    for stream in (told, untold):
        web.say(stream, b"x" * 500_000, end=True)
    for stream, framing in ((told, b"content-length: 500000"), (untold, b"transfer-encoding: chunked")):
        reply = web.answer(stream)
        head, _, body = reply.body.partition(b"\n\n")
        assert framing in head
        assert body == b"x" * 500_000


def test_a_body_in_many_small_and_empty_frames_comes_whole(web: Http3) -> None:
    stream = web.ask("/", "POST", body=True)
    web.say(stream, b"")
    for number in range(2_000):
        web.h3.send_data(stream, b"%d" % (number % 10), end_stream=False)
    web.say(stream, b"")
    web.say(stream, b"!", end=True)
    body = web.answer(stream).body.partition(b"\n\n")[2]
    assert body == b"0123456789" * 200 + b"!"


@pytest.mark.parametrize("told", ["3", "9"])
def test_a_body_has_the_length_that_was_said(shop: Place, authority: Authority, told: str) -> None:
    """What is longer would be taken for another request behind the gate (RFC 9114 section 4.1.2)."""
    before = len(shop.upstream.requests)
    with Http3(shop.port, authority.pem) as web:
        stream = web.ask("/", "POST", ("content-length", told), body=True)
        web.say(stream, b"x" * 6, end=True)
        reply = web.answer(stream)
        assert reply.reset is not None or reply.status == 400
        assert web.get().status == 200, "the connection serves on"
    assert len(shop.upstream.requests) == before + 1
    until(lambda: shop.gate.refusals("http3-length-differs"), "the refusal to be counted")


def test_trailers_come_through(authority: Authority, gate: Gate, upstream: Upstream) -> None:
    gate.load(serving(upstream.port, bundles.tls(authority.issue("trailers", "shop.example"))))
    with Http3(gate.port(), authority.pem) as web:
        stream = web.ask("/", "POST", ("te", "trailers"), body=True)
        web.say(stream, b"up")
        web.trail(stream, ("x-sum", "1"))
        wire = upstream.accept()
        assert wire.message().body == b"up"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        wire.send(head + chunked(b"down", trailers="X-Sum: 2\r\n"))
        reply = web.answer(stream)
        assert (reply.body, reply.trailers) == (b"down", [("x-sum", "2")])


def test_head_has_no_body(web: Http3) -> None:
    reply = web.answer(web.ask("/", "HEAD"))
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.get("content-length") or 0) > 0


@pytest.mark.parametrize(
    ("fields", "pseudo"),
    [
        ([("host", "other.example")], {}),
        ([("x-a", " padded")], {}),
        ([("transfer-encoding", "chunked")], {}),
        ([("connection", "x-a")], {}),
        ([("X-Upper", "a")], {}),
        ([], {"path": "/a%00b"}),
        ([], {"path": "nowhere"}),
        ([], {"authority": "a b"}),
        ([("content-length", "5"), ("content-length", "6")], {}),
        ([("content-length", "5")], {}),
        ([("x", "y" * 30_000), ("z", "y" * 10_000)], {}),
        ([(f"x-{number}", "a") for number in range(200)], {}),
    ],
)
def test_heads_that_could_be_taken_in_two_ways_are_refused(
    shop: Place, authority: Authority, fields: list[tuple[str, str]], pseudo: dict[str, str]
) -> None:
    before = len(shop.upstream.requests)
    with Http3(shop.port, authority.pem) as web:
        stream = web.ask(pseudo.get("path", "/"), "GET", *fields, authority=pseudo.get("authority", ""))
        with contextlib.suppress(Ended):
            reply = web.answer(stream)
            assert reply.reset is not None or 400 <= reply.status < 500
    assert len(shop.upstream.requests) == before


def test_what_http3_alone_refuses_has_its_reasons(shop: Place, authority: Authority) -> None:
    with Http3(shop.port, authority.pem) as web:
        padded = web.get("/", ("x-a", " padded"))
        assert (padded.status, json.loads(padded.body)["reason"]) == (400, "http3-field-malformed")
        tunnel = web.answer(web.ask("/", "CONNECT"))
        assert (tunnel.status, json.loads(tunnel.body)["reason"]) == (501, "http3-connect-unsupported")
        data_before_a_head = b"\x00\x01x"
        web.quic.send_stream_data(web.quic.get_next_available_stream_id(), data_before_a_head)
        web.flush()
        assert web.end() == H3_FRAME_UNEXPECTED
    until(lambda: shop.gate.refusals("http3-protocol-error"), "the refusal to be counted")


USUAL = [(":method", "GET"), (":scheme", "https"), (":authority", "shop.example"), (":path", "/")]


@pytest.mark.parametrize(
    "fields",
    [
        [*USUAL, (":path", "/other")],
        [*USUAL, (":authority", "other.example")],
        [*USUAL, (":method", "POST")],
        [*USUAL, (":scheme", "http")],
        [*USUAL[:3], ("x-first", "1"), (":path", "/")],
        [*USUAL, (":status", "200")],
    ],
    ids=lambda fields: " ".join(name for name, _ in fields),
)
def test_pseudo_header_fields_come_once_and_first(
    shop: Place, authority: Authority, fields: list[tuple[str, str]]
) -> None:
    """Who stands before the gate may have read another one of them (RFC 9114 section 4.3)."""
    before, refused = len(shop.upstream.requests), shop.gate.refusals("http3-pseudo-fields")
    with Http3(shop.port, authority.pem) as web:
        stream = web.quic.get_next_available_stream_id()
        web.replies[stream] = Reply()
        web.h3.send_headers(stream, [(name.encode(), value.encode()) for name, value in fields], end_stream=True)
        web.flush()
        assert web.answer(stream).reset == H3_MESSAGE_ERROR
        assert web.get().status == 200, "the connection serves on"
    assert len(shop.upstream.requests) == before + 1
    shop.gate.refused("http3-pseudo-fields", refused + 1)


def test_trailers_have_no_pseudo_header_fields(shop: Place, authority: Authority) -> None:
    before = len(shop.upstream.requests)
    with Http3(shop.port, authority.pem) as web:
        stream = web.ask("/", "POST", body=True)
        web.say(stream, b"body")
        web.trail(stream, ("x-sum", "1"), (":path", "/other"))
        reply = web.answer(stream)
        assert reply.reset is not None or (reply.status, json.loads(reply.body)["reason"]) == (
            400,
            "http3-pseudo-fields",
        )
        assert web.get().status == 200
    assert [request.target for request in shop.upstream.requests[before:]] == ["/"], "it never was whole"


def test_a_refusal_says_why(web: Http3) -> None:
    reply = web.answer(web.ask("/", "CONNECT-IT"))
    assert reply.status == 200, "methods are for policies"
    stream = web.ask("/small", "POST", body=True)
    web.say(stream, b"x" * 2_000)
    reply = web.answer(stream)
    assert (reply.status, reply.get("content-type")) == (413, "application/problem+json")
    assert reply.get("x-request-id")
    assert b"body" in reply.body
    assert web.get().status == 200, "the connection serves on"


def test_a_head_without_end_is_not_gathered(shop: Place, authority: Authority) -> None:
    before = shop.gate.memory()
    with Http3(shop.port, authority.pem) as web:
        stream = web.quic.get_next_available_stream_id()
        # HEADERS of a gigabyte.
        web.quic.send_stream_data(stream, b"\x01" + (0xC0000000_40000000).to_bytes(8, "big") + b"x" * 1000)
        web.flush()
        assert web.end() == H3_EXCESSIVE_LOAD
    shop.gate.refused("http3-header-block-too-large")
    assert shop.gate.memory() - before < 8 << 20


def test_a_client_that_cancels_is_seen(authority: Authority, gate: Gate, upstream: Upstream) -> None:
    gate.load(serving(upstream.port, bundles.tls(authority.issue("reset", "shop.example"))))
    with Http3(gate.port(), authority.pem) as web:
        stream = web.ask("/slow")
        wire = upstream.accept()
        wire.message()
        web.cancel(stream)
        assert wire.rest() == b"", "the upstream is let go"
        assert gate.written(reason="client-gone", path="/slow")
        again = web.ask("/again")
        upstream.serve(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert web.answer(again).status == 204


@pytest.mark.parametrize(("flood", "reason"), [(cancels, "http3-reset-flood"), (pings, "http3-ping-flood")])
def test_a_flood_ends_its_connection_and_no_other(
    shop: Place, authority: Authority, flood: Callable[[Http3], None], reason: str
) -> None:
    with Http3(shop.port, authority.pem) as bystander, Http3(shop.port, authority.pem) as attacker:
        attacker.get()
        many_pings(attacker)
        with pytest.raises(Ended) as ended:
            attacker.until(lambda: None if attacker.ended else flood(attacker), "the gate to have enough")
        assert ended.value.code == H3_EXCESSIVE_LOAD
        assert bystander.get().status == 200
    shop.gate.refused(reason)


def test_a_connection_carries_no_other_hosts_requests(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    first = authority.issue("first", "shop.example", "www.shop.example", "staff.shop.example")
    second = authority.issue("office", "office.example")
    client = authority.issue("client", "client.example")
    hosts = {"staff.shop.example": bundles.clients(authority.pem)}
    gate.load(serving(auto.port, bundles.tls(first, second, hosts=hosts)))
    with Http3(gate.port(), authority.pem) as web:
        for host, status in [
            ("shop.example", 200),
            ("www.shop.example", 200),
            ("office.example", 421),
            ("staff.shop.example", 421),
            ("shop.example", 200),
        ]:
            web.name = host
            assert web.get().status == status
    with Http3(gate.port(), authority.pem, "staff.shop.example", shown=client) as web:
        assert web.get().status == 200
        web.name = "shop.example"
        assert web.get().status == 421
    with pytest.raises(Ended) as ended:
        Http3(gate.port(), authority.pem, "nobody.example")
    assert ended.value.code == UNRECOGNIZED_NAME
    with pytest.raises(Ended) as ended, Http3(gate.port(), authority.pem, "staff.shop.example") as web:
        web.get()
    assert ended.value.code == CERTIFICATE_REQUIRED
    gate.refused("tls-misdirected", 3)


def test_a_session_is_resumed_and_nothing_is_said_before_it(shop: Place, authority: Authority) -> None:
    with Http3(shop.port, authority.pem) as web:
        web.get()
        ticket = web.until(lambda: web.tickets, "a ticket")[0]
        assert not web.resumed
    assert not ticket.max_early_data_size, "no 0-RTT: it could be a copy"
    with Http3(shop.port, authority.pem, ticket=ticket) as web:
        assert web.resumed
        assert web.get().status == 200


def test_new_certificates_reach_new_connections(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    old, new = authority.issue("old", "shop.example"), authority.issue("new", "shop.example")

    def shown(web: Http3) -> x509.Certificate:
        told = web.quic.tls._peer_certificate
        assert told is not None
        return told

    gate.load(serving(auto.port, bundles.tls(old)))
    with Http3(gate.port(), authority.pem) as before:
        assert shown(before) == old.certificate
        gate.load(serving(auto.port, bundles.tls(new)))
        assert before.get().status == 200, "who is connected is served on"
        with Http3(gate.port(), authority.pem) as after:
            assert shown(after) == new.certificate
            assert after.get().status == 200


def test_the_others_say_that_it_is_to_be_had(shop: Place, authority: Authority, web: Http3) -> None:
    told = f'h3=":{shop.port}"; ma='
    with secure(shop.port, context(authority.pem)) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        assert str(wire.message().get("alt-svc")).startswith(told)
    with Http2(shop.port, authority.pem) as two:
        assert str(two.get().get("alt-svc")).startswith(told)
    assert web.get().status == 200


def test_behind_a_mapping_they_name_the_port_outside(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    tls = bundles.tls(authority.issue("mapped", "shop.example"))
    listener = bundles.listener(tls=tls, http3=True, public_port=443)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as two:
        assert two.get().get("alt-svc") == 'h3=":443"; ma=3600'
    with Http3(gate.port(), authority.pem) as web:
        assert web.get().status == 200
    assert [each.get("x-forwarded-port") for each in auto.requests] == ["443", "443"]


def test_it_comes_and_goes_with_the_configuration(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    tls = bundles.tls(authority.issue("comes", "shop.example"))

    def load(*, http3: bool) -> None:
        listener = bundles.listener(tls=tls, http3=http3)
        gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener]))

    load(http3=False)
    port = gate.port()
    with Http2(port, authority.pem) as two:
        assert two.get().get("alt-svc") is None
        load(http3=True)
        with Http3(port, authority.pem) as web:
            assert web.get().status == 200
            assert two.get().status == 200
            load(http3=False)
            web.end()
        load(http3=True)
        with Http3(port, authority.pem) as web:
            assert web.get().status == 200


def test_who_reads_nothing_fills_no_memory(gate: Gate, authority: Authority) -> None:
    """To ask for much costs a packet, and to acknowledge nothing of it costs nothing."""
    crowd, large = 40, b"x" * (2 << 20)
    with AutoUpstream(lambda _: answer(large)) as auto:
        gate.load(serving(auto.port, bundles.tls(authority.issue("unread", "shop.example"))))
        port = gate.port()
        with Http3(port, authority.pem) as reader:
            assert reader.get().body == large
            before = gate.memory()
            with contextlib.ExitStack() as stack:
                for _ in range(crowd):
                    stack.enter_context(Http3(port, authority.pem, window=1 << 30)).ask()
                until(lambda: len(auto.requests) > crowd, "all to have asked")
                assert reader.get().body == large, "who reads gets all, meanwhile as well"
                assert gate.memory() - before < crowd * (512 << 10)


def test_an_address_that_is_not_proved_gets_no_more_than_a_retry(shop: Place, authority: Authority) -> None:
    """QUIC could be made to send to somebody else what was never asked for (RFC 9000 section 8)."""
    with Http3(shop.port, authority.pem) as web:
        initial = web.sent[0]
        assert web.came[0][0] >> 4 & 0b11 == RETRY
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.1", 0))
        victim.settimeout(2)
        sent = 0
        for _ in range(20):
            # Another connection ID each time, as somebody would who wants much.
            forged = initial[:6] + os.urandom(8) + initial[14:]
            victim.sendto(forged, ("127.0.0.1", shop.port))
            sent += len(forged)
        victim.sendto(initial, ("127.0.0.1", shop.port))
        came = [victim.recv(DATAGRAM)]
        victim.settimeout(0.2)
        try:
            while True:
                came.append(victim.recv(DATAGRAM))
        except TimeoutError:
            pass
    assert {datagram[0] >> 4 & 0b11 for datagram in came} == {RETRY}
    assert sum(map(len, came)) < sent


def test_a_client_goes_on_from_another_port(tmp_path: Path, auto: AutoUpstream, authority: Authority) -> None:
    """Each packet is read by the worker that its addresses choose, and served by the one that has its connection."""
    moves, passed_on = 20, "lockgate_quic_packets_passed_on_total"
    with Gate(tmp_path / "state", workers=4) as gate:
        gate.load(serving(auto.port, bundles.tls(authority.issue("moves", "shop.example"))))
        with Http3(gate.port(), authority.pem) as web:
            assert web.get().status == 200
            assert gate.count(passed_on) == 0, "who stays is read by its own worker"
            for _ in range(moves):
                web.move()
                assert web.get().status == 200
        # Each port is another worker's, three times of four: that none of so many is, happens once in 10^12.
        assert gate.count(passed_on) > 0
        assert gate.count("lockgate_connections_accepted_total") == 1


def test_an_address_that_is_not_proved_is_not_judged_by(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    """A datagram's sender can be forged: whoever sends one in another's name must not be let in as that one."""
    office = bundles.api("office", "/office", addresses=bundles.ip_filter(allow=["127.0.0.9/32"]))
    listener = bundles.listener(tls=bundles.tls(authority.issue("moves", "shop.example")), http3=True)
    gate.load(bundles.bundle([bundles.api(), office], [bundles.upstream(auto.port)], listeners=[listener]))
    with Http3(gate.port(), authority.pem) as web:
        assert web.get("/office").status == 403
        web.move("127.0.0.9")
        assert web.answer(web.ask("/office")).reset == H3_REQUEST_REJECTED
        assert web.end() == H3_NO_ERROR, "it is told to begin anew"
    gate.refused("http3-moved")
    assert auto.requests == []
    with Http3(gate.port(), authority.pem, source="127.0.0.9") as web:
        assert web.get("/office").status == 200


def test_streams_take_places_as_connections_do(gate: Gate, upstream: Upstream, authority: Authority) -> None:
    gate.load(serving(upstream.port, bundles.tls(authority.issue("places", "shop.example")), connections_per_ip=3))
    with Http3(gate.port(), authority.pem) as web:
        first = [web.ask("/") for _ in range(3)]
        for _ in first:
            upstream.accept().message()
        reply = web.answer(web.ask("/"))
        assert reply.reset is not None, "it was not looked at"
        with pytest.raises(Ended):
            Http3(gate.port(), authority.pem).close()
        assert gate.count("lockgate_connections_turned_away_total", limit="connections_per_ip")


def test_slow_bodies_are_refused(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto.port, bundles.tls(authority.issue("slow", "shop.example")), body_rate_min=1 << 20))
    with Http3(gate.port(), authority.pem) as web:
        stream = web.ask("/", "POST", body=True)
        web.say(stream, b"x")
        reply = web.answer(stream, 30)
        assert reply.reset is not None or reply.status == 408
    gate.refused("body-too-slow")


def test_the_end_behind_trailers_is_waited_for_no_longer_than_a_body(
    gate: Gate, upstream: Upstream, authority: Authority
) -> None:
    tls = bundles.tls(authority.issue("endless", "shop.example"))
    gate.load(serving(upstream.port, tls, body_rate_min=1 << 20))
    with Http3(gate.port(), authority.pem) as web:
        stream = web.ask("/", "POST", body=True)
        web.say(stream, b"x", end=False)
        web.trail(stream, ("x-sum", "1"), end=False)
        reply = web.answer(stream, 30)
        assert reply.reset is not None or reply.status == 408
    gate.refused("body-too-slow")


@pytest.mark.parametrize("cut", [b"\x00\x3c", b"\x00\x3cdata"], ids=["a frame's head", "a frame"])
def test_a_frame_that_is_cut_off_ends_the_connection(
    cut: bytes, gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    gate.load(serving(auto.port, bundles.tls(authority.issue("cut", "shop.example"))))
    with Http3(gate.port(), authority.pem) as web:
        stream = web.ask("/", "POST", body=True, flush=False)
        web.quic.send_stream_data(stream, cut, end_stream=True)
        web.flush()
        assert web.end() == H3_FRAME_ERROR
    gate.refused("http3-frame-cut")
    assert gate.count("lockgate_panics_total") == 0
    assert auto.requests == []


def test_slow_heads_are_refused(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto.port, bundles.tls(authority.issue("head", "shop.example")), head_timeout_ms=300))
    with Http3(gate.port(), authority.pem) as web:
        stream = web.quic.get_next_available_stream_id()
        web.replies[stream] = Reply()
        web.quic.send_stream_data(stream, b"\x01\x20x")
        web.flush()
        assert web.answer(stream).reset is not None
        assert web.get().status == 200
    gate.refused("head-too-slow")


def test_who_rests_too_long_is_let_go(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto.port, bundles.tls(authority.issue("rest", "shop.example")), idle_timeout_ms=300))
    with Http3(gate.port(), authority.pem) as web:
        assert web.get().status == 200
        web.end()
    until(lambda: gate.tell("stats")["connections"] == 0, "the connection to end")


def test_who_takes_nothing_of_an_answer_is_let_go(
    gate: Gate, upstream: Upstream, authority: Authority, tmp_path: Path
) -> None:
    gate.load(serving(upstream.port, bundles.tls(authority.issue("takes", "shop.example")), write_timeout_ms=500))
    before = gate.memory()
    with Http3(gate.port(), authority.pem, window=4096) as web:
        stream = web.ask("/")
        wire = upstream.accept()
        wire.message()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        web.until(lambda: web.replies[stream].headers, "the head")
        # From here it takes nothing more.
        try:
            while True:
                wire.send(b"x" * 100_000)
        except OSError:
            pass
        until(lambda: gate.written(path="/", reason="client-takes-nothing"), "the client to be given up")
    assert gate.memory() - before < 16 << 20
