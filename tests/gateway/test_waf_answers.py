"""`waf` and answers that go on: each piece is judged as it comes, and nobody waits for the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import Upstream
from gateway.harness.wire import Client, Closed, Wire, request
from lockgate.config import load
from policies.conftest import written

RULES = """
SecRule RESPONSE_BODY "@contains stack trace" "id:10,phase:4,deny,status:502,msg:'an error page',severity:ERROR"
"""
EVENTS = "text/event-stream"


def piece(text: bytes) -> bytes:
    """One chunk."""
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


@contextlib.contextmanager
def answering(gate: Gate, folder: Path, kind: str, **config: Any) -> Iterator[tuple[Wire, Client]]:
    """An upstream that began to answer, and the client that asked."""
    (folder / "own.conf").write_text(RULES)
    said = {"files": ["own.conf"], "answers": {"types": ["text/plain", EVENTS], **config.pop("answers", {})}, **config}
    with Upstream() as upstream:
        bundle = load(written(folder, {"waf": said})).compile(1, 1)
        api = bundles.api(guards=bundle["apis"][0]["policies"]["waf"])
        gate.load(bundles.bundle([api], [bundles.upstream(upstream.port)], rule_sets=bundle["rule_sets"]))
        with gate.client() as client:
            client.send(request("/news"))
            server = upstream.accept()
            server.message()
            server.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            yield server, client


def begun(client: Client) -> None:
    """The answer's head came."""
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def broken_off(gate: Gate, client: Client) -> None:
    """The answer ends before its end, and the event says why."""
    with pytest.raises(Closed) as closed:
        client.chunk()
    assert b"trace" not in closed.value.got
    event = gate.written(1, path="/news")[-1]
    assert event["reason"] == "waf-answer-refused"
    assert [found["rule"] for found in event["waf"]["found"]] == ["10"]


def test_events_go_on_one_by_one(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, EVENTS) as (server, client):
        begun(client)
        for number in range(3):
            server.send(piece(b"data: %d\n\n" % number))
            assert client.chunk() == b"data: %d\n\n" % number
        server.send(piece(b"data: a stack trace\n\n"))
        broken_off(gate, client)


def test_what_stands_across_two_pieces_is_found(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, EVENTS) as (server, client):
        begun(client)
        server.send(piece(b"data: a stack "))
        assert client.chunk() == b"data: a stack "
        server.send(piece(b"trace\n\n"))
        broken_off(gate, client)


def test_an_answer_that_waits_is_not_held_back(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, "text/plain") as (server, client):
        server.send(piece(b"a first line\n"))
        begun(client)
        assert client.chunk() == b"a first line\n"
        server.send(piece(b"a second line\n"))
        assert client.chunk() == b"a second line\n"
        server.send(piece(b"a stack trace"))
        broken_off(gate, client)


def test_an_answer_that_says_nothing_yet_begins(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, "text/plain") as (server, client):
        begun(client)
        server.send(piece(b"news"), b"0\r\n\r\n")
        assert client.chunk() == b"news"
        assert client.chunk() == b""


def test_what_came_before_the_pause_is_refused_as_a_whole(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, "text/plain") as (server, client):
        server.send(piece(b"a stack trace"))
        answer = client.message()
        assert (answer.status, answer.reason) == (502, "waf-answer-refused")


def test_beyond_the_bound_it_passes(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, "text/plain", answers={"bytes": "1KiB"}) as (server, client):
        server.send(piece(b"x" * 1000))
        begun(client)
        assert client.chunk() == b"x" * 1000
        server.send(piece(b"y" * 24 + b"a stack trace"), b"0\r\n\r\n")
        assert client.chunk().endswith(b"a stack trace")


def test_where_it_is_only_observed_the_event_tells(gate: Gate, tmp_path: Path) -> None:
    with answering(gate, tmp_path, EVENTS, mode="observe") as (server, client):
        begun(client)
        server.send(piece(b"data: a stack trace\n\n"), b"0\r\n\r\n")
        assert client.chunk() == b"data: a stack trace\n\n"
        assert client.chunk() == b""
    event = gate.written(1, path="/news")[-1]
    assert event["status"] == 200
    assert [verdict["outcome"] for verdict in event["verdicts"] if verdict["policy"] == "waf"] == ["observe-deny"]
