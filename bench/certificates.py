"""One authority and one certificate (ECDSA P-256), the same kind for every subject."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "shop.example.com"


def write(folder: Path) -> Path:
    """Writes `chain.pem`, `key.pem` and both in one, and gives the file of who vouches for them."""
    authority = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Benchmark")])
    root = _builder(name, name, authority).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]), name, key)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
    chain = leaf.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    trust = folder / "authority.pem"
    trust.write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(secret)
    (folder / "both.pem").write_bytes(chain + secret)
    return trust


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
    )


def secured(address: str, trust: Path) -> ssl.SSLSocket:
    """A socket to a subject that has that certificate, whatever its address."""
    context = ssl.create_default_context(cafile=str(trust))
    host, _, port = address.rpartition(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=5), server_hostname=HOST)
