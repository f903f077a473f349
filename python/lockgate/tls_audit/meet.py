"""Meeting a server: what it takes, what it shows, and whether it would be believed. Bounded in time and size."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cryptography import x509

from lockgate.tls_audit import hello

HEAD_BYTES: Final = 64 * 1024
CHAIN_LENGTH: Final = 20
SILENT_MOST: Final = 3
"""Questions without an answer after which no more are asked: the rest would wait as long each."""
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: dates are looked at apart, so that one fault hides no other."""
_LEGACY_SERVER: Final = 0x4
"""SSL_OP_LEGACY_SERVER_CONNECT: a server that renegotiates unsafely is to be seen, too."""

OFFERS: Final = {
    "nothing": hello.NOTHING,
    "rc4": hello.RC4,
    "small-blocks": hello.SMALL_BLOCKS,
    "static": hello.STATIC,
    "cbc": hello.CBC,
    "dhe": hello.DHE,
}
"""What is offered alone, to see whether it is taken."""


class UnreachableError(Exception):
    """Nobody answers there."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to a server, and as whom."""

    host: str
    port: int
    name: str | None
    """What is asked for (SNI); nothing for an address."""
    preamble: bytes = b""
    """What goes ahead of TLS (the PROXY protocol)."""
    trust: tuple[str, ...] = ()
    """Files; without any, this machine's authorities."""
    shown: tuple[str, str] | None = None
    """The files of a certificate and its key that the server may ask for."""
    protocols: tuple[str, ...] = ("http/1.1",)
    asks_hsts: bool = False
    path: str | None = None
    """The Unix socket at which it is, in the place of host and port."""
    expected: str | None = None
    """What the certificate has to be good for, where that is neither the name nor the host."""


@dataclass(slots=True)
class Met:
    """What was seen."""

    versions: set[int] = field(default_factory=set)
    taken: dict[str, hello.Answer] = field(default_factory=dict)
    """Of `OFFERS`, by name."""
    post_quantum: Literal["preferred", "taken", "refused", "unknown"] = "unknown"
    group: int | None = None
    """Which one it chooses among the usual ones and the post-quantum one."""
    renegotiates_safely: bool = True
    chain: list[x509.Certificate] = field(default_factory=list)
    cipher: str | None = None
    protocol: str | None = None
    """What ALPN agreed on."""
    unreadable: bool = False
    """Whether a certificate of the chain is none that can be read."""
    shaken: str | None = None
    """Why no handshake came to its end, where none did."""
    distrust: tuple[int, str] | None = None
    """Why the chain is not believed: OpenSSL's number and words."""
    believed: bool | None = None
    """Whether the chain is believed; nothing where that could not be seen."""
    hsts: str | None = None
    hsts_seen: bool = False
    """Whether an answer came, in which it would be."""
    silent: list[str] = field(default_factory=list)
    """Questions that got no answer."""

    @property
    def unseen(self) -> list[str]:
        """What would have to be known to grade it: firewalls drop hellos of old versions, and no harm is done."""
        old = {words for version, words in hello.VERSIONS.items() if version < hello.TLS1_2}
        return [each for each in self.silent if each not in old]


class Clock:
    """How long there is, for all that is asked of one server, and for each connection."""

    def __init__(self, each: float, whole: float) -> None:
        self._each = each
        self._end = time.monotonic() + whole

    def connection(self) -> float:
        """Until when the next connection may take."""
        return min(time.monotonic() + self._each, self._end)


def meet(way: Way, clock: Clock, *, whole: bool = True) -> Met:
    """See how a server is; with `whole`, also what it would take from others. Raises `UnreachableError`."""
    met = Met()
    _open(way, clock.connection()).close()
    if whole:
        _versions(way, clock, met)
        _offers(way, clock, met)
        _groups(way, clock, met)
    _handshake(way, clock, met)
    if met.chain:
        _believe(way, clock, met)
    return met


def _versions(way: Way, clock: Clock, met: Met) -> None:
    # The newest first: firewalls that drop old hellos must not keep the others from being asked.
    for version in sorted(hello.VERSIONS, reverse=True):
        ciphers = hello.TLS13_CIPHERS if version == hello.TLS1_3 else hello.ANY
        answer = _ask(way, clock, met, hello.VERSIONS[version], (version, ciphers))
        if answer is not None and answer.version <= version:
            met.versions.add(answer.version)
            met.renegotiates_safely &= answer.renegotiates_safely


def _offers(way: Way, clock: Clock, met: Met) -> None:
    if not met.versions - {hello.TLS1_3}:
        return
    for what, ciphers in OFFERS.items():
        answer = _ask(way, clock, met, f"ciphers ({what})", (max(met.versions - {hello.TLS1_3}), ciphers))
        if answer is not None and answer.cipher in ciphers:
            met.taken[what] = answer


def _groups(way: Way, clock: Clock, met: Met) -> None:
    if hello.TLS1_3 not in met.versions:
        met.post_quantum = "refused" if met.versions else "unknown"
        return
    said = len(met.silent)
    groups = (hello.X25519MLKEM768, *hello.USUAL_GROUPS)
    answer = _ask(way, clock, met, "groups", (hello.TLS1_3, hello.TLS13_CIPHERS), groups)
    met.group = answer.group if answer is not None else None
    if met.group == hello.X25519MLKEM768:
        met.post_quantum = "preferred"
        return
    alone = _ask(way, clock, met, "X25519MLKEM768", (hello.TLS1_3, hello.TLS13_CIPHERS), groups[:1])
    if alone is not None and alone.group == hello.X25519MLKEM768:
        met.post_quantum = "taken"
    elif len(met.silent) == said:
        met.post_quantum = "refused"


