"""Issuers' keys, kept fresh: fetched ahead of time and on demand, told to gates as facts.

One fetch of an issuer's at a time, however many ask for it. While an issuer is
down its last keys hold, at each gate, for as long as the configuration says.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from lockgate.admin import facts
from lockgate.admin.clock import now_ms
from lockgate.admin.findings import Findings, Seen, Severity
from lockgate.admin.gate_session import GateSession
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.admin.store import Store
from lockgate.admin.store.models import KeySet
from lockgate.config import Duties, KeyOrigin
from lockgate.identity.key_sets import FetchedKeys, KeysError, fetch
from lockgate.outgoing import Outgoing, Rules

PAUSE_SECONDS: Final = 1.0
"""Between two fetches that gates ask for: strangers can bring them about, with names of keys that they make up."""
FIRST_RETRY_SECONDS: Final = 2.0
LONGEST_RETRY_SECONDS: Final = 120.0
TOLD_PART: Final = 16
"""Gates hear that keys were confirmed after this part of `stale_for`: the log of facts grows by little."""
REFRESH_PART: Final = 4
"""Keys are fetched at least this many times within `stale_for`."""
APPLIED_SECONDS: Final = 3.0
"""How long a gate may take over new keys before those who wait are sent on without them."""

log = structlog.get_logger("lockgate.control")


@dataclass(slots=True)
class IssuerState:
    """How one issuer's keys are."""

    origin: KeyOrigin
    kids: list[str] = field(default_factory=list)
    unusable: list[dict[str, Any]] = field(default_factory=list)
    changed_ms: int | None = None
    confirmed_ms: int | None = None
    fetches: int = 0
    failures: int = 0
    error: str | None = None
    """Why the last fetch failed; nothing where it did not."""
    failing_since_ms: int | None = None
    gone: bool = False
    """Whether the configuration has no such issuer any more, or means another one by its name."""

    @property
    def stale(self) -> bool:
        """Whether gates refuse the issuer's tokens for the age of its keys."""
        return self.confirmed_ms is not None and now_ms() >= self.confirmed_ms + self.origin.stale_for_ms

    def described(self) -> dict[str, Any]:
        """For the admin API."""
        return {
            "name": self.origin.name,
            "issuer": self.origin.issuer,
            "source": self.origin.source,
            "kids": self.kids,
            "unusable": self.unusable,
            "changed_ms": self.changed_ms,
            "confirmed_ms": self.confirmed_ms,
            "age_s": None if self.confirmed_ms is None else max(0, (now_ms() - self.confirmed_ms) // 1000),
            "stale": self.stale,
            "fetches": self.fetches,
            "failures": self.failures,
            "error": self.error,
        }


class KeySets:
    """The keys of all issuers. Everything in it but the database runs in the control process's event loop."""

    def __init__(self, store: Store, findings: Findings, journal: Journal, link: LinkServer, pepper: bytes) -> None:
        """Call `follow` with what the configuration says, as often as it changes. `pepper` is the installation's."""
        self._pepper = pepper
        self._store = store
        self._findings = findings
        self._journal = journal
        self._link = link
        self._outgoing = Outgoing(Rules())
        self._followed: dict[str, _Followed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._granting: set[tuple[GateSession, str]] = set()
        """Wishes that are being looked after: a gate that asks again meanwhile gets the one answer."""
        self._changing = asyncio.Lock()
        link.on_refetch = self._wished

    @property
    def states(self) -> list[IssuerState]:
        """How each issuer's keys are, in the configuration's order."""
        return [followed.state for followed in self._followed.values()]

    async def follow(self, duties: Duties) -> None:
        """Keep the keys of a configuration's issuers fresh, and no others'."""
        origins = duties.key_origins
        async with self._changing:
            self._outgoing = Outgoing(duties.outgoing)
            sources = {origin.name: origin.source for origin in origins}
            before, self._followed = self._followed, {}
            for name, followed in before.items():
                if sources.get(name) != followed.state.origin.source:
                    followed.stop()
            known = await asyncio.to_thread(self._settle, origins)
            for origin in origins:
                kept = before.get(origin.name)
                if kept is not None and not kept.state.gone:
                    followed = kept
                else:
                    followed = _Followed(self, known.get(origin.name) or IssuerState(origin))
                followed.state.origin = origin
                self._followed[origin.name] = followed
                # A changed configuration may be how a failing fetch was mended, and a changed
                # file is why it was read; an issuer that is well need not be asked for that.
                if followed.state.error is not None or origin.kind == "file":
                    followed.wake.set()
            await self._note_findings()

    async def refetch(self, name: str) -> bool:
        """Fetch an issuer's keys at once, as somebody asks; false for one that is not known."""
        followed = self._followed.get(name)
        if followed is None:
            return False
        await followed.fetch()
        return True

    async def close(self) -> None:
        """Stop."""
        for followed in self._followed.values():
            followed.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside, which ends with this."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _wished(self, session: GateSession, issuers: list[str]) -> None:
        for name in dict.fromkeys(issuers):
            wish = (session, name)
            if name in self._followed and wish not in self._granting:
                self._granting.add(wish)
                self.spawn(self._grant(session, name)).add_done_callback(partial(self._granted, wish))

    def _granted(self, wish: tuple[GateSession, str], _: asyncio.Task[None]) -> None:
        self._granting.discard(wish)

    async def _grant(self, session: GateSession, name: str) -> None:
        """Fetch for a gate, and say that it was done once the gate knows what was found."""
        followed = self._followed.get(name)
        if followed is not None:
            await followed.fetch_anew()
        head = await asyncio.to_thread(facts.FactsLog(self._store).head)
        self._link.facts_changed()
        await session.reached(head, APPLIED_SECONDS)
        with contextlib.suppress(ConnectionError, OSError):
            await session.refetched(name)

    async def take(self, state: IssuerState) -> int | None:
        """One fetch, and what comes of it; how long the keys are good for, seconds, if the issuer says."""
        state.fetches += 1
        try:
            fetched = await fetch(state.origin, self._outgoing, self._pepper)
        except KeysError as error:
            state.failures += 1
            fresh = state.error is None
            state.error = str(error)
            if fresh:
                state.failing_since_ms = now_ms()
                words = f"The keys of the issuer {state.origin.name} cannot be fetched: {error}"
                self._journal.system("issuer-keys-failing", words, {"issuer": state.origin.name})
                log.warning("issuer-keys-failing", issuer=state.origin.name, cause=str(error), hint=_meanwhile(state))
            await self._note_findings()
            raise
        changed = await asyncio.to_thread(self._write, state, fetched)
        self._link.facts_changed()
        at = now_ms()
        mended, state.error, state.failing_since_ms = state.error is not None, None, None
        unusable_before, state.unusable = state.unusable, fetched.unusable
        state.kids, state.confirmed_ms = fetched.kids, at
        if changed:
            state.changed_ms = at
            detail = {"issuer": state.origin.name, "kids": state.kids}
            self._journal.system("issuer-keys-changed", f"The issuer {state.origin.name} has other keys.", detail)
            log.info("issuer-keys-changed", issuer=state.origin.name, kids=state.kids)
        if mended:
            words = f"The keys of the issuer {state.origin.name} can be fetched again."
            self._journal.system("issuer-keys-back", words, {"issuer": state.origin.name})
        if mended or unusable_before != state.unusable:
            await self._note_findings()
        return fetched.fresh_seconds

    def _settle(self, origins: Sequence[KeyOrigin]) -> dict[str, IssuerState]:
        """Forget the keys of issuers that are gone, and tell what is known of the others'."""
        wanted = {origin.name: origin for origin in origins}
        known: dict[str, IssuerState] = {}
        with self._store.write() as session:
            for row in session.query(KeySet).all():
                origin = wanted.get(row.issuer)
                if origin is None:
                    session.delete(row)
                    facts.append(session, [facts.forget_keys(row.issuer)])
                elif row.source == origin.source:
                    kids = [str(key.get("kid", "")) for key in row.keys]
                    known[row.issuer] = IssuerState(
                        origin, kids=kids, changed_ms=row.changed_ms, confirmed_ms=row.confirmed_ms
                    )
        self._link.facts_changed()
        return known

    def _write(self, state: IssuerState, fetched: FetchedKeys) -> bool:
        """Write down what was fetched, and the fact about it where gates need to know; whether it is new."""
        at, origin = now_ms(), state.origin
        with self._store.write() as session:
            if state.gone:
                # A fetch that was under way when the configuration changed: its keys are another issuer's.
                return False
            row = session.get(KeySet, origin.name)
            if row is not None and row.source == origin.source and row.keys == fetched.keys:
                row.confirmed_ms = at
                if at - row.told_ms >= origin.stale_for_ms // TOLD_PART:
                    row.told_ms = at
                    facts.append(session, [facts.confirm_keys(row)])
                return False
            if row is None:
                row = KeySet(issuer=origin.name)
                session.add(row)
            row.source, row.keys = origin.source, fetched.keys
            row.changed_ms = row.confirmed_ms = row.told_ms = at
            facts.append(session, [facts.put_keys(row)])
            return True

    async def _note_findings(self) -> None:
        seen = [finding for state in self.states for finding in _findings(state)]
        await asyncio.to_thread(self._findings.sync, "issuers", seen)


class _Followed:
    """One issuer: its state, and the task that keeps its keys fresh."""

    def __init__(self, keeper: KeySets, state: IssuerState) -> None:
        self.state = state
        self.wake = asyncio.Event()
        self._keeper = keeper
        self._flight: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._paced = -PAUSE_SECONDS
        self._fresh_seconds: int | None = None
        self._task = keeper.spawn(self._follow())

    def stop(self) -> None:
        """Fetch no more, and take nothing of what is under way."""
        self.state.gone = True
        self._task.cancel()

    async def fetch_anew(self) -> None:
        """Fetch the keys as they are from now on, not so soon after the last time: one fetch for all who ask meanwhile.

        One that is under way may have been answered before a new key was there. Fetches ahead of time do not count:
        nobody outside can bring them about.
        """
        if self._next is None:
            self._next = self._keeper.spawn(self._at_a_pace())
        await asyncio.shield(self._next)

    async def _at_a_pace(self) -> None:
        try:
            await asyncio.sleep(self._paced + PAUSE_SECONDS - time.monotonic())
            while self._flight is not None:
                await asyncio.shield(self._flight)
        finally:
            # Who asks from here on asks for what comes after this one.
            self._next = None
        self._paced = time.monotonic()
        await self.fetch()

    async def fetch(self) -> None:
        """Fetch the keys; whoever asks while that is under way waits for the same."""
        if self._flight is None:
            self._flight = self._keeper.spawn(self._once())
        await asyncio.shield(self._flight)

    async def _once(self) -> None:
        try:
            self._fresh_seconds = await self._keeper.take(self.state)
        except KeysError:
            pass  # It is noted where people look for it.
        except Exception:
            log.exception("issuer-keys-fault", issuer=self.state.origin.name)
        finally:
            self._flight = None

    async def _follow(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            self.wake.clear()
            await self.fetch()
            if self.state.error is None:
                retry, wait = FIRST_RETRY_SECONDS, self._interval()
            else:
                retry, wait = min(retry * 2, LONGEST_RETRY_SECONDS), min(retry, self._interval())
            with contextlib.suppress(TimeoutError):
                # Spread, so that many issuers are not asked in one instant.
                async with asyncio.timeout(wait * random.uniform(0.85, 1.0)):  # noqa: S311 -- Not a secret.
                    await self.wake.wait()

    def _interval(self) -> float:
        origin = self.state.origin
        wanted = self._fresh_seconds or origin.refresh_ms / 1000
        return min(wanted, origin.stale_for_ms / 1000 / REFRESH_PART)


def _findings(state: IssuerState) -> list[Seen]:
    name = state.origin.name
    found = [
        Seen(
            kind="finding",
            code="issuer-key-unusable",
            object=f"issuers.{name}.{key.get('kid') or number}",
            message=f"the issuer {name} publishes a key that is not used ({key.get('kid') or 'no kid'}): {key['why']}",
            severity="error" if "private part" in key["why"] else "info",
        )
        for number, key in enumerate(state.unusable)
    ]
    if state.error is not None:
        message = f"the keys of the issuer {name} cannot be fetched: {state.error}; {_meanwhile(state)}"
        severity: Severity = "error" if state.confirmed_ms is None or state.stale else "warning"
        found.append(Seen("finding", "issuer-keys-failing", f"issuers.{name}", message, severity))
    return found


def _meanwhile(state: IssuerState) -> str:
    if state.confirmed_ms is None:
        return "its tokens are refused with jwt-keys-missing"
    if state.stale:
        return "its tokens are refused with jwt-keys-stale"
    until = (state.confirmed_ms + state.origin.stale_for_ms) // 1000
    return f"its last keys are believed until {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(until))}"
