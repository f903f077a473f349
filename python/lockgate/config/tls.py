"""Certificates: read before they are put to work, and told to the gate by where they lie."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from pathlib import Path as File
from typing import Final
from urllib.parse import urlsplit

from lockgate import _native
from lockgate.addresses import is_loopback
from lockgate.config import bundle_types as types
from lockgate.config import passthrough
from lockgate.config.check_hosts import check_hosts
from lockgate.config.document import Document
from lockgate.config.managed import Managed, covered, plan
from lockgate.config.model_listeners import Listener
from lockgate.config.model_tls import FROM_CERTIFICATE, Certificate, ClientCertificates, Hsts, Ocsp, Tls, UpstreamTls
from lockgate.config.placed import Path
from lockgate.config.problems import Region
from lockgate.config.references import References
from lockgate.config.secrets import warn_of_readers
from lockgate.outgoing import Rules
from lockgate.policies import Lists
from lockgate.scalars import shown

PEM_BYTES: Final = 2 * 2**20
LIST_BYTES: Final = 32 * 2**20
SOON: Final = dt.timedelta(days=14)
"""A certificate that ends sooner is told of: there is time to renew it by hand."""


class Files:
    """Paths of the configuration as the gate finds them."""

    def __init__(self, document: Document, references: References) -> None:
        self.document = document
        self.references = references

    def absolute(self, path: Path, name: str) -> str:
        """A file, by the folder of the configuration that names it."""
        item = self.document.item(*path)
        return str(self.references.absolute(name, item.file if item is not None else 0))

    def certificate(self, path: Path, certificate: Certificate) -> types.Certificate:
        """A certificate and its key."""
        return {"files": {"chain": self.absolute(path, certificate.chain), "key": self.absolute(path, certificate.key)}}

    def clients(self, path: Path, clients: ClientCertificates | None) -> types.Clients | None:
        """Whose certificates clients may show."""
        if clients is None:
            return None
        return {
            "trust": [self.absolute(path, each) for each in clients.trust],
            "require": clients.require,
            "crl": [self.absolute(path, each) for each in clients.crl],
            "unknown_revocation": clients.unknown_revocation,
            "ocsp": None if clients.ocsp is None else _asked(path, clients.ocsp),
        }

    def asking(self) -> dict[str, types.Clients]:
        """The rules for clients by which responders are asked, by their path in the configuration."""
        made = (
            self.clients(path, clients)
            for name, listener in self.document.listeners.items()
            if listener.tls is not None
            for path, clients in rules_for_clients(("listeners", name, "tls"), listener.tls)
        )
        return {each["ocsp"]["rules"]: each for each in made if each is not None and each["ocsp"] is not None}


def _asked(path: Path, ocsp: Ocsp) -> types.Ocsp:
    return {
        "rules": ".".join(map(str, path)),
        "responder": None if ocsp.responder == FROM_CERTIFICATE else ocsp.responder,
        "timeout_ms": ocsp.timeout,
        "max_age_ms": ocsp.max_age,
    }


def rules_for_clients(path: Path, tls: Tls) -> Iterator[tuple[Path, ClientCertificates]]:
    """Whose certificates clients of a listener and its hosts may show, with where that is said."""
    if tls.client_certificates is not None:
        yield (*path, "client_certificates"), tls.client_certificates
    for host, each in tls.hosts.items():
        if each.client_certificates is not None:
            yield (*path, "hosts", host, "client_certificates"), each.client_certificates


def inbound(files: Files, name: str, listener: Listener, managed: Managed, lists: Lists) -> types.Tls | None:
    """How a listener speaks TLS, as the bundle says it."""
    if listener.tls is None:
        return None
    path: Path = ("listeners", name, "tls")
    hsts = listener.tls.hsts
    if hsts is None and not is_loopback(listener.address.rpartition(":")[0]):
        hsts = Hsts()
    hosts: list[types.TlsHost] = [
        {
            "names": [host],
            "clients": files.clients((*path, "hosts", host, "client_certificates"), each.client_certificates),
        }
        for host, each in listener.tls.hosts.items()
    ]
    of_files = [files.certificate((*path, "certificate"), each) for each in listener.tls.certificate]
    looked_after: list[types.Certificate] = [{"managed": each} for each in managed.by_listener.get(name, ())]
    return {
        "certificates": [*of_files, *looked_after],
        "minimum": listener.tls.oldest(),
        "clients": files.clients((*path, "client_certificates"), listener.tls.client_certificates),
        "hosts": hosts,
        "hsts": hsts.header() if hsts is not None and hsts.send else None,
        "passthrough": passthrough.bundled(files.document, name, listener.tls, managed, lists),
    }


def outbound(files: Files, path: Path, tls: UpstreamTls, waiver: types.Waiver | None) -> types.UpstreamTls:
    """How the gate speaks TLS with an upstream, as the bundle says it."""
    shown = tls.client_certificate
    return {
        "trust": [files.absolute((*path, "trust"), each) for each in tls.trust],
        "server_name": tls.server_name,
        "pins": tls.pins,
        "client": files.certificate((*path, "client_certificate"), shown) if shown is not None else None,
        "minimum": tls.minimum,
        "unverified": waiver,
    }


def check(document: Document, references: References) -> Managed:
    """Read what TLS is made of, and note what keeps it from being used; the certificates that are to be had."""
    reading = _Reading(document, references, dt.datetime.now(dt.UTC))
    held: dict[str, set[str]] = {}
    for name, listener in document.listeners.items():
        if listener.redirect_to is not None:
            _redirects(document, name, listener.redirect_to)
        if "h3" in listener.spoken() and listener.public_port is not None:
            _mapped_udp(document, name, listener.public_port, listener.address.rpartition(":")[2])
        if "h3" in listener.spoken() and listener.tls is not None and listener.tls.ends_nothing():
            _carried_alone(document, name)
        if listener.tls is not None:
            held[name] = _inbound(reading, ("listeners", name, "tls"), listener.tls)
    for name, upstream in document.upstreams.items():
        if upstream.tls is not None:
            _outbound(reading, ("upstreams", name, "tls"), upstream.tls)
    managed = plan(document, references, held)
    for name, listener in document.listeners.items():
        if listener.tls is not None:
            managed.ended[name] = frozenset(held[name] | managed.hosts(name))
            _hosts(document, ("listeners", name, "tls"), listener.tls, held[name] | managed.hosts(name))
            passthrough.check(document, name, listener.tls, managed)
    check_hosts(document, managed)
    return managed


def _inbound(reading: _Reading, path: Path, tls: Tls) -> set[str]:
    named: set[str] = set()
    for number, certificate in enumerate(tls.certificate):
        place = (*path, "certificate", number)
        alone = len(tls.certificate) == 1 and not tls.imported and tls.acme is None
        named |= reading.certificate(place, certificate.chain, certificate.key, alone=alone)
    for place, clients in rules_for_clients(path, tls):
        reading.clients(place, clients)
        if clients.ocsp is not None:
            where = (*place, "ocsp", "responder")
            _callable(reading.document, where, clients.ocsp.responder, "responder-not-allowed")
    if tls.acme is not None:
        where = (*path, "acme", "directory")
        _callable(reading.document, where, tls.acme.directory, "acme-directory-not-allowed")
        if tls.acme.trust is not None:
            reading.clients((*path, "acme"), ClientCertificates(trust=[tls.acme.trust]))
    return named


def _callable(document: Document, path: Path, url: str, code: str) -> None:
    """Say before the first call what would keep it from being made; a name's addresses are not known before."""
    host = urlsplit(url).hostname
    if host is None:  # A short name; or each certificate names its own.
        return
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host)
    except ValueError:
        return
    rules = Rules(tuple(ipaddress.ip_network(network) for network in document.outgoing.allow))
    if not rules.permits(address):
        document.problems.add(
            document.value_region(*path),
            code,
            f"{shown(url)} has no public address, so the control process does not call it",
            hint=f'if it is meant, allow its network: `outgoing: {{allow: ["{address}"]}}`',
            path=path,
        )


