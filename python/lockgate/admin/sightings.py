"""What gates see of devices, taken down, and what they are told of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from lockgate.admin.devices import Devices, Sighting, Standing
from lockgate.admin.gate_said import Sighted
from lockgate.identity.brought import Brought
from lockgate.identity.devices import doubted_ms, is_new

KNOWN_MS: Final = 10 * 60_000
"""How long a gate goes by it: what would speak against the device later comes with another look of it, and is asked
about anew; a revocation reaches gates by itself."""
DOUBTED_MS: Final = 5_000
"""The same where the gate refuses it for something that its owner or an operator may take away."""


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
            standing = self._devices.seen(sighting(said), said.proved_s)
        except ValueError:  # Not to be told from an outage would let it through where outages are.
            return Brought("refused")
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
