"""Devices: what one is known by, what was seen of it, and what that means. Decides; keeps nothing.

A device belongs to one owner, and is known by a mark that only it can show: of a browser what its sealed cookie holds,
of a program the key that its tokens are bound to, of a machine its certificate. What was observed besides (traits)
proves nothing by itself: it tells when a mark has come into other hands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args

Kind = Literal["browser", "dpop", "certificate"]
"""What it is known by: a sealed cookie, a key (`cnf.jkt`), or a certificate (`cnf["x5t#S256"]`)."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WORDS: Final[Mapping[Kind, str]] = {
    "browser": "Browser",
    "dpop": "Program with a key",
    "certificate": "Machine with a certificate",
}
TRAITS: Final = ("agent", "ja4", "http2", "network")
DIFFERENT: Final = 2
"""Traits that differ at least: one does with every other network, or with a browser that was brought up to date."""
FASTEST_KMH: Final = 1_000.0
"""Airliners fly 900."""
NEAREST_KM: Final = 500.0
"""Where addresses are is known to some hundred kilometres."""
OTHER_COUNTRY_MS: Final = 60 * 60_000
AT_ONCE_MS: Final = 15 * 60_000
EARTH_KM: Final = 6_371.0
NAME_CHARACTERS: Final = 64
AGENT_BYTES: Final = 512
"""Browsers send some 130."""
AHEAD_MS: Final = 60_000
"""How far a provider's clock may be ahead."""
MEANWHILE_MS: Final = 60_000
"""A device is seen for the first time some moments after its owner proved themselves."""


class DeviceNameError(ValueError):
    """No device can be called so; the message is safe to show."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device that was seen just now. What is not known is left out, and is then not compared."""

    issuer: str
    """Whose its owner is, as tokens' `iss` says it."""
    subject: str
    kind: Kind
    mark: str
    address: str | None = None
    agent: str | None = None
    """The `User-Agent`, as it was sent."""
    ja4: str | None = None
    http2: str | None = None
    country: str | None = None
    network: str | None = None
    """The address's network (autonomous system)."""
    latitude: float | None = None
    """Degrees."""
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a device is taken for. Times are milliseconds since the epoch."""

    id: str
    name: str
    first_ms: int
    confirmed_ms: int | None
    """When its owner has confirmed it by a second factor."""
    approved_ms: int | None
    """When an operator has approved it."""
    revoked_ms: int | None
    changed_ms: int | None
    """Since when it looks otherwise than when it was confirmed."""
    travel_ms: int | None
    """When it was where it cannot have come to."""
    at_once: int
    """How many devices of the owner that are not revoked were seen within the last 15 minutes, this one included."""
    proved_s: int | None = None
    """When its owner gave the last proof that a gate took for it, in seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a device that no operator has approved, and where."""

    name: str
    """The beginning of a digest of all that an approval takes over: who approves by it approves nothing else."""
    agent: str
    ja4: str | None
    http2: str | None
    network: str | None
    country: str | None
    address: str | None
    first_ms: int
    last_ms: int
    changed: bool
    """Whether it is otherwise than what the device looked like when somebody last vouched for it."""
    travel: bool
    """Whether it was where the device cannot have come to."""


State = Literal["new", "confirmed", "approved", "revoked"]


@dataclass(frozen=True, slots=True)
class Device:
    """A device, as its owner and operators may know it: by its id, and never by its mark."""

    id: str
    issuer: str
    subject: str
    kind: Kind
    name: str
    agent: str
    address: str | None
    country: str | None
    network: str | None
    first_ms: int
    last_ms: int
    confirmed_ms: int | None
    approved_ms: int | None
    approved_by: str | None
    revoked_ms: int | None
    revoked_by: str | None
    changed_ms: int | None
    travel_ms: int | None
    looks: tuple[Look, ...] = ()
    """Those that no operator has approved, the one seen last first."""

    @property
    def state(self) -> State:
        """The furthest that it has come to."""
        if self.revoked_ms is not None:
            return "revoked"
        if self.approved_ms is not None:
            return "approved"
        return "new" if self.confirmed_ms is None else "confirmed"


class DeviceStore(Protocol):
    """Where they are kept. Called in threads."""

    def seen(self, sighting: Sighting) -> Standing:
        """Note a sighting; the device is made where there is none."""

    def confirm(self, device_id: str, look: Sighting | None = None) -> Device:
        """Its owner has shown a second factor there; with `look`, that is what it looks like."""

    def of(self, issuer: str, subject: str) -> list[Device]:
        """All that an owner has, the one used last first."""

    def id_of(self, issuer: str, subject: str, mark: str) -> str | None:
        """The id of the one that an owner has with this mark."""

    def rename(self, actor: str, device_id: str, name: str) -> Device:
        """Call it otherwise. Raises `DeviceNameError`."""

    def revoke(self, actor: str, device_id: str, reason: str | None = None) -> Device:
        """Let it in no more, for good."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device was, as far as that is known."""

    at_ms: int
    country: str | None
    latitude: float | None
    longitude: float | None


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


