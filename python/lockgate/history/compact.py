"""Takes the event log's segments into Parquet files by day, and keeps those within their size.

One at a time: the control process, which holds the state folder's `control`
lock. A gate that writes, and readers, are not concerned.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lockgate._native import events_durable_until, export_events
from lockgate.history.manifest import NAME, SOURCES, Manifest, Part, log_of
from lockgate.history.parquet import DAY_MS, WRITING, copy, database, day_of, from_json, from_parquet
from lockgate.state import StateFolder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Connect = Callable[[], "DuckDBPyConnection"]

BATCH: Final = 100_000
"""Events of one file at first: some 70 MB of JSON on the way, some 10 MB in the end."""
LEAST: Final = 10_000
"""Fewer are left in the log for now: readers read them from there."""
AT_LEAST_EVERY_MS: Final = 3_600_000
"""But not for longer than an hour."""
MERGED: Final = 8
"""So many small files of one day become one."""
SMALL: Final = 64 * 2**20
"""A file of this size is left alone."""
GRACE_MS: Final = 900_000
"""How long a file that counts no more stays: a reader may have begun with it."""
DAYS_OF_A_BATCH: Final = 16
"""A clock that jumps about must not make a file of each event; what is left goes with the last day."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one round did."""

    events: int = 0
    parts: int = 0
    merged: int = 0
    dropped: int = 0


