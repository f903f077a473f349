"""The control process's own certificate authority, for its gates and for nobody else.

Nobody has to trust it: a gate learns its fingerprint from the token that it
enrols with, and the listener takes no certificate but its own.
"""

import datetime as dt
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lockgate.state import StateFolder, read_secret, write_private

SERVER_NAME: Final = "lockgate-control"
"""The name in the listener's certificate. Gates reach it under any address, and know it by the authority."""

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 365
GATE_DAYS: Final = 30
"""A gate renews its own after two thirds of it; a gate that was away for longer enrols again."""

BACKDATE: Final = dt.timedelta(minutes=5)
"""Clocks differ."""

CSR_BYTES: Final = 4096
"""A request with a key on P-256 has some 400 bytes."""


class RequestError(ValueError):
    """A certificate request that is not taken."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A gate's certificate."""

    pem: str
    serial: str
    not_after_ms: int


class Authority:
    """Issues certificates; made at the first use."""

    def __init__(self, state: StateFolder) -> None:
        """Its key is in the state folder, mode 0600."""
        key_file, file = state.secrets / "gates-ca.key", state.secrets / "gates-ca.pem"
        if not key_file.exists():
            _make(key_file, file)
        key = serialization.load_pem_private_key(read_secret(key_file).encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is of another kind")
        self._key = key
        self.pem = read_secret(file) + "\n"
        self._certificate = x509.load_pem_x509_certificate(self.pem.encode())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as a token carries it."""
        return hashlib.sha256(self._certificate.public_bytes(serialization.Encoding.DER)).hexdigest()

    def issue(self, csr_pem: str, name: str) -> Issued:
        """A certificate for the gate of that name; what else its request says does not count."""
        if len(csr_pem) > CSR_BYTES:
            raise RequestError("the certificate request is too long")
        try:
            csr = x509.load_pem_x509_csr(csr_pem.encode())
            key = csr.public_key()
            if not csr.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
                raise RequestError("the certificate request is not signed with a key on P-256")
        except (ValueError, InvalidSignature) as error:
            raise RequestError("that is no certificate request") from error
        if not isinstance(key.curve, ec.SECP256R1):
            raise RequestError("the certificate request is not signed with a key on P-256")
        certificate = self._sign(name, key, GATE_DAYS, ExtendedKeyUsageOID.CLIENT_AUTH)
        return Issued(
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            f"{certificate.serial_number:x}",
            int(certificate.not_valid_after_utc.timestamp() * 1000),
        )

    def context(self) -> ssl.SSLContext:
        """For the listener, with a certificate that is made anew: TLS 1.3, and no client but ours or none."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(SERVER_NAME, key.public_key(), SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_OPTIONAL
        context.num_tickets = 0  # A session that is resumed would not be asked for its certificate again.
        context.load_verify_locations(cadata=self.pem)
        with TemporaryDirectory(prefix="lockgate-") as folder:
            path = Path(folder) / "server.pem"
            write_private(path, certificate.public_bytes(serialization.Encoding.PEM).decode() + _pem(key))
            context.load_cert_chain(path)
        return context

    def _sign(
        self, name: str, key: ec.EllipticCurvePublicKey, days: int, usage: x509.ObjectIdentifier
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def bearer(der: bytes) -> tuple[str, str]:
    """Name and serial of a certificate that TLS has verified."""
    certificate = x509.load_der_x509_certificate(der)
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value), f"{certificate.serial_number:x}"


def _make(key_file: Path, file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("Lockgate gates"))
        .issuer_name(_name("Lockgate gates"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + dt.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    write_private(file, certificate.public_bytes(serialization.Encoding.PEM).decode())
    write_private(key_file, _pem(key))  # Last: where it is, all of it is.


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
