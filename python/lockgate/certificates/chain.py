"""Certificates, keys and requests in PEM: read, checked, made."""

from __future__ import annotations

import base64
import ipaddress
import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from lockgate.addresses import is_address
from lockgate.certificates.names import Names

PEM_BYTES: Final = 256 * 2**10
"""Of a chain or a key; a chain of three with RSA keys has some 6 KiB."""
CHAIN_LENGTH: Final = 10
"""Certificates of a chain; rustls, OpenSSL and browsers follow some ten as well."""
RSA_BITS: Final = 2048
"""The least that browsers take (CA/Browser Forum Baseline Requirements 6.1.5)."""

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate with those of its issuers, checked to be in order."""

    pem: str = field(repr=False)
    """The leaf first; nothing but certificates in it."""
    leaf: x509.Certificate = field(repr=False)
    names: Names
    """Of the leaf's Subject Alternative Name."""
    issuer: str
    """The issuer's common name, or all of its name where it has none."""
    not_before: datetime
    """UTC, as the other times."""
    not_after: datetime
    fingerprint: str
    """SHA-256 of the leaf, in hex."""

    @property
    def renewal_id(self) -> str | None:
        """What RFC 9773 section 4.1 calls the certificate; nothing where it does not name its issuer's key."""
        try:
            extension = self.leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return None
        issuer_key = extension.value.key_identifier
        if issuer_key is None:
            return None
        serial = self.leaf.serial_number
        # The content of the DER INTEGER: big-endian, with room for the sign.
        return f"{_b64(issuer_key)}.{_b64(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


def read_chain(pem: str | bytes) -> Chain:
    """Read a chain, leaf first; raises `ValueError` for what is none, or is not in order, or has no usable names."""
    content = pem.encode() if isinstance(pem, str) else pem
    if len(content) > PEM_BYTES:
        raise ValueError(f"the certificates have more than {PEM_BYTES} bytes")
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        # What the library says is for those who program with it.
        raise ValueError(_no_certificate(content)) from None
    if len(certificates) > CHAIN_LENGTH:
        raise ValueError(f"a chain of {len(certificates)} certificates; at most {CHAIN_LENGTH} are taken")
    for number, (below, above) in enumerate(itertools.pairwise(certificates), start=1):
        _check_issued(below, above, number)
    leaf = certificates[0]
    return Chain(
        pem="".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates),
        leaf=leaf,
        names=_names(leaf),
        issuer=_issuer(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
    )


def read_key(pem: str | bytes) -> PrivateKey:
    """Read a private key; raises `ValueError`, never with any of the key, for what is none that TLS can use."""
    content = pem.encode() if isinstance(pem, str) else pem
    if len(content) > PEM_BYTES:
        raise ValueError(f"the key has more than {PEM_BYTES} bytes")
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise ValueError(
            "the key has a password: `openssl pkey -in KEY -out NEW.key` writes it without one; give that file to "
            "nobody (mode 0600)"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        # What the library says might quote the input.
        raise ValueError(_no_key(content)) from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits is too weak; {RSA_BITS} is the least")
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES
    ):
        return key
    raise ValueError("the key is of a kind that TLS servers do not use; make one with P-256, Ed25519 or RSA")


def _no_certificate(content: bytes) -> str:
    if b"PRIVATE KEY-----" in content:
        return "there is a private key in it and no certificate: the files of certificate and key may be swapped"
    if _is_der(content):
        return "it is in DER and not in PEM: `openssl x509 -inform DER -in FILE -out NEW.pem` turns it into that"
    if b"-----BEGIN CERTIFICATE-----" in content:
        return "the certificate in it is damaged: have it written anew; `openssl x509 -in FILE -noout` reads a good one"
    return "there is no certificate in PEM in it"


def _no_key(content: bytes) -> str:
    if b"-----BEGIN CERTIFICATE-----" in content:
        return "there is a certificate in the key's file and no key: the files may be swapped"
    if _is_der(content):
        return "the key is in DER and not in PEM: `openssl pkey -inform DER -in KEY -out NEW.key` turns it into that"
    return "no private key in PEM can be read"


def _is_der(content: bytes) -> bool:
    """Whether it begins as a DER sequence of more than 127 bytes does, and so no text."""
    return content[:1] == b"\x30" and content[1:2] in {b"\x81", b"\x82", b"\x83"}


def check_pair(chain: Chain, key: PrivateKey) -> None:
    """Refuse a key that is not the certificate's; raises `ValueError`."""
    if public_bytes(key.public_key()) != public_bytes(chain.leaf.public_key()):
        raise ValueError(f"the key is not the one of the certificate for {chain.names}")


def check_usable(chain: Chain, now: datetime) -> None:
    """Refuse a certificate that has expired or is not for servers; raises `ValueError`."""
    if now >= chain.not_after:
        raise ValueError(f"the certificate for {chain.names} expired on {chain.not_after:%Y-%m-%d %H:%M} UTC")
    try:
        usage = chain.leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        raise ValueError(
            f"the certificate for {chain.names} is not for servers (no serverAuth in its extended key usage)"
        )


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh ECDSA key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> str:
    """A key as PKCS #8 PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def make_request(names: Names, key: PrivateKey) -> x509.CertificateSigningRequest:
    """A certificate signing request for the names, with an empty subject (RFC 8555 section 7.4)."""
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(alternative_name(names), critical=True)
        .sign(key, algorithm)
    )


def read_request(pem: str | bytes) -> tuple[x509.CertificateSigningRequest, Names]:
    """Read a certificate signing request and its names; raises `ValueError`."""
    try:
        request = x509.load_pem_x509_csr(pem.encode() if isinstance(pem, str) else pem)
    except ValueError:
        raise ValueError("no certificate signing request in PEM can be read") from None
    if not request.is_signature_valid:
        raise ValueError("the certificate signing request's signature is wrong")
    return request, _names(request)


def same_key(request_pem: str, chain: Chain) -> bool:
    """Whether the certificate is for the signing request's key; raises `ValueError`."""
    return public_bytes(read_request(request_pem)[0].public_key()) == public_bytes(chain.leaf.public_key())


def alternative_name(names: Names) -> x509.SubjectAlternativeName:
    """The names as a certificate holds them."""
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name) for name in names]
    )


def public_bytes(key: object) -> bytes:
    """A public key in DER, to compare it; raises `ValueError` for one that has no such form."""
    if not hasattr(key, "public_bytes"):
        raise ValueError("the certificate's key is of an unknown kind")
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der


def _check_issued(below: x509.Certificate, above: x509.Certificate, number: int) -> None:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise ValueError(
            f"certificate {number} of the chain was not issued by certificate {number + 1}: the server's comes first, "
            "each other one behind what it issued"
        ) from None


def _names(of: x509.Certificate | x509.CertificateSigningRequest) -> Names:
    try:
        held = of.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("it has no Subject Alternative Name, so no client takes it (RFC 9525 section 1.2)") from None
    names = [*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))]
    return Names.of(names)


def _issuer(leaf: x509.Certificate) -> str:
    common = leaf.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else leaf.issuer.rfc4514_string()


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
