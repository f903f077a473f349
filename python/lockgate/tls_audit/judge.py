"""What was seen, judged: each fault with the points that it costs, why, and what to do. No I/O."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockgate.printable import printable
from lockgate.tls_audit import hello
from lockgate.tls_audit.faults import (
    CURVE_BITS,
    FAULTS,
    GRADES,
    HSTS_LEAST,
    PRIME_BITS,
    RSA_BITS,
    SOON,
    SOON_PART,
    WEAK,
)
from lockgate.tls_audit.meet import Met, Way
from lockgate.tls_audit.subjects import Place, Subject

WORST: Final = list(GRADES)[-1]
WORDS: Final = 300
"""Of a stranger's words that are shown."""

_SELF_SIGNED: Final = 18
_UNKNOWN_ROOT: Final = 19
_NO_ISSUER: Final = frozenset({2, 20, 21})

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault."""

    code: str
    lost: int
    """Points."""
    message: str
    advice: str
    place: Place | None = None
    """Where the configuration says what to change, or names the server."""

    @property
    def severity(self) -> Severity:
        """As the table of findings has it."""
        return "error" if self.lost >= WEAK else "warning" if self.lost else "info"


def grade(findings: list[Finding]) -> tuple[str, int]:
    """The grade, and the points that are left."""
    left = max(0, 100 - sum(each.lost for each in findings))
    return next(name for name, least in GRADES.items() if left >= least), left


def at_least(given: str, wanted: str) -> bool:
    """Whether a grade is as good as the other, or better."""
    return GRADES[given] >= GRADES[wanted]


def judge(subject: Subject, seen: list[tuple[Way, Met]], now: dt.datetime) -> list[Finding]:
    """All that is wrong; the dearest first, and each fault once."""
    found: dict[tuple[str, str], Finding] = {}
    for number, (way, met) in enumerate(seen):
        checks = [*_CHECKS, *(_OF_WHOLE if number == 0 else ())]
        for check in checks:
            for finding in check(_Case(subject, way, met, now)):
                found.setdefault((finding.code, finding.message), finding)
    return sorted(found.values(), key=lambda each: -each.lost)


def plain(subject: Subject) -> Finding:
    """What is spoken in the clear, beyond this machine."""
    if subject.kind == "listener":
        advice = "give the listener `tls`: `tls: {acme: {email: YOU, terms_agreed: true}}` has certificates made"
    else:
        advice = "let the server speak TLS, and write `https://` here"
    message = "plain HTTP: whoever is on the way reads and changes all, keys and tokens too"
    return Finding("plain", FAULTS["plain"].lost, message, advice, subject.place)


@dataclass(frozen=True, slots=True)
class _Case:
    subject: Subject
    way: Way
    met: Met
    now: dt.datetime

    @property
    def ours(self) -> bool:
        return self.subject.kind == "listener"

    @property
    def asked(self) -> str:
        return self.way.name or self.way.expected or self.way.host

    def finding(self, code: str, message: str, ours: str, theirs: str | None = None) -> Finding:
        """Advice differs: the one is the configuration's, the other the server's own."""
        advice = ours if self.ours or theirs is None else theirs
        return Finding(code, FAULTS[code].lost, printable(message)[:WORDS], advice, self.subject.place)


def _versions(case: _Case) -> Iterator[Finding]:
    met = case.met
    behind = "something else than this gate ends TLS there: mend it there, or let the listener be reached itself"
    old = sorted(met.versions & {hello.TLS1_0, hello.TLS1_1})
    if hello.SSL3 in met.versions:
        message = "it speaks SSL 3, which is broken (POODLE, RFC 7568)"
        yield case.finding("ssl3", message, behind, "turn SSL 3 off on the server")
    if old:
        said = " and ".join(hello.VERSIONS[each] for each in old)
        message = f"it speaks {said}, which nobody should any more (RFC 8996)"
        yield case.finding("old-versions", message, behind, "let the server speak TLS 1.2 and 1.3 alone")
    if met.versions and not met.versions & {hello.TLS1_2, hello.TLS1_3}:
        message = "it speaks nothing newer than TLS 1.1: the gate refuses it, and so does every client of today"
        yield case.finding("no-modern-version", message, behind, "let the server speak TLS 1.2 and 1.3")
    elif met.versions and hello.TLS1_3 not in met.versions:
        message = "it does not speak TLS 1.3"
        yield case.finding("no-tls-1.3", message, behind, "let the server speak TLS 1.3 too")


_TAKEN: Final = (
    ("nothing", "null-ciphers", "it takes ciphers without encryption, without a certificate, or of 40 bits"),
    ("rc4", "rc4", "it takes RC4, which is broken (RFC 7465)"),
    ("small-blocks", "small-blocks", "it takes ciphers with blocks of 64 bits, such as 3DES (Sweet32)"),
    (
        "static",
        "no-forward-secrecy",
        "it takes key exchange without forward secrecy: who gets its key reads the past",
    ),
    ("cbc", "cbc", "it takes CBC ciphers, whose padding has been attacked again and again (Lucky13)"),
)


def _offers(case: _Case) -> Iterator[Finding]:
    taken = case.met.taken
    behind = "something else than this gate ends TLS there: let it take only ciphers with forward secrecy"
    strong = "let the server take ECDHE with AES-GCM or ChaCha20 alone"
    for what, code, message in _TAKEN:
        if what in taken:
            yield case.finding(code, message, behind, strong)
    bits = taken["dhe"].dh_bits if "dhe" in taken else None
    if bits is not None and bits < PRIME_BITS:
        message = f"its Diffie-Hellman group has {bits} bits (Logjam)"
        yield case.finding("weak-dh", message, behind, "let it use ECDHE, or a group of 2048 bits and more")
    if not case.met.renegotiates_safely:
        message = "it renegotiates without the protection of RFC 5746: another's request can be put ahead of a client's"
        advice = "update the server's TLS library; it is of before 2010"
        yield case.finding("unsafe-renegotiation", message, behind, advice)


def _post_quantum(case: _Case) -> Iterator[Finding]:
    if case.met.post_quantum == "refused":
        message = "no X25519MLKEM768: who records today's traffic may read it once there are quantum computers"
        behind = "something else than this gate ends TLS there; the gate itself offers it always"
        theirs = "update the server's TLS library: OpenSSL 3.5, Go 1.24, Java 27, rustls 0.23.27 and newer have it"
        yield case.finding("no-post-quantum", message, behind, theirs)
    elif case.met.post_quantum == "taken":
        message = "it takes X25519MLKEM768, but chooses another group where both are offered"
        theirs = "put X25519MLKEM768 first in the server's list of groups"
        yield case.finding("post-quantum-not-preferred", message, theirs)


def _handshake(case: _Case) -> Iterator[Finding]:
    why = case.met.shaken
    if why is not None and not case.met.chain and not case.met.unreadable:
        message = f"no handshake comes to its end, asked for {case.asked}: {why}"
        ours = "look at `lockgate certs list`, and whether this listener is the gate's own"
        yield case.finding("no-handshake", message, ours, "see that the server speaks TLS there, with that name")


def _readable(case: _Case) -> Iterator[Finding]:
    if case.met.unreadable:
        message = "its chain has a certificate that cannot be read, as X.509 has it (RFC 5280)"
        yield case.finding("unreadable-certificate", message, "have it issued anew, by another program")


def _names(case: _Case) -> Iterator[Finding]:
    if not case.met.chain or case.subject.unverified:
        return
    names, addresses = _held(case.met.chain[0])
    wanted = case.asked
    if _good_for(wanted, names, addresses):
        return
    if case.ours and case.way.name is None:
        return  # Nobody said which address clients use.
    held = ", ".join([*names, *map(str, addresses)][:5]) or "nothing (it has no subjectAltName)"
    message = f"its certificate is not good for {wanted}, but for {held}"
    ours = f"add a certificate for {wanted} under `tls`"
    theirs = f"give it a certificate for {wanted}, or set `tls: {{server_name: NAME}}` to one that it has"
    yield case.finding("wrong-name", message, ours, theirs)


def _dates(case: _Case) -> Iterator[Finding]:
    for number, each in enumerate(case.met.chain):
        if number and each.subject == each.issuer:
            continue  # A root that is sent along is never looked at by clients.
        whose = "its certificate" if number == 0 else f"the certificate of {_said(each.subject)}, which it sends along,"
        begins, ends = each.not_valid_before_utc, each.not_valid_after_utc
        ours = (
            "renew it: `lockgate certs renew NAME`; where it was imported, `lockgate certs import FILE --key FILE` "
            "brings the new one in; where it is in files, put the new one there"
        )
        theirs = "renew it on the server"
        if case.now >= ends:
            message = f"{whose} expired on {ends:%Y-%m-%d %H:%M} UTC"
            yield case.finding("expired", message, ours, theirs)
        elif case.now < begins:
            message = f"{whose} is good from {begins:%Y-%m-%d %H:%M} UTC on, and not before"
            yield case.finding("not-valid-yet", message, "set the clocks right, or use the one before")
        elif ends - case.now < min(SOON, (ends - begins) * SOON_PART):
            message = f"{whose} expires on {ends:%Y-%m-%d %H:%M} UTC"
            yield case.finding("ends-soon", message, ours, theirs)


def _trust(case: _Case) -> Iterator[Finding]:
    if case.subject.unverified:
        message = "the gate does not verify its certificate (`skip_verify`): anyone on the way can pass for it"
        advice = "take `skip_verify` out, and name its authority under `trust`"
        yield case.finding("not-verified", message, advice)
        return
    if case.met.distrust is None:
        return
    number, words = case.met.distrust
    leaf, last = case.met.chain[0], case.met.chain[-1]
    mine = "give `--trust FILE` where your clients believe an authority of your own"
    theirs = "name its authority: `tls: {trust: FILE}` of this upstream"
    if number == _SELF_SIGNED:
        message = "its certificate vouches for itself: clients cannot tell it from another's"
        ours = f"have one from an authority (`tls: {{acme: …}}`); {mine}"
        yield case.finding("self-signed", message, ours, f"give it one of an authority; then {theirs}")
    elif number == _UNKNOWN_ROOT:
        message = f"nobody here believes {_said(last.subject)}, under whom its certificate is"
        yield case.finding("untrusted", message, f"use an authority that clients believe; {mine}", theirs)
    elif number in _NO_ISSUER:
        if leaf.issuer == leaf.subject or len(case.met.chain) > 1:
            message = f"nobody here believes {_said(last.issuer)}, who issued the last certificate of its chain"
        else:
            message = f"it sends its own certificate alone, and {_said(leaf.issuer)}, who issued it, is not known here"
        ours = f"put the intermediate certificates behind it into the chain's file; {mine}"
        if case.subject.source == "acme":
            ours = f"its authority gave no more: use one that clients know, such as `directory: letsencrypt`; {mine}"
        elif case.subject.source == "imported":
            ours = f"import it again with the intermediate certificates behind it (`lockgate certs import`); {mine}"
        also = f"let the server send the whole chain, or {theirs}"
        yield case.finding("incomplete-chain", message, ours, also)
    else:
        yield case.finding("untrusted", f"its certificate is not believed: {words}", mine, theirs)


def _keys(case: _Case) -> Iterator[Finding]:
    for number, each in enumerate(case.met.chain):
        whose = "its key" if number == 0 else f"the key of {_said(each.subject)} in its chain"
        said, weak = key_of(each)
        if weak:
            message = f"{whose} is weak: {said}"
            advice = "make a new one: ECDSA with P-256, or RSA with 2048 bits and more, and a certificate for it"
            yield case.finding("weak-key", message, advice)
        if each.subject == each.issuer:
            continue  # Nobody looks at what a root says of itself.
        algorithm = None
        try:
            algorithm = each.signature_hash_algorithm
        except Exception:  # noqa: BLE001 -- A stranger's certificate: whatever it cannot be read for, it is weak.
            message = f"{'its certificate' if number == 0 else whose} is signed by an unknown algorithm"
            yield case.finding("weak-signature", message, "have it issued anew, with SHA-256")
        if algorithm is not None and algorithm.name in {"md5", "sha1", "md2"}:
            message = f"the signature of {_said(each.subject)} is with {algorithm.name.upper()}, which can be forged"
            yield case.finding("weak-signature", message, "have it issued anew, with SHA-256")


def _pins(case: _Case) -> Iterator[Finding]:
    if not case.subject.pins or not case.met.chain:
        return
    try:
        key = case.met.chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001 -- A key of no known kind is none of them.
        key = b""
    if hashlib.sha256(key).hexdigest() not in case.subject.pins:
        message = "its key is none of `pins`: the gate refuses it"
        yield case.finding("pin-mismatch", message, "find out why it changed; then name the new key under `pins`")


def _hsts(case: _Case) -> Iterator[Finding]:
    if not case.ours or not case.met.hsts_seen or case.subject.local:
        return  # On loopback a browser would hold it against everything else on the machine.
    if case.met.hsts is None:
        message = f"answers for {case.asked} have no Strict-Transport-Security: a first click may go in the clear"
        yield case.finding("no-hsts", message, "take `hsts: off` out; it is said by itself")
        return
    found = re.search(r"(?i)max-age\s*=\s*\"?([0-9]{1,10})", case.met.hsts)
    age = int(found[1]) if found else 0
    if age < HSTS_LEAST:
        message = f"Strict-Transport-Security is for {age // 86_400} days alone"
        yield case.finding("short-hsts", message, "set `hsts: {max_age: 365d}`")


_Check = Callable[[_Case], Iterator[Finding]]
_CHECKS: Final[tuple[_Check, ...]] = (_handshake, _readable, _names, _dates, _trust, _keys, _pins, _hsts)
_OF_WHOLE: Final[tuple[_Check, ...]] = (_versions, _offers, _post_quantum)
"""What is the same whatever name is asked for."""


def key_of(certificate: x509.Certificate) -> tuple[str, bool]:
    """A key in words, and whether it is weak."""
    try:
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 -- A stranger's key: there is no end of what it may be.
        return "a key of an unknown kind", True
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}", key.key_size < RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}", key.key_size < CURVE_BITS
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}", True
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey"), False


def _held(certificate: x509.Certificate) -> tuple[list[str], list[ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 -- None, or a stranger's that cannot be read.
        return [], []
    addresses = [each for each in names.get_values_for_type(x509.IPAddress) if hasattr(each, "packed")]
    return names.get_values_for_type(x509.DNSName), addresses  # type: ignore[return-value]


def _good_for(wanted: str, names: list[str], addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    """RFC 9525 section 6.3: whole names, and a wildcard for one whole label on the left."""
    try:
        return ipaddress.ip_address(wanted) in addresses
    except ValueError:
        pass
    wanted = wanted.lower().rstrip(".")
    below = wanted.partition(".")[2]
    held = {name.lower().rstrip(".") for name in names}
    return wanted in held or (bool(below) and f"*.{below}" in held)


def _said(name: x509.Name) -> str:
    for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        for each in name.get_attributes_for_oid(oid):
            return printable(str(each.value))[:80]
    return printable(name.rfc4514_string())[:80] or "an authority without a name"
