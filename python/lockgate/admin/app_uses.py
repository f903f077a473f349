"""What programs were given, and what they have really used of it.

Uses are kept by what was used, with its first and last time, so that a report
does not depend on how long events are kept. They are taken from the history
every minute; requests that no API was asked are no uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog
from sqlalchemy import func, select

from lockgate.admin.app_asked import ASKED, OF_APPS
from lockgate.admin.apps import AppRecord, AppRuleError, Apps
from lockgate.admin.clock import now_ms
from lockgate.admin.findings import Findings, Seen
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import App, AppUse
from lockgate.history.reader import History
from lockgate.state import StateFolder

EVERY_SECONDS: Final = 60.0
DAY_MS: Final = 86_400_000
LATE_MS: Final = 3_600_000
"""An event is written when its request ends, and bears when that began: streams come late."""
WHAT_MAX: Final = 400
MOST_USES: Final = 20_000
"""Of one program: names of operations are a document's, scopes an issuer's."""
ACTOR: Final = "lockgate"

UNWRITTEN: Final = (
    "nothing is known of what programs use: `events.access` is `false`, so that nothing is written down of what is let "
    "through; take it out, and ask again after a while"
)

Kind = Literal["api", "operation", "scope"]

log = structlog.get_logger("lockgate.control")


@dataclass(frozen=True, slots=True)
class Given:
    """Something that a program was given, and when it used it last."""

    kind: Kind
    what: str
    first_ms: int | None
    last_ms: int | None
    used: bool
    """Within the days that were asked about."""
    dangerous: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program was given against what it used."""

    app: AppRecord
    days: int
    since_ms: int
    """From when on uses are known; later than the days where the program is younger."""
    given: list[Given]
    unlimited: list[str]
    """Of `scopes`, `apis` and `operations` those that nothing bounds: what they would be is not counted."""
    over: int
    """How much of what it was given it did not use, in percent; 0 is just what it needs."""
    trimmed: dict[str, Any]
    """What it would be given by `trim`."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What events do not tell of."""

    words: frozenset[str] = frozenset()
    """What rules name besides `scopes`: a scope among them may be needed unseen."""
    apis: frozenset[str] = frozenset()
    """APIs at which any scope may be needed unseen."""
    everything: bool = False
    """Whether requests that are let through are not written down at all."""


