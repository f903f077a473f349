"""Findings and waivers: one table that every part of Lockgate writes to.

A source (the configuration, a reload, later the scanner) hands over all that
it sees now; what it saw before and sees no more is closed, not deleted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select

from lockgate.admin.clock import now_ms
from lockgate.admin.store import Store
from lockgate.admin.store.models import Finding, columns

Kind = Literal["finding", "waiver"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding or waiver that a source sees now. Code and object together name it."""

    kind: Kind
    code: str
    object: str
    message: str
    severity: Severity
    owner: str | None = None
    reason: str | None = None
    until_ms: int | None = None
    file: str | None = None
    line: int | None = None


class Findings:
    """The table."""

    def __init__(self, store: Store) -> None:
        """Reads and writes `store`."""
        self._store = store

    def sync(self, source: str, seen: Iterable[Seen], *, untold: Callable[[str], bool] = lambda _: False) -> list[Seen]:
        """Make the source's open findings be exactly `seen`; those that were not open before.

        What is open about an object that the source could not look at, `untold`, stays open.
        """
        at = now_ms()
        wanted: dict[tuple[str, str, str], Seen] = {(item.kind, item.code, item.object): item for item in seen}
        fresh: list[Seen] = []
        with self._store.write() as session:
            rows = session.scalars(select(Finding).where(Finding.source == source)).all()
            there = {(row.kind, row.code, row.object): row for row in rows}
            for name, item in wanted.items():
                row = there.get(name)
                if row is None:
                    row = Finding(
                        source=source,
                        kind=item.kind,
                        code=item.code,
                        object=item.object,
                        first_seen_ms=at,
                        closed_ms=at,
                    )
                    session.add(row)
                if row.closed_ms is not None:
                    row.closed_ms = None
                    fresh.append(item)
                _update(row, item, at)
            for name, row in there.items():
                if name not in wanted and row.closed_ms is None and not untold(row.object):
                    row.closed_ms = at
        return fresh

    def page(self, *, kind: Kind | None, include_closed: bool, after: int, limit: int) -> list[dict[str, Any]]:
        """Up to `limit` of them after the one with the id `after`, oldest first."""
        query = select(Finding).where(Finding.id > after).order_by(Finding.id).limit(limit)
        if kind is not None:
            query = query.where(Finding.kind == kind)
        if not include_closed:
            query = query.where(Finding.closed_ms.is_(None))
        with self._store.read() as session:
            return [columns(row) for row in session.scalars(query)]


def _update(row: Finding, item: Seen, at: int) -> None:
    row.message, row.severity = item.message, item.severity
    row.owner, row.reason, row.until_ms = item.owner, item.reason, item.until_ms
    row.file, row.line, row.last_seen_ms = item.file, item.line, at
