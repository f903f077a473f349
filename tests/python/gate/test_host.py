"""The gate's host: when it ends, and what it tells its supervisor."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lockgate.gate.host import EXIT_WORKER_DEAD, Held, Host
from lockgate.gate.parent import Parent


class FakeGate:
    """A gate without threads."""

    def __init__(self, *, served: bool = True) -> None:
        self.served = served
        self.dead = False
        self.drained: list[float] = []

    def load(self, signed: bytes) -> dict[str, Any]:
        raise NotImplementedError

    def apply_facts(self, facts: list[bytes]) -> int:
        raise NotImplementedError

    def put_certificates(self, text: bytes) -> None:
        raise NotImplementedError

    def let_in(self) -> bool:
        return False

    def renew_secrets(self) -> bool:
        return False

    def facts_seq(self) -> int:
        return 0

    def bundle_info(self) -> dict[str, Any] | None:
        return {"sequence": 1, "hash": "h"} if self.served else None

    def key_uses(self, most: int) -> list[tuple[str, int, bool]]:
        return []

    def wishes(self) -> list[str]:
        return []

    def wishes_fd(self) -> int:
        return -1

    def refetched(self, issuer: str) -> None:
        """Nothing."""

    def questions(self) -> list[tuple[str, str, list[bytes]]]:
        return []

    def questions_fd(self) -> int:
        return -1

    def answered(self, question: str, standing: str, again_ms: int, holds_ms: int) -> bool:
        return False

    def introspections(self) -> list[tuple[str, str, str, str | None]]:
        return []

    def introspections_fd(self) -> int:
        return -1

    def introspected(
        self, question: str, issuer: str, outcome: str, *, answer: str | None = None, retry_s: int = 1
    ) -> bool:
        return False

    def orders(self) -> list[tuple[str, str, str, str, str]]:
        return []

    def orders_fd(self) -> int:
        return -1

    def brought(
        self,
        order: str,
        goods: str,
        about: str,
        outcome: str,
        *,
        got: str | None = None,
        until_ms: int = 0,
        retry_s: int = 1,
    ) -> bool:
        return False

    def linked(self) -> None:
        """Nothing."""

    def contact(self) -> None:
        """Nothing."""

    def secure_listeners(self) -> list[str]:
        return []

    def addresses(self) -> dict[str, str]:
        return {"public": "127.0.0.1:1"}

    def stats(self) -> dict[str, Any]:
        return {}

    def metrics(self) -> str:
        return ""

    def alive(self) -> bool:
        return not self.dead

    def drain(self, timeout_s: float) -> bool:
        self.drained.append(timeout_s)
        return True

    def sockets(self) -> list[tuple[str, str, list[int]]]:
        return []

    def release(self) -> None:
        """Nothing."""

    def reclaim(self) -> None:
        """Nothing."""

    def retire(self, rest_s: float, timeout_s: float) -> bool:
        return self.drain(timeout_s)

    def adopt(self) -> bool:
        return True


class Ends:
    """What stands around a host: signals, and a supervisor."""

    def __init__(self) -> None:
        self.woken, self.signals = socket.socketpair()
        self.supervisor, theirs = socket.socketpair()
        self.parent = Parent(theirs.detach())
        self.woken.setblocking(False)

    def said(self) -> list[dict[str, Any]]:
        self.supervisor.setblocking(False)
        try:
            return [json.loads(line) for line in self.supervisor.recv(65536).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        for end in (self.woken, self.signals, self.supervisor, self.parent.socket):
            end.close()


HELD = Held(-1, lambda: None)
"""A part of a folder that nobody else wants."""


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends(ends: Ends, number: int) -> None:
    gate = FakeGate()
    ends.signals.send(bytes([number]))
    assert Host(gate, ends.parent, HELD).wait(ends.woken, 12.5) == 0
    assert gate.drained == [12.5]


def test_other_signals_end_nothing(ends: Ends) -> None:
    gate = FakeGate()
    ends.signals.send(bytes([signal.SIGCHLD, signal.SIGHUP]))
    ends.signals.send(bytes([signal.SIGTERM]))
    assert Host(gate, ends.parent, HELD).wait(ends.woken, 1.0) == 0


def test_without_its_supervisor_it_drains_and_ends(ends: Ends) -> None:
    gate = FakeGate()
    host = Host(gate, ends.parent, HELD)
    ends.supervisor.close()
    assert host.wait(ends.woken, 1.0) == 0
    assert gate.drained == [1.0]


def test_a_dead_worker_ends_the_process_to_be_started_again(ends: Ends) -> None:
    gate = FakeGate()
    gate.dead = True
    assert Host(gate, ends.parent, HELD).wait(ends.woken, 1.0) == EXIT_WORKER_DEAD
    assert gate.drained == []


def test_what_serves_at_once_says_where(ends: Ends) -> None:
    Host(FakeGate(), ends.parent, HELD)
    assert ends.said() == [{"type": "ready", "addresses": {"public": "127.0.0.1:1"}, "secure": []}]


def test_what_has_nothing_to_serve_is_not_ready(ends: Ends) -> None:
    host = Host(FakeGate(served=False), ends.parent, HELD)
    assert ends.said() == []
    host.loaded({})
    assert [said["type"] for said in ends.said()] == ["ready"]


def test_a_refusal_is_fatal_only_while_nothing_is_served(ends: Ends) -> None:
    host = Host(FakeGate(served=False), ends.parent, HELD)
    host.refused("listener-bind", "port taken")
    assert ends.said() == [{"type": "fatal", "code": "listener-bind", "message": "port taken"}]
    host.loaded({})
    ends.said()
    host.refused("listener-bind", "port taken")
    assert ends.said() == []


def test_a_supervisor_that_is_gone_is_no_error_to_report_to(ends: Ends) -> None:
    host = Host(FakeGate(served=False), ends.parent, HELD)
    ends.supervisor.close()
    host.refused("x", "y" * 1_000_000)


def test_a_long_report_arrives_whole(ends: Ends) -> None:
    sender = threading.Thread(target=ends.parent.report, args=("fatal",), kwargs={"message": "y" * 1_000_000})
    sender.start()
    with ends.supervisor.makefile("rb") as lines:
        assert len(json.loads(lines.readline())["message"]) == 1_000_000
    sender.join()


def test_the_supervisors_words_come_line_by_line(ends: Ends) -> None:
    assert ends.parent.messages() == []
    ends.supervisor.send(b'{"type":"a"}\n{"ty')
    assert ends.parent.messages() == [{"type": "a"}]
    ends.supervisor.send(b'pe":"b"}\n')
    assert ends.parent.messages() == [{"type": "b"}]
    ends.supervisor.close()
    assert ends.parent.messages() is None


def test_a_ping_is_answered_and_no_message(ends: Ends) -> None:
    ends.supervisor.send(b'{"type":"ping"}\n{"type":"a"}\n')
    assert ends.parent.messages() == [{"type": "a"}]
    assert ends.said() == [{"type": "pong"}]


def test_threads_that_report_at_once_do_not_mix_their_lines(ends: Ends) -> None:
    threads = [
        threading.Thread(target=ends.parent.report, args=("x",), kwargs={"message": letter * 300_000})
        for letter in "abcd"
    ]
    for thread in threads:
        thread.start()
    with ends.supervisor.makefile("rb") as lines:
        told = [json.loads(lines.readline())["message"] for _ in threads]
    for thread in threads:
        thread.join()
    assert sorted({text[0] for text in told}) == list("abcd")
    assert all(set(text) == {text[0]} for text in told)
