"""A certificate authority of the demonstration's own, which can vouch for this machine alone."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lockgate.state import private_folder, write_private

FOLDER = "demo-authority"
DAYS = 30
RENEW_DAYS = 2
"""One that ends sooner is made anew at the next start."""

_NAMES: list[x509.GeneralName] = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
]
_PERMITTED: list[x509.GeneralName] = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_network("127.0.0.1/32")),
    x509.IPAddress(ipaddress.ip_network("::1/128")),
]


@dataclass(frozen=True)
class Files:
    """Where the certificates lie."""

    folder: Path

    @property
    def authority(self) -> Path:
        """What clients are told to trust."""
        return self.folder / "authority.pem"

    @property
    def chain(self) -> Path:
        """What the gate shows."""
        return self.folder / "localhost.pem"

    @property
    def key(self) -> Path:
        """The gate's key."""
        return self.folder / "localhost.key"


def local_authority(state: Path) -> Files:
    """The authority and a certificate for localhost, made where they are missing or soon end.

    Somebody may have a browser trust the authority, and forget that. So it can vouch for nothing but this machine
    (RFC 5280 section 4.2.1.10), and its key is gone once it has signed: nobody finds it later.
    """
    files = Files(state / FOLDER)
    private_folder(state)
    private_folder(files.folder)
    if not _good(files):
        _make(files)
    return files


def _good(files: Files) -> bool:
    if not all(path.is_file() for path in (files.authority, files.chain, files.key)):
        return False
    try:
        certificate = x509.load_pem_x509_certificate(files.chain.read_bytes())
    except ValueError:
        return False
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)


def _make(files: Files) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lockgate demonstration, this machine only")])
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    authority = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(_PERMITTED, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        _builder(subject, name, own)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(files.key, secret.decode())
    write_private(files.authority, authority.public_bytes(serialization.Encoding.PEM).decode())
    write_private(files.chain, certificate.public_bytes(serialization.Encoding.PEM).decode())  # Last: all is there.


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
