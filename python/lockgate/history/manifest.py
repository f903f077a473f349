"""The history's one list of what belongs to it.

It is replaced at once and for good. A Parquet file counts only once it is
named here, together with how far the event log has been taken in: so a crash
at any moment neither loses an event nor counts one twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from lockgate.state import StateFolder, write_private

NAME: Final = "manifest.json"
VERSION: Final = 1

SOURCES: Final = ("gate", "control")
"""Whose events there are: the requests are the gate's, the changes the control process's."""


class HistoryError(Exception):
    """The history cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file: events of one source and one day (UTC)."""

    file: str
    source: str
    day: str
    events: int
    bytes: int
    first_ms: int
    last_ms: int


@dataclass(slots=True)
class Dropped:
    """What had to go for want of room."""

    events: int = 0
    bytes: int = 0
    parts: int = 0
    until_ms: int | None = None
    """The time of the newest event among them."""


@dataclass(slots=True)
class Manifest:
    """All of it."""

    next: int = 1
    """Number of the next file."""
    cursors: dict[str, str] = field(default_factory=dict)
    """How far each source's log has been taken in."""
    parts: list[Part] = field(default_factory=list)
    """Oldest first."""
    retired: dict[str, int] = field(default_factory=dict)
    """Files that count no more, and since when (ms): readers may still be at them."""
    dropped: Dropped = field(default_factory=Dropped)
    gaps: int = 0
    """How often the log had deleted events before they were taken in."""
    compacted_ms: int = 0
    """When something was last taken in."""

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder; an empty one where there is none."""
        path = folder / NAME
        try:
            said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise HistoryError(
                f"{path} cannot be read ({error}). Move the folder away to begin a new history: what the event log "
                "still holds is taken in again"
            ) from error
        if said.get("version") != VERSION:
            raise HistoryError(f"{path} was written by another version of Lockgate: use that, or move the folder away")
        try:
            return cls(
                next=int(said["next"]),
                cursors=dict(said["cursors"]),
                parts=[Part(**part) for part in said["parts"]],
                retired=dict(said["retired"]),
                dropped=Dropped(**said["dropped"]),
                gaps=int(said["gaps"]),
                compacted_ms=int(said["compacted_ms"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HistoryError(f"{path} is damaged ({error}): move the folder away to begin a new history") from error

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest."""
        write_private(folder / NAME, json.dumps({"version": VERSION, **asdict(self)}, indent=1))

    @property
    def bytes(self) -> int:
        """How much it takes on disk, without what is retired."""
        return sum(part.bytes for part in self.parts)

    @property
    def events(self) -> int:
        """How many events it holds."""
        return sum(part.events for part in self.parts)


def log_of(state: StateFolder, source: str) -> Path:
    """The event log of a source."""
    return state.gate_events if source == "gate" else state.control_events
