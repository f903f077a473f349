"""The history: the event log in Parquet files by day, exactly once, in bounded room, read with DuckDB."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate import _native
from lockgate.history import compact
from lockgate.history.columns import columns
from lockgate.history.compact import GRACE_MS, Compactor
from lockgate.history.manifest import HistoryError, Manifest
from lockgate.history.reader import History
from lockgate.state import StateFolder

DAY_MS = 86_400_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2
CAP = 1 << 30


class Logs:
    """A state folder with both logs open for writing."""

    def __init__(self, root: Path) -> None:
        self.state = StateFolder.open(root / ".lockgate")
        self.gate = _native.EventWriter(str(self.state.gate_events), 1 << 24, node="gate-1")
        self.control = _native.EventWriter(str(self.state.control_events), 1 << 24)
        self.written = 0

    def requests(self, count: int, *, at_ms: int = NOON_MS, **fields: Any) -> list[str]:
        ids = []
        for _ in range(count):
            identifier = f"r{self.written:06}"
            self.written += 1
            event = {
                "class": "access",
                "at_ms": at_ms + self.written,
                "id": identifier,
                "method": "GET",
                "host": "shop.example.com",
                "path": "/products",
                "peer": "203.0.113.7",
                "api": "shop",
                "status": 200,
                "took_us": 1234,
                "verdicts": [{"policy": "authorize", "outcome": "allow"}],
                **fields,
            }
            self.gate.append(event)
            ids.append(identifier)
        self.gate.flush()
        return ids

    def compactor(self, least: int = 1, batch: int = 1000) -> Compactor:
        return Compactor(self.state, least=least, batch=batch)

    def ids(self) -> list[str]:
        """Every request's id, in order, as the reader finds them."""
        with History.open(self.state) as history:
            rows = history.rows("SELECT id FROM events WHERE class IN ('access', 'security') ORDER BY id")
            return [row["id"] for row in rows]

    def close(self) -> None:
        self.gate.close()
        self.control.close()


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    made = Logs(tmp_path)
    yield made
    made.close()


def files(logs: Logs) -> list[str]:
    return sorted(path.name for path in logs.state.history.glob("*.parquet"))


def test_a_reader_needs_no_history(logs: Logs) -> None:
    assert logs.ids() == []
    wrote = logs.requests(5)
    assert logs.ids() == wrote
    assert not logs.state.history.exists()


def test_what_was_taken_in_and_what_was_not_are_one_table(logs: Logs) -> None:
    first = logs.requests(7)
    taken = logs.compactor().round(CAP, now_ms=NOON_MS)
    assert (taken.events, taken.parts) == (7, 1)
    second = logs.requests(4)
    assert logs.ids() == first + second
    with History.open(logs.state) as history:
        assert (history.manifest.events, history.tail_events) == (7, 4)
        assert history.count() == 11
        assert history.count(since_ms=NOON_MS + 8) == 4
    with History.open(logs.state, tail=False) as history:
        assert history.count() == 7


def test_an_event_comes_back_as_it_was_written(logs: Logs) -> None:
    span = {"file": "lockgate.yaml", "line": 3, "column": 5}
    verdicts = [{"policy": "api_key", "outcome": "deny", "reason": "key-missing"}]
    logs.requests(1, reason="key-missing", room="api_key", span=span, verdicts=verdicts, user_agent="a\"b'c\\d\u00e9")
    audit = {"class": "audit", "actor": "admin", "action": "key.create", "object": "key_1", "detail": {"a": [1, None]}}
    logs.control.append({**audit, "at_ms": NOON_MS}, durable=True)
    logs.control.append({"class": "system", "code": "control-started", "message": "It has.", "detail": {"pid": 7}})
    logs.control.flush()
    before: dict[str, Any] = {}
    for log in (logs.state.gate_events, logs.state.control_events):
        before |= {event["id"]: event for event in _native.read_events(str(log))[0]}
    assert {event["class"] for event in before.values()} >= {"access", "audit", "system"}
    for compacted in (False, True):
        if compacted:
            logs.compactor().round(CAP, now_ms=NOON_MS)
        with History.open(logs.state) as history:
            assert history.manifest.events == (len(before) if compacted else 0)
            for identifier, event in before.items():
                found = history.event(identifier)
                assert found is not None
                present = {name: value for name, value in found.items() if value is not None}
                assert present == {name: value for name, value in event.items() if value is not None}
            assert history.event("no-such") is None


