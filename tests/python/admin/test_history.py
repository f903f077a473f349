"""The keeper of the history: rounds, what fails, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate import _native
from lockgate.admin import history
from lockgate.admin.findings import Findings
from lockgate.admin.history import HistoryKeeper
from lockgate.admin.store import Store
from lockgate.history import compact
from lockgate.history.manifest import Manifest
from lockgate.state import StateFolder

AT_MS = 1_800_000_000_000


class Noted:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def audit(self, *_: Any, **__: Any) -> None:
        raise AssertionError("nobody changed anything")

    def system(self, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        assert message.endswith(".")
        self.codes.append(code)


class Kept:
    """A keeper, and what is around it."""

    def __init__(self, root: Path) -> None:
        self.state = StateFolder.open(root)
        self.store = Store.open(self.state.database)
        self.findings = Findings(self.store)
        self.journal = Noted()
        self.keeper = HistoryKeeper(self.state, self.findings, self.journal)
        self.writer = _native.EventWriter(str(self.state.gate_events), 1 << 24, node="gate")

    def requests(self, count: int) -> None:
        for number in range(count):
            event = {"class": "access", "at_ms": AT_MS, "id": f"r{number}", "method": "GET", "path": "/", "peer": "::1"}
            self.writer.append(event)
        self.writer.flush()

    def open_findings(self) -> list[str]:
        rows = self.findings.page(kind=None, include_closed=False, after=0, limit=100)
        return [str(row["code"]) for row in rows]

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / ".lockgate")
    yield made
    made.close()


def test_a_round_takes_events_in_and_tells_how_many(kept: Kept) -> None:
    told = kept.keeper.told(1 << 30)
    assert (told["events"], told["bytes"], told["error"], told["first_ms"]) == (0, 0, None, None)
    kept.requests(5)
    asyncio.run(kept.keeper.round(1 << 30))
    told = kept.keeper.told(1 << 30)
    assert (told["events"], told["files"], told["cap"]) == (5, 1, 1 << 30)
    assert told["first_ms"] == AT_MS
    assert told["bytes"] > 0
    asyncio.run(kept.keeper.round(1 << 30))
    assert kept.keeper.rounds == {"taken": 1, "idle": 1, "failed": 0}
    assert kept.open_findings() == []


def test_what_is_dropped_is_counted_and_noted(kept: Kept) -> None:
    kept.requests(5)
    asyncio.run(kept.keeper.round(1))
    told = kept.keeper.told(1)
    assert (told["events"], told["dropped_events"], told["dropped_until_ms"]) == (0, 5, AT_MS)
    assert kept.journal.codes == ["history-dropped"]


def test_a_round_that_fails_is_told_once_and_the_next_mends_it(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.requests(5)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(compact, "copy", full)
        asyncio.run(kept.keeper.round(1 << 30))
        asyncio.run(kept.keeper.round(1 << 30))
    assert "No space left" in kept.keeper.told(None)["error"]
    assert kept.keeper.rounds["failed"] == 2
    assert kept.journal.codes == ["history-failed"]
    assert kept.open_findings() == ["history-failed"]
    asyncio.run(kept.keeper.round(1 << 30))
    assert kept.keeper.told(None)["error"] is None
    assert kept.keeper.told(None)["events"] == 5
    assert kept.open_findings() == []


def test_a_gap_is_a_finding(kept: Kept) -> None:
    kept.state.history.mkdir(mode=0o700)
    Manifest(gaps=2).write(kept.state.history)
    asyncio.run(kept.keeper.round(1 << 30))
    assert kept.open_findings() == ["history-gap"]


def test_a_damaged_manifest_is_told_and_ends_nothing(kept: Kept) -> None:
    kept.state.history.mkdir(mode=0o700)
    (kept.state.history / "manifest.json").write_text("{")
    asyncio.run(kept.keeper.round(1 << 30))
    assert "Move the folder away" in str(kept.keeper.error)
    assert "Move the folder away" in kept.keeper.told(None)["error"]


def test_no_room_takes_nothing_in(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.requests(1)
    asked: list[int | None] = []
    monkeypatch.setattr(history, "EVERY_SECONDS", 0)

    async def keep() -> None:
        rooms = iter([None, 0, 1 << 30])

        def cap() -> int | None:
            asked.append(next(rooms))
            return asked[-1]

        with pytest.raises(RuntimeError, match="StopIteration"):
            await kept.keeper.keep(cap)

    asyncio.run(keep())
    assert asked == [None, 0, 1 << 30]
    assert sum(kept.keeper.rounds.values()) == 1
