"""Servers that speak TLS badly in one way each, and certificates that are bad in one way each."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.ports import free_port
from support.processes import Processes
from support.waiting import until

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate, its key, and who issued it."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def private(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def made(
    name: str,
    issuer: Made | None = None,
    *,
    names: tuple[str, ...] = ("localhost",),
    key: Key | None = None,
    begins: float = -1,
    ends: float = 60,
    authority: bool = False,
) -> Made:
    """A certificate, good from and until so many days from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=ends))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority and names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def written(folder: Path, name: str, *chain: Made) -> tuple[Path, Path]:
    """The files of a chain and of the key of its first."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(b"".join(each.pem for each in chain))
    key.write_bytes(chain[0].private)
    key.chmod(0o600)
    return pem, key


@contextmanager
def serving(answer: Callable[[socket.socket], Any]) -> Iterator[int]:
    """A port where each connection is answered in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(sock: socket.socket) -> None:
            with sock, contextlib.suppress(OSError):
                answer(sock)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listening.accept()
                    threading.Thread(target=one, args=(sock,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            # A close alone does not wake a thread that accepts.
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            thread.join()


@contextmanager
def secured(chain: Path, key: Path, *, old: bool = False) -> Iterator[int]:
    """A server that shakes hands with that certificate; where `old`, with all that its library still knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0" if old else "ECDHE+AESGCM:@SECLEVEL=0")
    context.load_cert_chain(chain, key)
    if old:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED

    def answer(sock: socket.socket) -> None:
        sock.settimeout(10)
        with context.wrap_socket(sock, server_side=True) as shaken:
            shaken.recv(1)

    with serving(answer) as port:
        yield port


def openssl_server(processes: Processes, chain: Path, key: Path, *words: str) -> int:
    """The port of `openssl s_server`, which does what Python's module does not."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl program")
    port = free_port()
    processes.start(
        [program, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(chain), "-key", str(key), "-www", *words]
    )

    def there() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(there, "openssl s_server to listen")
    return port