def _ask(
    way: Way,
    clock: Clock,
    met: Met,
    what: str,
    offer: tuple[int, Sequence[int]],
    groups: Sequence[int] = hello.USUAL_GROUPS,
) -> hello.Answer | None:
    """What the server makes of a ClientHello; nothing where it refuses, or does not answer."""
    if len(met.unseen) >= SILENT_MOST:
        met.silent.append(what)
        return None
    until = clock.connection()
    try:
        with _open(way, until) as sock:

            def read() -> bytes:
                sock.settimeout(_left(until))
                return sock.recv(16_384)

            sock.sendall(hello.client_hello(*offer, way.name, groups))
            return hello.read_answer(read)
    except (TimeoutError, UnreachableError):
        met.silent.append(what)
    except (OSError, hello.NotTlsError):
        pass  # It refuses in its own way.
    return None


def _handshake(way: Way, clock: Clock, met: Met) -> None:
    """A whole handshake that believes anybody: to see the chain, and whether HSTS is said."""
    until = clock.connection()
    context = _context()
    context.verify_mode = ssl.CERT_NONE
    _dress(context, way)
    try:
        with _secured(context, way, until) as sock:
            met.chain, met.unreadable = _chain(sock)
            used = sock.cipher()
            met.cipher = used[0] if used is not None else None
            with contextlib.suppress(UnicodeDecodeError):  # A server may choose what nobody has offered.
                met.protocol = sock.selected_alpn_protocol()
            for name, number in (("TLSv1", 0x0301), ("TLSv1.1", 0x0302), ("TLSv1.2", 0x0303), ("TLSv1.3", 0x0304)):
                if sock.version() == name:
                    met.versions.add(number)
            if way.asks_hsts and met.protocol in {None, "http/1.1"}:
                with contextlib.suppress(OSError):  # A client certificate that is wanted: seen only when one reads.
                    _hsts(sock, way, until, met)
    except ssl.SSLError as error:
        met.shaken = error.reason.replace("_", " ").lower() if error.reason else str(error)
    except TimeoutError:
        met.shaken = "it does not answer in time"
    except OSError as error:
        met.shaken = error.strerror or str(error) or "it closes the connection"


def _believe(way: Way, clock: Clock, met: Met) -> None:
    """The handshake of somebody who verifies the chain; names and dates are looked at apart."""
    context = _context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME | ssl.VERIFY_X509_PARTIAL_CHAIN)
    for file in way.trust:
        context.load_verify_locations(cafile=file)
    if not way.trust:
        context.load_default_certs()
    _dress(context, way)
    try:
        with _secured(context, way, clock.connection()):
            met.believed = True
    except ssl.SSLCertVerificationError as error:
        met.believed = False
        met.distrust = (error.verify_code, error.verify_message)
    except OSError:
        met.silent.append("whether the chain is believed")


def _context() -> ssl.SSLContext:
    """Takes whatever a server can do: it is to be seen, and nothing is told to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= ssl.Options(_LEGACY_SERVER)
    return context


def _dress(context: ssl.SSLContext, way: Way) -> None:
    context.set_alpn_protocols(list(way.protocols))
    if way.shown is not None:
        with contextlib.suppress(OSError):  # `lockgate check` says what is wrong with them.
            context.load_cert_chain(*way.shown)


def _secured(context: ssl.SSLContext, way: Way, until: float) -> ssl.SSLSocket:
    raw = _open(way, until)
    try:
        raw.settimeout(_left(until))  # Python counts it for the handshake as a whole.
        return context.wrap_socket(raw, server_hostname=way.name)
    except BaseException:
        raw.close()
        raise


def _chain(sock: ssl.SSLSocket) -> tuple[list[x509.Certificate], bool]:
    """What the server sent, unverified, up to the first that cannot be read; and whether there was such a one.

    Public from Python 3.13 on; before, one level below.
    """
    below: Any = sock if hasattr(sock, "get_unverified_chain") else sock._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
    found: list[x509.Certificate] = []
    for each in (below.get_unverified_chain() or [])[:CHAIN_LENGTH]:
        try:
            der = each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes())
            certificate = x509.load_der_x509_certificate(der)
            # They are read when they are asked for: whatever cannot be is to be known here.
            _ = (certificate.subject, certificate.issuer, certificate.extensions)
            _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        except Exception:  # noqa: BLE001 -- A stranger's: there is no end of how it may be wrong.
            return found, True
        found.append(certificate)
    return found, False


def _hsts(sock: ssl.SSLSocket, way: Way, until: float, met: Met) -> None:
    host = way.name or (f"[{way.host}]" if ":" in way.host else way.host)
    asked = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lockgate-tls-audit\r\nConnection: close\r\n\r\n"
    sock.sendall(asked.encode("ascii"))
    came = b""
    while b"\r\n\r\n" not in came and len(came) < HEAD_BYTES:
        sock.settimeout(_left(until))
        more = sock.recv(16_384)
        if not more:
            break
        came += more
    first, *lines = came.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1."):
        return
    met.hsts_seen = True
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "strict-transport-security":
            met.hsts = value.strip()
            return


def _open(way: Way, until: float) -> socket.socket:
    try:
        sock = connect(way, _left(until))
    except OSError as error:
        raise UnreachableError(error.strerror or str(error) or type(error).__name__) from error
    try:
        sock.sendall(way.preamble)
    except OSError:
        sock.close()
        raise
    return sock


def connect(way: Way, seconds: float) -> socket.socket:
    """A connection to where it is."""
    if way.path is None:
        return socket.create_connection((way.host, way.port), timeout=seconds)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(way.path)
    except OSError:
        sock.close()
        raise
    return sock


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
