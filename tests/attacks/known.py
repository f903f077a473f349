"""The attacks that are tried: what holds each off, what the gate counts of it, and what it does without the limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from attacks import floods, quic
from attacks.attackers import ATTACKERS

HOUR_MS = 3_600_000
RATIO = 100
"""`inflate.ratio` by default."""
NO_BYTES = 1 << 50
"""A bound on memory that bounds nothing."""
BOUND = 64 << 20
"""Bytes of memory that no attack takes from a gate with its limits."""


@dataclass(frozen=True)
class Count:
    """A number that the gate keeps."""

    metric: str
    labels: tuple[tuple[str, str], ...] = ()


def refused(reason: str) -> Count:
    """How often it gave a reason."""
    return Count("lockgate_refusals_total", (("reason", reason),))


def turned_away(limit: str) -> Count:
    """How many connections, or requests beside others of theirs, met a limit of the listener's."""
    return Count("lockgate_connections_turned_away_total", (("limit", limit),))


def timed_out(limit: str) -> Count:
    """How many clients were too slow for a limit."""
    return Count("lockgate_clients_timed_out_total", (("limit", limit),))


class Hurts(Enum):
    """What an attack does to a gate without the limit, in counts that no machine's speed changes."""

    HOLDS = "it holds every place of the listener"
    COMES = "it comes in as often as it likes"
    FILLS = "it fills the gate's memory"
    FRAMES = "one connection sends without an end"
    LASTS = "its connection goes on as long as it likes"
    AGAIN = "each connection meets a bound that stays, and it comes again as often as it likes"
    RETRY = "it cannot be shown: a Retry is always asked for"


@dataclass(frozen=True)
class Attack:
    """One attack, and what it meets."""

    name: str
    limits: tuple[str, ...]
    """Its limits, in the words of the configuration."""
    on: Mapping[str, int]
    """The limit as the table has it; what is not said is as it is by default."""
    off: Mapping[str, int]
    """The limit out of the way."""
    counts: tuple[Count, ...]
    """What the gate counts of it, each of them."""
    hurts: Hurts = Hurts.FRAMES
    """What it does to a gate without the limit."""
    stays: Count | None = None
    """What the gate counts of a bound that stays without the limit (`Hurts.AGAIN`)."""
    secure: bool = True
    """Over TLS."""
    bodies: bool = False
    """On an API that packs and unpacks, before an upstream that takes all that comes."""
    http3: bool = False
    """Over QUIC."""
    ratio: int = RATIO
    """`inflate.ratio` with the limit out of the way; it is no limit of the listener's."""


USUAL = {"connections": 1_000, "connections_per_ip": 100, "new_connections_per_ip": 200, "streams": 100}
"""As by default, for a tenth of the crowd: an address may have a tenth of all."""
ADDRESS = {"connections_per_ip": 1_000, "new_connections_per_ip": 0}
"""What one address may have, out of the way."""
SELDOM = {"new_connections_per_ip": 20}
"""How often one address may come where that is counted: so seldom that no machine is too slow to show it."""
NEVER = {"head_timeout_ms": HOUR_MS, "idle_timeout_ms": HOUR_MS, "write_timeout_ms": HOUR_MS, "body_rate_min": 0}
# Times by default are longer than a run: what they do shows with shorter ones.
SLOW = "limits.connections_per_ip", "limits.head_timeout"
NEW = "limits.new_connections_per_ip"
FRAMES = "limits.control_frames", NEW
MANY_FRAMES = {"control_frames": 1_000_000, **ADDRESS}
FULL, OFTEN = turned_away("connections_per_ip"), turned_away("new_connections_per_ip")

STAYS = {
    "resets": "http2-flood",
    "induced resets": "http2-flood",
    "empty data": "http2-flood",
    "continuations": "http2-flood",
    "a large block": "http2-header-block-too-large",
}
"""Floods that `limits.control_frames` cannot let through, and what ends their connections then: mostly a bound of the
HTTP/2 library, `http2-flood`."""

