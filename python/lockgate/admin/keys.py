"""API keys: made, shown once, listed, revoked, imported.

Of a key only its HMAC-SHA256 under the installation's pepper is kept. Every
change is one transaction of the key's row and its fact; its audit event is on
disk before that commits, so there may be an audit event of a change that
failed, but never a change without one.
"""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from lockgate.admin import facts
from lockgate.admin.bundles import newest
from lockgate.admin.clock import now_ms
from lockgate.admin.gates.registry import enrolled
from lockgate.admin.journal import EventJournal, Journal, admin_actor
from lockgate.admin.store import Store
from lockgate.admin.store.models import Bundle, Key
from lockgate.state import StateFolder

Status = Literal["active", "expired", "revoked"]

IMPORT_BATCH = 5_000
"""Keys of one transaction of an import; a writer beside it waits no longer than one batch."""


class KeyNotFoundError(LookupError):
    """No key has that id."""


class UnknownApiError(ValueError):
    """A key for an API that the configuration does not have opens nothing: almost surely a slip."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What may be shown of a key. The digest is not among it: it finds the key's record."""

    id: str
    name: str
    owner: str
    environment: str
    apis: list[str] | None
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    revoked_reason: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key. This is the only time that `key` itself is seen."""

    record: KeyRecord
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    added: int
    known: int


class KnownKeys:
    """What explains whose key it is; reads only, so it may stand beside whatever runs."""

    def __init__(self, store: Store) -> None:
        """Reads `store`."""
        self._store = store

    def by_digest(self, digest: str) -> dict[str, Any] | None:
        """What a gate would be told of the key with that digest, as a fact."""
        with self._store.read() as session:
            row = session.scalar(select(Key).where(Key.digest == digest))
            return None if row is None else {"seq": 1, "at_ms": row.created_ms, **facts.put(row)}

    def key_sets(self) -> list[dict[str, Any]]:
        """The keys of every issuer, as they were last fetched."""
        return facts.FactsLog(self._store).key_sets()

    def revoked(self, token: bytes) -> list[dict[str, Any]]:
        """What a gate was told of revocations that a token may be meant by, as facts."""
        from lockgate._native import LockgateError, read_token

        try:
            told = read_token(token)
        except LockgateError:
            return []  # The engine will say itself what is wrong with it.
        with self._store.read() as session:
            return [{"at_ms": 1, **fact} for meant in told if (fact := facts.revoked(session, meant)) is not None]

    def grants(self) -> dict[str, list[str]]:
        """The APIs that a key opens, by its id, where it does not open all."""
        with self._store.read() as session:
            rows = session.execute(select(Key.id, Key.apis).where(Key.apis.is_not(None)))
            return {id_: list(apis) for id_, apis in rows if apis is not None}


class Keys:
    """The keys of one installation."""

    def __init__(self, store: Store, journal: Journal, pepper: bytes) -> None:
        """`pepper` is the installation's secret."""
        self._store = store
        self._journal = journal
        self._pepper = pepper

    def create(
        self,
        actor: str,
        *,
        name: str,
        owner: str,
        apis: Sequence[str] | None = None,
        expires_ms: int | None = None,
        environment: str = "live",
    ) -> CreatedKey:
        """Make a key; gates know it within milliseconds of this returning."""
        from lockgate._native import mint_key

        self._check_apis(set(apis or ()))
        key, digest = mint_key(self._pepper, environment)
        row = Key(
            id=new_key_id(),
            digest=digest,
            name=name,
            owner=owner,
            environment=environment,
            apis=sorted(set(apis)) if apis is not None else None,
            created_ms=now_ms(),
            expires_ms=expires_ms,
        )
        with self._store.write() as session:
            session.add(row)
            session.flush()
            facts.append(session, [facts.put(row)])
            record = _record(row)
            self._journal.audit(actor, "key.create", row.id, _audited(record))
        return CreatedKey(record, key)

    def gates_elsewhere(self) -> list[str]:
        """The gates that have enrolled: each may serve, connected or not."""
        return enrolled(self._store)

    def one(self, key_id: str) -> KeyRecord:
        """The key with that id."""
        with self._store.read() as session:
            return _record(_find(session, key_id))

    def page(self, *, after: str | None = None, limit: int = 100) -> list[KeyRecord]:
        """Up to `limit` keys, oldest first, after the key with the id `after`."""
        query = select(Key).order_by(Key.created_ms, Key.id).limit(limit)
        with self._store.read() as session:
            if after is not None:
                last = _find(session, after)
                query = query.where(tuple_(Key.created_ms, Key.id) > (last.created_ms, last.id))
            return [_record(row) for row in session.scalars(query)]

    def revoke(self, actor: str, key_id: str, *, reason: str | None = None) -> KeyRecord:
        """Close a key for good. Revoking it again changes nothing, and says when it was done."""
        with self._store.write() as session:
            row = _find(session, key_id)
            if row.revoked_ms is None:
                row.revoked_ms = now_ms()
                row.revoked_reason = reason
                session.flush()
                facts.append(session, [facts.revoke(key_id)])
                detail = {"name": row.name, "owner": row.owner, "reason": reason}
                self._journal.audit(actor, "key.revoke", key_id, detail)
            return _record(row)

    def import_(self, actor: str, source: str, rows: Iterator[Mapping[str, Any]]) -> Imported:
        """Add keys by digest, batch by batch; those that are known already are left alone.

        Each row has `digest`, `name`, `owner` and maybe `environment`, `apis`,
        `expires_ms`, already checked.
        """
        added = known = 0
        while batch := list(islice(rows, IMPORT_BATCH)):
            self._check_apis({api for row in batch for api in row.get("apis") or ()})
            unique = {row["digest"]: row for row in batch}
            with self._store.write() as session:
                there = set(session.scalars(select(Key.digest).where(Key.digest.in_(unique))))
                values = [_imported(row) for digest, row in unique.items() if digest not in there]
                if values:
                    session.execute(insert(Key), values)
                    facts.append(session, [facts.put(Key(**value)) for value in values])
                    self._journal.audit(actor, "key.import", source, {"keys": len(values)})
            added += len(values)
            known += len(batch) - len(values)
        return Imported(added, known)

    def _check_apis(self, wanted: set[str]) -> None:
        """Where there is a configuration, it has every API that is named."""
        if not wanted:
            return
        with self._store.read() as session:
            text = session.scalar(newest().with_only_columns(Bundle.text))
        known = {str(api["name"]) for api in json.loads(text)["apis"]} if text is not None else wanted
        if unknown := sorted(wanted - known):
            names = ", ".join(sorted(known)[:20])
            raise UnknownApiError(f"there is no API {', '.join(map(repr, unknown))}; there are: {names}")


