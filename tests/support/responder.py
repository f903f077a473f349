"""Responders for tests: OpenSSL's, which is a real one, and one that says what a test wants."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from support.certificates import Authority, Issued

REVOKED = ocsp.OCSPCertStatus.REVOKED
GOOD = ocsp.OCSPCertStatus.GOOD
UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN
ForResponders = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)


def names(url: str) -> tuple[x509.ExtensionType, bool]:
    """The extension by which a certificate says whom to ask."""
    where = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)]), False


class OpensslResponder:
    """`openssl ocsp` with an index of certificates; `with` ends it."""

    def __init__(self, authority: Authority, *, signer: Issued | None = None, minutes: int | None = 60) -> None:
        """Answers hold for so many `minutes`, or say nothing of that; `signer` answers in the authority's place."""
        self._index = authority.folder / "index.txt"
        self._revoked: set[int] = set()
        self._all: list[x509.Certificate] = []
        self.write()
        (authority.folder / "index.txt.attr").write_text("unique_subject = no\n")
        chain, key = (signer.chain, signer.key) if signer is not None else (authority.pem, authority.private())
        lasts = [] if minutes is None else ["-nmin", str(minutes)]
        asking = ["openssl", "ocsp", "-port", "0", "-ignore_err", "-index", str(self._index)]
        asking += ["-CA", str(authority.pem), "-rsigner", str(chain), "-rkey", str(key)]
        self._process = subprocess.Popen(
            [*asking, *lasts],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.url = f"http://127.0.0.1:{self._port()}"

    def _port(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = re.match(r"ACCEPT .*:(\d+) PID", line)
            if found:
                self._reader = threading.Thread(target=self._process.stdout.read)
                self._reader.start()
                return found[1]
        raise AssertionError("openssl ocsp has not begun to listen")

    def knows(self, *certificates: x509.Certificate) -> None:
        """Takes them into the index."""
        self._all += certificates
        self.write()
        self._nudge()

    def revoke(self, certificate: x509.Certificate) -> None:
        """Says from now on that it was revoked."""
        self._revoked.add(certificate.serial_number)
        self.write()
        self._nudge()

    def write(self) -> None:
        """The index, in the place of the one before."""
        beside = self._index.with_suffix(".new")
        beside.write_text("".join(map(self._line, self._all)))
        beside.replace(self._index)

    def _nudge(self) -> None:
        """It looks whether its index has changed before it waits for a question, not after: so this is one."""
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(self.url, content=b"nothing", trust_env=False)

    def _line(self, certificate: x509.Certificate) -> str:
        revoked = certificate.serial_number in self._revoked
        serial = f"{certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        at = _stamp(dt.datetime.now(dt.UTC)) if revoked else ""
        state = "R" if revoked else "V"
        return f"{state}\t{_stamp(certificate.not_valid_after_utc)}\t{at}\t{serial}\tunknown\t/CN=x\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _stamp(when: dt.datetime) -> str:
    return when.strftime("%y%m%d%H%M%SZ")


@dataclass
class Signer:
    """Who signs an answer."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


def answer(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    signer: Signer,
    status: ocsp.OCSPCertStatus = GOOD,
    *,
    this: float = 0,
    until: float | None = 3600,
    shown: Sequence[x509.Certificate] = (),
    algorithm: hashes.HashAlgorithm | None = None,
    hashed: Any = hashes.SHA256(),  # noqa: B008 -- It is never changed.
) -> bytes:
    """An answer of `this` many seconds ago, which holds for so many from now."""
    now = dt.datetime.now(dt.UTC)
    revoked = status is REVOKED
    made = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=issuer,
        algorithm=algorithm or hashes.SHA1(),  # noqa: S303 -- It names the issuer, and proves nothing.
        cert_status=status,
        this_update=now - dt.timedelta(seconds=this),
        next_update=None if until is None else now + dt.timedelta(seconds=until),
        revocation_time=now - dt.timedelta(days=1) if revoked else None,
        revocation_reason=None,
    )
    made = made.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if shown:
        made = made.certificates(list(shown))
    return made.sign(signer.key, hashed).public_bytes(Encoding.DER)


class OddResponder:
    """Answers with what `says` makes of a question, and counts the questions; `with` ends it."""

    def __init__(self, says: Callable[[bytes], bytes] | None) -> None:
        """Without `says` it takes questions and never answers."""
        self.says = says
        self.asked = 0
        self.status = 200
        self.headers: dict[str, str] = {}
        self._over = threading.Event()
        odd = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = self.rfile.read(int(self.headers["Content-Length"]))
                odd.asked += 1
                if odd.says is None:
                    odd._over.wait()
                    return
                said = odd.says(question)
                self.send_response(odd.status)
                for name, value in odd.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 -- The name is the library's.
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def signer(authority: Authority) -> Signer:
    """The authority itself."""
    return Signer(authority.certificate, authority.key)


def delegate(issued: Issued) -> Signer:
    """Somebody whom an authority has certified."""
    key = load_pem_private_key(issued.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Signer(issued.certificate, key)
