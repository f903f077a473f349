"""Upstreams that misbehave: the client gets a clear answer, or a clear end, and never a lie."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from gateway.harness import bundles
from gateway.harness.framing import Case, cases
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Closed, Message, Wire, answer, request
from support.ports import free_port
from support.waiting import until


def ask(gate: Gate, upstream: Upstream, **more: int) -> tuple[Client, Wire]:
    """A request is with the upstream; its answer is due."""
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port, within=bundles.timeouts(**more))]))
    client = gate.client()
    client.send(request("/a"))
    wire = upstream.accept()
    assert wire.message().target == "/a"
    return client, wire


def refused(gate: Gate, client: Client, status: int, reason: str) -> Message:
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (status, reason)
    event = gate.event(refusal.id)
    assert (event["class"], event["status"], event["reason"], event["api"]) == ("security", status, reason, "shop")
    gate.refused(reason)
    return refusal


def cut_off(gate: Gate, client: Client, head: Message, reason: str) -> None:
    """The rest of an answer never comes, and the event says why."""
    with pytest.raises(Closed):
        client.exactly(1_000_000)
    event = gate.event(head.id)
    assert (event["status"], event["reason"]) == (head.status, reason)
    gate.refused(reason)


def test_it_closes_without_a_word(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream)
    wire.close()
    refused(gate, client, 502, "upstream-reset")


def test_it_resets_without_a_word(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream)
    wire.reset()
    refused(gate, client, 502, "upstream-reset")


def test_it_closes_within_its_head(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    wire.close()
    refused(gate, client, 502, "upstream-closed-early")


def test_it_closes_within_a_body_of_known_length(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    head = client.until(b"\r\n\r\n")
    assert client.exactly(5) == b"hello"
    wire.close()
    told = Message("HTTP/1.1 200 OK", [("x-request-id", request_id(head))])
    cut_off(gate, client, told, "upstream-closed-early")


def test_it_closes_within_a_chunked_body(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream)
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    head = client.until(b"\r\n\r\n")
    assert client.chunk() == b"hello"
    wire.close()
    assert client.rest() == b"", "no last chunk: the client must see that the answer is not whole"
    event = gate.event(request_id(head))
    assert event["reason"] == "upstream-closed-early"


def test_it_resets_within_a_body(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    head = client.until(b"\r\n\r\n")
    assert client.exactly(5) == b"hello"
    wire.reset()
    cut_off(gate, client, Message("HTTP/1.1 200 OK", [("x-request-id", request_id(head))]), "upstream-reset")


def test_nobody_listens(gate: Gate) -> None:
    gate.load(bundles.plain(free_port()))
    client = gate.client()
    client.send(request())
    refused(gate, client, 502, "upstream-connect-failed")


def test_a_second_target_answers_for_one_that_is_gone(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(free_port(), auto.port))
    client = gate.client()
    assert [client.get().status for _ in range(6)] == [200] * 6
    assert gate.refusals("upstream-connect-failed") == 0


@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified"])
def test_content_where_none_belongs_poisons_nobody(gate: Gate, upstream: Upstream, status: str) -> None:
    """A body after HEAD or 304 would be read as the answer to whoever comes next."""
    gate.load(bundles.plain(upstream.port))
    client, next_one = gate.client(), gate.client()
    client.send(request("/1", method="HEAD" if status.startswith("200") else "GET"))
    wire = upstream.accept()
    wire.message()
    poison = answer(b"poison")
    wire.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(poison)}\r\n\r\n".encode())
    assert client.message(bodiless=True).status == int(status[:3])
    with suppress(OSError):
        wire.send(poison)
    next_one.send(request("/2"))
    another, message = upstream.serve(answer(b"its own"))
    assert (message.target, next_one.message().body) == ("/2", b"its own")
    assert another is not wire


def test_a_target_may_be_a_name(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(f"localhost:{auto.port}"))
    assert gate.client().get().status == 200


def test_targets_take_turns(gate: Gate) -> None:
    with AutoUpstream() as first, AutoUpstream() as second, AutoUpstream() as third:
        gate.load(bundles.plain(first.port, second.port, third.port))
        client = gate.client()
        for _ in range(30):
            assert client.get().status == 200
        assert [len(one.requests) for one in (first, second, third)] == [10, 10, 10]


def test_connecting_takes_too_long(gate: Gate, ends: ExitStack) -> None:
    """A server whose backlog is full takes no connection and refuses none."""
    full = ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for _ in range(4):
        filler = ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    slow = bundles.upstream(full.getsockname()[1], within=bundles.timeouts(connect_ms=200))
    gate.load(bundles.bundle([bundles.api()], [slow]))
    client = gate.client()
    client.send(request())
    refused(gate, client, 504, "upstream-connect-timeout")


def test_it_takes_too_long_to_begin(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream, first_byte_ms=200)
    refused(gate, client, 504, "upstream-first-byte-timeout")
    assert wire.rest() == b"", "its late answer must meet a closed connection, not the next request"


def test_it_drips_its_head(gate: Gate, upstream: Upstream) -> None:
    """The time to the first byte is that to the whole head: a byte now and then buys no more."""
    client, wire = ask(gate, upstream, first_byte_ms=400)
    drip = iter(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000)
    with suppress(OSError):
        while client.silent():
            wire.send(bytes([next(drip)]))
            wait_until(time.monotonic() + 0.02)
    refused(gate, client, 504, "upstream-first-byte-timeout")


def test_it_answers_while_the_upload_goes_on(gate: Gate, upstream: Upstream) -> None:
    """Its connection is in the middle of a request: it serves nobody else, and nothing of the rest reaches it."""
    gate.load(bundles.plain(upstream.port))
    client, other = gate.client(), gate.client()
    client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    wire.exactly(1000)
    wire.send(answer(b"early"))
    assert client.message().body == b"early"
    other.send(request("/other"))
    another, message = upstream.serve(answer(b"other"))
    assert (message.target, other.message().body) == ("/other", b"other")
    assert another is not wire


def test_a_long_upload_is_no_late_answer(gate: Gate, upstream: Upstream) -> None:
    """The time to the first byte runs from the request's last."""
    gate.load(
        bundles.bundle([bundles.api()], [bundles.upstream(upstream.port, within=bundles.timeouts(first_byte_ms=400))])
    )
    client = gate.client()
    client.send(request("/", "Content-Length: 40", method="POST"))
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    for _ in range(40):
        wait_until(time.monotonic() + 0.03)
        client.send(b"x")
        assert wire.exactly(1) == b"x"
    wire.send(answer())
    assert client.message().status == 200


