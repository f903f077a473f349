"""Questions of gates about clients' certificates, over the link."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin.gate_said import Question
from lockgate.admin.gate_session import GateSession
from lockgate.gate.frames import message
from lockgate.state import StateFolder
from support.waiting import until

from .test_link import FakeGate, Wire, hung_up, liar


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
