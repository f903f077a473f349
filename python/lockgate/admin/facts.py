"""The facts log: what changes every moment, numbered, in the order gates apply it.

Numbers strictly grow and never repeat. A new log begins at the current time in
microseconds, not at 1: should the database be lost and made anew, its numbers
stand above all that any gate has seen, so a gate's last number is simply not in
the new log, which shows that it must be told everything again (`FactsLog.snapshot`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, tuple_
from sqlalchemy.orm import Session

from lockgate.admin.clock import now_ms, now_us
from lockgate.admin.store import Store
from lockgate.admin.store.engine import take
from lockgate.admin.store.models import App, Fact, Key, KeySet, TokenRevocation

COUNTER = "facts"

BATCH = 5_000
"""Facts that travel together: about a megabyte, a few milliseconds of a gate's time."""

SETS = 50
"""Key sets that travel together: each has up to some 50 KB."""

APPS = 500
"""Programs that travel together: each may list a thousand operations."""

KEPT = 100_000
"""Facts that are kept for gates that were away: some 30 MB. Beyond them a snapshot is as cheap."""


class Batch(NamedTuple):
    """Facts that travel together, each as gates read it, and the last one's number."""

    facts: list[bytes]
    seq: int


def append(session: Session, facts: Sequence[dict[str, Any]]) -> int:
    """Number the facts and write them, in the caller's transaction; the last number."""
    if not facts:
        return head(session)
    at_ms = now_ms()
    first = take(session, COUNTER, len(facts), start=now_us())
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
    told: dict[str, Any] = {
        "id": key.id,
        "digest": key.digest,
        "name": key.name,
        "owner": key.owner,
        "environment": key.environment,
        "apis": key.apis,
        "expires_ms": key.expires_ms,
        "revoked": key.revoked_ms is not None,
    }
    # Of a million keys few have more than that.
    more = ("scopes", "methods", "networks", "app", "rate")
    told |= {name: value for name in more if (value := getattr(key, name)) is not None}
    if key.suspended_ms is not None:
        told["suspended"] = True
    if key.previous_digest is not None:
        told["previous"] = {"digest": key.previous_digest, "until_ms": key.previous_until_ms or 0}
    return {"kind": "key.put", "key": told}


def revoke(key_id: str) -> dict[str, Any]:
    """The fact that a key opens nothing any more."""
    return {"kind": "key.revoke", "id": key_id}


def put_app(app: App) -> dict[str, Any]:
    """The fact that there is a program, with what a gate must know of it.

    Of one that the configuration names, or did, that is whether it was stopped: it was given nothing here.
    """
    if app.source == "configuration":
        stopped = app.stopped_ms is not None
        nothing: dict[str, Any] = {"clients": [], "tier": "unreviewed", "scopes": [], "apis": []}
        return {"kind": "app.put", "app": {"id": app.id, **nothing, "stopped": stopped}}
    told = {
        "id": app.id,
        "clients": app.clients,
        "tier": app.tier,
        "scopes": None if app.scopes is None else sorted(app.scopes),
        "apis": app.apis,
        "operations": [{"api": api, "names": names} for api, names in app.operations.items()],
        "until_ms": app.until_ms,
        "stopped": app.stopped_ms is not None,
    }
    return {"kind": "app.put", "app": told}


def forget_app(app_id: str) -> dict[str, Any]:
    """The fact that there is no such program any more."""
    return {"kind": "app.forget", "id": app_id}


def put_keys(keys: KeySet) -> dict[str, Any]:
    """The fact that an issuer has these keys."""
    return {
        "kind": "keyset.put",
        "keyset": {
            "issuer": keys.issuer,
            "source": keys.source,
            "confirmed_ms": keys.told_ms,
            "keys": keys.keys,
        },
    }


def confirm_keys(keys: KeySet) -> dict[str, Any]:
    """The fact that an issuer still has the keys that it had."""
    return {
        "kind": "keyset.confirm",
        "issuer": keys.issuer,
        "source": keys.source,
        "confirmed_ms": keys.told_ms,
    }


def forget_keys(issuer: str) -> dict[str, Any]:
    """The fact that there is no such issuer any more."""
    return {"kind": "keyset.forget", "issuer": issuer}


def revoke_tokens(revocation: TokenRevocation) -> dict[str, Any]:
    """The fact that tokens open nothing any more."""
    return {
        "kind": "token.revoke",
        **_meant(revocation),
        "before_ms": revocation.before_ms,
        "until_ms": revocation.until_ms,
    }


def restore_tokens(revocation: TokenRevocation) -> dict[str, Any]:
    """The fact that a revocation of tokens was taken back."""
    return {"kind": "token.restore", **_meant(revocation)}


def _meant(revocation: TokenRevocation) -> dict[str, str]:
    return {"issuer": revocation.issuer, "by": revocation.by, "value": revocation.value}


