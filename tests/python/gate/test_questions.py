"""Questions of gates about clients' certificates and tokens, over the link."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin.gate_said import Introspect, Order, Question
from lockgate.admin.gate_session import GateSession
from lockgate.gate.frames import message
from lockgate.state import StateFolder
from support.waiting import until

from .test_link import hung_up, liar
from .wire import FakeGate, Wire


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(StateFolder.open(tmp_path / ".lockgate"))
    yield wire
    wire.close()


def test_a_question_about_a_certificate_is_answered(wire: Wire) -> None:
    asked: list[Question] = []

    def answer(session: GateSession, question: Question) -> None:
        asked.append(question)
        asyncio.get_running_loop().create_task(session.answered(question.id, "revoked", 5, 70))

    wire.server.on_question = answer
    gate = FakeGate()
    wire.connected(gate)
    gate.open = [("a" * 64, "listeners.public.tls.client_certificates", [b"leaf", b"between"])]
    gate.other_ring.send(b"!")
    until(lambda: gate.told, "the answer")
    assert gate.told == [("a" * 64, "revoked", 5, 70)]
    assert asked[0].chain == ["bGVhZg==", "YmV0d2Vlbg=="]


@pytest.mark.parametrize(
    "more",
    [{"id": "short"}, {"id": "A" * 64}, {"chain": []}, {"chain": ["x" * 50_000]}, {"chain": ["x"] * 10}, {"rules": ""}],
    ids=str,
)
def test_a_question_that_no_gate_would_ask_ends_the_link(wire: Wire, more: dict[str, Any]) -> None:
    asked: list[Question] = []
    wire.server.on_question = lambda _session, question: asked.append(question)
    with liar(wire) as link:
        link.sendall(message("ocsp", **{"id": "a" * 64, "rules": "r", "chain": ["YQ=="], **more}))
        assert hung_up(link)
    assert not asked


def test_a_question_about_a_token_is_answered(wire: Wire) -> None:
    asked: list[Introspect] = []

    def answer(session: GateSession, question: Introspect) -> None:
        asked.append(question)
        known = question.token == "good"
        said = session.introspected(question, "answered", answer='{"active":true}')
        none = session.introspected(question, "unavailable", retry_s=7)
        asyncio.get_running_loop().create_task(said if known else none)
        (none if known else said).close()

    wire.server.on_introspect = answer
    gate = FakeGate()
    wire.connected(gate)
    assert gate.links == 1, "it may have to tell again what another control process was told"
    gate.unasked = [("a" * 64, "company", "good", None), ("b" * 64, "company", "other", "192.0.2.1")]
    gate.third_ring.send(b"!")
    until(lambda: len(gate.heard) == 2, "the answers")
    assert sorted(gate.heard) == [
        ("a" * 64, "company", "answered", '{"active":true}'),
        ("b" * 64, "company", "unavailable", 7),
    ]
    assert "good" not in repr(asked), "a token is nobody's business"


@pytest.mark.parametrize(
    "more",
    [{"id": "short"}, {"token": ""}, {"token": "a b"}, {"token": "x" * 70_000}, {"token": "a\n"}, {"issuer": ""}],
    ids=lambda more: str(more)[:30],
)
def test_a_token_that_no_gate_would_ask_about_ends_the_link(wire: Wire, more: dict[str, Any]) -> None:
    asked: list[Introspect] = []
    wire.server.on_introspect = lambda _session, question: asked.append(question)
    with liar(wire) as link:
        link.sendall(message("introspect", **{"id": "a" * 64, "issuer": "company", "token": "t", **more}))
        assert hung_up(link)
    assert not asked


def test_an_order_is_done(wire: Wire) -> None:
    ordered: list[Order] = []

    def do(session: GateSession, order: Order) -> None:
        ordered.append(order)
        known = order.shown == "cookie"
        said = session.brought(order, "got", got="new", until_ms=9_000)
        none = session.brought(order, "unavailable", retry_s=7)
        asyncio.get_running_loop().create_task(said if known else none)
        (none if known else said).close()

    wire.server.on_order = do
    gate = FakeGate()
    wire.connected(gate)
    gate.unordered = [
        ("a" * 64, "session", "staff", "staff", "cookie"),
        ("b" * 64, "token-of-token", "x", "y", "other"),
    ]
    gate.fourth_ring.send(b"!")
    until(lambda: len(gate.got) == 2, "what was ordered")
    assert sorted(gate.got) == [
        ("a" * 64, "session", "staff", "got", "new", 9_000, 1),
        ("b" * 64, "token-of-token", "x", "unavailable", None, 0, 7),
    ]
    assert "cookie" not in repr(ordered), "what is shown is nobody's business"


@pytest.mark.parametrize(
    "more",
    [{"id": "short"}, {"goods": "money"}, {"shown": ""}, {"shown": "a b"}, {"shown": "x" * 70_000}, {"about": ""}],
    ids=lambda more: str(more)[:30],
)
def test_an_order_that_no_gate_would_give_ends_the_link(wire: Wire, more: dict[str, Any]) -> None:
    ordered: list[Order] = []
    wire.server.on_order = lambda _session, order: ordered.append(order)
    with liar(wire) as link:
        good = {"id": "a" * 64, "goods": "session", "about": "staff", "of": "staff", "shown": "c"}
        link.sendall(message("order", **{**good, **more}))
        assert hung_up(link)
    assert not ordered
