"""API keys: made, shown once, listed, changed, given new secrets, revoked, imported.

Of a key only its HMAC-SHA256 under the installation's pepper is kept. Every
change is one transaction of the key's row and its fact; its audit event is on
disk before that commits, so there may be an audit event of a change that
failed, but never a change without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session

from lockgate.admin import facts
from lockgate.admin.bundles import newest
from lockgate.admin.clock import now_ms
from lockgate.admin.gates.registry import enrolled
from lockgate.admin.in_folder import in_folder, new_id
from lockgate.admin.journal import Journal, admin_actor
from lockgate.admin.key_leaks import Found, Leak, Leaks
from lockgate.admin.key_records import (
    EDITABLE,
    NOBODY,
    RULES,
    CreatedKey,
    GraceRunningError,
    KeyClosedError,
    KeyLifetimeError,
    KeyNotFoundError,
    KeyRecord,
    KeyRuleError,
    NoGraceError,
    alive,
    audited,
    found,
    last_used,
    open_row,
    ordered,
    record,
)
from lockgate.admin.key_report import Worth, report
from lockgate.admin.store import Store
from lockgate.admin.store.models import App, Bundle, Key
from lockgate.state import StateFolder

__all__ = [
    "CreatedKey",
    "GraceRunningError",
    "Imported",
    "KeyClosedError",
    "KeyLifetimeError",
    "KeyNotFoundError",
    "KeyRecord",
    "KeyRuleError",
    "Keys",
    "KnownKeys",
    "NoGraceError",
    "UnknownApiError",
    "create_key",
    "offline",
]

IMPORT_BATCH = 5_000
"""Keys of one transaction of an import; a writer beside it waits no longer than one batch."""

GRACE_MAX_MS = 90 * 86_400_000
"""Two secrets of one key are twice what can leak: who needs longer makes a second key."""


class UnknownApiError(ValueError):
    """A key for an API that the configuration does not have opens nothing: almost surely a slip."""


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
            row = session.scalar(select(Key).where(or_(Key.digest == digest, Key.previous_digest == digest)))
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
        return self.told(told)

    def told(self, told: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """The same, by every way of telling it."""
        with self._store.read() as session:
            return [{"at_ms": 1, **fact} for meant in told if (fact := facts.revoked(session, meant)) is not None]

    def apps(self) -> list[dict[str, Any]]:
        """What a gate was told of programs of others, as facts."""
        with self._store.read() as session:
            return [{"at_ms": 1, **facts.put_app(app)} for app in session.scalars(select(App).order_by(App.id))]

    def grants(self) -> dict[str, str]:
        """Facts of keys by their ids, where they have scopes or are not for everything."""
        narrow = [getattr(Key, name).is_not(None) for name in (*RULES, "scopes")]
        with self._store.read() as session:
            rows = session.scalars(select(Key).where(or_(Key.environment != "live", *narrow)))
            return {row.id: json.dumps(facts.put(row)["key"]) for row in rows}


class Keys:
    """The keys of one installation."""

    def __init__(self, store: Store, journal: Journal, pepper: bytes) -> None:
        """`pepper` is the installation's secret."""
        self._store = store
        self._journal = journal
        self._pepper = pepper

    def create(self, actor: str, *, name: str, owner: str, environment: str = "live", **rules: Any) -> CreatedKey:
        """Make a key; gates know it within milliseconds of this returning.

        `rules` are those of `EDITABLE` besides: scopes, APIs, methods, networks, its end.
        """
        from lockgate._native import mint_key

        wanted = ordered(rules)
        with self._store.write() as session:
            self._check_apis(session, set(wanted.get("apis") or ()))
            self._check_app(session, wanted.get("app"))
            wanted["expires_ms"] = _Lifetimes.of(session).end(wanted.get("expires_ms"))
            key, digest = mint_key(self._pepper, environment)
            row = Key(
                id=new_id("key"),
                digest=digest,
                name=name,
                owner=owner,
                environment=environment,
                created_ms=now_ms(),
                **wanted,
            )
            session.add(row)
            self._tell(session, row)
            made = record(row)
            self._journal.audit(actor, "key.create", row.id, audited(made))
        return CreatedKey(made, key)

    def edit(self, actor: str, key_id: str, changes: Mapping[str, Any]) -> KeyRecord:
        """Change what a key is for; its secrets stay. What `changes` does not name stays too, and none lifts a rule."""
        wanted = ordered({name: value for name, value in changes.items() if name in EDITABLE})
        with self._store.write() as session:
            row = open_row(session, key_id)
            self._check_apis(session, set(wanted.get("apis") or ()))
            if "expires_ms" in wanted:
                wanted["expires_ms"] = _Lifetimes.of(session).checked(wanted["expires_ms"])
            before = {name: getattr(row, name) for name in wanted}
            changed = {name: value for name, value in wanted.items() if before[name] != value}
            for name, value in changed.items():
                setattr(row, name, value)
            if changed:
                self._tell(session, row)
                was = {name: before[name] for name in changed}
                self._journal.audit(actor, "key.edit", key_id, {"now": changed, "before": was})
            return record(row)

    def reroll(self, actor: str, key_id: str, *, grace_ms: int) -> CreatedKey:
        """Give a key a new secret. The one before opens for `grace_ms` more, as the same key; an older one no more."""
        from lockgate._native import mint_key

        with self._store.write() as session:
            row = open_row(session, key_id)
            at_ms = now_ms()
            # Without a grace only the new one is to open; with one, nobody has said that the first may close.
            if grace_ms and row.previous_until_ms is not None and row.previous_until_ms > at_ms:
                raise GraceRunningError(
                    f"the key {key_id} has a secret before the newest that somebody may still use: end that first"
                )
            key, digest = mint_key(self._pepper, row.environment)
            row.previous_digest, row.digest = row.digest, digest
            row.rerolled_ms, row.previous_until_ms = at_ms, at_ms + grace_ms
            row.used_ms, row.previous_used_ms = None, row.used_ms
            self._tell(session, row)
            made = record(row)
            detail = {"name": row.name, "owner": row.owner, "previous_until_ms": row.previous_until_ms}
            self._journal.audit(actor, "key.reroll", key_id, detail)
        return CreatedKey(made, key)

    def end_grace(self, actor: str, key_id: str) -> KeyRecord:
        """End the secret before the newest at once."""
        with self._store.write() as session:
            row = open_row(session, key_id)
            at_ms = now_ms()
            if row.previous_until_ms is None or row.previous_until_ms <= at_ms:
                raise NoGraceError(f"the key {key_id} has no other secret that still opens")
            row.previous_until_ms = at_ms
            self._tell(session, row)
            self._journal.audit(actor, "key.end-grace", key_id, {"name": row.name, "owner": row.owner})
            return record(row)

    def suspend(self, actor: str, key_id: str, *, on: bool) -> KeyRecord:
        """Close a key until it is resumed, or resume it. What is so already stays."""
        with self._store.write() as session:
            row = open_row(session, key_id)
            if (row.suspended_ms is not None) != on:
                row.suspended_ms = now_ms() if on else None
                self._tell(session, row)
                detail = {"name": row.name, "owner": row.owner}
                self._journal.audit(actor, "key.suspend" if on else "key.resume", key_id, detail)
            return record(row)

    def _tell(self, session: Session, row: Key) -> None:
        """The fact of it, for the gates; none that they would not take."""
        fact = facts.put(row)
        _check_fact(fact["key"])
        session.flush()
        facts.append(session, [fact])

    def gates_elsewhere(self) -> list[str]:
        """The gates that have enrolled: each may serve, connected or not."""
        return enrolled(self._store)

    def one(self, key_id: str) -> KeyRecord:
        """The key with that id."""
        with self._store.read() as session:
            return record(found(session, key_id))

    def page(self, *, after: str | None = None, limit: int = 100, unused_ms: int | None = None) -> list[KeyRecord]:
        """Up to `limit` keys, oldest first, after the key with the id `after`.

        With `unused_ms` only those that open something and were not used for that long, nor made since.
        """
        query = select(Key).order_by(Key.created_ms, Key.id).limit(limit)
        if unused_ms is not None:
            since = now_ms() - unused_ms
            query = query.where(alive(now_ms()), Key.created_ms <= since, last_used() < since)
        with self._store.read() as session:
            if after is not None:
                last = found(session, after)
                query = query.where(tuple_(Key.created_ms, Key.id) > (last.created_ms, last.id))
            return [record(row) for row in session.scalars(query)]

    def leaked(self, actor: str, found: Sequence[Found]) -> list[Leak]:
        """Close what was found where it should not be; of each text, what came of it."""
        return Leaks(self._store, self._journal, self._pepper).report(actor, found)

    def report(self, *, unused_ms: int, soon_ms: int, limit: int = 100) -> list[Worth]:
        """Keys that somebody should look at, and why."""
        return report(self._store, unused_ms=unused_ms, soon_ms=soon_ms, limit=limit)

    def note_uses(self, uses: Sequence[tuple[str, int, bool]]) -> None:
        """Note when keys were last used: id, when, and whether by the secret before the newest."""
        latest = now_ms()
        for previous, column in ((False, Key.used_ms), (True, Key.previous_used_ms)):
            told = [{"key": key, "at": min(at, latest)} for key, at, before in uses if before is previous]
            if not told:
                continue
            later = func.coalesce(column, 0) < bindparam("at")
            change = update(Key).where(Key.id == bindparam("key"), later).values({column: bindparam("at")})
            with self._store.write() as session:
                session.connection().execute(change, told)

    def revoke(self, actor: str, key_id: str, *, reason: str | None = None) -> KeyRecord:
        """Close a key for good. Revoking it again changes nothing, and says when it was done."""
        with self._store.write() as session:
            row = found(session, key_id)
            if row.revoked_ms is None:
                row.revoked_ms = now_ms()
                row.revoked_reason = reason
                session.flush()
                facts.append(session, [facts.revoke(key_id)])
                detail = {"name": row.name, "owner": row.owner, "reason": reason}
                self._journal.audit(actor, "key.revoke", key_id, detail)
            return record(row)

    def import_(self, actor: str, source: str, rows: Iterator[Mapping[str, Any]]) -> Imported:
        """Add keys by digest, batch by batch; those that are known already are left alone.

        Each row has `digest`, or `sha256` of a key of another form, and `name`; maybe `owner`, `environment`,
        `expires_ms` and what a key can be for, already checked.
        """
        added = known = 0
        while batch := list(islice(rows, IMPORT_BATCH)):
            with self._store.write() as session:
                self._check_apis(session, {api for row in batch for api in row.get("apis") or ()})
                lifetimes = _Lifetimes.of(session)
                keyed = ((self._digest(row), row) for row in batch)
                unique = {digest: _imported(digest, row, lifetimes) for digest, row in keyed}
                there = set(session.scalars(select(Key.digest).where(Key.digest.in_(unique))))
                there |= set(session.scalars(select(Key.previous_digest).where(Key.previous_digest.in_(unique))))
                values = [value for digest, value in unique.items() if digest not in there]
                if values:
                    told = [facts.put(Key(**value)) for value in values]
                    for fact in told:
                        _check_fact(fact["key"])
                    session.execute(insert(Key), values)
                    facts.append(session, told)
                    self._journal.audit(actor, "key.import", source, {"keys": len(values)})
            added += len(values)
            known += len(batch) - len(values)
        return Imported(added, known)

    def _digest(self, row: Mapping[str, Any]) -> str:
        from lockgate._native import imported_key_digest

        if row.get("digest") is not None:
            return str(row["digest"])
        return imported_key_digest(bytes.fromhex(row["sha256"]), self._pepper)

    def _check_app(self, session: Session, app: str | None) -> None:
        """A program that is named is there, and something holds it to what it was given."""
        if app is None:
            return
        text = session.scalar(newest().with_only_columns(Bundle.text))
        registry = json.loads(text).get("apps") if text is not None else None
        if registry is None:
            raise KeyRuleError("the configuration holds no program to anything: add `apps: {}` to it")
        if session.get(App, app) is None and app not in {one["name"] for one in registry["named"]}:
            raise KeyRuleError(f"there is no program {app!r}: `lockgate apps list` shows those that there are")

    def _check_apis(self, session: Session, wanted: set[str]) -> None:
        """Where there is a configuration, it has every API that is named."""
        if not wanted:
            return
        text = session.scalar(newest().with_only_columns(Bundle.text))
        apis = json.loads(text)["apis"] if text is not None else []
        # The pages of a sign-in are open to all: no key is for them.
        known = {str(api["name"]) for api in apis if not api.get("own")} if text is not None else wanted
        if unknown := sorted(wanted - known):
            names = ", ".join(sorted(known)[:20])
            raise UnknownApiError(f"there is no API {', '.join(map(repr, unknown))}; there are: {names}")


