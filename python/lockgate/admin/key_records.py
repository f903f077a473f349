"""What is shown of a key, and what may be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlalchemy.orm import Session

from lockgate.admin.clock import now_ms
from lockgate.admin.store.models import Key

Status = Literal["active", "suspended", "expired", "revoked"]

RULES: Final = ("apis", "methods", "networks")
"""What narrows a key: without one of them it opens everything."""

EDITABLE: Final = ("name", "owner", "scopes", *RULES, "rate", "expires_ms")
LISTS: Final = ("scopes", *RULES)

NOBODY: Final = "unknown"
"""The owner of imported keys of whom nobody said one."""


class KeyNotFoundError(LookupError):
    """No key has that id."""


class KeyClosedError(ValueError):
    """A key that was revoked stays as it is."""


class GraceRunningError(ValueError):
    """A key has two secrets already: a third would close the first to whoever still uses it."""


class NoGraceError(ValueError):
    """The key has no secret from before that still opens."""


class KeyRuleError(ValueError):
    """What a key should be for is nothing that a gate understands."""


class KeyLifetimeError(ValueError):
    """The key would be good for longer than the configuration allows."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What may be shown of a key. The digest is not among it: it finds the key's record."""

    id: str
    name: str
    owner: str
    environment: str
    scopes: list[str] | None
    apis: list[str] | None
    methods: list[str] | None
    networks: list[str] | None
    app: str | None
    rate: dict[str, int] | None
    created_ms: int
    expires_ms: int | None
    suspended_ms: int | None
    rerolled_ms: int | None
    previous_until_ms: int | None
    used_ms: int | None
    previous_used_ms: int | None
    revoked_ms: int | None
    revoked_reason: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key, or a new secret of one. This is the only time that `key` itself is seen."""

    record: KeyRecord
    key: str = field(repr=False)


def found(session: Session, key_id: str) -> Key:
    """The row with that id."""
    row = session.get(Key, key_id)
    if row is None:
        raise KeyNotFoundError(f"there is no key {key_id!r}: `lockgate keys list` shows those that there are")
    return row


def open_row(session: Session, key_id: str) -> Key:
    """The same of a key that was not revoked: that is for good."""
    row = found(session, key_id)
    if row.revoked_ms is not None:
        raise KeyClosedError(f"the key {key_id} was revoked, and that is for good: make another")
    return row


def record(row: Key) -> KeyRecord:
    """What may be shown of it."""
    status: Status = "active"
    if row.revoked_ms is not None:
        status = "revoked"
    elif row.suspended_ms is not None:
        status = "suspended"
    elif row.expires_ms is not None and row.expires_ms <= now_ms():
        status = "expired"
    values = {name: getattr(row, name) for name in KeyRecord.__slots__ if name != "status"}
    return KeyRecord(**values, status=status)


def audited(key: KeyRecord) -> dict[str, Any]:
    """What of it stands in the audit event of its making."""
    told = {name: getattr(key, name) for name in EDITABLE}
    return {**told, "environment": key.environment, **({"app": key.app} if key.app is not None else {})}


def ordered(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its lists sorted, and each entry once; a list of nothing is none."""
    lists = {name: sorted(set(wanted[name])) or None for name in LISTS if wanted.get(name) is not None}
    return {**wanted, **lists}


def alive(at_ms: int) -> ColumnElement[bool]:
    """Of keys, those that open something at that time."""
    return and_(
        Key.revoked_ms.is_(None), Key.suspended_ms.is_(None), or_(Key.expires_ms.is_(None), Key.expires_ms > at_ms)
    )


def last_used() -> ColumnElement[int]:
    """When either of a key's secrets was last used; nought if never."""
    used, before = func.coalesce(Key.used_ms, 0), func.coalesce(Key.previous_used_ms, 0)
    return case((used >= before, used), else_=before)
