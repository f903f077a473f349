"""Wait for the thing itself, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Thing = TypeVar("Thing")


def until(look: Callable[[], Thing | None], what: str, *, within: float = 30.0) -> Thing:
    """Look again and again until there is something true, and give it.

    The short pause between two looks only spares the processor; nothing is
    taken to have happened because of it.
    """
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:g} s in vain for {what}")
        time.sleep(0.01)
