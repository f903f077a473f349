"""Whether a certificate was revoked, as who issued it says (OCSP, RFC 6960).

All that a certificate or a responder says is a stranger's until it has been verified: nobody is
asked about a certificate before an authority of the configuration has been found to vouch for it,
and no answer is believed that the issuer, or whom the issuer made its responder, has not signed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, TypeGuard
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from lockgate.outgoing import Outgoing, OutgoingError
from lockgate.printable import printable

BETWEEN: Final = 6
"""Certificates between a client's own and an authority; the gate follows no more (webpki)."""
ANSWER_BYTES: Final = 64 * 2**10
"""An answer has some 500 bytes, with a responder's certificates 2 to 8 KiB."""
DELEGATES: Final = 8
"""Certificates of an answer that are looked at: it has one, and seldom those above it."""
SINGLES: Final = 64
"""Certificates that an answer tells of: asked was for one."""
URL_LENGTH: Final = 2048
SKEW: Final = timedelta(seconds=60)
"""How far a responder's clock may be from ours."""
RSA_BITS: Final = 2048
ISSUERS_RSA_BITS: Final = 8192
"""The gate believes signatures of no larger key (webpki); one of a client's making would take long."""

BROKEN: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""All that comes of reading what a stranger has written; much is read only when it is wanted."""

_HASHES: Final = ("sha256", "sha384", "sha512")
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")

State = Literal["good", "revoked", "unknown"]


class OcspError(Exception):
    """Why nothing is known; the message says it in words."""


class HiddenError(OcspError):
    """Nobody can be asked, and that is no responder's doing: a certificate hides what TLS has found in it."""


class SilentError(OcspError):
    """The responder could not be had at all."""


@dataclass(frozen=True, slots=True)
class Link:
    """A certificate, and who issued it."""

    certificate: x509.Certificate
    issuer: x509.Certificate

    @property
    def name(self) -> str:
        """For people."""
        return printable(f"{self.certificate.subject.rfc4514_string()} (serial {self.certificate.serial_number:x})")

    @property
    def issuer_name(self) -> str:
        """For people."""
        return printable(self.issuer.subject.rfc4514_string())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a responder says, verified."""

    state: State
    """`unknown` where it says that it does not know the certificate."""
    until: datetime
    """When it wants to be asked again; where it does not say, `max_age` after it was signed."""


def authorities(pem: bytes) -> list[x509.Certificate]:
    """The certificates in a file; raises `HiddenError`."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except BROKEN as error:
        raise HiddenError(f"a file of `trust` cannot be read: {error}") from error


def shown(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """What a client showed, DER, its own first; raises `HiddenError`.

    What cannot be read behind its own is left out: TLS has found a way without it.
    """
    read: list[x509.Certificate] = []
    for number, der in enumerate(chain):
        try:
            read.append(x509.load_der_x509_certificate(der))
        except BROKEN as error:
            if number == 0:
                raise HiddenError(f"the client's certificate cannot be read: {error}") from error
    return read


def shown_pem(pem: bytes) -> list[x509.Certificate]:
    """The same of PEM; raises `HiddenError`."""
    try:
        return shown([base64.b64decode(text) for text in _PEM.findall(pem)])
    except ValueError as error:
        raise HiddenError(f"the certificate cannot be read: {error}") from error


def way(chain: Sequence[x509.Certificate], trust: Sequence[x509.Certificate]) -> list[Link]:
    """Each certificate from the client's own up to one that an authority of `trust` has issued; raises `HiddenError`.

    The shortest. Each certificate is gone over once, and no two are compared twice: what is shown
    besides cannot make the search long, and so cannot end it either.
    """
    now = datetime.now(UTC)
    left = [other for other in dict.fromkeys(chain[1:]) if _authority(other, now)]
    anchors = list(dict.fromkeys(trust))
    ways = [[certificate] for certificate in chain[:1]]
    for _ in range(BETWEEN + 1):
        for one in ways:
            for authority in anchors:
                if _issued(one[-1], authority):
                    return [Link(certificate, issuer) for certificate, issuer in pairwise([*one, authority])]
        longer: list[list[x509.Certificate]] = []
        for one in ways:
            above = [other for other in left if _issued(one[-1], other)]
            left = [other for other in left if other not in above]
            longer += [[*one, other] for other in above]
        ways = longer
    raise HiddenError("no authority of `trust` vouches for the certificate by what was shown")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        if certificate.issuer != issuer.subject or not _verifies(issuer):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (*BROKEN, InvalidSignature):
        return False
    return True


def _verifies(issuer: x509.Certificate) -> bool:
    """Whether TLS would believe anything by this key."""
    match issuer.public_key():
        case rsa.RSAPublicKey() as key:
            return RSA_BITS <= key.key_size <= ISSUERS_RSA_BITS
        case ec.EllipticCurvePublicKey() as key:
            return key.curve.name in _CURVES
        case key:
            return isinstance(key, ed25519.Ed25519PublicKey)


def _authority(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether TLS would go over it; one that has run out could stand for another that was revoked."""
    try:
        holds = certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc + SKEW
        return holds and certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (*BROKEN, x509.ExtensionNotFound):
        return False


def responder_of(certificate: x509.Certificate) -> str:
    """Whom the certificate says to ask (RFC 5280 section 4.2.2.1); raises `OcspError`."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        access = x509.AuthorityInformationAccess([])
    except BROKEN as error:
        raise HiddenError(f"whom to ask cannot be read in it: {error}") from error
    for one in access:
        where = one.access_location
        if one.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            where, x509.UniformResourceIdentifier
        ):
            url = where.value
            if url.isprintable() and " " not in url and len(url) <= URL_LENGTH and _is_http(url):
                return url
    raise OcspError("it names no responder to ask (`authorityInfoAccess`)")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)


