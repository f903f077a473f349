"""Several requests in one segment: answered in their order, each by its own right."""

from __future__ import annotations

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, answer, request


def echo(message: Message) -> bytes:
    return answer(message.target.encode() + b" " + message.body)


def test_answers_come_in_the_order_of_the_requests(gate: Gate) -> None:
    with AutoUpstream(echo) as upstream:
        gate.load(bundles.plain(upstream.port))
        client = gate.client()
        client.send(*(request(f"/{number}") for number in range(50)))
        got = [client.message() for _ in range(50)]
        assert [message.body for message in got] == [b"/%d " % number for number in range(50)]
        assert len({message.id for message in got}) == 50
        assert upstream.connections == 1, "one after the other, over one connection"


def test_bodies_in_between_are_not_taken_for_requests(gate: Gate) -> None:
    smuggled = request("/admin")
    with AutoUpstream(echo) as upstream:
        gate.load(bundles.plain(upstream.port))
        client = gate.client()
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
        client.send(
            request("/1", method="POST", body=smuggled),
            request("/2", "Transfer-Encoding: chunked", method="POST"),
            chunk,
            request("/3"),
        )
        got = [client.message().body for _ in range(3)]
        assert got == [b"/1 " + smuggled, b"/2 " + smuggled, b"/3 "]
        assert [message.target for message in upstream.requests] == ["/1", "/2", "/3"]


def test_a_bad_one_after_two_good_ones(gate: Gate) -> None:
    with AutoUpstream(echo) as upstream:
        gate.load(bundles.plain(upstream.port))
        client = gate.client()
        client.send(request("/1"), request("/2"), b"GET /3 HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", request("/4"))
        assert [client.message().body for _ in range(2)] == [b"/1 ", b"/2 "]
        refusal = client.message()
        assert (refusal.status, refusal.reason) == (400, "framing-space-before-colon")
        assert client.ended(), "what follows a refused head cannot be understood"
        assert [message.target for message in upstream.requests] == ["/1", "/2"]
        assert gate.event(refusal.id)["class"] == "security"
        gate.refused("framing-space-before-colon")


def test_a_refusal_by_policy_does_not_end_the_conversation(gate: Gate) -> None:
    with AutoUpstream(echo) as upstream:
        shop = bundles.api("shop", "/shop")
        gate.load(bundles.bundle([shop], [bundles.upstream(upstream.port)]))
        client = gate.client()
        client.send(request("/shop/1"), request("/nowhere"), request("/shop/2"))
        first, refusal, last = (client.message() for _ in range(3))
        assert (first.body, last.body) == (b"/shop/1 ", b"/shop/2 ")
        assert (refusal.status, refusal.reason) == (404, "no-route")
        assert refusal.get("connection") is None


def test_nothing_is_served_after_close_was_asked_for(gate: Gate) -> None:
    with AutoUpstream(echo) as upstream:
        gate.load(bundles.plain(upstream.port))
        client = gate.client()
        client.send(request("/1", "Connection: close"), request("/2"))
        answered = client.message()
        assert answered.body == b"/1 "
        assert answered.get("connection") == "close"
        assert client.ended()
        assert [message.target for message in upstream.requests] == ["/1"]


def test_the_second_waits_for_the_first(gate: Gate, upstream: Upstream) -> None:
    """The upstream sees the second request only when the first is answered: one exchange at a time."""
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/1"), request("/2"))
    wire = upstream.accept()
    assert wire.message().target == "/1"
    assert upstream.untouched()
    wire.send(answer(b"first"))
    assert client.message().body == b"first"
    assert wire.message().target == "/2"
    wire.send(answer(b"second"))
    assert client.message().body == b"second"
