"""Certificates made for one case: nobody trusts who issued them, and none of them opens anything that runs."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from lockgate.rehearsal.credentials import CaseError
from lockgate.rehearsal.model import ShownCertificate

LIFE: Final = dt.timedelta(days=30)
"""How long before and after its case a certificate holds."""
ATTRIBUTES: Final = {
    "CN": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


@functools.cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def made(wanted: ShownCertificate, now_ms: int) -> bytes:
    """The certificate as the case wants it, PEM."""
    now = dt.datetime.fromtimestamp(now_ms / 1_000, dt.UTC)
    ends = now - dt.timedelta(days=1) if wanted.expired else now + LIFE
    try:
        subject = x509.Name([x509.NameAttribute(ATTRIBUTES[name], value) for name, value in wanted.subject.items()])
        names = list(_names(wanted))
        building = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")]))
            .public_key(_key().public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LIFE)
            .not_valid_after(ends)
        )
        if names:
            building = building.add_extension(x509.SubjectAlternativeName(names), critical=not wanted.subject)
        return building.sign(_key(), hashes.SHA256()).public_bytes(Encoding.PEM)
    except ValueError as error:
        raise CaseError(f"no certificate can be made of this: {error}", "certificate") from error


def _names(wanted: ShownCertificate) -> Iterator[x509.GeneralName]:
    yield from map(x509.DNSName, wanted.dns)
    yield from map(x509.UniformResourceIdentifier, wanted.uri)
    yield from map(x509.RFC822Name, wanted.email)
    for address in wanted.ip:
        yield x509.IPAddress(ipaddress.ip_address(address))


def asks(bundle: Mapping[str, Any], listener: str | None) -> bool:
    """Whether the listener asks clients for certificates, at least on some host; the first where none is named."""
    for each in bundle["listeners"]:
        if listener in {None, each["name"]}:
            tls = each["tls"]
            return tls is not None and any(one["clients"] is not None for one in (tls, *tls["hosts"]))
    return False


def thumbprint(certificate: bytes) -> str:
    """What a token that is bound to a certificate, PEM, says in `x5t#S256` (RFC 8705 section 3.1)."""
    made = x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode("ascii")
