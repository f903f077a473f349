"""Tokens that are revoked before their time: told by what they say, listed, restored, imported.

Every change is one transaction of the row and its fact, like those of keys; its audit event is on disk before that
commits. What a revocation says is kept as long as there may be tokens that it is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Literal, get_args

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from lockgate.admin import facts
from lockgate.admin.bundles import newest
from lockgate.admin.clock import now_ms
from lockgate.admin.gates.registry import enrolled
from lockgate.admin.in_folder import in_folder, new_id
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import Bundle, TokenRevocation
from lockgate.state import StateFolder

By = Literal["token", "subject", "client", "session", "device", "issuer"]
"""By what tokens are told: `jti`, `sub`, `client_id` (else `azp`), `sid`, a device (`device`, `cnf.jkt` or
`cnf["x5t#S256"]`), or that the issuer issued them."""

BYS: Final[tuple[By, ...]] = get_args(By)

WHENEVER: Final = frozenset({"token", "session", "device"})
"""What is revoked whenever it was issued: of the others, what is issued later is good again."""

LONGEST_SESSION_MS: Final = 31 * 86_400_000
"""`sign_in.NAME.lifetime` is at most thirty days."""

IMPORT_BATCH: Final = 5_000
"""Revocations of one transaction of an import; a writer beside it waits no longer than one batch."""


class RevocationNotFoundError(LookupError):
    """No revocation has that id."""


class RevocationKeptError(ValueError):
    """A device was revoked by it: that is not taken back."""


class UnknownIssuerError(ValueError):
    """Tokens of an issuer that the configuration does not have: almost surely a slip."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was revoked."""

    id: str
    issuer: str
    """As the tokens' `iss` says it."""
    by: By
    value: str
    before_ms: int | None
    until_ms: int | None
    created_ms: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """What the configuration says of an issuer, as far as it matters here."""

    name: str
    issuer: str
    longest_ms: int | None
    """From its issue on, how long a token is taken at most, the difference of clocks included."""


class TokenRevocations:
    """The revocations of one installation."""

    def __init__(self, store: Store, journal: Journal) -> None:
        """Keeps them in `store`."""
        self._store = store
        self._journal = journal
        self.on_subject: Callable[[str, str, int | None], None] = lambda *_: None
        """Called with who knows them, their name and until when, when all that somebody has was revoked."""

    def gates_elsewhere(self) -> list[str]:
        """The gates that have enrolled: each may serve, connected or not."""
        return enrolled(self._store)

    def issuers(self) -> dict[str, IssuerRules]:
        """The configuration's issuers by name, as the newest bundle has them; none where there is no bundle."""
        with self._store.read() as session:
            text = session.scalar(newest().with_only_columns(Bundle.text))
        bundle = json.loads(text) if text is not None else {}
        ways = (way for api in bundle.get("apis", ()) for way in api["policies"]["authenticate"])
        people = {name for way in ways if "session" in way for name in way["session"]["config"]["issuers"]}
        return {each["name"]: _rules(each, each["name"] in people) for each in bundle.get("issuers", ())}

    def revoke(
        self,
        actor: str,
        *,
        issuer: str,
        by: By,
        value: str = "",
        before_ms: int | None = None,
        until_ms: int | None = None,
        reason: str | None = None,
        known: IssuerRules | None = None,
    ) -> Revocation:
        """Revoke tokens; gates know it within milliseconds of this returning.

        `issuer` is a name of the configuration, or what tokens' `iss` says. Without `before_ms` what was issued until
        now is meant, or whenever where a single token or a session is. Revoking the same again moves `before_ms` on.
        With `known` it need be none of the configuration's any more.
        """
        rules = known or self.issuer(issuer)
        wanted = _wanted(rules, {"by": by, "value": value, "before_ms": before_ms, "until_ms": until_ms})
        with self._store.write() as session:
            row = _put(session, {**wanted, "reason": reason})
            session.flush()
            facts.append(session, [facts.revoke_tokens(row)])
            done = _revocation(row)
            self._journal.audit(actor, "token.revoke", row.id, _audited(done))
        if by == "subject":
            self.on_subject(done.issuer, done.value, done.before_ms)
        return done

    def restore(self, actor: str, revocation_id: str) -> Revocation:
        """Take a revocation back: tokens that it is about are good again, as far as they have not expired.

        Raises `RevocationKeptError` where a device was revoked by it, also one that was forgotten since.
        """
        with self._store.write() as session:
            row = _find(session, revocation_id)
            if row.device_id is not None:
                raise RevocationKeptError(
                    f"the device {row.device_id} was revoked by it, and that is for good: let its owner enrol anew"
                )
            done = _revocation(row)
            session.delete(row)
            facts.append(session, [facts.restore_tokens(row)])
            self._journal.audit(actor, "token.restore", row.id, _audited(done))
        return done

    def one(self, revocation_id: str) -> Revocation:
        """The revocation with that id."""
        with self._store.read() as session:
            return _revocation(_find(session, revocation_id))

    def page(self, *, after: str | None = None, limit: int = 100) -> list[Revocation]:
        """Up to `limit` revocations that there may be tokens of, oldest first, after the one with the id `after`."""
        order = (TokenRevocation.created_ms, TokenRevocation.id)
        query = select(TokenRevocation).where(facts.left(now_ms())).order_by(*order).limit(limit)
        with self._store.read() as session:
            if after is not None:
                last = _find(session, after)
                query = query.where(tuple_(*order) > (last.created_ms, last.id))
            return [_revocation(row) for row in session.scalars(query)]

    def import_(self, actor: str, source: str, rows: Iterator[Mapping[str, Any]]) -> Imported:
        """Revoke what each row says (`issuer`, `by`, `value`, maybe `before_ms`, `until_ms`, `reason`), in batches.

        What was revoked before stays as it was if the row says no more.
        """
        added = known = 0
        configured = self.issuers()
        while batch := list(islice(rows, IMPORT_BATCH)):
            wanted = [_wanted(self.issuer(row["issuer"], configured), row) for row in batch]
            with self._store.write() as session:
                before = added
                told = []
                for row, said in zip(batch, wanted, strict=True):
                    there = facts.found(session, said)
                    if there is not None and not _says_more(said, there):
                        known += 1
                        continue
                    added += 1
                    put = _put(session, {**said, "reason": row.get("reason")}, there)
                    told.append(facts.revoke_tokens(put))
                session.flush()
                if added > before:
                    facts.append(session, told)
                    self._journal.audit(actor, "token.import", source, {"revocations": added - before})
            for said in wanted:
                if said["by"] == "subject":
                    self.on_subject(said["issuer"], said["value"], said["before_ms"])
        return Imported(added, known)

    def prune(self) -> None:
        """Forget revocations of which there can be no tokens any more."""
        with self._store.write() as session:
            session.execute(delete(TokenRevocation).where(TokenRevocation.until_ms <= now_ms()))

    def issuer(self, named: str, configured: Mapping[str, IssuerRules] | None = None) -> IssuerRules:
        """The one of that name, or that tokens say so of; raises `UnknownIssuerError`. It reads the configuration."""
        known = self.issuers() if configured is None else configured
        for rules in known.values():
            if named in (rules.name, rules.issuer):
                return rules
        if not known and "://" in named:
            # There was no configuration yet: what tokens say is all that can be told them by.
            return IssuerRules(named, named, None)
        names = ", ".join(sorted(known)[:20]) or "none; give what the tokens' `iss` says"
        raise UnknownIssuerError(f"there is no issuer {named!r}; there are: {names}")