@dataclass(frozen=True, slots=True)
class _Lifetimes:
    """How long keys are good, as the newest configuration says it; none is for ever."""

    usual_ms: int | None
    most_ms: int | None

    @classmethod
    def of(cls, session: Session) -> _Lifetimes:
        duties = session.scalar(newest().with_only_columns(Bundle.duties)) or {}
        return cls(duties.get("key_lifetime_ms"), duties.get("key_lifetime_max_ms"))

    def end(self, wanted: int | None) -> int | None:
        """When a new key ends."""
        if wanted is None and self.usual_ms is not None:
            return now_ms() + self.usual_ms
        return self.checked(wanted)

    def checked(self, wanted: int | None) -> int | None:
        """The same of one that is there, of which it is said."""
        # A minute for who has worked it out on another clock.
        if self.most_ms is not None and (wanted is None or wanted > now_ms() + self.most_ms + 60_000):
            days = self.most_ms / 86_400_000
            raise KeyLifetimeError(f"`api_keys.max_lifetime` lets a key be good for {days:g} days at most from now on")
        return wanted


@contextmanager
def offline(state: StateFolder) -> Iterator[Keys]:
    """The keys of a state folder that no control process is using.

    Raises `lockgate.state.StateInUseError` where one is: ask its admin API instead.
    """
    with in_folder(state) as (store, journal):
        yield Keys(store, journal, state.pepper())


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
        rules = {"apis": apis, "expires_ms": expires_ms}
        return keys.create(admin_actor(), name=name, owner=owner, environment=environment, **rules)


def _check_fact(key: Mapping[str, Any]) -> None:
    """Raise `KeyRuleError` for what no gate would take, in the gate's own words."""
    from lockgate._native import LockgateError, check_key_fact

    if any(key.get(name) for name in ("methods", "networks", "rate")):
        try:
            check_key_fact(json.dumps(key))
        except LockgateError as error:
            raise KeyRuleError(str(error).removeprefix(f"{key['id']}: ")) from error


def _imported(digest: str, row: Mapping[str, Any], lifetimes: _Lifetimes) -> dict[str, Any]:
    said = ordered({name: row.get(name) for name in EDITABLE})
    return {
        **dict.fromkeys(column.key for column in Key.__table__.columns),
        **said,
        "owner": row.get("owner") or NOBODY,
        "expires_ms": lifetimes.end(row.get("expires_ms")),
        "id": new_id("key"),
        "digest": digest,
        "environment": row.get("environment") or "live",
        "created_ms": now_ms(),
    }
