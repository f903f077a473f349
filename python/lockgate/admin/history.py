"""Keeps the history: takes the event log into it every minute, and tells how that goes."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import structlog

from lockgate.admin.findings import Findings, Seen
from lockgate.admin.journal import Journal
from lockgate.history.compact import Compactor, Taken
from lockgate.history.manifest import HistoryError, Manifest
from lockgate.state import StateFolder

EVERY_SECONDS = 60.0
"""Between two rounds: a round that finds little reads no more than that."""

Result = Literal["taken", "idle", "failed"]

log = structlog.get_logger("lockgate.control")


class HistoryKeeper:
    """The history's one writer, within the control process."""

    def __init__(self, state: StateFolder, findings: Findings, journal: Journal) -> None:
        """The caller holds the state folder's `control` lock."""
        self._folder = state.history
        self._compactor = Compactor(state)
        self._findings = findings
        self._journal = journal
        self.error: str | None = None
        """Why the last round failed, if it did."""
        self.rounds: dict[Result, int] = {"taken": 0, "idle": 0, "failed": 0}

    async def keep(self, cap: Callable[[], int | None]) -> None:
        """A round every minute, for ever; `cap` tells how many bytes may stay, and 0 takes nothing in."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if room := cap():
                await self.round(room)

    async def round(self, cap: int) -> None:
        """One round. What fails is told, and tried again by the next."""
        try:
            taken = await asyncio.to_thread(self._compactor.round, cap)
        except Exception as error:  # noqa: BLE001 -- DuckDB's errors are many, and none may end the control process.
            await asyncio.to_thread(self._failed, " ".join(str(error).split())[:500])
            return
        self.rounds["taken" if taken.events else "idle"] += 1
        await asyncio.to_thread(self._went_well, taken)

    def told(self, cap: int | None) -> dict[str, Any]:
        """How much there is, since when, and what had to go."""
        try:
            manifest = Manifest.read(self._folder)
        except HistoryError as error:
            manifest, self.error = Manifest(), str(error)
        return {
            "events": manifest.events,
            "bytes": manifest.bytes,
            "files": len(manifest.parts),
            "cap": cap,
            "first_ms": min((part.first_ms for part in manifest.parts), default=None),
            "last_ms": max((part.last_ms for part in manifest.parts), default=None),
            "compacted_ms": manifest.compacted_ms or None,
            "dropped_events": manifest.dropped.events,
            "dropped_until_ms": manifest.dropped.until_ms,
            "gaps": manifest.gaps,
            "error": self.error,
        }

    def _failed(self, why: str) -> None:
        self.rounds["failed"] += 1
        if self.error != why:
            log.error("history-failed", why=why)
            self._journal.system("history-failed", f"Events were not taken into the history: {why.rstrip('.')}.", {})
        self.error = why
        self._findings.sync(
            "history", [_seen("history-failed", f"events are not taken into the history: {why}", "error")]
        )

    def _went_well(self, taken: Taken) -> None:
        self.error = None
        if taken.dropped:
            log.info("history-dropped", events=taken.dropped)
            words = f"{taken.dropped} of the oldest events were deleted from the history for want of room."
            self._journal.system("history-dropped", words, {"events": taken.dropped})
        gaps = Manifest.read(self._folder).gaps
        seen = []
        if gaps:
            words = (
                f"the event log had deleted events {gaps} times before they were taken into the history: raise "
                "`events.retain`, or see that the control process runs"
            )
            seen.append(_seen("history-gap", words, "warning"))
        self._findings.sync("history", seen)


def _seen(code: str, message: str, severity: Literal["warning", "error"]) -> Seen:
    return Seen("finding", code, "history", message, severity)
