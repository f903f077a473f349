"""The one reader of what happened: the Parquet files, and of the event log what they do not hold yet.

    with History.open(state) as history:
        history.rows("SELECT api, count(*) AS requests FROM events WHERE class = 'access' GROUP BY api")

It sees one moment: the manifest's files, and the log from where they end. It
may stand beside the control process that compacts and the gate that writes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lockgate._native import export_events
from lockgate.history.columns import columns, quoted
from lockgate.history.manifest import SOURCES, HistoryError, Manifest, Part, log_of
from lockgate.history.parquet import copy, database, from_json, from_parquet
from lockgate.state import StateFolder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH: Final = 100_000
"""Events of the log that are on their way to Parquet at once."""

FETCHED: Final = 5_000
"""Rows in memory at once."""

LOOKS: Final = 3
"""How often a manifest is read whose files are gone by the time they are looked at."""

REQUESTS: Final = ("access", "security")


class History:
    """What happened, as a table `events`."""

    def __init__(self, connection: DuckDBPyConnection, manifest: Manifest, files: Sequence[Path], tail: int) -> None:
        self.manifest = manifest
        self.tail_events = tail
        """Events that come from the log itself."""
        self._connection = connection
        self._files = tuple(files)

    @classmethod
    @contextmanager
    def open(
        cls, state: StateFolder, *, sources: Sequence[str] = SOURCES, tail: bool = True, threads: int = 2
    ) -> Iterator[History]:
        """Everything of these sources up to now; without `tail` only what is in Parquet files."""
        with ExitStack() as stack:
            manifest = _whole(state.history)
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-history-")))
            parts = [part for part in manifest.parts if part.source in sources]
            folders = [state.history] if parts else []
            connection = stack.enter_context(database(folders, work, threads=threads))
            files = [state.history / part.file for part in parts]
            of_log = 0
            for source in sources if tail else ():
                more, count = _tail(connection, state, source, manifest.cursors.get(source), work)
                files += more
                of_log += count
            connection.execute(f"CREATE VIEW events AS SELECT * FROM {from_parquet(files)}")  # noqa: S608 -- Our own names.
            yield cls(connection, manifest, files, of_log)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What a query gives. Values come as parameters, never as its text."""
        done = self._connection.execute(query, list(parameters))
        names = [column[0] for column in done.description or ()]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]

    def count(self, *, since_ms: int | None = None, until_ms: int | None = None) -> int:
        """How many requests there are."""
        where, parameters = _between(since_ms, until_ms)
        found = self._connection.execute(f"SELECT count(*) FROM events WHERE {where}", parameters).fetchone()  # noqa: S608 -- As above.
        return int(found[0]) if found is not None else 0

    def request_lines(
        self, *, since_ms: int | None = None, until_ms: int | None = None, without: frozenset[str] = frozenset()
    ) -> Iterator[bytes]:
        """Requests as lines of JSON, file by file and in each by time: the order of the log, nearly."""
        where, parameters = _between(since_ms, until_ms)
        wanted = [quoted(name) for name in columns() if name not in _NOT_REQUESTS | without]
        fields = ", ".join(f"{name} := {name}" for name in wanted)
        for file in self._files:
            table = from_parquet([file])
            query = f"SELECT to_json(struct_pack({fields})) FROM {table} WHERE {where} ORDER BY at_ms"  # noqa: S608 -- As above.
            done = self._connection.execute(query, parameters)
            while rows := done.fetchmany(FETCHED):
                for (line,) in rows:
                    yield line.encode()

    def event(self, identifier: str) -> dict[str, Any] | None:
        """The newest event of this id, in its JSON form."""
        import json

        found = self._connection.execute(
            "SELECT to_json(events) FROM events WHERE id = ? ORDER BY at_ms DESC LIMIT 1", [identifier]
        ).fetchone()
        if found is None:
            return None
        event: dict[str, Any] = json.loads(found[0])
        of_class = _FIELDS_OF.get(event["class"], ())
        return {name: value for name, value in event.items() if name not in _OWN or name in of_class}


_NOT_REQUESTS: Final = frozenset({"actor", "action", "object", "detail", "prev", "hash", "code", "message"})
"""Columns of changes and of the gate's own life."""

_FIELDS_OF: Final = {
    "audit": ("actor", "action", "object", "detail", "prev", "hash"),
    "system": ("code", "message", "detail"),
}
_OWN: Final = _NOT_REQUESTS


def _between(since_ms: int | None, until_ms: int | None) -> tuple[str, list[Any]]:
    where, parameters = ["class IN ('access', 'security')"], []
    if since_ms is not None:
        where.append("at_ms >= ?")
        parameters.append(since_ms)
    if until_ms is not None:
        where.append("at_ms <= ?")
        parameters.append(until_ms)
    return " AND ".join(where), parameters


def _whole(folder: Path) -> Manifest:
    """A manifest all of whose files are there: they stay long after another manifest has taken its place."""
    missing: list[Part] = []
    for _ in range(LOOKS):
        manifest = Manifest.read(folder)
        missing = [part for part in manifest.parts if not (folder / part.file).is_file()]
        if not missing:
            return manifest
    raise HistoryError(
        f"{folder / missing[0].file} is missing, and the history's manifest names it: put it back, or move the "
        "folder away to begin a new history"
    )


def _tail(
    connection: DuckDBPyConnection, state: StateFolder, source: str, cursor: str | None, work: Path
) -> tuple[list[Path], int]:
    """What the log holds after the cursor, as Parquet files in the work folder."""
    log = log_of(state, source)
    files: list[Path] = []
    count, more = 0, log.is_dir()
    while more:
        lines = work / f"{source}.ndjson"
        told = export_events(str(log), str(lines), after=cursor, limit=BATCH)
        cursor, more = told["cursor"], told["more"]
        if told["events"]:
            file = work / f"{source}-{len(files)}.parquet"
            copy(connection, f"SELECT * FROM {from_json(lines)} ORDER BY at_ms", file)  # noqa: S608 -- Our own names.
            files.append(file)
            count += told["events"]
        lines.unlink()
    return files, count
