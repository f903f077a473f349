"""Programs of others: registered, changed, stopped, started, removed.

Every change is one transaction of the program's row and its fact; its audit
event is on disk before that commits. Programs that the configuration names are
changed there; they can be stopped here, which is no matter of files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from lockgate.admin import facts
from lockgate.admin.clock import now_ms
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import App, AppUse, Key
from lockgate.redirects import RedirectError, parse_redirect
from lockgate.scalars import NAME, NAME_RULE

Source = Literal["configuration", "operator", "registration"]

MAX_APPS: Final = 10_000
MAX_LISTED: Final = 1_000
EDITABLE: Final = (
    "name",
    "owner",
    "purpose",
    "contact",
    "tier",
    "clients",
    "scopes",
    "apis",
    "operations",
    "redirect_uris",
    "until_ms",
    "review_ms",
)


class AppNotFoundError(LookupError):
    """There is no such program."""


class AppExistsError(ValueError):
    """There is such a program already."""


class AppsOffError(ValueError):
    """The configuration holds no program to anything."""


class AppInConfigError(ValueError):
    """The configuration names it: what it was given is changed there."""


class AppRuleError(ValueError):
    """What it should be given is nothing that it can be."""


@dataclass(frozen=True, slots=True)
class AppRecord:
    """What is known of a program."""

    id: str
    source: Source
    name: str | None
    owner: str
    purpose: str | None
    contact: str | None
    tier: str
    clients: list[dict[str, str]]
    scopes: list[str] | None
    apis: list[str] | None
    operations: dict[str, list[str]]
    redirect_uris: list[str]
    created_ms: int | None
    changed_ms: int | None
    until_ms: int | None
    review_ms: int | None
    stopped_ms: int | None
    stopped_by: str | None
    stopped_reason: str | None


class Apps:
    """The programs of one installation."""

    def __init__(self, store: Store, journal: Journal) -> None:
        """Call `follow` with what the configuration says, as often as it changes."""
        self._store = store
        self._journal = journal
        self.on_gone: Callable[[str, bool], None] = lambda *_: None
        """Called with a name whose program is gone, or another one now; and whether it may have tokens of its own."""
        self.setup: Mapping[str, Any] | None = None
        self.known_apis: frozenset[str] = frozenset()
        self.known_issuers: frozenset[str] = frozenset()

    def follow(self, setup: Mapping[str, Any] | None, apis: frozenset[str], issuers: frozenset[str]) -> None:
        """Go by a configuration from now on."""
        before = set(self._named())
        self.setup, self.known_apis, self.known_issuers = setup, apis, issuers
        for name in sorted(before.difference(self._named())):
            self.on_gone(name, True)

    def every(self) -> list[AppRecord]:
        """All there are, by name."""
        with self._store.read() as session:
            rows = {row.id: row for row in session.scalars(select(App)) if not self._is_left(row)}
            return [self._record(rows.get(app_id), app_id) for app_id in sorted({*self._named(), *rows})]

    def one(self, app_id: str) -> AppRecord:
        """The program of that name."""
        with self._store.read() as session:
            return self._record(session.get(App, app_id), app_id)

    def register(self, actor: str, app_id: str, source: Source = "operator", **said: Any) -> AppRecord:
        """Register a program; gates know it within milliseconds of this returning."""
        if not NAME.fullmatch(app_id):
            raise AppRuleError(f"{app_id!r} is no name: {NAME_RULE}")
        self._on()
        with self._store.write() as session:
            row = session.get(App, app_id)
            if row is not None and self._is_left(row):
                session.delete(row)
                session.flush()
                row = None
            if app_id in self._named() or row is not None:
                raise AppExistsError(f"there is a program {app_id!r} already: `lockgate apps show {app_id}`")
            if (session.scalar(select(func.count()).select_from(App)) or 0) >= MAX_APPS:
                raise AppRuleError(f"there are {MAX_APPS} programs: remove some that nobody uses")
            at_ms = now_ms()
            scopes = said.pop("scopes", ())
            row = App(
                id=app_id,
                source=source,
                created_ms=at_ms,
                **{**_NOTHING, **said},
                scopes=None if scopes is None else dict.fromkeys(scopes, at_ms),
            )
            self._check(session, row)
            session.add(row)
            self._tell(session, row)
            record = self._record(row, app_id)
            self._journal.audit(actor, "app.register", app_id, {**_audited(record), "source": source})
        if source == "operator":
            # Whatever one of that name was allowed before.
            self.on_gone(app_id, False)
        return record

    def change(self, actor: str, app_id: str, changes: Mapping[str, Any], action: str = "app.change") -> AppRecord:
        """Change what a program was given, or what is known of it; what `changes` does not name stays."""
        with self._store.write() as session:
            row = self._own(session, app_id)
            before = self._record(row, app_id)
            if unknown := changes.keys() - set(EDITABLE):
                raise AppRuleError(f"`{min(unknown)}` of a program cannot be changed")
            wanted = dict(changes)
            if wanted.get("scopes") is not None:
                given, at_ms = row.scopes or {}, now_ms()
                wanted["scopes"] = {scope: given.get(scope, at_ms) for scope in wanted["scopes"]}
            for name, value in wanted.items():
                setattr(row, name, value)
            now = self._record(row, app_id)
            if changed := [name for name in EDITABLE if getattr(now, name) != getattr(before, name)]:
                self._check(session, row)
                row.changed_ms = now_ms()
                self._tell(session, row)
                detail = {
                    "now": {name: getattr(now, name) for name in changed},
                    "before": {name: getattr(before, name) for name in changed},
                }
                self._journal.audit(actor, action, app_id, detail)
            return self._record(row, app_id)

    def stop(self, actor: str, app_id: str, reason: str | None) -> AppRecord:
        """Stop a program everywhere. What is stopped already stays so, for the first reason."""
        with self._store.write() as session:
            row = self.row(session, app_id)
            if row.stopped_ms is None:
                row.stopped_ms, row.stopped_by, row.stopped_reason = now_ms(), actor, reason
                self._tell(session, row)
                self._journal.audit(actor, "app.stop", app_id, {"reason": reason})
            return self._record(row, app_id)

    def start(self, actor: str, app_id: str) -> AppRecord:
        """Let a program in again that was stopped."""
        with self._store.write() as session:
            row = session.get(App, app_id)
            if (row is None or self._is_left(row)) and app_id not in self._named():
                raise _absent(app_id)
            if row is not None and row.stopped_ms is not None:
                row.stopped_ms = row.stopped_by = row.stopped_reason = None
                self._journal.audit(actor, "app.start", app_id, {})
                if row.source != "configuration" or (row.secrets and app_id in self._named()):
                    self._tell(session, row)
                    return self._record(row, app_id)
                # It was there to be stopped.
                record = self._record(row, app_id) if app_id in self._named() else _of_row(row)
                session.delete(row)
                session.flush()
                facts.append(session, [facts.forget_app(app_id)])
                return record
            return self._record(row, app_id)

    def remove(self, actor: str, app_id: str) -> AppRecord:
        """Forget a program: it is nobody's from then on. Its keys are revoked with it."""
        with self._store.write() as session:
            row = self._own(session, app_id)
            record = self._record(row, app_id)
            told = [facts.forget_app(app_id)]
            for key in session.scalars(select(Key).where(Key.app == app_id, Key.revoked_ms.is_(None))):
                key.revoked_ms, key.revoked_reason = now_ms(), f"the program {app_id} was removed"
                told.append(facts.revoke(key.id))
            session.execute(delete(AppUse).where(AppUse.app == app_id))
            session.delete(row)
            session.flush()
            facts.append(session, told)
            self._journal.audit(actor, "app.remove", app_id, {**_audited(record), "keys": len(told) - 1})
        self.on_gone(app_id, record.source != "registration")
        return record

    def row(self, session: Session, app_id: str) -> App:
        """The row of a program, also of one that the configuration names."""
        row = session.get(App, app_id)
        if row is None:
            row = self._shadow(app_id)
            session.add(row)
        return row

    def _named(self) -> Mapping[str, Any]:
        return self.setup["named"] if self.setup is not None else {}

    def _is_left(self, row: App) -> bool:
        """Whether it is but the secrets of a program that the configuration names no more."""
        return row.source == "configuration" and row.id not in self._named() and row.stopped_ms is None

    def _on(self) -> None:
        if self.setup is None:
            raise AppsOffError("the configuration holds no program to anything: add `apps: {}` to it")

    def _own(self, session: Session, app_id: str) -> App:
        row = session.get(App, app_id)
        if app_id in self._named():
            raise AppInConfigError(f"the configuration names the program {app_id!r}: change it under `apps` there")
        if row is None:
            raise _absent(app_id)
        return row

    def _shadow(self, app_id: str) -> App:
        """A row for a program of the configuration, so that it can be stopped."""
        said = self._named().get(app_id)
        if said is None:
            raise _absent(app_id)
        kept = {name: said.get(name) for name in ("owner", "purpose", "contact", "tier", "clients", "apis")}
        scopes = None if said["scopes"] is None else dict.fromkeys(said["scopes"], now_ms())
        more = {"operations": said["operations"], "until_ms": said["until_ms"], "scopes": scopes}
        return App(id=app_id, source="configuration", created_ms=now_ms(), **{**_NOTHING, **kept, **more})

    def _tell(self, session: Session, row: App) -> None:
        """The fact of it, for the gates; none that they would not take."""
        from lockgate._native import LockgateError, check_app_fact

        fact = facts.put_app(row)
        try:
            check_app_fact(json.dumps(fact["app"]))
        except LockgateError as error:
            raise AppRuleError(str(error)) from error
        session.flush()
        facts.append(session, [fact])

    def _check(self, session: Session, row: App) -> None:
        from lockgate._native import matches_scope

        setup = self.setup or {}
        for name in [*(row.apis or ()), *row.operations]:
            if name not in self.known_apis:
                known = ", ".join(sorted(self.known_apis)) or "none"
                raise AppRuleError(f"there is no API {name!r}; there are: {known}")
        for scope in row.scopes or ():
            if any(matches_scope(pattern, scope) for pattern in setup.get("never", {}).get(row.tier, ())):
                raise AppRuleError(f"programs of the tier {row.tier} never have the scope {scope!r}")
        if row.tier == "unreviewed" and (row.scopes is None or row.apis is None):
            raise AppRuleError("a program that nobody has reviewed is not given all scopes, or all APIs: list them")
        for uri in row.redirect_uris:
            try:
                parse_redirect(uri)
            except RedirectError as error:
                raise AppRuleError(str(error)) from error
        self._check_clients(session, row)

    def _check_clients(self, session: Session, row: App) -> None:
        taken = {(one["issuer"], one["client"]) for said in self._named().values() for one in said["clients"]}
        # Also of one that was stopped, and that the configuration names no more: another name does not start it.
        for other in session.scalars(select(App).where(App.id != row.id)):
            if other.id not in self._named() and not self._is_left(other):
                taken |= {(one["issuer"], one["client"]) for one in other.clients}
        for one in row.clients:
            if one["issuer"] not in self.known_issuers:
                known = ", ".join(sorted(self.known_issuers)) or "none"
                raise AppRuleError(f"there is no issuer {one['issuer']!r}; there are: {known}")
            if (one["issuer"], one["client"]) in taken:
                raise AppRuleError(f"the client {one['client']!r} of {one['issuer']!r} is another program already")

    def _record(self, row: App | None, app_id: str) -> AppRecord:
        said = self._named().get(app_id)
        if said is None:
            if row is None or self._is_left(row):
                raise _absent(app_id)
            return _of_row(row)
        stopped: dict[str, Any] = {name: getattr(row, name, None) for name in _STOPPED}
        own: dict[str, Any] = {"id": app_id, "source": "configuration"} | dict.fromkeys(_UNSAID)
        return AppRecord(**own, **said, **stopped)


def _of_row(row: App) -> AppRecord:
    values = {name: getattr(row, name) for name in AppRecord.__slots__}
    return AppRecord(**{**values, "scopes": None if row.scopes is None else sorted(row.scopes)})


_UNSAID: Final = ("created_ms", "changed_ms")
_STOPPED: Final = ("stopped_ms", "stopped_by", "stopped_reason")
_NOTHING: Final[Mapping[str, Any]] = {
    "name": None,
    "purpose": None,
    "contact": None,
    "tier": "unreviewed",
    "clients": [],
    "apis": [],
    "operations": {},
    "redirect_uris": [],
    "secrets": [],
    "until_ms": None,
    "review_ms": None,
}


def _audited(record: AppRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in EDITABLE}


def _absent(app_id: str) -> AppNotFoundError:
    return AppNotFoundError(f"there is no program {app_id!r}: `lockgate apps list` shows those that there are")