class Compactor:
    """The one writer of a history."""

    def __init__(self, state: StateFolder, *, least: int = LEAST, batch: int = BATCH) -> None:
        """`least` and `batch` are for tests."""
        self._state = state
        self._folder = state.history
        self._least = least
        self._batch = batch

    def round(self, cap: int, *, now_ms: int | None = None) -> Taken:
        """Take in what is new, merge what is small, drop what is beyond `cap` bytes."""
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        manifest = Manifest.read(self._folder)
        self._clean(manifest, now)
        taken = Taken()
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".work-") as work, ExitStack() as stack:
            # DuckDB is some 40 MB in memory: a gate that nobody asks anything does without.
            spill = Path(work)
            connect = functools.cache(lambda: stack.enter_context(database([self._folder], spill, memory=WRITING)))
            for source in SOURCES:
                taken = self._take(connect, manifest, source, spill, taken, now)
            taken = replace(taken, merged=self._merge(connect, manifest, now))
        return replace(taken, dropped=self._drop(manifest, cap, now))

    def _clean(self, manifest: Manifest, now: int) -> None:
        """Delete what a crash left, and what has been retired for long enough."""
        over = [file for file, since in manifest.retired.items() if now - since >= GRACE_MS or since > now]
        for file in over:
            (self._folder / file).unlink(missing_ok=True)
            del manifest.retired[file]
        if over:
            manifest.write(self._folder)
        known = {part.file for part in manifest.parts} | set(manifest.retired) | {NAME}
        for path in self._folder.iterdir():
            if path.is_file() and path.name not in known:
                path.unlink(missing_ok=True)
            elif path.is_dir() and path.name.startswith(".work-"):
                _remove(path)

    def _take(self, connect: Connect, manifest: Manifest, source: str, work: Path, taken: Taken, now: int) -> Taken:
        log = log_of(self._state, source)
        until = events_durable_until(str(log)) if log.is_dir() else None
        more = until is not None
        while more:
            lines = work / f"{source}.ndjson"
            told: dict[str, Any] = dict(
                export_events(str(log), str(lines), after=manifest.cursors.get(source), until=until, limit=self._batch)
            )
            more = told["more"]
            late = now - manifest.compacted_ms >= AT_LEAST_EVERY_MS
            if told["events"] and (more or late or told["events"] >= self._least):
                parts = self._parts(connect(), manifest, source, lines)
                manifest.parts += parts
                manifest.cursors[source] = told["cursor"]
                manifest.gaps += bool(told["gap"])
                manifest.compacted_ms = now
                manifest.write(self._folder)
                taken = replace(taken, events=taken.events + told["events"], parts=taken.parts + len(parts))
            lines.unlink()
        return taken

    def _parts(self, connection: DuckDBPyConnection, manifest: Manifest, source: str, lines: Path) -> list[Part]:
        """The lines as a file for each of their days; none of them counts yet."""
        table = from_json(lines)
        days = [
            int(day)
            for (day,) in connection.execute(
                f"SELECT DISTINCT at_ms // {DAY_MS} AS day FROM {table} ORDER BY day LIMIT {DAYS_OF_A_BATCH}"  # noqa: S608 -- Our own names.
            ).fetchall()
        ]
        made = []
        for number, day in enumerate(days):
            last = number == len(days) - 1
            wanted = f"at_ms // {DAY_MS} {'>=' if last else '='} {day}"
            query = f"SELECT * FROM {table} WHERE {wanted} ORDER BY at_ms"  # noqa: S608 -- As above.
            made.append(self._write(connection, manifest, source, day_of(day * DAY_MS), query))
        return made

    def _write(self, connection: DuckDBPyConnection, manifest: Manifest, source: str, day: str, query: str) -> Part:
        name = f"{day}-{source}-{manifest.next:08}.parquet"
        manifest.next += 1
        making, file = self._folder / f".{name}", self._folder / name
        copy(connection, query, making)
        making.replace(file)
        sync_folder(self._folder)
        counted = connection.execute(
            f"SELECT count(*), min(at_ms), max(at_ms) FROM {from_parquet([file])}"  # noqa: S608 -- As above.
        ).fetchone()
        events, first, last = counted if counted is not None else (0, 0, 0)
        return Part(name, source, day, int(events), file.stat().st_size, int(first), int(last))

    def _merge(self, connect: Connect, manifest: Manifest, now: int) -> int:
        """Make one file of a day's small ones; how many there were."""
        merged = 0
        for day, source in dict.fromkeys((part.day, part.source) for part in manifest.parts):
            small = [part for part in manifest.parts if (part.day, part.source) == (day, source) and part.bytes < SMALL]
            if len(small) < MERGED:
                continue
            table = from_parquet([self._folder / part.file for part in small])
            whole = self._write(connect(), manifest, source, day, f"SELECT * FROM {table}")  # noqa: S608 -- As above.
            place = manifest.parts.index(small[0])
            gone = {part.file for part in small}
            kept = [part for part in manifest.parts if part.file not in gone]
            kept.insert(place, whole)
            manifest.parts = kept
            manifest.retired |= dict.fromkeys(gone, now)
            manifest.write(self._folder)
            merged += len(small)
        return merged

    def _drop(self, manifest: Manifest, cap: int, now: int) -> int:
        """Drop the oldest files while there are more bytes than may stay; how many events went."""
        total = manifest.bytes
        gone: list[Part] = []
        oldest = sorted(manifest.parts, key=lambda part: (part.last_ms, part.file))
        while total > cap and oldest:
            gone.append(oldest.pop(0))
            total -= gone[-1].bytes
        if not gone:
            return 0
        dropped = manifest.dropped
        dropped.parts += len(gone)
        dropped.events += sum(part.events for part in gone)
        dropped.bytes += sum(part.bytes for part in gone)
        dropped.until_ms = max([part.last_ms for part in gone] + ([dropped.until_ms] if dropped.until_ms else []))
        manifest.parts = [part for part in manifest.parts if part not in gone]
        manifest.retired |= {part.file: now for part in gone}
        manifest.write(self._folder)
        return sum(part.events for part in gone)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(folder: Path) -> None:
    """A work folder that a crash left; it holds files alone, or DuckDB's own folder of such."""
    entries: Sequence[Path] = list(folder.iterdir())
    for entry in entries:
        if entry.is_dir():
            _remove(entry)
        else:
            entry.unlink(missing_ok=True)
    folder.rmdir()
