"""What a check says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lockgate.config import Loaded
    from lockgate.state import StateFolder

Level = Literal["ok", "warning", "error"]
"""`error`: it cannot serve, or not safely. `warning`: it serves, and somebody should look."""


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at."""

    check: str
    """A stable name."""
    level: Level
    found: str
    """What is so."""
    means: str | None = None
    """What that leads to."""
    advice: str | None = None
    """What to do."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def ok(check: str, found: str) -> Result:
    """Nothing to do."""
    return Result(check, "ok", found)


def warning(check: str, found: str, *, means: str, advice: str) -> Result:
    """Somebody should look."""
    return Result(check, "warning", found, means, advice)


def error(check: str, found: str, *, means: str, advice: str) -> Result:
    """It cannot serve, or not safely."""
    return Result(check, "error", found, means, advice)


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined."""

    config: Path
    state: StateFolder
    loaded: Loaded | None
    """The configuration, where it is good."""
    asks: bool
    """Whether other machines may be asked."""
