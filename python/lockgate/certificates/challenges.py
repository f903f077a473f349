"""What shows an authority that a name is ours, and who puts it where the authority looks.

Three kinds of proof: a text under a well-known path over plain HTTP (RFC 8555
section 8.3), a certificate shown to a client that asks for the protocol
`acme-tls/1` (RFC 8737), and a TXT record (RFC 8555 section 8.4).
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from lockgate.certificates.chain import alternative_name, key_pem, new_key
from lockgate.certificates.names import Names

ChallengeKind = Literal["http-01", "tls-alpn-01", "dns-01"]

HTTP_PATH: Final = "/.well-known/acme-challenge/"
"""Behind it comes the token; always over plain HTTP on port 80."""
ALPN_PROTOCOL: Final = "acme-tls/1"
ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")

_DER_OCTET_STRING: Final = 0x04
_VALID_FOR: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class HttpChallenge:
    """Answer `GET /.well-known/acme-challenge/<token>` on any host of ours with the key authorization."""

    name: str
    token: str
    """Of letters, digits, `-` and `_` alone."""
    key_authorization: str
    """The body of the answer, to be sent as `application/octet-stream`; no secret."""


@dataclass(frozen=True, slots=True)
class TlsAlpnChallenge:
    """Show this certificate to whoever offers `acme-tls/1` alone and asks for the name, and close then.

    For an IP address the server name asked for is its `in-addr.arpa` or `ip6.arpa` name (RFC 8738 section 6):
    `server_name` says what to look for.
    """

    name: str
    server_name: str
    certificate_pem: str = field(repr=False)
    key_pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DnsChallenge:
    """Have a TXT record, besides those there are: a name and its wildcard have two values under one name."""

    name: str
    record: str
    """`_acme-challenge.` and the name, without a dot at the end."""
    value: str


Challenge = HttpChallenge | TlsAlpnChallenge | DnsChallenge


class Publisher(Protocol):
    """Who puts challenges where the authority looks for them."""

    async def publish(self, challenge: Challenge) -> None:
        """Return once every place where the authority may look answers; raises `OSError` where that cannot be."""

    async def withdraw(self, challenge: Challenge) -> None:
        """Take the challenge away; one that is not there is nothing to complain of."""


def tls_alpn(name: str, key_authorization: str) -> TlsAlpnChallenge:
    """The certificate of RFC 8737 section 3: self-signed, with the name and a digest of the key authorization."""
    key = new_key()
    digest = hashlib.sha256(key_authorization.encode("ascii")).digest()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ACME challenge")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An authority's clock may be behind ours.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(alternative_name(Names.of([name])), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(ACME_IDENTIFIER, bytes((_DER_OCTET_STRING, len(digest))) + digest),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return TlsAlpnChallenge(
        name=name,
        server_name=server_name(name),
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key_pem=key_pem(key),
    )


def server_name(name: str) -> str:
    """What a client asks for in the TLS handshake when it means the name."""
    try:
        return ipaddress.ip_address(name).reverse_pointer
    except ValueError:
        return name