def test_it_stops_reading(gate: Gate, upstream: Upstream) -> None:
    """An upstream that takes no more of a body, and says nothing, is as late as any other."""
    gate.load(
        bundles.bundle([bundles.api()], [bundles.upstream(upstream.port, within=bundles.timeouts(first_byte_ms=500))])
    )
    client = gate.client()
    body = b"x" * (32 * 1024 * 1024)

    def send() -> None:
        with suppress(OSError):
            client.send(request("/", method="POST", body=body))

    sending = threading.Thread(target=send)
    sending.start()
    upstream.accept()
    refused(gate, client, 504, "upstream-first-byte-timeout")
    client.close()
    sending.join()


def test_it_stops_within_its_body(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream, idle_ms=200)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    head = client.until(b"\r\n\r\n")
    assert client.exactly(5) == b"hello"
    cut_off(gate, client, Message("HTTP/1.1 200 OK", [("x-request-id", request_id(head))]), "upstream-idle-timeout")
    assert wire.rest() == b""


def test_a_slow_body_that_moves_is_not_cut_off(gate: Gate, upstream: Upstream) -> None:
    client, wire = ask(gate, upstream, idle_ms=1000)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
    head = client.until(b"\r\n\r\n")
    for _ in range(8):
        wire.send(b"x")
        assert client.exactly(1) == b"x"
    assert gate.event(request_id(head))["reason"] is None


def test_its_head_is_too_large(gate: Gate, upstream: Upstream) -> None:
    small = bundles.upstream(upstream.port, head_bytes=4096)
    gate.load(bundles.bundle([bundles.api()], [small]))
    client = gate.client()
    client.send(request())
    wire = upstream.accept()
    wire.message()
    wire.send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5000 + b"\r\nContent-Length: 0\r\n\r\n")
    refused(gate, client, 502, "upstream-head-too-large")
    assert wire.rest() == b""