def test_files_are_by_day_and_private(logs: Logs) -> None:
    logs.requests(3, at_ms=NOON_MS)
    logs.requests(2, at_ms=NOON_MS + DAY_MS)
    logs.compactor().round(CAP, now_ms=NOON_MS)
    assert [name[:15] for name in files(logs)] == ["2024-10-04-gate", "2024-10-05-gate"]
    assert stat.S_IMODE(logs.state.history.stat().st_mode) == 0o700
    for path in logs.state.history.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_few_events_wait_for_more_or_for_an_hour(logs: Logs) -> None:
    compactor = logs.compactor(least=10)
    logs.requests(10)
    assert compactor.round(CAP, now_ms=NOON_MS).events == 10
    logs.requests(3)
    assert compactor.round(CAP, now_ms=NOON_MS + 60_000).events == 0
    assert compactor.round(CAP, now_ms=NOON_MS + compact.AT_LEAST_EVERY_MS).events == 3


def test_a_long_log_is_taken_in_by_batches(logs: Logs) -> None:
    wrote = logs.requests(25)
    taken = logs.compactor(batch=10).round(CAP, now_ms=NOON_MS)
    assert (taken.events, taken.parts) == (25, 3)
    assert logs.ids() == wrote


def test_small_files_of_a_day_become_one(logs: Logs) -> None:
    wrote = []
    compactor = logs.compactor()
    for number in range(compact.MERGED):
        wrote += logs.requests(2)
        compactor.round(CAP, now_ms=NOON_MS + number)
    manifest = Manifest.read(logs.state.history)
    assert len(manifest.parts) == 1
    assert manifest.events == len(wrote)
    assert logs.ids() == wrote
    # A reader may be at the old ones; they go once nobody can be.
    assert len(files(logs)) == compact.MERGED + 1
    compactor.round(CAP, now_ms=NOON_MS + 100 + GRACE_MS)
    assert files(logs) == [manifest.parts[0].file]
    assert logs.ids() == wrote


def test_the_oldest_goes_where_there_is_no_room_and_is_counted(logs: Logs) -> None:
    compactor = logs.compactor()
    for number in range(3):
        logs.requests(5, at_ms=NOON_MS + number * DAY_MS)
        compactor.round(CAP, now_ms=NOON_MS)
    manifest = Manifest.read(logs.state.history)
    newest = manifest.parts[-1]
    taken = compactor.round(newest.bytes, now_ms=NOON_MS)
    assert taken.dropped == 10
    after = Manifest.read(logs.state.history)
    assert after.parts == [newest]
    assert (after.dropped.events, after.dropped.parts) == (10, 2)
    assert after.dropped.until_ms == manifest.parts[1].last_ms
    assert logs.ids() == [f"r{number:06}" for number in range(10, 15)]