ATTACKS = (
    Attack(
        "slow heads",
        SLOW,
        {"head_timeout_ms": 2_000},
        {**NEVER, **ADDRESS},
        (FULL, refused("head-too-slow"), timed_out("head_timeout")),
        Hurts.HOLDS,
        secure=False,
    ),
    Attack(
        "slow bodies",
        (SLOW[0], "limits.body_rate_min"),
        {},
        {**NEVER, **ADDRESS},
        (FULL,),
        Hurts.HOLDS,
        secure=False,
    ),
    Attack(
        "slow readers",
        (SLOW[0], "limits.write_timeout"),
        {"write_timeout_ms": 2_000},
        {**NEVER, **ADDRESS},
        (FULL, timed_out("write_timeout")),
        Hurts.HOLDS,
        secure=False,
    ),
    Attack("idle", (SLOW[0],), {}, {**NEVER, **ADDRESS}, (FULL,), Hurts.HOLDS, secure=False),
    Attack("connections", (NEW,), SELDOM, ADDRESS, (OFTEN,), Hurts.COMES, secure=False),
    Attack("handshakes", (NEW,), SELDOM, ADDRESS, (OFTEN,), Hurts.COMES),
    Attack(
        "windows",
        (SLOW[0], "limits.write_timeout"),
        {"write_timeout_ms": 2_000},
        {**NEVER, **ADDRESS, "connections": 1_000_000, "connections_per_ip": 1_000_000},
        (FULL,),
        Hurts.FILLS,
    ),
    Attack(
        "header bombs",
        ("limits.head_bytes",),
        {},
        {"head_bytes": 64 << 20, **ADDRESS},
        (refused("http2-flood"),),
        Hurts.FILLS,
    ),
    Attack(
        "packed answers",
        ("limits.compress_memory",),
        {**NEVER, **ADDRESS, "compress_memory": 16 << 20},
        {**NEVER, **ADDRESS, "compress_memory": NO_BYTES},
        (Count("lockgate_compress_full_total"),),
        Hurts.FILLS,
        secure=False,
        bodies=True,
    ),
    Attack(
        "held windows",
        ("limits.inflate_memory",),
        {**NEVER, **ADDRESS, "inflate_memory": 32 << 20},
        {**NEVER, **ADDRESS, "inflate_memory": NO_BYTES},
        (refused("inflate-full"),),
        Hurts.FILLS,
        secure=False,
        bodies=True,
    ),
    *(
        Attack(
            name,
            ("inflate.ratio",),
            ADDRESS,
            ADDRESS,
            (refused("inflated-ratio"),),
            secure=False,
            bodies=True,
            ratio=2**32 - 1,
        )
        for name in ATTACKERS
        if name.startswith("bombs of ")
    ),
    Attack("initials", ("Retry",), {}, {}, (Count("lockgate_quic_retries_total"),), Hurts.RETRY, http3=True),
    Attack(
        "quic handshakes",
        (NEW, SLOW[0]),
        {"new_connections_per_ip": 10},
        {**ADDRESS, "connections": 1_000_000, "connections_per_ip": 1_000_000},
        (OFTEN,),
        Hurts.COMES,
        http3=True,
    ),
    Attack(
        "http3 unread",
        (SLOW[0], "limits.write_timeout"),
        {"connections_per_ip": 20, "write_timeout_ms": 2_000},
        {**NEVER, **ADDRESS},
        (FULL,),
        Hurts.FILLS,
        http3=True,
    ),
    *(
        Attack(f"http3 {name}", FRAMES, {}, MANY_FRAMES, (refused(reason),), Hurts.LASTS, http3=True)
        for name, (_, reason) in quic.FLOODS.items()
    ),
    Attack("paced resets", FRAMES, {}, MANY_FRAMES, (refused("http2-reset-flood"),)),
    *(
        Attack(f"flood of {name}", FRAMES, {}, MANY_FRAMES, (refused(reason),))
        for name, (_, reason) in floods.FLOODS.items()
        if name not in STAYS
    ),
    *(
        Attack(
            f"flood of {name}",
            FRAMES,
            SELDOM,
            MANY_FRAMES,
            (refused(floods.FLOODS[name][1]), OFTEN),
            Hurts.AGAIN,
            refused(stays),
        )
        for name, stays in STAYS.items()
    ),
)
