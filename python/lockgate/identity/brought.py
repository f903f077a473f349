"""What comes of an order of the gate's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Brought:
    """What was got and until when it is good, or why there is nothing."""

    outcome: str
    got: str | None = None
    until_ms: int = 0
    why: str | None = None
