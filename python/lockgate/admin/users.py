"""People of this installation: who there is, what they may be called, and links by which they set a password.

Every change is one transaction with its audit event. Whoever sets a password, suspends or removes a person also ends
their sessions, which is a revocation that every gate hears of; that is the caller's to do (`lockgate.admin.people`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from lockgate.admin.clock import now_ms
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import LocalUser, LoginFailures, UserLink

State = Literal["invited", "active", "suspended", "removed"]
LinkKind = Literal["invitation", "reset"]

IMPORT_BATCH: Final = 5_000
GROUPS: Final = 64
FAILURES_KEPT: Final = 100_000
"""Accounts with failures, most of them names that nobody has; the oldest go first."""
FAILURES_ROUND: Final = 1_000
"""How many of them go at a time."""


class UserNotFoundError(LookupError):
    """There is nobody of that name."""


class UserExistsError(ValueError):
    """There is somebody of that name, or there was."""


class UserStateError(ValueError):
    """That cannot be done with a person in that state."""


@dataclass(frozen=True, slots=True)
class User:
    """A person."""

    issuer: str
    name: str
    state: State
    display: str | None
    email: str | None
    groups: tuple[str, ...]
    created_ms: int
    changed_ms: int | None
    """When the password was set."""
    signed_in_ms: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A person with the password's hash, for those who look at passwords."""

    user: User
    password: str | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    added: int
    known: int


