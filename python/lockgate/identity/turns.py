"""Who asks a provider, and who waits for it: one that hangs keeps nobody from another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from lockgate.identity.provider import ProviderError

PROVIDER_CALLS: Final = 16
"""Calls of one provider at a time."""
WAITING: Final = 64
"""Who asks it or waits to: who comes beyond is told to come back."""
SLOW_SECONDS: Final = 3.0
QUIET_SECONDS: Final = 5.0
"""Who let one wait for that long in vain is left in peace so long: nobody else waits for the same."""


@dataclass(slots=True)
class Turns:
    """Of one provider."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROVIDER_CALLS))
    waiting: int = 0
    quiet_until: float = 0.0
    """Until then nobody is made to wait."""


class ProviderTurns:
    """Of all providers, by their names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._turns: dict[str, Turns] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """One of the calls that a provider is asked at a time. Raises `ProviderError` where it is no use to wait."""
        turns = self._turns.setdefault(name, Turns())
        if turns.waiting >= WAITING or self._clock() < turns.quiet_until:
            raise ProviderError("it did not answer others a moment ago, or too many wait for it")
        turns.waiting += 1
        began = self._clock()
        try:
            async with turns.places:
                yield
        except ProviderError:
            if self._clock() - began > SLOW_SECONDS:
                turns.quiet_until = self._clock() + QUIET_SECONDS
            raise
        finally:
            turns.waiting -= 1
