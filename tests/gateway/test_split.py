"""Which of several upstreams a request goes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate, Refused
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer, request
from lockgate.config.bundle_types import Share, Split

Two = tuple[AutoUpstream, AutoUpstream]


def saying(word: bytes) -> AutoUpstream:
    def say(_: Message) -> bytes:
        return answer(word)

    return AutoUpstream(say)


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with ExitStack() as stack:
        yield stack.enter_context(saying(b"stable")), stack.enter_context(saying(b"canary"))


def share(upstream: str, weight: int, header: tuple[str, str] | None = None) -> Share:
    when: Share = {"upstream": upstream, "weight": weight, "when": []}
    if header is not None:
        when["when"] = [{"part": "header", "name": header[0], "test": {"exact": header[1]}}]
    return when


def load(gate: Gate, two: Two, split: Split) -> None:
    stable, canary = two
    upstreams = [bundles.upstream(stable.port, name="stable"), bundles.upstream(canary.port, name="canary")]
    gate.load(bundles.bundle([bundles.api(split=split)], upstreams))


def test_weights_are_kept_and_written_down(gate: Gate, two: Two) -> None:
    load(gate, two, {"to": [share("stable", 75), share("canary", 25)], "by": {"request": {}}})
    got = [gate.client().get("/") for _ in range(200)]
    counts = Counter(message.body for message in got)
    # 200 draws with a chance of a quarter: outside of this once in more than a million runs.
    assert 20 <= counts[b"canary"] <= 82
    for message in (got[0], got[-1]):
        assert gate.event(message.id)["upstream"] == message.body.decode()


def test_a_header_chooses_before_the_weights(gate: Gate, two: Two) -> None:
    canary = share("canary", 0, ("X-Canary", "always"))
    load(gate, two, {"to": [share("stable", 1), canary], "by": {"request": {}}})

    def to(*lines: str) -> bytes:
        client = gate.client()
        client.send(request("/", *lines))
        return client.message().body

    assert to("X-Canary: always") == b"canary"
    assert to() == to("X-Canary: never") == to("X-Canary: always", "X-Canary: always") == b"stable"


def test_a_cookie_keeps_a_client_at_one_upstream(gate: Gate, two: Two) -> None:
    load(gate, two, {"to": [share("stable", 1), share("canary", 1)], "by": {"cookie": "session"}})

    def to(session: int) -> bytes:
        client = gate.client()
        client.send(request("/", f"Cookie: session={session}"))
        return client.message().body

    first = [to(session) for session in range(24)]
    assert set(first) == {b"stable", b"canary"}
    assert [to(session) for session in range(24)] == first


def test_weights_that_sum_to_nothing_are_refused(gate: Gate, two: Two) -> None:
    with pytest.raises(Refused, match="sum to nothing"):
        load(gate, two, {"to": [share("stable", 0), share("canary", 0)], "by": {"request": {}}})
