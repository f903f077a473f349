"""Challenges brought to every gate: whichever of them an authority asks, it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from lockgate.admin.link import LinkServer
from lockgate.certificates import Challenge

ANSWERED_SECONDS: Final = 20.0
"""How long gates may take over a challenge. At a start none may be there yet; one that is away answers nobody."""

log = structlog.get_logger("lockgate.control")


class GatePublisher:
    """Publishes on the gates."""

    def __init__(self, link: LinkServer, hand_over: Callable[[], Awaitable[int]]) -> None:
        """`hand_over` makes gates have what `challenges` says; the number of that state."""
        self._link = link
        self._hand_over = hand_over
        self.challenges: list[Challenge] = []
        """Those that are to be answered now."""

    async def publish(self, challenge: Challenge) -> None:
        """Return once every gate that is connected answers; raises `OSError` where none does.

        One that does not answer in time holds up no order: with several gates the authority may never ask it,
        and where it does, the order fails and is made again.
        """
        self.challenges.append(challenge)
        reached = await self._link.certificates_reached(await self._hand_over(), ANSWERED_SECONDS)
        if not reached.knowing:
            raise ConnectionError(
                "no gate is connected that could answer the authority"
                + (f" (not in time: {', '.join(reached.behind)})" if reached.behind else "")
            )
        if reached.behind:
            log.warning("challenge-not-everywhere", gates=list(reached.behind), name=challenge.name)

    async def withdraw(self, challenge: Challenge) -> None:
        """Take it away; gates hear of that by and by."""
        if challenge in self.challenges:
            self.challenges.remove(challenge)
            await self._hand_over()
