"""A real certificate authority (Pebble) in a process of its own, and servers that answer its challenges."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import json
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from lockgate.certificates import Authority, Challenge, HttpChallenge, TlsAlpnChallenge
from lockgate.outgoing import Rules
from support.ports import free_port
from support.processes import Process, Processes
from support.tree import ROOT
from support.waiting import until

LOOPBACK = Rules((ipaddress.ip_network("127.0.0.0/8"),))


@functools.cache
def installed() -> Path:
    """Where Pebble is installed."""
    found = subprocess.run([str(ROOT / "scripts/acme-server.sh")], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"Pebble cannot be installed: {found.stderr.strip()[-300:]}")
    return Path(found.stdout.strip())


class TestAuthority:
    """A certificate authority of a test's own."""

    __test__ = False

    def __init__(self, name: str = "Test authority", issuer: TestAuthority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(
            self.name,
            self.key.public_key(),
            issuer or self,
            (datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=100)),
            [(x509.BasicConstraints(ca=True, path_length=None), True)],
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        *names: str,
        begins: datetime | None = None,
        ends: datetime | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> tuple[str, str]:
        """A certificate for the names, and its key, in PEM."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.issue_for(key.public_key(), *names, begins=begins, ends=ends, usage=usage), pem.decode()

    def issue_for(
        self,
        key: ec.EllipticCurvePublicKey,
        *names: str,
        begins: datetime | None = None,
        ends: datetime | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> str:
        """A certificate for the names and somebody's key, in PEM."""
        held: list[x509.GeneralName] = []
        for name in names:
            try:
                held.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                held.append(x509.DNSName(name))
        begins = begins or datetime.now(UTC) - timedelta(days=1)
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([usage]), False)]
        if held:
            extensions.append((x509.SubjectAlternativeName(held), True))
        certificate = self._sign(x509.Name([]), key, self, (begins, ends or begins + timedelta(days=90)), extensions)
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    @staticmethod
    def _sign(
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        issuer: TestAuthority,
        times: tuple[datetime, datetime],
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(times[0])
            .not_valid_after(times[1])
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer.key, hashes.SHA256())


