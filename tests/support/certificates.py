"""Authorities and certificates for tests, made when they are wanted."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate in files."""

    chain: Path
    key: Path
    certificate: x509.Certificate


class Authority:
    """Who vouches for certificates."""

    def __init__(self, folder: Path, name: str = "authority", *, key: Key | None = None) -> None:
        self.folder = folder
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        made = _builder(self._name, self._name, self._key)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = {**dict.fromkeys(_USAGES, False), "key_cert_sign": True, "crl_sign": True}
        made = made.add_extension(x509.KeyUsage(**usage), critical=True)
        self.certificate = made.sign(self._key, hashes.SHA256())
        self.pem = folder / f"{name}.pem"
        self.pem.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    @property
    def key(self) -> Key:
        """Its key."""
        return self._key

    def private(self) -> Path:
        """Writes its key down, for a program that signs in its name."""
        path = self.pem.with_suffix(".key")
        _replace(path, self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path

    def below(self, name: str, *extensions: tuple[x509.ExtensionType, bool], days: int = 30) -> Authority:
        """Another one that this one vouches for, by what the extensions say."""
        other = Authority(self.folder, name)
        made = _builder(other._name, self._name, other._key, days=days)
        for value, critical in extensions:
            made = made.add_extension(value, critical)
        other.certificate = made.sign(self._key, hashes.SHA256())
        other.pem.write_bytes(other.certificate.public_bytes(Encoding.PEM))
        return other

    def issue(
        self,
        file: str,
        *names: str,
        days: float = 30,
        begins: int | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Issued:
        """Writes `file.pem` and `file.key`, good until so many days from now; a renewal takes what was there away."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(_named(file), self._name, key, days=days, begins=begins)
        for value, critical in extensions:
            made = made.add_extension(value, critical)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        return self.written(file, made, key)

    def copied(self, file: str, like: x509.Certificate) -> Issued:
        """A certificate with the names of another, under a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(like.subject, self._name, key)
        for extension in like.extensions:
            made = made.add_extension(extension.value, extension.critical)
        return self.written(file, made, key)

    def written(self, file: str, made: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Issued:
        """Signs it, and writes it down."""
        certificate = made.sign(self._key, hashes.SHA256())
        chain, private = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        _replace(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _replace(chain, certificate.public_bytes(Encoding.PEM))
        return Issued(chain, private, certificate)

    def revoke(
        self, *certificates: x509.Certificate, file: str = "revoked.crl", days: int = 1, signed: bool = True
    ) -> Path:
        """Writes a list of what is revoked, good for so many days; `signed` says in it whose key signed it."""
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        made = made.last_update(now - dt.timedelta(days=10)).next_update(now + dt.timedelta(days=days))
        for certificate in certificates:
            one = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now)
            made = made.add_revoked_certificate(one.build())
        made = made.add_extension(x509.CRLNumber(1), critical=False)
        if signed:
            key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            made = made.add_extension(key, critical=False)
        written = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        _replace(self.folder / file, written)
        return self.folder / file


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    *,
    days: float = 30,
    begins: int | None = None,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    begin = now + dt.timedelta(days=-abs(days) - 1 if begins is None else begins)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.touch(0o600 if path.suffix == ".key" else 0o644)
    beside.write_bytes(content)
    beside.replace(path)
