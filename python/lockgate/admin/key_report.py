"""Keys that somebody should look at, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, func, select

from lockgate.admin.clock import now_ms
from lockgate.admin.key_records import NOBODY, KeyRecord, alive, last_used, record
from lockgate.admin.store import Store
from lockgate.admin.store.models import Key

DAY_MS: Final = 86_400_000

WHY: Final[Mapping[str, str]] = {
    "expiring": "ends soon",
    "never_used": "was never used",
    "unused": "was used, but not for long",
    "two_secrets": "has two secrets that open",
    "without_owner": "has no owner who is known",
    "without_expiry": "is good for ever",
    "over_broad": "opens every API, with any method, from anywhere",
}
"""What is looked for, in this order."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Keys that are worth a look for one reason."""

    why: str
    count: int
    keys: list[KeyRecord]
    """The first of them, oldest first."""


def report(
    store: Store, *, unused_ms: int = 90 * DAY_MS, soon_ms: int = 30 * DAY_MS, new_ms: int = DAY_MS, limit: int = 100
) -> list[Worth]:
    """Of the keys that open something, those that somebody should look at.

    Unused are those without a use for `unused_ms`, expiring those that end within `soon_ms`; a key that is younger
    than `new_ms` may well not have been used yet.
    """
    now = now_ms()
    wanted: dict[str, ColumnElement[bool]] = {
        "expiring": Key.expires_ms <= now + soon_ms,
        "never_used": and_(last_used() == 0, Key.created_ms <= now - new_ms),
        "unused": and_(last_used() > 0, last_used() < now - unused_ms),
        "two_secrets": Key.previous_until_ms > now,
        "without_owner": func.lower(func.trim(Key.owner)).in_(("", "-", NOBODY, "none", "nobody", "n/a")),
        "without_expiry": Key.expires_ms.is_(None),
        "over_broad": and_(Key.apis.is_(None), Key.methods.is_(None), Key.networks.is_(None)),
    }
    worth = []
    with store.read() as session:
        for why in WHY:
            where = and_(alive(now), wanted[why])
            count = session.scalar(select(func.count()).select_from(Key).where(where)) or 0
            rows = session.scalars(select(Key).where(where).order_by(Key.created_ms, Key.id).limit(limit))
            worth.append(Worth(why, count, [record(row) for row in rows]))
    return worth
