"""The facts log: what changes every moment, numbered, in the order gates apply it.

Numbers strictly grow and never repeat. A new log begins at the current time in
microseconds, not at 1: should the database be lost and made anew, its numbers
stand above all that any gate has seen, so a gate's last number is simply not in
the new log, which shows that it must be told everything again (`resync`).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from lockgate.admin.clock import now_ms, now_us
from lockgate.admin.store import Store
from lockgate.admin.store.engine import take
from lockgate.admin.store.models import Fact, Key

COUNTER = "facts"

BATCH = 5_000
"""Facts that travel together: about a megabyte, a few milliseconds of a gate's time."""


def append(session: Session, facts: Sequence[dict[str, Any]], *, floor: int = 0) -> int:
    """Number the facts and write them, in the caller's transaction; the last number."""
    if not facts:
        return head(session)
    at_ms = now_ms()
    first = take(session, COUNTER, len(facts), floor=floor, start=now_us())
    session.execute(
        insert(Fact),
        [
            {
                "seq": seq,
                "at_ms": at_ms,
                "kind": fact["kind"],
                "payload": _compact({"seq": seq, "at_ms": at_ms, **fact}),
            }
            for seq, fact in enumerate(facts, first)
        ],
    )
    return first + len(facts) - 1


def head(session: Session) -> int:
    """The last number of the log; 0 while it is empty."""
    return session.scalar(select(func.max(Fact.seq))) or 0


def put(key: Key) -> dict[str, Any]:
    """The fact that a key exists, with what a gate must know of it."""
    return {
        "kind": "key.put",
        "key": {
            "id": key.id,
            "digest": key.digest,
            "name": key.name,
            "owner": key.owner,
            "environment": key.environment,
            "apis": key.apis,
            "expires_ms": key.expires_ms,
        },
    }


def revoke(key_id: str) -> dict[str, Any]:
    """The fact that a key opens nothing any more."""
    return {"kind": "key.revoke", "id": key_id}


class FactsLog:
    """The log as the link reads it."""

    def __init__(self, store: Store) -> None:
        """Reads from `store`."""
        self._store = store

    def head(self) -> int:
        """The last number of the log; 0 while it is empty."""
        with self._store.read() as session:
            return head(session)

    def after(self, seq: int, limit: int = BATCH) -> tuple[list[bytes], int]:
        """The next facts after `seq`, as gates read them, and the last one's number."""
        with self._store.read() as session:
            rows = session.execute(
                select(Fact.seq, Fact.payload).where(Fact.seq > seq).order_by(Fact.seq).limit(limit)
            ).all()
        return [row.payload.encode() for row in rows], rows[-1].seq if rows else seq

    def follows(self, seq: int) -> bool:
        """Whether a gate that knows everything up to `seq` can be told the rest alone."""
        with self._store.read() as session:
            return seq == 0 or session.get(Fact, seq) is not None

    def resync(self, gate_seq: int) -> None:
        """Write the whole truth anew, above whatever number a gate has reached.

        It begins with `reset`, at which a gate forgets every key: one that
        this log never heard of must not go on opening doors.
        """
        with self._store.write() as session:
            append(session, [{"kind": "reset"}], floor=gate_seq)
            for keys in _partitions(session):
                known = [put(key) for key in keys]
                gone = [revoke(key.id) for key in keys if key.revoked_ms is not None]
                append(session, known + gone)


def _partitions(session: Session) -> Iterator[Sequence[Key]]:
    last = ""
    while True:
        keys = session.scalars(select(Key).where(Key.id > last).order_by(Key.id).limit(BATCH)).all()
        if not keys:
            return
        yield keys
        last = keys[-1].id
        session.expunge_all()


def _compact(fact: dict[str, Any]) -> str:
    return json.dumps(fact, separators=(",", ":"), ensure_ascii=False)
