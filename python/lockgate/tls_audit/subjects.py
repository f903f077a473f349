"""What there is to look at: each listener, and each server of each upstream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509

from lockgate.addresses import (
    ANY_CALLER,
    UNIX,
    is_address,
    is_inside,
    is_loopback,
    is_secure,
    is_server,
    is_tcp,
    place_of,
)
from lockgate.config.tls import Files
from lockgate.tls_audit.meet import Way

if TYPE_CHECKING:
    from lockgate.config import Loaded
    from lockgate.config.model_listeners import Listener
    from lockgate.config.model_upstreams import Upstream

NAMES_MAX: Final = 16
"""Names of one listener that are asked for; what it speaks is the same for all."""
SUBJECTS_MAX: Final = 500

_PROXY_UNKNOWN: Final = b"PROXY UNKNOWN\r\n"
"""PROXY protocol, version 1: that the proxy speaks for itself."""

_OWN: Final = {"v1": _PROXY_UNKNOWN, "v2": b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"}
"""The same by version, as health checks say it."""

_TCP: Final = "not graded: TLS of clients is carried on to it unread, and the gate itself speaks none with it"

Kind = Literal["listener", "upstream"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the configuration says it."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Subject:
    """One listener, or one server of an upstream."""

    kind: Kind
    name: str
    address: str
    """As the configuration writes it, or as the listener really has it."""
    place: Place
    secure: bool
    """Whether TLS is spoken."""
    local: bool
    """Whether it is on this machine's loopback."""
    ways: tuple[Way, ...] = ()
    """The first is looked at as a whole; of the others what they show."""
    skipped: str | None = None
    """Why it cannot be looked at."""
    source: Literal["files", "acme", "imported"] = "files"
    """Where a listener's certificates are from, where it is one place for all."""
    ungraded: str | None = None
    """Why there is nothing of it to grade."""
    redirects: bool = False
    """A listener that only sends elsewhere."""
    pins: tuple[str, ...] = ()
    unverified: bool = False
    """An upstream whose certificate the gate does not verify."""
    oldest: str | None = None
    """The oldest version that the configuration lets the gate speak."""
    service: str | None = None
    """Whose servers DNS says."""
    name_servers: tuple[str, ...] = ()
    """Who is asked for names, in the place of the system."""
    passed_over: int = 0
    """Names that were too many."""

    @property
    def object(self) -> str:
        """As findings name it."""
        return f"listeners.{self.name}" if self.kind == "listener" else f"upstreams.{self.name} {self.address}"


@dataclass(slots=True)
class Wanted:
    """How to look."""

    addresses: Mapping[str, str] = field(default_factory=dict)
    """Where listeners really are, as a running gate says."""
    trust: tuple[str, ...] = ()
    """Files of authorities whom clients of listeners believe, beside none of this machine's."""
    kinds: frozenset[Kind] = frozenset({"listener", "upstream"})


def subjects(loaded: Loaded, wanted: Wanted) -> list[Subject]:
    """All that the configuration has, in its order; what the gate carries on unread says why it is not graded."""
    found: list[Subject] = []
    if "listener" in wanted.kinds:
        found += [
            _carried(loaded, wanted, name)
            if listener.tls is not None and listener.tls.ends_nothing()
            else _listener(loaded, wanted, name)
            for name, listener in loaded.document.listeners.items()
        ]
    if "upstream" in wanted.kinds:
        found += _upstreams(loaded)
    return found


def _listener(loaded: Loaded, wanted: Wanted, name: str) -> Subject:
    listener = loaded.document.listeners[name]
    address = wanted.addresses.get(name, listener.address)
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    ways: tuple[Way, ...] = ()
    skipped = None
    names = _names(loaded, name)
    protocols = ("http/1.1",) if "http/1.1" in listener.spoken() else ("h2",)
    if listener.is_unix():
        path = address.removeprefix(UNIX)
        preamble = _PROXY_UNKNOWN if listener.proxy_protocol and ANY_CALLER in listener.trusted_proxies else b""
        ways = tuple(
            Way("localhost", 0, each, preamble, wanted.trust, None, protocols, asks_hsts=True, path=path)
            for each in names[:NAMES_MAX] or [None]
        )
    elif port == "0":
        skipped = "it takes any free port, and no gate runs that says which"
    else:
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- What the listener is bound to.
        preamble = _PROXY_UNKNOWN if listener.proxy_protocol and _believes(listener, reached) else b""
        ways = tuple(
            Way(reached, int(port), each, preamble, wanted.trust, None, protocols, asks_hsts=True)
            for each in names[:NAMES_MAX] or [None]
        )
    return Subject(
        kind="listener",
        name=name,
        address=address,
        place=_place(loaded, "listeners", name, "tls"),
        secure=listener.tls is not None,
        local=is_inside(listener.address),
        ways=ways,
        skipped=skipped,
        source=_source(listener),
        redirects=listener.redirect_to is not None,
        oldest=listener.tls.oldest() if listener.tls is not None else None,
        passed_over=max(0, len(names) - NAMES_MAX),
    )