def _hosts(document: Document, path: Path, tls: Tls, named: set[str]) -> None:
    for host in tls.hosts:
        if named and not covered(host, named):
            document.problems.add(
                document.region(*path, "hosts", host),
                "host-without-certificate",
                f"no certificate of the listener is good for {shown(host)}, so nobody can ask for it",
                hint=f"add a certificate that names it; there are those for {', '.join(sorted(named)[:5])}",
                path=(*path, "hosts", host),
            )


def _outbound(reading: _Reading, path: Path, tls: UpstreamTls) -> None:
    certificate = tls.client_certificate
    if certificate is not None:
        reading.certificate((*path, "client_certificate"), certificate.chain, certificate.key, host=False)
    if tls.trust:
        reading.clients(path, ClientCertificates(trust=tls.trust))


def _redirects(document: Document, name: str, to: str) -> None:
    path: Path = ("listeners", name, "redirect_to")
    target = document.listeners.get(to)
    if target is not None and target.tls is not None:
        if target.reached_at() is not None:
            _another_port(document, name, to)
            return
        where = "is a Unix socket" if target.is_unix() else "takes any free port"
        message = f"the listener {shown(to)} {where}, so nobody could be sent there"
    elif target is None:
        message = f"there is no listener {shown(to)}"
    else:
        message = f"the listener {shown(to)} speaks no TLS"
    secure = [each for each, listener in document.listeners.items() if listener.tls is not None]
    document.problems.add(
        document.value_region(*path),
        "redirect-target",
        message,
        allowed="a listener with `tls` and a port of its own, or a `public_port`"
        f"{': ' + ', '.join(secure) if secure else ''}",
        path=path,
    )