ANSWERS = cases("answers")
BEGUN = {
    "a bad chunk size",
    "a chunk extension",
    "data longer than the size",
    "a length in a trailer",
    "trailers over 8 KiB",
    "an identity in a trailer",
}
"""Their heads are right: what is wrong shows when the answer has begun."""


@pytest.mark.parametrize("case", [case for case in ANSWERS if not case.accepted], ids=lambda case: case.name)
def test_what_is_no_answer_is_refused(gate: Gate, upstream: Upstream, case: Case) -> None:
    strict = bundles.upstream(upstream.port, head_bytes=32 * 1024)
    gate.load(bundles.bundle([bundles.api()], [strict]))
    client = gate.client()
    client.send(request())
    wire = upstream.accept()
    wire.message()
    wire.send(case.raw)
    if case.name in BEGUN:
        head = client.until(b"\r\n\r\n")
        assert b"\r\n0\r\n" not in b"\r\n" + client.rest(), "no end: the client sees that the answer is not whole"
        assert gate.event(request_id(head))["reason"] == case.expect
        gate.refused(case.expect)
    else:
        refused(gate, client, 502, case.expect)
    assert wire.rest() == b""


def test_what_follows_an_answer_later_goes_to_nobody(gate: Gate, upstream: Upstream) -> None:
    """Bytes that come when the answer is over are no answer to the next request."""
    client, wire = ask(gate, upstream)
    wire.send(answer(b"right"))
    assert client.message().body == b"right"
    wire.send(answer(b"poison"))
    client.send(request("/b"))
    other, message = upstream.serve(answer(b"its own"))
    assert (message.target, client.message().body) == ("/b", b"its own")
    assert other is not wire


@pytest.mark.parametrize("case", [case for case in ANSWERS if case.accepted], ids=lambda case: case.name)
def test_what_is_an_answer_is_passed_on(gate: Gate, upstream: Upstream, case: Case) -> None:
    client, wire = ask(gate, upstream)
    wire.send(case.raw)
    if case.after == "body":
        wire.close()
    got = client.message()
    final = case.raw.rsplit(b"HTTP/1.1 ", 1)[1]
    assert got.status == int(final[:3])
    assert got.body == (b"ok" if b"ok" in case.raw else b"")
    assert gate.event(got.id)["reason"] is None


def test_a_kept_connection_that_it_closed_is_not_used(gate: Gate, upstream: Upstream) -> None:
    """The upstream closes between two requests, as servers do after some seconds: no client may see that."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    for _ in range(20):
        client.send(request())
        wire, _ = upstream.serve(answer())
        assert client.message().status == 200
        wire.close()
    assert gate.count("lockgate_refusals_total") == 0


def test_it_closes_just_as_the_next_request_comes(gate: Gate, upstream: Upstream) -> None:
    """The race that no look at the connection can win: a GET is sent once more, a POST is not."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    for method in ("GET", "POST"):
        client.send(request("/1"))
        wire, _ = upstream.serve(answer())
        assert client.message().status == 200
        # A connection that rested for less than a second is taken to be open.
        wait_until(time.monotonic() + 1.2)
        client.send(request("/2", method=method, body=b"x" if method == "POST" else b""))
        wire.until(b"/2 HTTP/1.1\r\n")
        wire.reset()
        if method == "GET":
            again, message = upstream.serve(answer(b"again"))
            assert (message.target, client.message().body) == ("/2", b"again")
            again.close()
        else:
            assert client.message().reason == "upstream-reset"
            assert upstream.untouched(), "what is not idempotent is not sent twice"


def test_it_answers_before_it_has_read_all(gate: Gate, upstream: Upstream) -> None:
    """A server that says no to a large upload and closes: the client hears it."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 10_000)
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    wire.send(answer(b"too much", "Connection: close", status="413 Content Too Large"))
    refusal = client.message()
    assert (refusal.status, refusal.body) == (413, b"too much")
    wire.close()
    assert gate.event(refusal.id)["reason"] is None


def wait_until(moment: float) -> None:
    """For what happens by the clock alone."""
    until(lambda: time.monotonic() > moment, "the moment")


def request_id(head: bytes) -> str:
    """The id in an answer's head."""
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
    return lines[b"x-request-id"].decode().upper()