def _source(listener: Listener) -> Literal["files", "acme", "imported"]:
    tls = listener.tls
    if tls is None or tls.certificate or (tls.acme is not None and tls.imported):
        return "files"
    return "acme" if tls.acme is not None else "imported"


def _carried(loaded: Loaded, wanted: Wanted, name: str) -> Subject:
    """A listener that only carries connections on."""
    listener = loaded.document.listeners[name]
    return Subject(
        kind="listener",
        name=name,
        address=wanted.addresses.get(name, listener.address),
        place=_place(loaded, "listeners", name, "tls"),
        secure=True,
        local=is_inside(listener.address),
        ungraded="not graded: it carries TLS on unread (`passthrough`), so what clients meet is the servers behind it",
    )


def _believes(listener: Listener, host: str) -> bool:
    import ipaddress

    address = ipaddress.ip_address(host)
    networks = (network for network in listener.trusted_proxies if network != ANY_CALLER)
    return any(address in ipaddress.ip_network(network) for network in networks)


def _names(loaded: Loaded, listener: str) -> list[str | None]:
    """What a listener can be asked for: what its certificates are good for."""
    found: dict[str, None] = {}
    for name, file in loaded.certificate_files:
        if name == listener:
            found.update(dict.fromkeys(_of_file(file)))
    found.update(dict.fromkeys(sorted(loaded.managed.hosts(listener))))
    # For a wildcard, a name below it stands in.
    return list(dict.fromkeys(None if is_address(each) else each.replace("*", "www", 1) for each in found))


def _of_file(file: Path) -> list[str]:
    with contextlib.suppress(OSError, ValueError, x509.ExtensionNotFound):
        certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = held.get_values_for_type(x509.DNSName)
        return [*names, *map(str, held.get_values_for_type(x509.IPAddress))]
    return []


def _upstreams(loaded: Loaded) -> Iterator[Subject]:
    for name, upstream in loaded.document.upstreams.items():
        for number, target in enumerate(upstream.targets):
            place = _place(loaded, "upstreams", name, "targets", number)
            if is_tcp(target.url):
                yield Subject("upstream", name, target.url, place, secure=True, local=False, ungraded=_TCP)
                continue
            yield _server(loaded, (name, target.url, place), upstream)
    for name, api in loaded.document.apis.items():
        if is_server(str(api.upstream)):
            place = _place(loaded, "apis", name, "upstream")
            yield _server(loaded, (name, str(api.upstream), place), None)


def _server(loaded: Loaded, what: tuple[str, str, Place], upstream: Upstream | None) -> Subject:
    name, url, place = what
    tls = upstream.tls if upstream is not None else None
    service = place_of(url) if "+srv://" in url else None
    host, _, port = (service, "", "0") if service is not None else place_of(url).rpartition(":")
    host = host.strip("[]")
    ways: tuple[Way, ...] = ()
    if is_secure(url):
        asked = tls.server_name if tls is not None and tls.server_name else None if service is not None else host
        files = Files(loaded.document, loaded.lists.references)
        at = ("upstreams", name, "tls")
        trust = tuple(files.absolute((*at, "trust"), each) for each in tls.trust) if tls is not None else ()
        certificate = tls.client_certificate if tls is not None else None
        shown = None
        if certificate is not None:
            inner = (*at, "client_certificate")
            shown = files.absolute(inner, certificate.chain), files.absolute(inner, certificate.key)
        protocol = upstream.protocol if upstream is not None else "http/1.1"
        sent = None if asked is None or is_address(asked) else asked
        preamble = _OWN[upstream.proxy_protocol] if upstream is not None and upstream.proxy_protocol else b""
        ways = (Way(host, int(port), sent, preamble, trust, shown, (protocol,), expected=asked),)
    return Subject(
        kind="upstream",
        name=name,
        address=url,
        place=place,
        secure=is_secure(url),
        local=url.startswith("unix:") or is_loopback(host),
        ways=ways,
        service=service,
        name_servers=tuple(upstream.dns.servers) if upstream is not None else (),
        pins=tuple(tls.pins) if tls is not None else (),
        unverified=tls is not None and tls.skip_verify is not None,
        oldest=tls.minimum if tls is not None else "1.2",
    )


def _place(loaded: Loaded, *path: str | int) -> Place:
    region = loaded.document.region(*path)
    return Place(str(loaded.sources[region.file].path), region.line)
