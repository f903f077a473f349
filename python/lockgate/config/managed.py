"""Certificates that the control process looks after: which a configuration wants, and whether they can be had."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Final

from lockgate.addresses import is_loopback
from lockgate.config.document import Document
from lockgate.config.model_acme import Acme
from lockgate.config.obtainable import obstacle
from lockgate.config.placed import Path
from lockgate.config.references import References, secret_reference
from lockgate.scalars import shown

PORTS: Final = {"http-01": 80, "tls-alpn-01": 443}
"""Where an authority asks (RFC 8555 section 8.3, RFC 8737 section 3)."""


@dataclass(frozen=True, slots=True)
class DnsProgram:
    """Who writes DNS records."""

    command: tuple[str, ...]
    environment: tuple[str, ...]
    settle_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """How certificates are had from an authority."""

    directory: str
    """A URL, or a short name."""
    email: str | None
    challenge: str
    profile: str | None
    trust: str | None
    """A file."""
    kid: str | None = None
    hmac_key: str | None = None
    """A reference: `env:NAME` or `file:/absolute/path`."""
    dns: DnsProgram | None = None


@dataclass(frozen=True, slots=True)
class ManagedCertificate:
    """A certificate that the control process looks after for gates."""

    name: str
    """As bundles name it."""
    hosts: tuple[str, ...]
    listeners: tuple[str, ...]
    order: Order | None
    """Nothing for one that is imported."""


@dataclass(slots=True)
class Managed:
    """All of them."""

    certificates: dict[str, ManagedCertificate] = field(default_factory=dict)
    by_listener: dict[str, list[str]] = field(default_factory=dict)
    """The names of each listener's, in the order in which it shows them."""
    ended: dict[str, frozenset[str]] = field(default_factory=dict)
    """What the certificates of each listener are good for, those in files too."""

    def hosts(self, listener: str) -> set[str]:
        """What a listener's are for."""
        return {host for name in self.by_listener.get(listener, ()) for host in self.certificates[name].hosts}

    def add(self, listener: str, wanted: ManagedCertificate) -> None:
        """One more; of one that another listener wants too, there is one."""
        before = self.certificates.get(wanted.name)
        listeners = (listener,) if before is None else (*before.listeners, listener)
        self.certificates[wanted.name] = ManagedCertificate(wanted.name, wanted.hosts, listeners, wanted.order)
        self.by_listener.setdefault(listener, []).append(wanted.name)


def plan(document: Document, references: References, held: Mapping[str, set[str]]) -> Managed:
    """What is wanted, and a note of each problem; `held` are the names that each listener has files for."""
    planner = _Planner(document, references, held)
    for name, listener in document.listeners.items():
        if listener.tls is not None:
            for number, host in enumerate(listener.tls.imported):
                planner.imported(name, host, number)
            if listener.tls.acme is not None:
                planner.acme(name, listener.tls.acme)
    return planner.managed