class AppUses:
    """Takes uses down, reports them, and takes back what goes unused."""

    def __init__(self, state: StateFolder, store: Store, apps: Apps, findings: Findings, journal: Journal) -> None:
        """`apps` are the programs that there are."""
        self._state = state
        self._store = store
        self._apps = apps
        self._findings = findings
        self._journal = journal
        self.operations: Callable[[], Mapping[str, Sequence[str]]] = dict
        """The operations of each API, as the served configuration has them."""
        self.unseen: Callable[[], Unseen] = Unseen
        """What events do not tell of, by the served configuration."""

    async def keep(self) -> None:
        """A round every minute, for ever."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await asyncio.to_thread(self.round)
            except Exception:
                # It concerns a report; the next round finds the same.
                log.exception("app-uses-failed")

    def round(self) -> None:
        """Take down what was used, tell what is new and dangerous, and take back what goes unused."""
        self.note()
        self.expire()
        self.look()

    def note(self) -> int:
        """Take down what was used since the last time; how many uses are new."""
        if self._apps.setup is None:
            return 0
        with self._store.read() as session:
            last = session.scalar(select(func.max(AppUse.last_ms))) or 0
        with History.open(self._state, sources=("gate",)) as history:
            found = history.rows(_USES, [max(0, last - LATE_MS)])
        known = {app.id for app in self._apps.every()}
        new: list[AppUse] = []
        with self._store.write() as session:
            counts: dict[str, int] = {}
            for row in found:
                if row["app"] not in known:
                    continue
                if len(row["what"]) > WHAT_MAX:
                    # One without a name: the program is not narrowed to those that have one.
                    row["what"] = f"{row['what'].partition(' ')[0]} "
                use = session.get(AppUse, (row["app"], row["kind"], row["what"]))
                if use is not None:
                    use.first_ms = min(use.first_ms, row["first_ms"])
                    use.last_ms = max(use.last_ms, row["last_ms"])
                    continue
                if row["app"] not in counts:
                    of_app = select(func.count()).select_from(AppUse).where(AppUse.app == row["app"])
                    counts[row["app"]] = session.scalar(of_app) or 0
                if counts[row["app"]] < MOST_USES:
                    counts[row["app"]] += 1
                    use = AppUse(**row)
                    session.add(use)
                    new.append(use)
            scopes = [use for use in new if use.kind == "scope" and self._dangerous(use.what)]
            told = [(use.app, use.what, use.first_ms) for use in scopes]
        for app, scope, at_ms in told:
            words = f"The program {app} has used the scope {scope} for the first time."
            self._journal.system("app-dangerous-scope", words, {"app": app, "scope": scope, "first_ms": at_ms})
            log.warning("app-dangerous-scope", app=app, scope=scope)
        return len(new)

    def look(self) -> None:
        """Keep findings: dangerous scopes that are new in use, reviews that are due."""
        setup, now, seen = self._apps.setup, now_ms(), []
        if setup is not None:
            recent = select(AppUse.app, AppUse.what).where(AppUse.kind == "scope", AppUse.first_ms > now - 7 * DAY_MS)
            with self._store.read() as session:
                used = [(app, scope) for app, scope in session.execute(recent) if self._dangerous(scope)]
            seen += [
                Seen(
                    "finding",
                    "app-dangerous-scope",
                    f"{app} {scope}",
                    f"the program {app} uses the scope {scope} since this week, which it never did before: "
                    f"`lockgate apps usage {app}` shows it, `lockgate apps stop {app}` ends it",
                    "warning",
                )
                for app, scope in used
            ]
            seen += [
                Seen(
                    "finding",
                    "app-review-due",
                    app.id,
                    f"the program {app.id} was to be looked at again by now: `lockgate apps usage {app.id}`",
                    "warning",
                )
                for app in self._apps.every()
                # Of the configuration's own, checking it tells.
                if app.source != "configuration" and app.review_ms is not None and app.review_ms <= now
            ]
        self._findings.sync("apps", seen)

    def expire(self) -> None:
        """Take back scopes that registered programs were given and have not used for long enough."""
        setup = self._apps.setup
        if setup is None:
            return
        unseen = self.unseen()
        if unseen.everything:
            return
        before = now_ms() - int(setup["unused_ms"])
        with self._store.read() as session:
            given = session.execute(select(App.id, App.scopes).where(App.source != "configuration")).all()
            recent = select(AppUse.app, AppUse.kind, AppUse.what).where(AppUse.last_ms >= before)
            used = {(app, kind, what) for app, kind, what in session.execute(recent)}
        blind = {app for app, kind, api in used if kind == "api" and api in unseen.apis}
        for app, scopes in given:
            left = [
                scope
                for scope, at_ms in (scopes or {}).items()
                if at_ms >= before or app in blind or scope in unseen.words or (app, "scope", scope) in used
            ]
            if len(left) < len(scopes or {}) and app not in setup["named"]:
                self._apps.change(ACTOR, app, {"scopes": left}, action="app.expire")

    def usage(self, app_id: str, days: int) -> Usage:
        """What a program was given against what it used within so many days."""
        app, now = self._apps.one(app_id), now_ms()
        if self.unseen().everything:
            raise AppRuleError(UNWRITTEN)
        since = max(now - days * DAY_MS, app.created_ms or 0, self._known_ms())
        of_app = select(AppUse.kind, AppUse.what, AppUse.first_ms, AppUse.last_ms).where(AppUse.app == app_id)
        with self._store.read() as session:
            uses = {(kind, what): (first, last) for kind, what, first, last in session.execute(of_app)}
        operations = self.operations()
        apis = app.apis if app.apis is not None else sorted(operations)
        given = {
            "api": apis,
            "operation": [f"{api} {name}" for api in apis for name in app.operations.get(api, operations.get(api, ()))],
            "scope": app.scopes or [],
        }

        def one(kind: Kind, what: str) -> Given:
            first, last = uses.get((kind, what), (None, None))
            dangerous = kind == "scope" and self._dangerous(what)
            return Given(kind, what, first, last, (last or 0) >= since, dangerous)

        listed = [one(kind, what) for kind in ("api", "operation", "scope") for what in given[kind]]
        # What nothing bounds shows at least what was used of it.
        if app.scopes is None:
            listed += [one("scope", what) for kind, what in sorted(uses) if kind == "scope"]
        shares = []
        for kind in ("operation", "scope"):
            of_kind = [each for each in listed if each.kind == kind]
            if of_kind and not (kind == "scope" and app.scopes is None):
                shares.append(sum(not each.used for each in of_kind) / len(of_kind))
        if not shares:
            shares = [sum(not each.used for each in listed) / len(listed)] if listed else [0.0]
        unlimited = [name for name in ("scopes", "apis") if getattr(app, name) is None]
        recent = frozenset(key for key, (_, last) in uses.items() if last >= since)
        trimmed = _trimmed(app, recent, operations, self.unseen())
        return Usage(app, days, since, listed, unlimited, round(100 * sum(shares) / len(shares)), trimmed)

    def _known_ms(self) -> int:
        """From when on it is known what programs use: the first use, or the first event that is kept."""
        with self._store.read() as session:
            first = session.scalar(select(func.min(AppUse.first_ms)))
        with History.open(self._state, sources=("gate",)) as history:
            kept = history.rows("SELECT min(at_ms) AS at_ms FROM events")[0]["at_ms"]
        return min((at_ms for at_ms in (first, kept) if at_ms is not None), default=now_ms())

    def trim(self, actor: str, app_id: str, days: int) -> Usage:
        """Give a registered program no more than it used within so many days."""
        usage = self.usage(app_id, days)
        self._apps.change(actor, app_id, usage.trimmed, action="app.trim")
        return self.usage(app_id, days)

    def _dangerous(self, scope: str) -> bool:
        from lockgate._native import matches_scope

        setup = self._apps.setup
        return setup is not None and any(matches_scope(pattern, scope) for pattern in setup["dangerous"])


def _trimmed(
    app: AppRecord, used: frozenset[tuple[str, str]], operations: Mapping[str, Sequence[str]], unseen: Unseen
) -> dict[str, Any]:
    """What was used, as a program is given it: no request that was let through would be refused for it."""
    apis = sorted(what for kind, what in used if kind == "api")
    narrowed: dict[str, list[str]] = {}
    for api in apis:
        names = [what.partition(" ")[2] for kind, what in used if kind == "operation" and what.startswith(f"{api} ")]
        # Without a document, or beside it, nothing has a name that it could be given by.
        if operations.get(api) and names and "" not in names:
            narrowed[api] = sorted(names)
    scopes = {what for kind, what in used if kind == "scope"}
    given = set(app.scopes or ())
    scopes |= given if unseen.apis & set(apis) else given & unseen.words
    return {"apis": apis, "operations": narrowed, "scopes": sorted(scopes)}


def unseen(bundle: Mapping[str, Any]) -> Unseen:
    """What events do not tell of: they name a scope that `scopes` has asked for, and none that another rule has."""
    words = set(_texts(bundle.get("roles", ())))
    apis = set()
    for api in bundle["apis"]:
        policies = api["policies"]
        words |= {text for room, said in policies.items() if room != "scopes" for text in _texts(said)}
        if policies.get("cedar") or policies.get("plugins"):
            apis.add(api["name"])
    events = bundle.get("events") or {}
    return Unseen(frozenset(words), frozenset(apis), everything=not events.get("access", True))


def _texts(said: object) -> Iterator[str]:
    """Every text within."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping):
        for one in said.values():
            yield from _texts(one)
    elif isinstance(said, list | tuple):
        for one in said:
            yield from _texts(one)


_USED: Final = f"{OF_APPS} AND {ASKED} AND at_ms >= $1"
_USES: Final = f"""
WITH used AS (SELECT app, api, operation, grounds, at_ms FROM events WHERE {_USED})
SELECT app, 'api' AS kind, api AS what, min(at_ms) AS first_ms, max(at_ms) AS last_ms
FROM used WHERE api IS NOT NULL GROUP BY ALL
UNION ALL
SELECT app, 'operation', api || ' ' || coalesce(operation, ''), min(at_ms), max(at_ms)
FROM used WHERE api IS NOT NULL GROUP BY ALL
UNION ALL
SELECT app, 'scope', ground[7:], min(at_ms), max(at_ms)
FROM (SELECT app, at_ms, unnest(grounds) AS ground FROM used) WHERE starts_with(ground, 'scope ') GROUP BY ALL
"""  # noqa: S608 -- Our own words.
