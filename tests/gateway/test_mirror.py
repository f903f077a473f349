"""Copies of requests for another upstream, whose answers nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import answer, request
from lockgate.config.bundle_types import Credential, Mirror
from support.ports import free_port
from support.waiting import until

Two = tuple[AutoUpstream, AutoUpstream]


@pytest.fixture
def two() -> Iterator[Two]:
    """The one that answers, and the one that gets copies and fails at them."""
    with ExitStack() as stack:
        broken = AutoUpstream(lambda _: answer(b"no", status="500 Broken"))
        yield stack.enter_context(AutoUpstream()), stack.enter_context(broken)


def mirror(share: int = 100, methods: Sequence[str] = ("GET", "POST"), bytes_: int = 1024) -> Mirror:
    return {"upstream": "next", "share": share, "methods": list(methods), "bytes": bytes_}


def load(gate: Gate, shop: int, other: int, copied: Mirror) -> None:
    upstreams = [bundles.upstream(shop), bundles.upstream(other, name="next")]
    gate.load(bundles.bundle([bundles.api(mirror=copied)], upstreams))


def counted(gate: Gate, outcome: str, times: int) -> None:
    def count() -> int:
        return gate.count("lockgate_mirrored_total", outcome=outcome)

    until(lambda: count() >= times, f"{times} copies to be {outcome}")
    assert count() == times


def test_a_copy_is_what_the_upstream_got_and_its_answer_goes_nowhere(gate: Gate, two: Two) -> None:
    shop, other = two
    load(gate, shop.port, other.port, mirror())
    got = gate.client().get("/orders?x=1", "X-Tenant: a", "Cookie: b=c")
    assert (got.status, got.body) == (200, b"ok")
    counted(gate, "answered", 1)
    (first,), (copy,) = shop.requests, other.requests
    assert (copy.first, sorted(copy.headers), copy.body) == (first.first, sorted(first.headers), first.body)
    assert copy.get("x-request-id") == got.id


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_a_body_is_copied(gate: Gate, two: Two, coding: str) -> None:
    shop, other = two
    load(gate, shop.port, other.port, mirror())
    sent = (
        request("/", "Content-Length: 6", method="POST") + b"abcdef"
        if coding == "length"
        else request("/", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    )
    client = gate.client()
    client.send(sent)
    assert client.message().status == 200
    counted(gate, "answered", 1)
    assert [message.body for message in (*shop.requests, *other.requests)] == [b"abcdef", b"abcdef"]
    assert other.nonsense == []


def test_a_body_that_is_too_long_is_not_copied_and_arrives(gate: Gate, two: Two) -> None:
    shop, other = two
    load(gate, shop.port, other.port, mirror(bytes_=5))
    client = gate.client()
    client.send(request("/", "Content-Length: 6", method="POST") + b"abcdef")
    assert client.message().status == 200
    counted(gate, "left_out", 1)
    assert (shop.requests[0].body, other.requests) == (b"abcdef", [])


def test_other_methods_and_what_is_refused_are_not_copied(gate: Gate, two: Two) -> None:
    shop, other = two
    load(gate, shop.port, other.port, mirror(methods=["GET"]))
    gate.client().get("/", method="DELETE")
    gate.client().get("/a//b")
    gate.client().get("/last")
    counted(gate, "answered", 1)
    assert len(shop.requests) == 2
    assert [message.first for message in other.requests] == ["GET /last HTTP/1.1"]


def test_a_share_is_copied(gate: Gate, two: Two) -> None:
    shop, other = two
    load(gate, shop.port, other.port, mirror(share=25))
    client = gate.client()
    for _ in range(200):
        assert client.get("/").status == 200
    # 200 draws with a chance of a quarter: outside of this once in more than a million runs.
    until(lambda: len(other.requests) >= 20, "some copies")
    assert len(other.requests) <= 82


def test_nobody_waits_for_a_mirror_that_hangs_or_is_not_there(gate: Gate, two: Two) -> None:
    shop, _ = two
    with Upstream() as silent:
        load(gate, shop.port, silent.port, mirror())
        client = gate.client()
        for _ in range(5):
            assert client.get("/").status == 200
        wire = silent.accept()
        assert wire.message().first == "GET / HTTP/1.1"
    counted(gate, "failed", 5)
    load(gate, shop.port, free_port(), mirror())
    assert gate.client().get("/").status == 200
    counted(gate, "failed", 6)


def test_copies_are_bounded(gate: Gate, two: Two) -> None:
    """More than are allowed at a time are left out, and requests are answered all the same."""
    shop, _ = two
    with Upstream() as silent:
        load(gate, shop.port, silent.port, mirror())
        client = gate.client()
        for _ in range(300):
            assert client.get("/").status == 200
        counted(gate, "left_out", 300 - 256)


def test_bodies_that_are_kept_are_bounded_too(gate: Gate, two: Two) -> None:
    """Many small pieces of many requests whose first upstream does not answer."""
    _, other = two
    pieces = b"1\r\na\r\n" * 2000
    with Upstream() as slow, ExitStack() as clients:
        load(gate, slow.port, other.port, mirror(bytes_=64 * 1024))
        before = gate.memory()
        for _ in range(300):
            client = clients.enter_context(gate.client())
            client.send(request("/", "Transfer-Encoding: chunked", method="POST"), pieces)
        counted(gate, "left_out", 300 - 256)
        # 256 bodies of 2 KB, and what each connection takes anyway.
        assert gate.memory() - before < 300 * 96 * 1024


def test_a_secret_for_one_upstream_does_not_reach_the_other(tmp_path: Path, gate: Gate, two: Two) -> None:
    shop, other = two

    def secret(header: str, value: str) -> Credential:
        file = tmp_path / header
        file.write_text(value)
        file.chmod(0o600)
        return {"header": header, "secret": f"file:{file}"}

    upstreams = [
        bundles.upstream(shop.port, credential=secret("X-Shop", "s3cret")),
        bundles.upstream(other.port, name="next", credential=secret("X-Next", "other")),
    ]
    gate.load(bundles.bundle([bundles.api(mirror=mirror())], upstreams))
    assert gate.client().get("/", "X-Next: forged").status == 200
    counted(gate, "answered", 1)
    (copy,) = other.requests
    assert (copy.all("x-shop"), copy.all("x-next")) == ([], ["other"])