def has_changed(known: Mapping[str, str | None], now: Mapping[str, str | None]) -> bool:
    """Whether a device looks so much otherwise that another may be behind its mark."""
    return sum(differs(trait, known.get(trait), now.get(trait)) for trait in TRAITS) >= DIFFERENT


def differs(trait: str, known: str | None, now: str | None) -> bool:
    """Whether a trait is another; one that is not known of both is none."""
    if not known or not now:
        return False
    if trait == "ja4":
        one, other = known.split("_"), now.split("_")
        if len(one) == len(other) == 3:
            # One browser speaks over TCP and QUIC, for HTTP/2 and WebSockets, with sessions that it resumes or not;
            # its list of ciphers (JA4_b) stays the same with all of them.
            return one[0][:1] == other[0][:1] and one[1] != other[1]
    return known != now


def is_far(before: Place, now: Place) -> bool:
    """Whether the one place is not the other."""
    one, other = _point(before), _point(now)
    if one is not None and other is not None:
        return distance_km(one, other) >= NEAREST_KM
    return before.country != now.country


def is_impossible(before: Place, now: Place) -> bool:
    """Whether nobody can have come from the one place to the other in the time between."""
    between_ms = abs(now.at_ms - before.at_ms)
    one, other = _point(before), _point(now)
    if one is not None and other is not None:
        far = distance_km(one, other)
        return far > NEAREST_KM and far > FASTEST_KMH * between_ms / 3_600_000
    if before.country and now.country:
        return before.country != now.country and between_ms < OTHER_COUNTRY_MS
    return False


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Between two points of latitude and longitude in degrees, on a sphere (haversine)."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(lat), math.radians(lon)) for lat, lon in (one, other))
    part = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(part)))


def _point(place: Place) -> tuple[float, float] | None:
    if place.latitude is None or place.longitude is None:
        return None
    return place.latitude, place.longitude


_BROWSERS: Final = (
    # The narrower before those that it claims to be.
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\b(?:OPR|OPX|Opera)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Vivaldi", r"\bVivaldi/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"\b(?:Chrome|CriOS|Chromium|HeadlessChrome)/"),
    ("Safari", r"\bVersion/\S+.*\bSafari/"),
)
_SYSTEMS: Final = (
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("macOS", r"\bMac OS X\b|\bMacintosh\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)


def family(agent: str | None) -> str:
    """A browser or program in general, such as `Firefox on Linux`, by its `User-Agent`; empty where it says nothing."""
    said = (agent or "")[:AGENT_BYTES]
    program = _first(_BROWSERS, said)
    system = _first(_SYSTEMS, said)
    if program is None:
        product = re.match(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}(?=[/ ]|$)", said)
        program = product[0] if product is not None and product[0] != "Mozilla" else None
    if program is None or system is None:
        return program or system or ""
    return f"{program} on {system}"


def _first(known: Sequence[tuple[str, str]], said: str) -> str | None:
    return next((name for name, form in known if re.search(form, said)), None)


def device_name(text: str) -> str:
    """A name for a device, as it is kept. Raises `DeviceNameError`."""
    name = text.strip()
    if not name:
        raise DeviceNameError("A device needs a name: write at least one character.")
    if len(name) > NAME_CHARACTERS:
        raise DeviceNameError(f"The name is too long: write at most {NAME_CHARACTERS} characters.")
    if not name.isprintable():
        raise DeviceNameError("The name has characters that cannot be seen: write it on one line, in plain letters.")
    return name