class _Planner:
    def __init__(self, document: Document, references: References, held: Mapping[str, set[str]]) -> None:
        self.document = document
        self.references = references
        self.held = held
        self.managed = Managed()

    def imported(self, listener: str, host: str, number: int) -> None:
        path: Path = ("listeners", listener, "tls", "imported", number)
        if host in self.managed.by_listener.get(listener, ()):
            self.document.problems.add(
                self.document.value_region(*path),
                "imported-twice",
                f"{shown(host)} is named twice, and shown once",
                severity="warning",
                hint="take it out here, or name the other host that was meant",
                path=path,
            )
        self.managed.add(listener, ManagedCertificate(host, (host,), (), None))

    def acme(self, listener: str, acme: Acme) -> None:
        path: Path = ("listeners", listener, "tls", "acme")
        order = self._order(path, acme)
        self._challenge(path, acme)
        if acme.names is not None:
            sets = self._said(path, acme)
        else:
            sets = [(host,) for host in self._hosts(listener, path, acme)]
        for hosts in sets:
            self._want(listener, path, hosts, order)

    def _want(self, listener: str, path: Path, hosts: tuple[str, ...], order: Order) -> None:
        name = hosts[0] if len(hosts) == 1 else listener
        known = self.managed.certificates
        same = [each for each in known.values() if each.hosts == hosts]
        if same and same[0].order != order:
            self._refuse_two(path, same[0], hosts)
            return
        if same:
            name = same[0].name
        while name in known and known[name].hosts != hosts:
            name += "+"  # A listener that is called as a host is.
        self.managed.add(listener, ManagedCertificate(name, hosts, (), order))

    def _refuse_two(self, path: Path, before: ManagedCertificate, hosts: tuple[str, ...]) -> None:
        if before.order is None:
            message = f"the certificate for {_list(hosts)} is imported, and wanted of an authority too"
            hint = "take it out of `imported`, or name the others under `names`"
        else:
            message = (
                f"the listeners {shown(before.listeners[0])} and {shown(path[1])} want the certificate for "
                f"{_list(hosts)} in two ways"
            )
            hint = "say the same in both: one certificate serves all listeners"
        self.document.problems.add(self.document.region(*path), "acme-two-ways", message, hint=hint, path=path)

    def _said(self, path: Path, acme: Acme) -> list[tuple[str, ...]]:
        """The names that are written down: each must be possible."""
        names, good = acme.names or [], True
        for number, name in enumerate(names):
            why = obstacle(name, acme)
            if why is not None:
                place = (*path, "names", number)
                region = self.document.value_region(*place)
                self.document.problems.add(region, "acme-name-impossible", why.message, hint=why.hint, path=place)
                good = False
        return [tuple(sorted(set(names)))] if good else []

    def _hosts(self, listener: str, path: Path, acme: Acme) -> list[str]:
        """The hosts of the APIs that there are no files for; what cannot be had is told, and left out."""
        tls = self.document.listeners[listener].tls
        of_apis = {host: ("apis", name, "hosts") for name, api in self.document.apis.items() for host in api.hosts}
        of_listener = {host: (*path[:-1], "hosts", host) for host in (tls.hosts if tls is not None else ())}
        places: dict[str, Path] = {**of_listener, **of_apis}
        there = self.held.get(listener, set()) | self.managed.hosts(listener)
        wanted = [host for host in places if host != "*" and not covered(host, there)]
        possible = []
        for host in wanted:
            why = obstacle(host, acme)
            if why is None:
                possible.append(host)
                continue
            self.document.problems.add(
                self.document.region(*places[host]),
                "acme-host-left-out",
                f"no certificate is had for this host: {why.message}",
                severity="warning",
                hint=why.hint,
                path=places[host],
            )
        # An API that could not be read may have the host.
        if not possible and not self.document.problems.errors:
            self._nothing_to_have(path, files=bool(there and len(wanted) < len([*places])))
        return sorted(possible)

    def _nothing_to_have(self, path: Path, *, files: bool) -> None:
        if files:
            message, hint = "there are files for every host, so no certificate is had", "take `acme` out, or name more"
        else:
            message = "there is no host that a certificate could be had for"
            hint = "give the APIs `hosts: [api.example.com]`, or add `names: [api.example.com]` here"
        self.document.problems.add(
            self.document.region(*path),
            "acme-needless" if files else "acme-names-missing",
            message,
            severity="warning" if files else "error",
            hint=hint,
            path=path,
        )

    def _order(self, path: Path, acme: Acme) -> Order:
        account = acme.external_account
        secret_path = (*path, "external_account", "hmac_key")
        return Order(
            directory=acme.directory,
            email=acme.email,
            challenge=acme.challenge,
            profile=acme.profile,
            trust=None if acme.trust is None else str(self._absolute((*path, "trust"), acme.trust)),
            kid=None if account is None else account.kid,
            hmac_key=None
            if account is None
            else secret_reference(account.hmac_key, self.document.item(*secret_path), self.references),
            dns=None if acme.dns is None else self._program((*path, "dns", "command"), acme),
        )

    def _program(self, path: Path, acme: Acme) -> DnsProgram | None:
        if acme.dns is None:
            return None
        program = self._absolute(path, acme.dns.command[0])
        self.references.looked_at.append(program)
        if not program.is_file() or not os.access(program, os.X_OK):
            why = "is no program that can be run" if program.exists() else "is not there"
            self.document.problems.add(
                self.document.value_region(*path),
                "acme-dns-program",
                f"{self.references.say(program)} {why}",
                hint="name it by its absolute path, such as /usr/local/bin/dns-records; it has to be executable",
                path=path,
            )
        return DnsProgram((str(program), *acme.dns.command[1:]), tuple(acme.dns.environment), acme.dns.settle)

    def _challenge(self, path: Path, acme: Acme) -> None:
        """Whether there is a listener where the authority will ask."""
        port = PORTS.get(acme.challenge)
        if port is None:
            return
        secure = acme.challenge == "tls-alpn-01"
        for listener in self.document.listeners.values():
            reached = listener.public_port is not None or not is_loopback(listener.address.rpartition(":")[0])
            if listener.reached_at() == port and reached and (listener.tls is not None or not secure):
                return
        name = str(path[1])
        if secure:
            hint = "let this listener be on port 443"
        else:
            hint = f"add `plain: {{address: 0.0.0.0:80, redirect_to: {name}}}` to `listeners`, or take `tls-alpn-01`"
        where = path if not self.document.says(*path, "challenge") else (*path, "challenge")
        self.document.problems.add(
            self.document.region(*where),
            "acme-port-unheard",
            f"`{acme.challenge}` is asked for on port {port}, where no listener is that others reach",
            severity="warning",
            hint=f"{hint}; where port {port} is forwarded to a listener from outside, give that `public_port: {port}`",
            path=where,
        )

    def _absolute(self, path: Path, name: str) -> File:
        return self.references.absolute(name, self._file(path))

    def _file(self, path: Path) -> int:
        item = self.document.item(*path)
        return item.file if item is not None else 0


def covered(host: str, named: Iterable[str]) -> bool:
    """Whether one of the names is good for the host."""
    names = set(named)
    return host in names or "*." + host.partition(".")[2] in names


def _list(hosts: tuple[str, ...]) -> str:
    more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
    return ", ".join(f"`{host}`" for host in hosts[:3]) + more