def _mapped_udp(document: Document, name: str, public: int, own: str) -> None:
    """That whoever maps the port of a listener with HTTP/3 thinks of UDP: without it nothing fails, and nobody sees."""
    path: Path = ("listeners", name, "public_port")
    if str(public) != own:
        document.problems.add(
            document.value_region(*path),
            "public-port-udp",
            f"browsers are told to come over UDP to port {public} too, and stay with HTTP/2 where that is not mapped "
            f"to {own} as well",
            severity="warning",
            hint=f"map {public}/udp beside {public}/tcp, or take `h3` out",
            path=path,
        )


def _carried_alone(document: Document, name: str) -> None:
    """That HTTP/3 is ended here or nowhere: what is carried on goes over TCP."""
    path: Path = ("listeners", name, "protocols")
    document.problems.add(
        document.region(*path),
        "h3-carried",
        "`passthrough` carries connections over TCP alone, and there is no certificate to speak HTTP/3 with",
        severity="warning",
        hint="take `h3` out of `protocols`, or add a `certificate`",
        path=path,
    )


def _another_port(document: Document, name: str, to: str) -> None:
    """That clients are not sent to where they come from."""
    here, there = document.listeners[name], document.listeners[to]
    if here.public_port is None and there.public_port is None:
        return  # On two addresses the same port is two places.
    if here.reached_at() == there.reached_at():
        document.problems.add(
            document.value_region("listeners", name, "redirect_to"),
            "redirect-to-same-port",
            f"clients would reach {shown(name)} and {shown(to)} by one port, {here.reached_at()}, which speaks TLS or "
            "does not",
            hint="let each `public_port` say what clients see, such as 80 for the one and 443 for the other",
            path=("listeners", name, "redirect_to"),
        )


def _unfit(trust: list[bytes], crl: list[bytes]) -> str | None:
    try:
        _native.check_client_trust(trust, crl)
    except _native.LockgateError as error:
        return str(error)
    return None


