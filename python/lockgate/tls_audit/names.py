"""A question to a name server: for records of SRV, and where the configuration names servers of its own.

The system's own resolver knows neither.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import Any, Final

import dns.exception
import dns.nameserver
import dns.resolver

SECONDS: Final = 2.0
"""For one server."""
RECORDS_MOST: Final = 64
SERVERS_MOST: Final = 8
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class NamelessError(Exception):
    """No server knows the name, or none answers."""


def services(name: str, servers: tuple[str, ...]) -> list[tuple[str, int]]:
    """Hosts and ports of a service, the preferred first."""
    found = sorted(_records(name, "SRV", servers), key=lambda each: (each.priority, -each.weight))
    hosts = [(each.target.to_text(omit_final_dot=True), int(each.port)) for each in found]
    # A single dot says that there is none (RFC 2782).
    hosts = [(host, port) for host, port in hosts if host != "."]
    if not all(_HOST.fullmatch(host) for host, _ in hosts):
        raise NamelessError(f"what DNS says of {name} cannot be read")
    return hosts


def addresses(name: str, servers: tuple[str, ...]) -> list[str]:
    """A name's addresses; the name itself where it is one, or where the system is to look it up."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(name))]
    if not servers:
        return [name]
    found: list[str] = []
    for kind in ("A", "AAAA"):
        with contextlib.suppress(NamelessError):
            found += [each.address for each in _records(name, kind, servers)]
    if not found:
        raise NamelessError(f"no name server of `dns` knows {name}")
    return found


def _records(name: str, kind: str, servers: tuple[str, ...]) -> list[Any]:
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*_place(each)) for each in servers]
        resolver.nameservers = resolver.nameservers[:SERVERS_MOST]
        resolver.timeout = SECONDS
        lifetime = SECONDS * max(1, len(resolver.nameservers))
        return list(resolver.resolve(name, kind, lifetime=lifetime, search=False))[:RECORDS_MOST]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.resolver.NoResolverConfiguration as error:
        raise NamelessError("no name server is known") from error
    except dns.resolver.LifetimeTimeout as error:
        raise NamelessError(f"no name server answers when asked for {name}") from error
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise NamelessError(f"what the name servers say of {name} cannot be read") from error


def _place(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if colon and port.isdigit() and (host.startswith("[") or ":" not in host):
        return host.strip("[]"), int(port)
    return server.strip("[]"), 53
