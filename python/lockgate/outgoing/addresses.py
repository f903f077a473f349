"""Which addresses may be called, and what a name stands for."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

ADDRESSES: Final = 8
"""Addresses of one name that are tried."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_NEVER_GLOBAL: Final[tuple[IPNetwork, ...]] = (
    # What Python's tables count as global in some version, and is not for us.
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("fec0::/10"),
    ipaddress.IPv6Network("2001::/32"),
    ipaddress.IPv6Network("100::/64"),
)


class OutgoingError(Exception):
    """A call that was not made, or not answered as it must be; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where calls may go."""

    allow: Sequence[IPNetwork] = ()
    """Networks besides public addresses, which may be called without TLS as well."""
    trust: str | None = None
    """A file of certificates to trust in the place of the system's."""

    def allowed(self, address: IPAddress) -> bool:
        """Whether the operator named a network that the address, or what it stands for, is in."""
        meant = embedded(address)
        return any(
            one.version == network.version and one in network for one in (address, meant) for network in self.allow
        )

    def permits(self, address: IPAddress) -> bool:
        """Whether the address may be called at all."""
        return self.allowed(address) or public(address)


def embedded(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one is only another way to write or to reach."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def public(address: IPAddress) -> bool:
    """Whether the address belongs to the public internet, and so does what it stands for."""
    meant = embedded(address)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    return all(
        one.is_global
        and not one.is_multicast
        and not one.is_reserved
        and not any(one in network for network in _NEVER_GLOBAL if network.version == one.version)
        for one in ({meant} if meant != address else {address})
    )


async def resolve(host: str, port: int, rules: Rules, *, plain: bool = False) -> list[IPAddress]:
    """What the name resolves to and may be called; raises `OutgoingError` where there is nothing such.

    `plain` asks for what may be called without TLS.
    """
    loop = asyncio.get_running_loop()
    try:
        # As the system's other programs do: a name like `2130706433` is 127.0.0.1 to some of them.
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(f"`{host}` cannot be resolved: {error}") from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))[:ADDRESSES]
    allowed = [address for address in addresses if rules.permits(address)]
    if plain and not all(rules.allowed(address) for address in addresses):
        raise OutgoingError(f"`http://{host}` is not encrypted: whoever is on the way could answer for it; use https")
    if allowed:
        return allowed
    refused = ", ".join(map(str, addresses)) or "nothing"
    raise OutgoingError(
        f"`{host}` is {refused}, which is no public address; if it is meant, add its network to "
        "`outgoing: {allow: […]}`"
    )