class _Reading:
    """Reads files of certificates, and notes what is wrong with them."""

    def __init__(self, document: Document, references: References, now: dt.datetime) -> None:
        self.document = document
        self.references = references
        self.now = now

    def certificate(self, path: Path, chain: str, key: str, *, host: bool = True, alone: bool = False) -> set[str]:
        """The names that it is good for; none where it is good for nothing. `alone`: the listener has no other."""
        read = [self._file((*path, field), name, PEM_BYTES) for field, name in (("chain", chain), ("key", key))]
        if read[0] is None or read[1] is None:
            return set()
        try:
            found = _native.read_certificate(read[0], read[1], host)
        except _native.LockgateError as error:
            files = " and ".join(self._said(path, name) for name in dict.fromkeys((chain, key)))
            self._add(self.document.value_region(*path), path, "certificate-unfit", f"{files}: {error}")
            return set()
        place = (*path, "key")
        warn_of_readers(self.document, place, self._target(place, key), self._said(place, key))
        ends = dt.datetime.fromtimestamp(found["not_after"], dt.UTC)
        begins = dt.datetime.fromtimestamp(found["not_before"], dt.UTC)
        if self.now > ends:
            # Time alone made it so: what else the file says, and other hosts, must not wait for who renews it.
            what = "a gate that does not show it yet turns away who asks for its names, and serves others"
            if not host:
                what = "a gate that does not show it yet calls no server of the upstream"
            elif alone:
                what = "the listener has no other, and a gate that serves nothing yet refuses to begin with it"
            self.document.problems.add(
                self.document.region(*path),
                "certificate-expired",
                f"the certificate expired on {ends:%Y-%m-%d}: {what}",
                severity="warning",
                hint="renew it: the gate takes the new file up by itself",
                path=path,
            )
        elif self.now < begins:
            self._add(
                self.document.value_region(*path),
                path,
                "certificate-not-valid-yet",
                f"the certificate is good from {begins:%Y-%m-%d %H:%M} UTC on",
            )
        elif ends - self.now < SOON:
            self.document.problems.add(
                self.document.region(*path),
                "certificate-ends-soon",
                f"the certificate expires on {ends:%Y-%m-%d %H:%M} UTC",
                severity="warning",
                hint="renew it: the gate takes the new file up by itself",
                path=path,
            )
        return set(found["names"])

    def clients(self, path: Path, clients: ClientCertificates) -> None:
        """Whom clients are vouched for by."""
        trust = [self._file((*path, "trust"), name, PEM_BYTES) for name in clients.trust]
        crl = [self._file((*path, "crl"), name, LIST_BYTES) for name in clients.crl]
        read = ([each for each in trust if each is not None], [each for each in crl if each is not None])
        if len(read[0]) < len(trust) or len(read[1]) < len(crl):
            return
        try:
            # Where responders are asked as well, lists need not be there.
            certain = clients.unknown_revocation == "deny" and (bool(clients.crl) or clients.ocsp is None)
            _native.check_client_trust(*read, certain=certain)
        except _native.LockgateError as error:
            what = self._blamed(path, clients, read, str(error))
            self._add(self.document.value_region(*path), path, "client-trust-unfit", f"{what}{error}")
            return
        if path[-1] == "client_certificates":
            self._doubts(path, clients, read)

    def _doubts(self, path: Path, clients: ClientCertificates, read: tuple[list[bytes], list[bytes]]) -> None:
        """Tell of what can be used, and hardly does what it is meant to."""
        # Here: it is large, and most configurations ask for no certificates.
        from lockgate.config.authorities import Authorities

        trust, crl = read
        found = Authorities.of(trust)
        for place in found.without_authority:
            self._warn(
                (*path, "trust"),
                place,
                "trust-without-authority",
                f"{self._said((*path, 'trust'), clients.trust[place])} holds no certificate of an authority (`CA:TRUE` "
                "in its basic constraints), so hardly anybody can come in: who shows a certificate needs one that was "
                "issued by what is here",
                "name the file of who issued your clients' certificates; to let single ones in, trust that and name "
                "them in the API's `mtls: {allow: […]}`",
            )
        for place, content in enumerate(crl):
            if strangers := found.strangers(content):
                self._warn(
                    (*path, "crl"),
                    place,
                    "crl-of-another",
                    f"{self._said((*path, 'crl'), clients.crl[place])} is a list of {shown(strangers[0])}, which is no "
                    "authority of `trust`: it revokes nothing, unless that is one between them and your clients",
                    "name the list that the authority of `trust` publishes; leave it so if an intermediate of theirs "
                    "has this one",
                )

    def _warn(self, path: Path, place: int, code: str, message: str, hint: str) -> None:
        where = (*path, place)
        region = self.document.value_region(*where)
        self.document.problems.add(region, code, message, severity="warning", hint=hint, path=where)

    def _blamed(
        self, path: Path, clients: ClientCertificates, read: tuple[list[bytes], list[bytes]], error: str
    ) -> str:
        """The file that by itself has the same error, to begin a message with; nothing where none has."""
        trust, crl = read
        for name, content in zip(clients.trust, trust, strict=True):
            if _unfit([content], []) == error:
                return f"{self._said((*path, 'trust'), name)}: "
        for name, content in zip(clients.crl, crl, strict=True):
            if _unfit(trust, [content]) == error:
                return f"{self._said((*path, 'crl'), name)}: "
        return ""

    def _said(self, path: Path, name: str) -> str:
        return self.references.say(self._target(path, name))

    def _target(self, path: Path, name: str) -> File:
        item = self.document.item(*path) or self.document.item(*path[:-1])
        return self.references.absolute(name, item.file if item is not None else 0)

    def _file(self, path: Path, name: str, most: int) -> bytes | None:
        target = self._target(path, name)
        self.references.name(target)
        try:
            # A pipe would make the load wait for whoever writes to it, and a device has no end.
            if target.is_file():
                with target.open("rb") as stream:
                    content = stream.read(most + 1)
                if len(content) <= most:
                    return content
                why = f"is larger than {most >> 20}MiB"
            else:
                why = "is not there" if not target.exists() else "is not a regular file"
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
        self._add(self.document.value_region(*path), path, "file-unreadable", f"{self.references.say(target)} {why}")
        return None

    def _add(self, region: Region, path: Path, code: str, message: str, *, hint: str | None = None) -> None:
        self.document.problems.add(region, code, message, hint=hint, path=path)
