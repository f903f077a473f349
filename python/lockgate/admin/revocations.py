"""Whether clients' certificates were revoked, for the gates: their issuers are asked once for all of them.

A gate asks over the link, and hears how a certificate stands and for how long it may remember it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog

from lockgate.admin.findings import Findings, Seen
from lockgate.admin.gate_said import Question
from lockgate.admin.gate_session import GateSession
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.admin.responders import Responders, Told, refused, unknown
from lockgate.config import Duties
from lockgate.outgoing import Outgoing

if TYPE_CHECKING:
    from lockgate.config.bundle_types import Clients

UNDER_WAY: Final = 512
"""Questions of gates at a time; a gate has no more than 256."""
FAILURES: Final = 32
"""Responders that are told of by name."""

log = structlog.get_logger("lockgate.control")


class Revocations:
    """Answers gates' questions. Everything in it but the database runs in the control process's event loop."""

    def __init__(self, findings: Findings, journal: Journal, link: LinkServer) -> None:
        """Call `follow` with what the configuration says, as often as it changes."""
        self._findings = findings
        self._journal = journal
        self._rules: Mapping[str, Clients] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: dict[str, str] = {}
        self._telling = asyncio.Lock()
        self.responders = Responders()
        link.on_question = self._asked

    async def follow(self, duties: Duties) -> None:
        """Ask by a configuration's rules, and no others."""
        self._rules = duties.ocsp_rules
        self.responders.outgoing = Outgoing(duties.outgoing)
        self.responders.forget_failures()
        self.responders.keep_authorities({path for clients in self._rules.values() for path in clients["trust"]})
        await self._tell()

    async def close(self) -> None:
        """Stop."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.responders.close()

    def _asked(self, session: GateSession, question: Question) -> None:
        if len(self._tasks) < UNDER_WAY:  # Else the gate hears nothing, and goes on without an answer.
            task = asyncio.ensure_future(self._answer(session, question))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, session: GateSession, question: Question) -> None:
        told = await self._standing(question)
        at = time.monotonic()
        again, holds = (max(0, round((when - at) * 1000)) for when in (told.again, told.until))
        if told.state != "good":
            log.info("client-certificate-not-good", rules=question.rules, state=told.state, why=told.why)
        with contextlib.suppress(ConnectionError, OSError):
            await session.answered(question.id, told.state, again, holds)
        await self._tell()

    async def _standing(self, question: Question) -> Told:
        from lockgate.certificates.ocsp import OcspError, shown

        clients = self._rules.get(question.rules)
        if clients is None:
            return unknown("the configuration has no such rules any more")
        try:
            chain = shown([base64.b64decode(each, validate=True) for each in question.chain])
            return await self.responders.standing(clients, chain)
        except (OcspError, binascii.Error) as error:
            return refused(str(error))
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        # Also a panic of who reads certificates, which is no `Exception`: a client could have brought it about.
        except BaseException:
            log.exception("ocsp-fault", rules=question.rules)
            return refused("a fault of Lockgate's")

    async def _tell(self) -> None:
        """Note where people look for it which responders give no answer that holds, and which do again."""
        async with self._telling:
            now = {f"{each.url} for {each.issuer}": each.error or "" for each in self.responders.failing[:FAILURES]}
            if now == self._told:
                return
            before, self._told = self._told, now
            for name, error in now.items():
                if name not in before:
                    words = f"The responder {name} gives no answer that holds: {error}"
                    self._journal.system("ocsp-failing", words, {"responder": name})
                    log.warning("ocsp-failing", responder=name, cause=error, hint=self._meanwhile())
            for name in before.keys() - now.keys():
                self._journal.system("ocsp-back", f"The responder {name} is not failing any more.", {"responder": name})
            seen = [
                Seen(
                    "finding",
                    "ocsp-failing",
                    name,
                    f"the responder {name} gives no answer that holds: {error}; {self._meanwhile()}",
                    "error" if self._certain() else "warning",
                )
                for name, error in now.items()
            ]
            await asyncio.to_thread(self._findings.sync, "ocsp", seen)

    def _certain(self) -> bool:
        return any(clients["unknown_revocation"] == "deny" for clients in self._rules.values())

    def _meanwhile(self) -> str:
        if self._certain():
            return "where `unknown_revocation` is `deny`, clients that it has not vouched for are refused"
        return "clients that it has not revoked so far come in"
