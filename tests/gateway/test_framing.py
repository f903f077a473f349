"""Every framing vector against a gate: what is refused is answered once, clearly, and goes no further."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.framing import Case, cases
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Client, Closed, Message
from lockgate import _native
from support.waiting import until

REASONS = {reason["code"]: reason for reason in _native.reasons()}
REQUESTS = cases("requests")
REFUSED = [case for case in REQUESTS if not case.accepted]
WHOLE = [case for case in REQUESTS if case.accepted and case.after == "idle"]
CUT = [case for case in REQUESTS if case.accepted and case.after != "idle"]
# What the framing lets pass and the normal form refuses: both are part of the gate.
REFUSED_LATER = {"what browsers leave bare": "target-path-parameter"}
# Before these are refused, so many whole requests stood before them and are answered.
ANSWERED_BEFORE = {"bytes after the length": 1, "a pipelined request with an LF head": 1}


def named(case: Case) -> str:
    return case.name


def answers(port: int, raw: bytes, *, finish: bool = False) -> list[Message]:
    """All answers until the gate closes; each must be whole."""
    found: list[Message] = []
    with Client(port) as client:
        client.send(raw)
        if finish:
            client.finish()
        while True:
            try:
                found.append(client.message())
            except Closed as closed:
                if closed.got:
                    raise
                return found


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_a_refused_request_is_answered_and_ends_the_connection(place: Place, case: Case) -> None:
    before = len(place.upstream.requests)
    whole = ANSWERED_BEFORE.get(case.name, 0)
    *answered, refusal = answers(place.port, case.raw)
    assert [answer.status for answer in answered] == [200] * whole
    reason = REASONS[case.expect]
    assert refusal.status == reason["status"]
    assert refusal.problem == {
        "type": f"/.lockgate/reasons/{case.expect}",
        "title": reason["title"],
        "status": reason["status"],
        "instance": refusal.id,
        "reason": case.expect,
    }
    assert refusal.get("connection") == "close"
    assert refusal.get("cache-control") == "no-store"
    assert len(place.upstream.requests) - before == whole, "the upstream got no more than what was right"


def test_a_refused_head_never_reaches_the_upstream(tmp_path: Path) -> None:
    """Not even a connection is opened for it."""
    heads = [case for case in REFUSED if not case.raw.partition(b"\r\n\r\n")[2]]
    assert len(heads) > 60
    with AutoUpstream() as upstream, Gate(tmp_path / "state") as gate:
        gate.load(bundles.plain(upstream.port))
        port = gate.port()
        for case in heads:
            assert [answer.reason for answer in answers(port, case.raw)] == [case.expect], case.name
        assert (upstream.connections, upstream.bytes) == (0, 0)


def test_every_refusal_is_counted_and_written_down(tmp_path: Path) -> None:
    with AutoUpstream() as upstream, Gate(tmp_path / "state", workers=2) as gate:
        gate.load(bundles.plain(upstream.port))
        port = gate.port()
        ids = {answers(port, case.raw)[-1].id: case for case in REFUSED}
        assert len(ids) == len(REFUSED), "ids are unique"

        def all_written() -> list[dict[str, object]] | None:
            found = [event for event in gate.now_written() if event["id"] in ids]
            return found if len(found) >= len(ids) else None

        written = until(all_written, "an event for every refusal")
        assert len(written) == len(ids), "one event each"
        for event in written:
            case = ids[str(event["id"])]
            told = (event["class"], event["reason"], event["status"], event["room"])
            reason = REASONS[case.expect]
            assert told == ("security", case.expect, reason["status"], reason["room"]), case.name
            assert event["peer"] == "127.0.0.1"
        wanted = Counter(case.expect for case in REFUSED)
        assert {code: gate.refusals(code) for code in wanted} == dict(wanted)


@pytest.mark.parametrize("case", WHOLE, ids=named)
def test_a_right_request_is_answered(place: Place, case: Case) -> None:
    before = len(place.upstream.requests)
    heads = case.raw.count(b" HTTP/1.")
    with Client(place.port) as client:
        client.send(case.raw)
        got = [client.message() for _ in range(heads)]
    if case.name in REFUSED_LATER:
        assert [answer.reason for answer in got] == [REFUSED_LATER[case.name]]
        assert len(place.upstream.requests) == before
        return
    assert [(answer.status, answer.body) for answer in got] == [(200, b"ok")] * heads
    reached = place.upstream.requests[before:]
    assert len(reached) == heads
    for request in reached:
        assert request.first.endswith(" HTTP/1.1"), "the gate speaks 1.1 for itself (RFC 9112, 2.3)"


@pytest.mark.parametrize("case", CUT, ids=named)
def test_a_request_that_is_cut_off_is_blamed_on_the_client(place: Place, case: Case) -> None:
    before = len(place.upstream.requests)
    got = answers(place.port, case.raw, finish=True)
    final = [answer for answer in got if answer.status >= 200]
    assert [(answer.status, answer.reason) for answer in final] == [(400, "client-closed-early")]
    assert place.gate.event(final[0].id)["class"] == "security"
    assert len(place.upstream.requests) == before


def test_a_byte_at_a_time_changes_nothing(place: Place) -> None:
    """The verdict depends on the bytes, not on how the network cut them."""
    short = [case for case in REFUSED if len(case.raw) < 60 and case.name not in ANSWERED_BEFORE]
    assert len(short) > 25
    for case in short:
        with Client(place.port) as client:
            # The gate may say no, and close, before the last byte.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for at in range(len(case.raw)):
                    client.send(case.raw[at : at + 1])
            assert client.message().reason == case.expect, case.name
