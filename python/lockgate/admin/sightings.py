"""What gates see of devices, taken down, and what they are told of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from lockgate.admin.devices import Devices, Sighting, Standing
from lockgate.admin.gate_said import Sighted
from lockgate.identity.brought import Brought

KNOWN_MS: Final = 10 * 60_000
"""How long a gate goes by it: what would speak against the device later comes with another look of it, and is asked
about anew; a revocation reaches gates by itself."""
DOUBTED_MS: Final = 5_000
"""The same where the gate refuses it for something that its owner or an operator may take away."""
AHEAD_MS: Final = 60_000
"""How far a provider's clock may be ahead."""
MEANWHILE_MS: Final = 60_000
"""A device is seen for the first time some moments after its owner proved themselves."""


class Sightings:
    """Called in threads."""

    def __init__(self, devices: Devices, clock_ms: Callable[[], int]) -> None:
        """`clock_ms` gives milliseconds since the epoch."""
        self._devices = devices
        self._clock_ms = clock_ms

    def told(self, shown: str) -> Brought:
        """What a gate is told of the device that it shows."""
        try:
            said = Sighted.model_validate_json(shown)
            standing = self._devices.seen(sighting(said))
        except ValueError:  # Not to be told from an outage would let it through where outages are.
            return Brought("refused")
        if said.proved_s is not None and is_proof(standing, said.proved_s, self._clock_ms()):
            since_ms = doubted_ms(standing)
            if since_ms is None:
                self._devices.took(standing.id, said.proved_s)
            elif since_ms < said.proved_s * 1_000:
                self._devices.confirm(standing.id, sighting(said), said.proved_s)
                standing = self._devices.seen(sighting(said))
        told = words(standing)
        spoken = {word for word in ("new", "changed", "travel") if told[word]}
        if not told["approved"]:
            spoken.add("unapproved")
        until_ms = self._clock_ms() + (DOUBTED_MS if spoken & set(said.heeds) else KNOWN_MS)
        return Brought("got", json.dumps(told), until_ms)


def sighting(said: Sighted) -> Sighting:
    """The same, as devices are kept."""
    latitude, longitude = said.location or (None, None)
    return Sighting(
        said.issuer,
        said.subject,
        said.kind,
        said.mark,
        address=said.address,
        agent=said.agent,
        ja4=said.ja4,
        http2=said.http2,
        country=said.country,
        network=None if said.network is None else f"AS{said.network}",
        latitude=latitude,
        longitude=longitude,
    )


def doubted_ms(standing: Standing) -> int | None:
    """Since when something speaks against it that a proof of its owner's takes away."""
    doubts = [at_ms for at_ms in (standing.changed_ms, standing.travel_ms) if at_ms is not None]
    if is_new(standing):
        doubts.append(standing.first_ms - MEANWHILE_MS)
    return max(doubts, default=None)


def is_new(standing: Standing) -> bool:
    """Whether nobody vouches for it: no proof by means that a gate wants was taken for it, and nobody approved it."""
    return standing.proved_s is None and standing.approved_ms is None


def is_proof(standing: Standing, proved_s: int, now_ms: int) -> bool:
    """Whether a proof is one that was not taken yet, and not by a clock that is ahead.

    Each counts for the look that brings it first: whoever copies the session afterwards has nothing of it.
    """
    newest_ms = now_ms + AHEAD_MS
    return standing.revoked_ms is None and (standing.proved_s or 0) < proved_s <= newest_ms // 1_000


def words(standing: Standing) -> dict[str, str | bool | int]:
    """As the gate reads it (`lockgate_policy::device::Standing`)."""
    return {
        "id": standing.id,
        "revoked": standing.revoked_ms is not None,
        "new": is_new(standing),
        "approved": standing.approved_ms is not None,
        "changed": standing.changed_ms is not None,
        "travel": standing.travel_ms is not None,
        "at_once": standing.at_once,
        "since_s": max(doubted_ms(standing) or 0, 0) // 1_000,
    }