def revoke_device(
    session: Session, device_id: str, iss: str, mark: str, until_ms: int | None, reason: str | None
) -> None:
    """Revoke what a device has and will have, in the caller's transaction, who also writes it down."""
    said = {"issuer": iss, "by": "device", "value": mark, "before_ms": None, "until_ms": until_ms, "reason": reason}
    row = _put(session, said)
    row.device_id = row.device_id or device_id
    session.flush()
    facts.append(session, [facts.revoke_tokens(row)])


@contextmanager
def offline(state: StateFolder) -> Iterator[TokenRevocations]:
    """The revocations of a state folder that no control process is using.

    Raises `lockgate.state.StateInUseError` where one is: ask its admin API instead.
    """
    with in_folder(state) as (store, journal):
        yield TokenRevocations(store, journal)


def _rules(listed: Mapping[str, Any], signs_in: bool) -> IssuerRules:
    rules = listed["rules"]
    age = rules["max_age_ms"]
    longest = None if age is None else age + 2 * rules["skew_ms"]
    if longest is not None and signs_in:
        # A session that the issuer began has its own lifetime, whatever its tokens have.
        longest = max(longest, LONGEST_SESSION_MS)
    return IssuerRules(listed["name"], rules["issuer"], longest)


def _wanted(rules: IssuerRules, said: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of what is to be revoked."""
    before, until = said.get("before_ms"), said.get("until_ms")
    if before is None and said["by"] not in WHENEVER:
        before = now_ms()
    # A key that was lost is lost for good: what is issued for it next year is as bad.
    if until is None and rules.longest_ms is not None and said["by"] != "device":
        # Whatever is meant was issued by then, and is too old by the end.
        until = (now_ms() if before is None else max(before, now_ms())) + rules.longest_ms
    return {
        "issuer": rules.issuer,
        "by": said["by"],
        "value": "" if said["by"] == "issuer" else said["value"],
        "before_ms": before,
        "until_ms": until,
    }


def _says_more(said: Mapping[str, Any], row: TokenRevocation) -> bool:
    """Whether tokens are meant that the row does not mean."""
    return _beyond(said["before_ms"], row.before_ms) or _beyond(said["until_ms"], row.until_ms)


def _beyond(one: int | None, other: int | None) -> bool:
    """Whether the one lies behind the other; none is the end of time."""
    return other is not None and (one is None or one > other)


def _put(session: Session, said: Mapping[str, Any], there: TokenRevocation | None = None) -> TokenRevocation:
    row = there or facts.found(session, said)
    if row is None:
        row = TokenRevocation(id=new_id("rev"), created_ms=now_ms(), **said)
        session.add(row)
        return row
    # What was revoked stays so: a second word widens the first, and takes nothing back.
    for name in ("before_ms", "until_ms"):
        if _beyond(said[name], getattr(row, name)):
            setattr(row, name, said[name])
    if said["reason"] is not None:
        row.reason = said["reason"]
    return row


def _find(session: Session, revocation_id: str) -> TokenRevocation:
    row = session.get(TokenRevocation, revocation_id)
    if row is None:
        raise RevocationNotFoundError(
            f"there is no revocation {revocation_id!r}: `lockgate tokens list` shows those that there are"
        )
    return row


def _revocation(row: TokenRevocation) -> Revocation:
    by: By = next(each for each in BYS if each == row.by)
    return Revocation(
        id=row.id,
        issuer=row.issuer,
        by=by,
        value=row.value,
        before_ms=row.before_ms,
        until_ms=row.until_ms,
        created_ms=row.created_ms,
        reason=row.reason,
    )


def _audited(done: Revocation) -> dict[str, Any]:
    return {name: value for name, value in asdict(done).items() if name not in ("id", "created_ms")}
