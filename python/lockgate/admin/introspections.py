"""Issuers, asked about tokens for the gates: once for all of them.

What is said is remembered by the gates, and not here. An issuer that cannot be had is not waited for by
everybody: after a failure one question at a time tries it again, and the others hear so at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from lockgate.admin.findings import Findings, Seen
from lockgate.admin.gate_said import Introspect
from lockgate.admin.gate_session import GateSession
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.admin.people import PeopleKeeper
from lockgate.admin.secrets import read_secret
from lockgate.config import AskedIssuer, Duties
from lockgate.identity.introspection import Endpoint, SilentError, ask, endpoint
from lockgate.outgoing import Outgoing, Rules

QUEUE: Final = 512
"""Questions about one issuer's tokens that may wait for their turn; a gate has no more than 256 under way."""
UNDER_WAY: Final = 4_096
"""Questions of all gates that are being answered."""
RETRY_SECONDS: Final = 2
"""How long nobody but one asks an issuer again that could not be had."""
LOOK_AGAIN_SECONDS: Final = 600.0
"""How long the discovery document is believed; after a failure it is looked at again at once."""

log = structlog.get_logger("lockgate.control")


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a question."""

    outcome: str
    answer: str | None = None
    why: str | None = None


@dataclass(slots=True)
class AskedState:
    """How asking one issuer goes."""

    asked: AskedIssuer
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("answered", "unavailable", "busy"), 0))
    error: str | None = None
    """Why there was no answer the last time; nothing where there was."""


class Introspections:
    """Answers gates' questions. Everything in it but the database runs in the control process's event loop."""

    def __init__(
        self, findings: Findings, journal: Journal, link: LinkServer, people: PeopleKeeper | None = None
    ) -> None:
        """Call `follow` with what the configuration says, as often as it changes."""
        self._findings = findings
        self._journal = journal
        self._people = people
        self._issuers: dict[str, _Asking] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._telling = asyncio.Lock()
        self._told: dict[str, str] = {}
        self.outgoing = Outgoing(Rules())
        link.on_introspect = self._asked

    @property
    def states(self) -> list[AskedState]:
        """How asking each issuer goes."""
        return [asking.state for asking in self._issuers.values()]

    async def follow(self, duties: Duties) -> None:
        """Ask by a configuration's rules, and no others."""
        self.outgoing = Outgoing(duties.outgoing)
        before = {name: asking.state for name, asking in self._issuers.items()}
        self._issuers = {}
        for asked in duties.asked_issuers:
            asking = _Asking(self, asked)
            if asked.name in before:
                asking.state.counts = before[asked.name].counts
            self._issuers[asked.name] = asking
        await self._tell()

    async def close(self) -> None:
        """Stop."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def about(self, issuer: str, token: str, source: str | None = None) -> Answered:
        """What an issuer says of a token, or of a name and a password."""
        if self._people is not None and issuer in self._people.issuers:
            outcome, answer = await self._people.answer(issuer, token, source)
            return Answered(outcome, answer, None if answer is not None else "nobody can look at passwords now")
        asking = self._issuers.get(issuer)
        if asking is None:
            return Answered("unavailable", why="the configuration has no such issuer any more, or does not ask it")
        answered = await asking.about(token)
        await self._tell()
        return answered

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something beside, which ends with this."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _asked(self, session: GateSession, question: Introspect) -> None:
        if len(self._tasks) < UNDER_WAY:  # Else the gate hears nothing, and goes on without an answer.
            self.spawn(self._answer(session, question))

    async def _answer(self, session: GateSession, question: Introspect) -> None:
        told = await self.about(question.issuer, question.token, question.source)
        with contextlib.suppress(ConnectionError, OSError):
            if told.answer is not None:
                await session.introspected(question, told.outcome, answer=told.answer)
            else:
                await session.introspected(question, told.outcome, retry_s=RETRY_SECONDS)

    async def _tell(self) -> None:
        """Say what does not work, once."""
        if self._failing() == self._told:
            return
        async with self._telling:
            now, before = self._failing(), self._told
            self._told = now
            for name in now.keys() - before.keys():
                words = f"The issuer {name} cannot be asked about tokens: {now[name]}"
                self._journal.system("introspection-failing", words, {"issuer": name})
                log.warning("introspection-failing", issuer=name, cause=now[name], hint=MEANWHILE)
            for name in before.keys() - now.keys():
                words = f"The issuer {name} can be asked about tokens again."
                self._journal.system("introspection-back", words, {"issuer": name})
                log.info("introspection-back", issuer=name)
            seen = [
                Seen(
                    "finding",
                    "introspection-failing",
                    f"issuers.{name}",
                    f"the issuer {name} cannot be asked about tokens: {error}; {MEANWHILE}",
                    "error",
                )
                for name, error in now.items()
            ]
            await asyncio.to_thread(self._findings.sync, "introspection", seen)

    def _failing(self) -> dict[str, str]:
        return {state.asked.name: state.error for state in self.states if state.error is not None}


MEANWHILE: Final = "tokens that are not known yet are refused with introspection-unavailable (503)"


class _Asking:
    """One issuer."""

    def __init__(self, keeper: Introspections, asked: AskedIssuer) -> None:
        self.state = AskedState(asked)
        self._keeper = keeper
        self._turns = asyncio.Semaphore(asked.concurrent)
        self._flights: dict[bytes, asyncio.Task[Answered]] = {}
        self._key = secrets.token_bytes(32)
        self._where: Endpoint | None = None
        self._looked = 0.0
        self._looking = asyncio.Lock()
        self._retry_at = 0.0
        self._trying = False

    async def about(self, token: str) -> Answered:
        """Ask; who wants to know while that is under way waits for the same."""
        # By a hash under a key of this moment: nothing here can be read for tokens.
        key = hmac.digest(self._key, token.encode(), hashlib.sha256)
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self.state.asked.concurrent + QUEUE:
                return self._note(Answered("busy", why="too many tokens are being asked about"))
            flight = self._flights[key] = self._keeper.spawn(self._once(token))
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def _once(self, token: str) -> Answered:
        down = self._retry_at > 0.0
        if down and (self._trying or time.monotonic() < self._retry_at):
            return self._note(Answered("unavailable", why=self.state.error))
        self._trying = True
        by = time.monotonic() + self.state.asked.timeout_ms / 1000
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + by - time.monotonic()):
                await self._turns.acquire()
        except TimeoutError:
            self._trying = False
            return self._note(Answered("busy", why="too many tokens are being asked about"))
        try:
            if not down and time.monotonic() < self._retry_at:
                # It went down while this one waited for its turn.
                return self._note(Answered("unavailable", why=self.state.error))
            answer = await self._ask(token, by)
        except SilentError as error:
            self._failed(str(error), answered=error.answered)
            return self._note(Answered("unavailable", why=str(error)))
        except Exception:
            log.exception("introspection-fault", issuer=self.state.asked.name)
            self._failed("asking it failed: the control process's log says how", answered=False)
            return self._note(Answered("unavailable", why="asking it failed"))
        finally:
            self._turns.release()
            self._trying = False
        self.state.error, self._retry_at = None, 0.0
        return self._note(Answered("answered", answer))

    async def _ask(self, token: str, by: float) -> str:
        asked = self.state.asked
        try:
            async with asyncio.timeout(max(0.05, by - time.monotonic())):
                where = await self._endpoint()
        except TimeoutError:
            raise SilentError("its discovery document did not come in time") from None
        return await ask(asked, where, token, self._keeper.outgoing, read=read_secret, seconds=by - time.monotonic())

    async def _endpoint(self) -> Endpoint:
        async with self._looking:
            if self._where is None or time.monotonic() - self._looked > LOOK_AGAIN_SECONDS:
                self._where = await endpoint(self.state.asked, self._keeper.outgoing)
                self._looked = time.monotonic()
            return self._where

    def _failed(self, why: str, *, answered: bool) -> None:
        self.state.error = why
        self._where = None
        # What it says of one token must not keep it from being asked about another.
        self._retry_at = 0.0 if answered else time.monotonic() + RETRY_SECONDS

    def _note(self, answered: Answered) -> Answered:
        self.state.counts[answered.outcome] += 1
        return answered


def asked_once(rules: Rules, asked: AskedIssuer, token: str) -> Answered:
    """What an issuer says of a token; for who has no event loop."""

    async def about() -> Answered:
        outgoing, by = Outgoing(rules), time.monotonic() + asked.timeout_ms / 1000
        try:
            where = await endpoint(asked, outgoing)
            answer = await ask(asked, where, token, outgoing, read=read_secret, seconds=by - time.monotonic())
            return Answered("answered", answer)
        except SilentError as error:
            return Answered("unavailable", why=str(error))

    return asyncio.run(about())
