"""Connections that stay open, on both sides, and how they end."""

from __future__ import annotations

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Closed, answer, chunked, request
from support.waiting import until


def test_one_connection_serves_many_requests(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    client = gate.client()
    for _ in range(10):
        got = client.get()
        assert (got.status, got.get("connection")) == (200, None)
    assert auto.connections == 1
    assert gate.count("lockgate_connections_accepted_total") == 1


def test_clients_share_the_connections_to_the_upstream(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    for _ in range(10):
        with gate.client() as client:
            assert client.get().status == 200
    assert auto.connections == 1


def test_close_is_honoured(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    client = gate.client()
    assert client.get("/", "Connection: close").get("connection") == "close"
    assert client.ended()
    assert "connection" not in auto.requests[0].names, "what the client does is no business of the upstream"


def test_http_1_0_ends_with_its_answer(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    client = gate.client()
    client.send(b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n")
    assert client.message().body == b"ok"
    assert client.ended()


def test_http_1_0_may_ask_to_stay(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    client = gate.client()
    for _ in range(2):
        client.send(b"GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n")
        got = client.message()
        assert (got.body, got.get("connection")) == (b"ok", "keep-alive")
    assert auto.connections == 1


def test_an_upstream_that_closes_is_asked_anew(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    for _ in range(3):
        client.send(request())
        wire, _ = upstream.serve(answer(b"ok", "Connection: close"))
        assert client.message().get("connection") is None, "the client's connection stays"
        assert wire.rest() == b"", "the gate lets go of it too"


def test_an_upstream_of_http_1_0_is_asked_anew(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    for _ in range(2):
        client.send(request())
        wire, _ = upstream.serve(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        got = client.message()
        assert (got.first, got.body) == ("HTTP/1.1 200 OK", b"ok")
        assert wire.rest() == b""


def test_an_unused_connection_to_the_upstream_is_let_go(gate: Gate, upstream: Upstream) -> None:
    short = bundles.upstream(upstream.port, within=bundles.timeouts(keep_alive_ms=200))
    gate.load(bundles.bundle([bundles.api()], [short]))
    client = gate.client()
    client.send(request())
    wire, _ = upstream.serve(answer())
    assert client.message().status == 200
    assert wire.rest() == b""


def test_an_idle_client_is_let_go_without_a_word(gate: Gate, auto: AutoUpstream) -> None:
    bounds = bundles.limits(idle_timeout_ms=300)
    gate.load(
        bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[bundles.listener(bounds=bounds)])
    )
    client = gate.client()
    assert client.get().status == 200
    assert client.ended()
    assert gate.count("lockgate_refusals_total") == 0, "it did nothing wrong"


def test_a_client_that_works_is_not_let_go(gate: Gate, upstream: Upstream) -> None:
    """The time between requests does not run while the upstream thinks."""
    bounds = bundles.limits(idle_timeout_ms=300)
    shop = bundles.upstream(upstream.port)
    gate.load(bundles.bundle([bundles.api()], [shop], listeners=[bundles.listener(bounds=bounds)]))
    client, idle = gate.client(), gate.client()
    client.send(request("/slow"))
    wire = upstream.accept()
    wire.message()
    idle.send(request("/quick"))
    upstream.serve(answer())
    assert idle.message().status == 200
    assert idle.ended(), "the time is up for the one that is idle"
    assert client.silent(), "and not for the one that waits for its answer"
    wire.send(answer(b"late"))
    assert client.message().body == b"late"


@pytest.mark.parametrize("body", [b"", b"x" * 10, b"x" * 3_000_000], ids=["no body", "a short body", "a long body"])
def test_a_refused_body_is_never_taken_for_a_request(gate: Gate, auto: AutoUpstream, body: bytes) -> None:
    """After a refusal the body is read away or the connection ends; nothing of it is read as a head."""
    gate.load(bundles.bundle([bundles.api("shop", "/shop")], [bundles.upstream(auto.port)]))
    client = gate.client()
    smuggled = request("/shop/smuggled")
    try:
        client.send(request("/nowhere", method="POST", body=body + smuggled))
        client.send(request("/shop/right"))
    except (BrokenPipeError, ConnectionResetError):
        assert len(body) > 1_000_000, "a short body is taken in"
    assert client.message().reason == "no-route"
    rest = b""
    try:
        assert client.message().status == 200
    except Closed as closed:
        rest = closed.got
    assert rest == b""
    assert [message.target for message in auto.requests] in ([], ["/shop/right"])


def test_a_client_that_goes_away_ends_the_exchange(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/slow"))
    wire = upstream.accept()
    wire.message()
    client.reset()
    assert wire.rest() == b"", "the upstream need not go on"
    (event,) = gate.written(path="/slow")
    assert event["reason"] == "client-gone"
    gate.refused("client-gone")


def test_who_comes_and_goes_without_a_request_did_nothing(gate: Gate, auto: AutoUpstream) -> None:
    """As health checks of the port do: no refusal, no event."""
    gate.load(bundles.plain(auto.port))
    for _ in range(5):
        gate.client().close()
        gate.client().reset()
    with gate.client() as client:
        got = client.get()
    until(lambda: gate.tell("stats")["connections"] == 0, "all of them to be gone")
    gate.event(got.id)
    assert [event["id"] for event in gate.now_written()] == [got.id]
    assert gate.count("lockgate_refusals_total") == 0


def test_an_ipv6_client_and_upstream(gate: Gate) -> None:
    try:
        upstream = Upstream("::1")
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    with upstream:
        listeners = [bundles.listener("six", "[::1]:0")]
        to = bundles.upstream(f"[::1]:{upstream.port}")
        gate.load(bundles.bundle([bundles.api()], [to], listeners=listeners))
        with Client(gate.port("six"), source="::1", host="::1") as client:
            client.send(request())
            _, message = upstream.serve(answer())
            got = client.message()
        assert got.status == 200
        assert message.get("x-forwarded-for") == "::1"
        assert message.get("forwarded") == 'for="[::1]";proto=http;host=a.example'
        event = gate.event(got.id)
        assert (event["peer"], event["target"]) == ("::1", f"[::1]:{upstream.port}")


@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "the body later"])
def test_a_refused_request_with_a_short_body_leaves_the_connection_open(
    gate: Gate, auto: AutoUpstream, together: bool
) -> None:
    """Many clients send head and body apart; each refusal would cost them a connection."""
    gate.load(bundles.bundle([bundles.api("shop", "/after")], [bundles.upstream(auto.port)]))
    client = gate.client()
    head = request("/", "Content-Length: 5", method="POST")
    if together:
        client.send(head + b"hello")
    else:
        client.send(head)
    got = client.message()
    assert (got.reason, got.get("connection")) == ("no-route", None)
    if not together:
        client.send(b"hello")
    assert client.get("/after").status == 200
    assert [message.target for message in auto.requests] == ["/after"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (["Content-Length: 70000"], "too long to be worth it"),
        (["Transfer-Encoding: chunked"], "of unknown length"),
        (["Content-Length: 5", "Expect: 100-continue"], "perhaps never sent"),
    ],
)
def test_a_refused_request_whose_body_nobody_reads_says_that_it_closes(
    gate: Gate, auto: AutoUpstream, fields: list[str], why: str
) -> None:
    gate.load(bundles.bundle([bundles.api("shop", "/after")], [bundles.upstream(auto.port)]))
    client = gate.client()
    client.send(request("/", *fields, method="POST"))
    got = client.message()
    assert (got.reason, got.get("connection")) == ("no-route", "close"), why
    assert client.ended(), why


def test_the_rest_of_a_body_may_not_take_for_ever(gate: Gate, auto: AutoUpstream) -> None:
    bounds = bundles.limits(body_rate_min=1000)
    shop = [bundles.upstream(auto.port)]
    listeners = [bundles.listener(bounds=bounds)]
    gate.load(bundles.bundle([bundles.api("shop", "/after")], shop, listeners=listeners))
    client = gate.client()
    client.send(request("/", "Content-Length: 5", method="POST"), b"hell")
    assert client.message().reason == "no-route"
    assert client.ended()


def test_the_rest_of_a_body_has_little_time_whatever_the_floor(gate: Gate, auto: AutoUpstream) -> None:
    bounds = bundles.limits(body_rate_min=0)
    shop = [bundles.upstream(auto.port)]
    listeners = [bundles.listener(bounds=bounds)]
    gate.load(bundles.bundle([bundles.api("shop", "/after")], shop, listeners=listeners))
    client = gate.client()
    client.send(request("/", "Content-Length: 65536", method="POST"))
    assert client.message().reason == "no-route"
    assert client.ended()
    until(lambda: gate.tell("stats")["connections"] == 0, "the connection to be over")


def test_a_client_that_goes_with_more_requests_sent_is_seen(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/slow"), request("/next"))
    wire = upstream.accept()
    assert wire.message().target == "/slow"
    client.close()
    assert wire.rest() == b"", "nobody waits for the answer any more"
    gate.written(reason="client-gone")


def test_a_connection_that_closes_without_a_word_is_no_failure_of_the_next_request(
    gate: Gate, upstream: Upstream
) -> None:
    """Some servers close after each answer and do not say so."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    for number in range(10):
        client.send(request(f"/{number}"))
        wire, message = upstream.serve(answer())
        assert message.target == f"/{number}"
        wire.close()
        assert client.message().status == 200


def test_no_content_has_no_length(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request())
    upstream.serve(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    assert client.message().get("content-length") is None


def test_trailers_come_to_those_alone_who_take_them(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request())
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire, _ = upstream.serve(head + chunked(b"hello", trailers="X-Sum: 5\r\n"))
    got = client.message()
    assert (got.body, got.trailers) == (b"hello", [])
    client.send(request("/", "TE: trailers", "Connection: TE"))
    wire.message()
    wire.send(head + chunked(b"hello", trailers="X-Sum: 5\r\nX-Request-Id: theirs\r\n"))
    assert [name.lower() for name, _ in client.message().trailers] == ["x-sum"], "the id is the gate's"


def test_a_status_that_has_no_name_goes_on_without_one(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request())
    upstream.serve(answer(b"ok", status="799 Whatever"))
    assert client.message().first == "HTTP/1.1 799 "