@contextmanager
def offline(state: StateFolder) -> Iterator[Keys]:
    """The keys of a state folder that no control process is using.

    Raises `lockgate.state.StateInUseError` where one is: ask its admin API instead.
    """
    with state.lock("control"), EventJournal(state) as journal:
        store = Store.open(state.database)
        try:
            yield Keys(store, journal, state.pepper())
        finally:
            store.close()


def create_key(
    state_dir: Path,
    *,
    name: str,
    owner: str,
    apis: Sequence[str] | None = None,
    expires: timedelta | None = None,
    environment: str = "live",
) -> CreatedKey:
    """Make a key while nothing runs on `state_dir`; a gate learns of it when it next starts."""
    expires_ms = None if expires is None else now_ms() + int(expires.total_seconds() * 1000)
    with offline(StateFolder.open(state_dir)) as keys:
        return keys.create(
            admin_actor(),
            name=name,
            owner=owner,
            apis=apis,
            expires_ms=expires_ms,
            environment=environment,
        )


def new_key_id() -> str:
    """A key's public name: 100 bits, in letters that survive being read aloud."""
    return "key_" + base64.b32encode(secrets.token_bytes(13)).decode("ascii").lower()[:20]


def _find(session: Session, key_id: str) -> Key:
    row = session.get(Key, key_id)
    if row is None:
        raise KeyNotFoundError(f"there is no key {key_id!r}: `lockgate keys list` shows those that there are")
    return row


def _imported(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": new_key_id(),
        "digest": row["digest"],
        "name": row["name"],
        "owner": row["owner"],
        "environment": row.get("environment", "live"),
        "apis": row.get("apis"),
        "created_ms": now_ms(),
        "expires_ms": row.get("expires_ms"),
        "revoked_ms": None,
        "revoked_reason": None,
    }


def _record(row: Key) -> KeyRecord:
    status: Status = "active"
    if row.revoked_ms is not None:
        status = "revoked"
    elif row.expires_ms is not None and row.expires_ms <= now_ms():
        status = "expired"
    return KeyRecord(
        id=row.id,
        name=row.name,
        owner=row.owner,
        environment=row.environment,
        apis=row.apis,
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        revoked_ms=row.revoked_ms,
        revoked_reason=row.revoked_reason,
        status=status,
    )


def _audited(record: KeyRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "owner": record.owner,
        "environment": record.environment,
        "apis": record.apis,
        "expires_ms": record.expires_ms,
    }