class Users:
    """The people of one installation."""

    def __init__(self, store: Store, journal: Journal, clock_ms: Callable[[], int] = now_ms) -> None:
        """Keeps them in `store`."""
        self._store = store
        self._journal = journal
        self._clock_ms = clock_ms

    def add(
        self,
        actor: str,
        issuer: str,
        name: str,
        *,
        display: str | None = None,
        email: str | None = None,
        groups: Sequence[str] = (),
        password: str | None = None,
    ) -> User:
        """Add a person; `password` is a hash. Raises `UserExistsError`."""
        with self._store.write() as database:
            if database.get(LocalUser, (issuer, name)) is not None:
                raise UserExistsError(
                    f"there is a person {name!r} already, or was: a name is never given to another, who would have "
                    "what the first one had"
                )
            row = self._new(issuer, name, display=display, email=email, groups=groups, password=password)
            database.add(row)
            database.flush()
            done = _user(row)
            self._audit(actor, "user.add", done)
        return done

    def import_(self, actor: str, issuer: str, rows: Iterator[Mapping[str, Any]]) -> Imported:
        """Add each person that there is not yet, in batches. Who is there stays as they are."""
        added = known = 0
        while batch := list(islice(rows, IMPORT_BATCH)):
            with self._store.write() as database:
                for row in batch:
                    if database.get(LocalUser, (issuer, row["name"])) is not None:
                        known += 1
                        continue
                    made = self._new(issuer, **row)
                    database.add(made)
                    database.flush()
                    added += 1
                    self._audit(actor, "user.add", _user(made))
        return Imported(added, known)

    def one(self, issuer: str, name: str) -> User:
        """The person of that name. Raises `UserNotFoundError`."""
        with self._store.read() as database:
            return _user(_find(database, issuer, name))

    def kept(self, issuer: str, name: str) -> Kept | None:
        """The person of that name with the password's hash; who was removed is nobody."""
        with self._store.read() as database:
            row = database.get(LocalUser, (issuer, name))
            return None if row is None or row.state == "removed" else Kept(_user(row), row.password)

    def by_email(self, issuer: str, email: str) -> User | None:
        """The one person with that address; nobody where several have it."""
        meant = (LocalUser.issuer == issuer, func.lower(LocalUser.email) == email.lower(), LocalUser.state != "removed")
        with self._store.read() as database:
            rows = list(database.scalars(select(LocalUser).where(*meant).limit(2)))
            return _user(rows[0]) if len(rows) == 1 else None

    def page(self, *, issuer: str | None, after: tuple[str, str] | None, limit: int) -> list[User]:
        """Up to `limit` people by issuer and name; those who were removed left out."""
        order = (LocalUser.issuer, LocalUser.name)
        query = select(LocalUser).where(LocalUser.state != "removed").order_by(*order).limit(limit)
        if issuer is not None:
            query = query.where(LocalUser.issuer == issuer)
        if after is not None:
            query = query.where(tuple_(*order) > after)
        with self._store.read() as database:
            return [_user(row) for row in database.scalars(query)]

    def change(self, actor: str, issuer: str, name: str, said: Mapping[str, Any]) -> User:
        """Change `display`, `email` or `groups`. Raises `UserNotFoundError`."""
        with self._store.write() as database:
            row = _find(database, issuer, name)
            for key in ("display", "email"):
                if key in said:
                    setattr(row, key, said[key])
            if "groups" in said:
                row.groups = list(said["groups"])
            if "email" in said:
                # What was sent to the address before must not open anything any more.
                database.execute(delete(UserLink).where(UserLink.issuer == issuer, UserLink.name == name))
            database.flush()
            done = _user(row)
            self._audit(actor, "user.change", done)
        return done

    def suspend(self, actor: str, issuer: str, name: str) -> User:
        """Let a person in no more, until they are let in again. Raises `UserNotFoundError`."""
        with self._store.write() as database:
            row = _find(database, issuer, name)
            row.state = "suspended"
            database.execute(delete(UserLink).where(UserLink.issuer == issuer, UserLink.name == name))
            database.flush()
            done = _user(row)
            self._audit(actor, "user.suspend", done)
        return done

    def resume(self, actor: str, issuer: str, name: str) -> User:
        """Let a suspended person in again. Raises `UserNotFoundError` and `UserStateError`."""
        with self._store.write() as database:
            row = _find(database, issuer, name)
            if row.state != "suspended":
                raise UserStateError(f"{name!r} is not suspended")
            row.state = "active" if row.password is not None else "invited"
            database.flush()
            done = _user(row)
            self._audit(actor, "user.resume", done)
        return done

    def remove(self, actor: str, issuer: str, name: str) -> User:
        """Remove a person. Who has ever had a password leaves their name behind, which nobody else gets."""
        with self._store.write() as database:
            row = _find(database, issuer, name)
            done = _user(row)
            self._audit(actor, "user.remove", done)
            database.execute(delete(UserLink).where(UserLink.issuer == issuer, UserLink.name == name))
            if row.changed_ms is None:
                database.delete(row)
            else:
                row.state, row.password, row.display, row.email, row.groups = "removed", None, None, None, []
        return done

    def signed_in(self, user: User, *, before: str, rehashed: str | None) -> bool:
        """Note that a person was let in, and keep the password in another way where that is due.

        False where the person, or the password that was kept as `before`, is another by now: looking at a password
        takes time, and who was suspended meanwhile has the last word.
        """
        with self._store.write() as database:
            row = database.get(LocalUser, (user.issuer, user.name))
            same = row is not None and (row.state, row.password) == ("active", before)
            if row is None or not same or _user(row).groups != user.groups:
                return False
            row.signed_in_ms = self._clock_ms()
            row.password = rehashed if rehashed is not None else before
        return True

    def set_password(self, actor: str, issuer: str, name: str, hashed: str, *, before: str | None = None) -> User:
        """Keep another password; with `before` only where that hash is still kept. Links are void after that.

        Raises `UserNotFoundError`, and `UserStateError` where the person is suspended or the password is another.
        """
        with self._store.write() as database:
            row = _find(database, issuer, name)
            if row.state == "suspended" or (before is not None and row.password != before):
                raise UserStateError(f"{name!r} is suspended, or the password was changed meanwhile")
            row.password, row.state, row.changed_ms = hashed, "active", self._clock_ms()
            database.execute(delete(UserLink).where(UserLink.issuer == issuer, UserLink.name == name))
            database.flush()
            done = _user(row)
            self._audit(actor, "user.password", done)
        return done

    # Links.

    def make_link(self, actor: str, issuer: str, name: str, kind: LinkKind, good_ms: int) -> tuple[str, int]:
        """A link's secret, which is shown this once, and until when it is good. One made before is void.

        Raises `UserNotFoundError`, and `UserStateError` where the person is suspended or has a password already.
        """
        token = secrets.token_urlsafe(32)
        expires_ms = self._clock_ms() + good_ms
        with self._store.write() as database:
            row = _find(database, issuer, name)
            if row.state == "suspended":
                raise UserStateError(f"{name!r} is suspended: `lockgate users resume` first")
            if kind == "invitation" and row.state != "invited":
                raise UserStateError(f"{name!r} has a password: `lockgate users reset` makes a link for another")
            database.execute(delete(UserLink).where(UserLink.issuer == issuer, UserLink.name == name))
            database.execute(delete(UserLink).where(UserLink.expires_ms <= self._clock_ms()))
            database.add(
                UserLink(
                    hash=_hash(token),
                    issuer=issuer,
                    name=name,
                    kind=kind,
                    created_ms=self._clock_ms(),
                    expires_ms=expires_ms,
                )
            )
            self._audit(actor, f"user.{kind}", _user(row))
        return token, expires_ms

    def link_of(self, token: str) -> tuple[User, LinkKind] | None:
        """Whose a link is, while it is good; looking uses nothing up."""
        with self._store.read() as database:
            link = database.get(UserLink, _hash(token))
            if link is None or link.expires_ms <= self._clock_ms():
                return None
            row = database.get(LocalUser, (link.issuer, link.name))
            if row is None or row.state in {"suspended", "removed"}:
                return None
            kind: LinkKind = "invitation" if link.kind == "invitation" else "reset"
            return _user(row), kind

    def has_link(self, issuer: str, name: str) -> bool:
        """Whether a link that is good was sent."""
        meant = (UserLink.issuer == issuer, UserLink.name == name, UserLink.expires_ms > self._clock_ms())
        with self._store.read() as database:
            return database.scalar(select(UserLink.hash).where(*meant)) is not None

    def use_link(self, token: str, hashed: str) -> User | None:
        """Set a password by a link, which is used up by it; nothing where it is not good, or was used meanwhile."""
        with self._store.write() as database:
            link = database.get(UserLink, _hash(token))
            if link is None or link.expires_ms <= self._clock_ms():
                return None
            row = database.get(LocalUser, (link.issuer, link.name))
            database.delete(link)
            if row is None or row.state in {"suspended", "removed"}:
                return None
            row.password, row.state, row.changed_ms = hashed, "active", self._clock_ms()
            database.flush()
            done = _user(row)
            self._audit(f"{link.issuer}/{link.name}", "user.password", done, by=link.kind)
        return done

    def _new(
        self,
        issuer: str,
        name: str,
        *,
        display: str | None = None,
        email: str | None = None,
        groups: Sequence[str] = (),
        password: str | None = None,
    ) -> LocalUser:
        at_ms = self._clock_ms()
        return LocalUser(
            issuer=issuer,
            name=name,
            state="invited" if password is None else "active",
            display=display,
            email=email,
            groups=list(groups),
            password=password,
            created_ms=at_ms,
            changed_ms=None if password is None else at_ms,
        )

    def _audit(self, actor: str, action: str, user: User, **more: str) -> None:
        detail = {"state": user.state, "groups": list(user.groups), **more}
        self._journal.audit(actor, action, f"{user.issuer}/{user.name}", detail)


