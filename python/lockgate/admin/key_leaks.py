"""Keys that were found where they should not be: looked up by their digest, and closed at once.

What was found is in no log and in no answer: a key is told by its id, and a text that is none by its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lockgate.admin import facts
from lockgate.admin.clock import now_ms
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import Key
from lockgate.printable import printable

LEAKS: Final = 1_000
"""Texts of one report."""

WHERE: Final = 500
"""Characters that are kept of where it was found."""

Label = Literal["true_positive", "false_positive"]
Done = Literal["revoked", "grace-ended", "nothing"]


@dataclass(frozen=True, slots=True)
class Found:
    """A text that may be a key, and where it was."""

    token: str
    url: str | None = None
    source: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """What came of it."""

    token_hash: str
    """SHA-256 in Base64, by which the finder knows it again."""
    token_type: str
    label: Label
    key_id: str | None
    name: str | None
    owner: str | None
    done: Done


class Leaks:
    """Closes what has leaked."""

    def __init__(self, store: Store, journal: Journal, pepper: bytes) -> None:
        """`pepper` is the installation's secret."""
        self._store = store
        self._journal = journal
        self._pepper = pepper

    def report(self, actor: str, found: Sequence[Found]) -> list[Leak]:
        """Look each up, and close what is a key of ours. Keys that opened nothing any more are told as well."""
        digests = [self._digest(one.token) for one in found]
        wanted = {digest for digest in digests if digest is not None}
        with self._store.write() as session:
            rows = session.scalars(select(Key).where(or_(Key.digest.in_(wanted), Key.previous_digest.in_(wanted))))
            of = {}
            for row in rows:
                of[row.digest] = row
                if row.previous_digest is not None:
                    of[row.previous_digest] = row
            return [
                self._close(session, actor, one, digest, of.get(digest) if digest is not None else None)
                for one, digest in zip(found, digests, strict=True)
            ]

    def _digest(self, token: str) -> str | None:
        from lockgate._native import LockgateError, key_digest

        try:
            return key_digest(token, self._pepper)
        except LockgateError:
            return None

    def _close(self, session: Session, actor: str, one: Found, digest: str | None, row: Key | None) -> Leak:
        hashed = base64.b64encode(hashlib.sha256(one.token.encode()).digest()).decode()
        kind = one.type or "lockgate_api_key"
        if row is None:
            return Leak(hashed, kind, "false_positive", None, None, None, "nothing")
        done = _closed(row, previous=digest == row.previous_digest)
        if done != "nothing":
            session.flush()
            facts.append(session, [facts.put(row)])
        where = {"url": _where(one.url, one.token), "source": _where(one.source, one.token)}
        detail: dict[str, Any] = {"name": row.name, "owner": row.owner, "done": done, **where}
        self._journal.audit(actor, "key.leak", row.id, detail)
        return Leak(hashed, kind, "true_positive", row.id, row.name, row.owner, done)


def _closed(row: Key, *, previous: bool) -> Done:
    """Close what the text opened: the key, or only its secret before the newest, which was not found."""
    at_ms = now_ms()
    if row.revoked_ms is not None:
        return "nothing"
    if previous:
        if row.previous_until_ms is None or row.previous_until_ms <= at_ms:
            return "nothing"
        row.previous_until_ms = at_ms
        return "grace-ended"
    row.revoked_ms, row.revoked_reason = at_ms, "found where it should not be"
    return "revoked"


def _where(text: str | None, token: str) -> str | None:
    """Where it was found, as it may be kept: an address may well have the key in it."""
    return None if text is None else printable(text.replace(token, "[key]"))[:WHERE]