class CrashError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["before-parquet", "before-rename", "before-manifest", "after-manifest"])
def test_a_crash_at_any_moment_loses_nothing_and_counts_nothing_twice(
    logs: Logs, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = logs.requests(5)
    logs.compactor().round(CAP, now_ms=NOON_MS)
    second = logs.requests(6)

    def crash(*_: Any, **__: Any) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        if moment == "before-parquet":
            patch.setattr(compact, "copy", crash)
        elif moment == "before-rename":
            patch.setattr(compact, "sync_folder", crash)
        elif moment == "before-manifest":
            patch.setattr(Manifest, "write", crash)
        else:
            patch.setattr(Compactor, "_merge", crash)
        with pytest.raises(CrashError):
            logs.compactor().round(CAP, now_ms=NOON_MS)
    assert logs.ids() == first + second, "a reader at this moment"
    third = logs.requests(2)
    logs.compactor().round(CAP, now_ms=NOON_MS)
    assert logs.ids() == first + second + third
    manifest = Manifest.read(logs.state.history)
    assert manifest.events == 13
    assert files(logs) == sorted(part.file for part in manifest.parts), "what the crash left is gone"
    assert not list(logs.state.history.glob(".*")), "and so are work folders"


def test_events_that_are_not_yet_on_disk_for_good_are_left(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = logs.requests(3)
    until = _native.events_durable_until(str(logs.state.gate_events))
    second = logs.requests(3)
    monkeypatch.setattr(compact, "events_durable_until", lambda log: until if "gate" in log else None)
    assert logs.compactor().round(CAP, now_ms=NOON_MS).events == 3
    assert logs.ids() == first + second


def test_events_that_went_unread_are_told_of(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / ".lockgate")
    writer = _native.EventWriter(str(state.gate_events), 1 << 16, node="gate")
    event = {"class": "access", "at_ms": NOON_MS, "method": "GET", "path": "/" + "x" * 2000, "peer": "192.0.2.1"}
    writer.append({**event, "id": "r0"})
    writer.flush()
    compactor = Compactor(state, least=1)
    compactor.round(CAP, now_ms=NOON_MS)
    first = {path.name for path in state.gate_events.glob("*.seg")}
    number = 1
    while first & {path.name for path in state.gate_events.glob("*.seg")}:
        writer.append({**event, "id": f"r{number}"})
        writer.flush()
        number += 1
    compactor.round(CAP, now_ms=NOON_MS)
    assert Manifest.read(state.history).gaps == 1
    writer.close()


def test_a_manifest_that_makes_no_sense_is_refused_in_words(logs: Logs) -> None:
    logs.requests(1)
    logs.compactor().round(CAP, now_ms=NOON_MS)
    path = logs.state.history / "manifest.json"
    good = json.loads(path.read_text())
    for text, words in (
        ("{", "cannot be read"),
        (json.dumps({**good, "version": 2}), "another version"),
        (json.dumps({**good, "parts": [{"file": "x"}]}), "damaged"),
    ):
        path.write_text(text)
        with pytest.raises(HistoryError, match=words), History.open(logs.state):
            pass
    path.write_text(json.dumps(good))
    (logs.state.history / good["parts"][0]["file"]).unlink()
    with pytest.raises(HistoryError, match="is missing"), History.open(logs.state):
        pass


def test_a_query_reaches_nothing_outside(logs: Logs, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    logs.requests(1)
    logs.compactor().round(CAP, now_ms=NOON_MS)
    with History.open(logs.state) as history:
        for query in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",  # noqa: S608 -- It is to be refused.
            f"COPY events TO '{tmp_path}/out.csv'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
        ):
            with pytest.raises(Exception, match=r"(?i)permission|not allowed|disabled|locked|cannot"):
                history.rows(query)
    assert not (tmp_path / "out.csv").exists()


def test_every_field_of_an_event_is_a_column() -> None:
    schema = json.loads(_native.event_schema())
    fields = set(schema["properties"])
    for definition in ("Exchange", "Audit", "System"):
        fields |= set(schema["$defs"][definition]["properties"])
    assert set(columns()) == fields | {"class"}
    kinds = columns()
    assert kinds["at_ms"] == "UBIGINT"
    assert kinds["status"] == "USMALLINT"
    assert kinds["verdicts"] == 'STRUCT("outcome" VARCHAR, "policy" VARCHAR, "reason" VARCHAR)[]'
    assert kinds["detail"] == "JSON"


def test_files_of_an_older_version_lack_columns_and_are_read(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    from lockgate.history import parquet

    fewer = {name: kind for name, kind in columns().items() if name != "user_agent"}
    struct = "{" + ", ".join(f"\"{name}\": '{kind}'" for name, kind in fewer.items()) + "}"
    first = logs.requests(2)
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "as_struct", lambda: struct)
        logs.compactor().round(CAP, now_ms=NOON_MS)
    second = logs.requests(2, user_agent="curl/8")
    with History.open(logs.state) as history:
        rows = history.rows("SELECT id, user_agent FROM events ORDER BY id")
    assert [row["id"] for row in rows] == first + second
    assert [row["user_agent"] for row in rows] == [None, None, "curl/8", "curl/8"]