async def ask(outgoing: Outgoing, url: str, link: Link, *, seconds: float, max_age: float, now: datetime) -> Answer:
    """Ask a responder about a certificate; raises `OcspError`."""
    try:
        # SHA-1 names the issuer here and proves nothing; responders know no other (RFC 5019 section 2.1.1).
        made = ocsp.OCSPRequestBuilder().add_certificate(link.certificate, link.issuer, hashes.SHA1()).build()  # noqa: S303
        content = made.public_bytes(serialization.Encoding.DER)
    except BROKEN as error:
        raise HiddenError(f"nobody can be asked about the certificate: {error}") from error
    try:
        answer = await outgoing.send(
            "POST",
            url,
            headers={"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"},
            content=content,
            limit=ANSWER_BYTES,
            seconds=seconds,
            signed=True,
        )
    except OutgoingError as error:
        raise SilentError(str(error)) from error
    if answer.status != 200:
        raise OcspError(f"it answers with status {answer.status}")
    return read(answer.body, made, link, max_age=max_age, now=now)


def read(body: bytes, asked: ocsp.OCSPRequest, link: Link, *, max_age: float, now: datetime) -> Answer:
    """What an answer says, once all of it is verified; raises `OcspError`."""
    try:
        response = ocsp.load_der_ocsp_response(body)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OcspError(f"it answers `{response.response_status.name.lower()}`")
        _signed(response, link.issuer, now)
        for extension in response.extensions:
            if extension.critical:
                raise OcspError("its answer has a critical extension that is not known here")
        return _said(response, asked, max_age, now)
    except BROKEN as error:
        raise OcspError("its answer is not one of OCSP, or is signed in a way that is not known here") from error


def _said(response: ocsp.OCSPResponse, asked: ocsp.OCSPRequest, max_age: float, now: datetime) -> Answer:
    found = [single for _, single in zip(range(SINGLES), response.responses, strict=False) if _is_of(single, asked)]
    if len(found) != 1:
        raise OcspError("its answer says two things at once" if found else "its answer is about another certificate")
    (single,) = found
    this, until = single.this_update_utc, single.next_update_utc
    if this > now + SKEW:
        raise OcspError(f"its answer is of a time to come, {this:%Y-%m-%d %H:%M:%S} UTC: compare the clocks")
    if until is not None and (until < now - SKEW or until < this):
        raise OcspError(f"its answer ran out at {until:%Y-%m-%d %H:%M:%S} UTC")
    if until is None and this < now - SKEW - timedelta(seconds=max_age):
        raise OcspError(f"its answer is of {this:%Y-%m-%d %H:%M:%S} UTC, older than `max_age`")
    states: dict[ocsp.OCSPCertStatus, State] = {
        ocsp.OCSPCertStatus.GOOD: "good",
        ocsp.OCSPCertStatus.REVOKED: "revoked",
        ocsp.OCSPCertStatus.UNKNOWN: "unknown",
    }
    return Answer(states[single.certificate_status], until or this + timedelta(seconds=max_age))


def _is_of(single: ocsp.OCSPSingleResponse, asked: ocsp.OCSPRequest) -> bool:
    return (
        single.serial_number == asked.serial_number
        and single.hash_algorithm.name == asked.hash_algorithm.name
        and single.issuer_name_hash == asked.issuer_name_hash
        and single.issuer_key_hash == asked.issuer_key_hash
    )


def _signed(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    """Raises `OcspError` unless the issuer has signed it, or whom the issuer made its responder (4.2.2.2)."""
    if _signs(issuer, response):
        return
    for delegate in response.certificates[:DELEGATES]:
        if _delegated(delegate, issuer, now) and _signs(delegate, response):
            return
    raise OcspError("its answer is signed neither by who issued the certificate nor by a responder of theirs")


def _delegated(delegate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        purposes = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (*BROKEN, x509.ExtensionNotFound):
        return False
    try:
        usage = delegate.extensions.get_extension_for_class(x509.KeyUsage).value
        signs = usage.digital_signature
    except x509.ExtensionNotFound:
        signs = True
    holds = delegate.not_valid_before_utc - SKEW <= now <= delegate.not_valid_after_utc + SKEW
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes and signs and holds and _issued(delegate, issuer)


def _signs(signer: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    signature, text, algorithm = response.signature, response.tbs_response_bytes, response.signature_hash_algorithm
    key = signer.public_key()
    try:
        match key:
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() if algorithm is None:
                key.verify(signature, text)
            case rsa.RSAPublicKey() if _strong(algorithm) and key.key_size >= RSA_BITS:
                key.verify(signature, text, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePublicKey() if _strong(algorithm):
                key.verify(signature, text, ec.ECDSA(algorithm))
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def _strong(algorithm: hashes.HashAlgorithm | None) -> TypeGuard[hashes.HashAlgorithm]:
    return algorithm is not None and algorithm.name in _HASHES
