"""When keys were last used, as gates tell it every few seconds, by the hour."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from lockgate.admin.gate_said import Uses
from lockgate.admin.gate_session import GateSession
from lockgate.admin.keys import Keys
from lockgate.admin.link import LinkServer

UNDER_WAY: Final = 64
"""Messages on their way to the database; what comes beyond them is told again within the next hour."""

log = structlog.get_logger("lockgate.control")


class KeyUses:
    """Takes what gates say to the database, one message after the other."""

    def __init__(self, keys: Keys, link: LinkServer) -> None:
        """Listens from now on."""
        self._keys = keys
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        link.on_uses = self._told

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _told(self, session: GateSession, uses: Uses) -> None:
        if len(self._tasks) >= UNDER_WAY:
            log.warning("key-uses-dropped", gate=session.name, keys=len(uses.keys))
            return
        task = asyncio.ensure_future(self._note(uses))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note(self, uses: Uses) -> None:
        async with self._writing:
            try:
                await asyncio.to_thread(self._keys.note_uses, uses.keys)
            except Exception:
                # It concerns a report, and no request.
                log.exception("key-uses-not-written")
