"""Names for which no authority can issue, or not in the way that was asked for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from lockgate.config.model_acme import SHORT, Acme

NEVER: Final = (
    *("localhost", "local", "internal", "lan", "home", "corp", "private", "intranet", "home.arpa"),
    *("test", "example", "invalid", "onion", "alt"),
)
"""Endings that no public authority issues for: they belong to nobody (RFC 6761, RFC 6762, RFC 8375, ICANN)."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a certificate cannot be had."""

    message: str
    hint: str


def obstacle(name: str, acme: Acme) -> Obstacle | None:
    """What stands in the way of a certificate for the name."""
    if name.startswith("*.") and acme.challenge != "dns-01":
        return Obstacle(
            f"`{name}` is a wildcard, which only `dns-01` can show to be yours",
            "write `challenge: dns-01` with `dns: {command: [PROGRAM]}`, or name the hosts one by one under `names`",
        )
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _of_name(name) if acme.directory in SHORT else None
    if acme.challenge == "dns-01":
        return Obstacle(f"`{name}` is an address, and has no DNS record", "write `challenge: tls-alpn-01`")
    if acme.directory not in SHORT:
        return None
    if not address.is_global:
        return Obstacle(
            f"`{name}` is {_kind(address)}, which Let's Encrypt cannot reach",
            "use an authority of your own with `directory: https://…`, or files with `certificate`",
        )
    if acme.profile != "shortlived":
        return Obstacle(
            f"Let's Encrypt issues for addresses in one profile alone, and `{name}` is one", "add `profile: shortlived`"
        )
    return None


_EXAMPLES: Final = tuple(
    ipaddress.ip_network(each)
    for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
"""RFC 5737, RFC 3849 and RFC 9637."""


def _kind(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if any(address.version == network.version and address in network for network in _EXAMPLES):
        return "an address that is reserved for documentation"
    if address.is_loopback:
        return "this machine's own address (loopback)"
    if address.is_link_local:
        return "an address of one network link"
    if address.is_private and not address.is_reserved and not address.is_unspecified:
        return "an address of a private network"
    return "no address of the public internet"


def _of_name(name: str) -> Obstacle | None:
    bare = name.removeprefix("*.")
    ending = next((each for each in NEVER if bare == each or bare.endswith("." + each)), None)
    if ending is None and "." in bare:
        return None
    hint = "use an authority of your own with `directory: https://…`, or files with `certificate`"
    if bare.endswith("localhost"):
        hint += "; `lockgate demo --tls` shows how to try TLS on this machine"
    why = f"names under `.{ending}` belong to nobody" if ending and bare != ending else "it is no public name"
    return Obstacle(f"Let's Encrypt issues none for `{name}`: {why}", hint)