class Failures:
    """Failures of accounts: what the detector of abuse calls `AccountFailures`."""

    def __init__(self, store: Store, clock_ms: Callable[[], int] = now_ms) -> None:
        """Keeps them in `store`."""
        self._store = store
        self._clock_ms = clock_ms

    def attempt(self, mark: str) -> int:
        """Count an attempt before it is looked at; until when none is looked at, milliseconds, or 0."""
        from lockgate.identity.abuse import FORGOTTEN_MS, FREE_FAILURES, wait_ms

        at_ms = self._clock_ms()
        with self._store.write() as database:
            row = database.get(LoginFailures, mark)
            if row is None:
                self._make_room(database, at_ms - FORGOTTEN_MS)
                row = LoginFailures(mark=mark, failures=0, until_ms=0, last_ms=at_ms)
                database.add(row)
            if row.until_ms > at_ms:
                return row.until_ms
            if at_ms - row.last_ms > FORGOTTEN_MS:
                row.failures = 0
            row.failures += 1
            row.last_ms = at_ms
            if row.failures >= FREE_FAILURES:
                row.until_ms = at_ms + wait_ms(row.failures - FREE_FAILURES)
            return 0

    def succeeded(self, mark: str) -> None:
        """Forget failures."""
        with self._store.write() as database:
            database.execute(delete(LoginFailures).where(LoginFailures.mark == mark))

    def taken_back(self, mark: str) -> None:
        """Nobody could look at the attempt: it does not count."""
        with self._store.write() as database:
            row = database.get(LoginFailures, mark)
            if row is not None:
                row.failures, row.until_ms = max(row.failures - 1, 0), 0

    def _make_room(self, database: Session, before_ms: int) -> None:
        count = database.scalar(select(func.count()).select_from(LoginFailures)) or 0
        if count < FAILURES_KEPT:
            return
        database.execute(delete(LoginFailures).where(LoginFailures.last_ms <= before_ms))
        oldest = select(LoginFailures.mark).order_by(LoginFailures.last_ms).limit(FAILURES_ROUND)
        database.execute(delete(LoginFailures).where(LoginFailures.mark.in_(oldest)))


def _hash(token: str) -> str:
    # It is 256 bits by chance: no slow hash and no key would make it harder to find.
    return hashlib.sha256(token.encode()).hexdigest()


def _find(database: Session, issuer: str, name: str) -> LocalUser:
    row = database.get(LocalUser, (issuer, name))
    if row is None or row.state == "removed":
        raise UserNotFoundError(f"there is nobody called {name!r} among {issuer!r}")
    return row


def _user(row: LocalUser) -> User:
    states: tuple[State, ...] = ("invited", "active", "suspended", "removed")
    return User(
        issuer=row.issuer,
        name=row.name,
        state=next(state for state in states if state == row.state),
        display=row.display,
        email=row.email,
        groups=tuple(row.groups),
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
        signed_in_ms=row.signed_in_ms,
    )