def found(session: Session, meant: Mapping[str, Any]) -> TokenRevocation | None:
    """The revocation of these tokens, if there is one."""
    columns = (TokenRevocation.issuer, TokenRevocation.by, TokenRevocation.value)
    same = tuple_(*columns) == (meant["issuer"], meant["by"], meant["value"])
    return session.scalar(select(TokenRevocation).where(same))


def revoked(session: Session, meant: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fact that these tokens open nothing any more, if that is so."""
    row = found(session, meant)
    return None if row is None else revoke_tokens(row)


def left(at_ms: int) -> ColumnElement[bool]:
    """Of revocations, those of which there may be tokens left at that time."""
    return or_(TokenRevocation.until_ms.is_(None), TokenRevocation.until_ms > at_ms)


class FactsLog:
    """The log as the link reads it."""

    def __init__(self, store: Store) -> None:
        """Reads from `store`."""
        self._store = store

    def head(self) -> int:
        """The last number of the log; 0 while it is empty."""
        with self._store.read() as session:
            return head(session)

    def after(self, seq: int, limit: int = BATCH) -> Batch:
        """The next facts after `seq`."""
        with self._store.read() as session:
            rows = session.execute(
                select(Fact.seq, Fact.payload).where(Fact.seq > seq).order_by(Fact.seq).limit(limit)
            ).all()
        return Batch([row.payload.encode() for row in rows], rows[-1].seq if rows else seq)

    def follows(self, seq: int) -> bool:
        """Whether a gate that knows everything up to `seq` can be told the rest alone."""
        with self._store.read() as session:
            return session.get(Fact, seq) is not None if seq else head(session) == 0

    def snapshot(self) -> Iterator[Batch]:
        """The whole truth in batches, for a gate that the log cannot catch up.

        What changes meanwhile may be in it already, and comes again with the facts after its
        number, which say the same. No session is held while a batch is on its way: how long
        that takes is the gate's to say. A gate puts it in the place of all that it knew when the last batch
        has come: a key that this installation never heard of opens nothing
        afterwards, and no key that it knows is refused meanwhile.
        """
        with self._store.read() as session:
            last, at_ms = head(session), now_ms()
            sets = [put_keys(one) for one in session.scalars(select(KeySet).order_by(KeySet.issuer))]
        yield Batch([_payload(last, at_ms, {"kind": "reset.begin"})], last)
        for first in range(0, len(sets), SETS):
            yield Batch([_payload(last, at_ms, one) for one in sets[first : first + SETS]], last)
        behind = ""
        while keys := self._keys(behind):
            yield Batch([_payload(last, at_ms, key) for key in keys], last)
            behind = keys[-1]["key"]["id"]
        behind = ""
        while apps := self._apps(behind):
            yield Batch([_payload(last, at_ms, app) for app in apps], last)
            behind = apps[-1]["app"]["id"]
        behind = ""
        while revoked := self._revocations(behind, at_ms):
            yield Batch([_payload(last, at_ms, fact) for _, fact in revoked], last)
            behind = revoked[-1][0]
        yield Batch([_payload(last, at_ms, {"kind": "reset.end"})], last)

    def _keys(self, behind: str) -> list[dict[str, Any]]:
        with self._store.read() as session:
            rows = session.scalars(select(Key).where(Key.id > behind).order_by(Key.id).limit(BATCH))
            return [put(key) for key in rows]

    def _apps(self, behind: str) -> list[dict[str, Any]]:
        with self._store.read() as session:
            rows = session.scalars(select(App).where(App.id > behind).order_by(App.id).limit(APPS))
            return [put_app(app) for app in rows]

    def _revocations(self, behind: str, at_ms: int) -> list[tuple[str, dict[str, Any]]]:
        query = select(TokenRevocation).where(TokenRevocation.id > behind, left(at_ms))
        with self._store.read() as session:
            rows = session.scalars(query.order_by(TokenRevocation.id).limit(BATCH))
            return [(row.id, revoke_tokens(row)) for row in rows]

    def key_sets(self) -> list[dict[str, Any]]:
        """The keys of every issuer, as they were last fetched."""
        with self._store.read() as session:
            sets = session.scalars(select(KeySet).order_by(KeySet.issuer)).all()
            return [put_keys(one)["keyset"] for one in sets]

    def prune(self, keep: int = KEPT) -> None:
        """Drop the oldest facts: a gate that would need them is told everything anew instead."""
        with self._store.write() as session:
            oldest = session.scalar(select(Fact.seq).order_by(Fact.seq.desc()).offset(keep).limit(1))
            if oldest is not None:
                session.execute(delete(Fact).where(Fact.seq <= oldest))


def _payload(seq: int, at_ms: int, fact: dict[str, Any]) -> bytes:
    return _compact({"seq": seq, "at_ms": at_ms, **fact}).encode()


def _compact(fact: dict[str, Any]) -> str:
    return json.dumps(fact, separators=(",", ":"), ensure_ascii=False)