class Pebble:
    """Pebble with its DNS server, on free ports; they end with `processes`."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        **config: Any,
    ) -> None:
        programs = installed()
        authority = TestAuthority("Pebble's own front")
        certificate, key = authority.issue("127.0.0.1", "localhost")
        self.trust = folder / "trust.pem"
        self.trust.write_text(authority.pem)
        (folder / "front.pem").write_text(certificate)
        (folder / "front.key").write_text(key)
        self.http_port, self.tls_port = free_port(), free_port()
        self._port, self._management, self._records, dns = free_port(), free_port(), free_port(), free_port()
        settings = {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(folder / "front.pem"),
            "privateKey": str(folder / "front.key"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
            "domainBlocklist": ["blocked.example"],
            "profiles": {
                "default": {"description": "The usual", "validityPeriod": 7_776_000},
                "shortlived": {"description": "Six days", "validityPeriod": 518_400},
            },
            **config,
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self.dns: Process = processes.start(
            [
                str(programs / "pebble-challtestsrv"),
                *("-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""),
                *("-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
                *("-dnsserver", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{self._records}"),
            ]
        )
        self.process: Process = processes.start(
            [str(programs / "pebble"), "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"],
            env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", **(environment or {})},
        )
        self._context = ssl.create_default_context(cafile=str(self.trust))
        until(self._answers, "Pebble to answer")

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self._port}/dir"

    @property
    def records_url(self) -> str:
        """Where the DNS server is told what to say."""
        return f"http://127.0.0.1:{self._records}"

    @property
    def orders(self) -> int:
        """How many were made."""
        return self.process.output.count("Added order ")

    def authority(self, **more: Any) -> Authority:
        """It, as the code under test is told of it."""
        settings: dict[str, Any] = {
            "directory": self.directory,
            "email": "ops@example.com",
            "terms_agreed": True,
            "trust": str(self.trust),
            "rules": LOOPBACK,
            **more,
        }
        return Authority(**settings)

    def root(self) -> x509.Certificate:
        """What it issues under."""
        found = httpx.get(f"https://127.0.0.1:{self._management}/roots/0", verify=self._context, trust_env=False)
        return x509.load_pem_x509_certificate(found.content)

    def suggest(self, certificate_pem: str, start: datetime, end: datetime) -> None:
        """Have it suggest another window for renewing a certificate."""
        window = {"suggestedWindow": {"start": start.isoformat(), "end": end.isoformat()}}
        answer = httpx.post(
            f"https://127.0.0.1:{self._management}/set-renewal-info/",
            json={"certificate": certificate_pem, "ariResponse": json.dumps(window)},
            verify=self._context,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text

    def _answers(self) -> bool:
        if self.process.child.poll() is not None or self.dns.child.poll() is not None:
            raise AssertionError(self.process.output + self.dns.output)
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{self.records_url}/clear-txt", json={"host": "none."}, trust_env=False)
            return httpx.get(self.directory, verify=self._context, trust_env=False).status_code == 200
        return False


class Answers:
    """Publishes challenges: an HTTP server and a TLS server on the ports where Pebble looks. `with` ends them."""

    def __init__(self, pebble: Pebble) -> None:
        self.published: list[Challenge] = []
        self.withdrawn: list[Challenge] = []
        self.wrong = False
        """Whether a wrong key authorization is given."""
        self._texts: dict[str, str] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._folder = tempfile.TemporaryDirectory()
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = answers.text(self.path)
                self.send_response(200 if text else 404)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- The name is the base's.
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", pebble.http_port), Handler)
        self._tls = socket.create_server(("127.0.0.1", pebble.tls_port))
        self._tls_ends = threading.Event()
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._serve_tls, daemon=True),
        ]

    async def publish(self, challenge: Challenge) -> None:
        self.published.append(challenge)
        if isinstance(challenge, HttpChallenge):
            self._texts[f"/.well-known/acme-challenge/{challenge.token}"] = challenge.key_authorization
        elif isinstance(challenge, TlsAlpnChallenge):
            self._contexts[challenge.server_name] = self._context(challenge)

    async def withdraw(self, challenge: Challenge) -> None:
        self.withdrawn.append(challenge)
        if isinstance(challenge, HttpChallenge):
            del self._texts[f"/.well-known/acme-challenge/{challenge.token}"]
        elif isinstance(challenge, TlsAlpnChallenge):
            del self._contexts[challenge.server_name]

    def text(self, path: str) -> str:
        """The answer to a path; empty where there is none."""
        return "somebody else's" if self.wrong else self._texts.get(path, "")

    def _context(self, challenge: TlsAlpnChallenge) -> ssl.SSLContext:
        path = Path(self._folder.name) / "challenge.pem"
        path.write_text(challenge.certificate_pem + challenge.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.set_alpn_protocols(["acme-tls/1"])
        return context

    def _serve_tls(self) -> None:
        def choose(connection: ssl.SSLObject, name: str, _: ssl.SSLContext) -> int | None:
            if name not in self._contexts:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            connection.context = self._contexts[name]
            return None

        front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        front.set_alpn_protocols(["acme-tls/1"])
        front.sni_callback = choose
        while not self._tls_ends.is_set():
            with contextlib.suppress(OSError):
                taken, _ = self._tls.accept()
                with taken, front.wrap_socket(taken, server_side=True) as spoken:
                    spoken.settimeout(5)
                    spoken.recv(1)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._tls_ends.set()
        # Closing alone would not end an `accept` that waits.
        with contextlib.suppress(OSError):
            self._tls.shutdown(socket.SHUT_RDWR)
        self._tls.close()
        for thread in self._threads:
            thread.join()
        self._folder.cleanup()


Answer = tuple[int, dict[str, str], bytes]


class StandIn:
    """A small server in an authority's place for what Pebble never says; `with` ends it. Plain HTTP on loopback."""

    def __init__(self, answer: Callable[[str, str, bytes], Answer]) -> None:
        """`answer` is given method, path and body."""
        self.asked: list[tuple[str, str]] = []
        self.answer = answer
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stand_in.asked.append((self.command, self.path))
                status, headers, content = stand_in.answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = _answer  # noqa: N815 -- The names are the base's.

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- The name is the base's.
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
