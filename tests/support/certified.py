"""A whole Lockgate with certificates from Pebble, as a test sees it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from support.acme import Pebble
from support.processes import Processes
from support.running import Running
from support.waiting import until

CONFIG = """\
version: 1
listeners:
  plain: {{address: "127.0.0.1:{http}", redirect_to: public}}
  public:
    address: 127.0.0.1:{tls}
    tls: {tls_said}
admin: {{address: "127.0.0.1:0"}}
outgoing: {{allow: [127.0.0.0/8]}}
{more}apis:
  shop:
    hosts: [{hosts}]
    upstream: http://127.0.0.1:{upstream}
    public: {{owner: tests, reason: nobody else is there, until: 2199-01-01}}
"""


class Certified:
    """`lockgate run` whose listeners are where Pebble asks."""

    def __init__(self, processes: Processes, folder: Path, pebble: Pebble, upstream: int) -> None:
        folder.mkdir(exist_ok=True)
        self.processes = processes
        self.folder = folder
        self.pebble = pebble
        self.upstream = upstream
        self.root = folder / "root.pem"
        self.root.write_bytes(pebble.root().public_bytes(Encoding.PEM))
        self.running: Running | None = None

    def acme(self, challenge: str, **more: Any) -> dict[str, Any]:
        """What a configuration says of Pebble."""
        said = {"directory": self.pebble.directory, "trust": str(self.pebble.trust), "challenge": challenge}
        return {**said, "email": "ops@example.com", "terms_agreed": True, **more}

    def write(self, tls: dict[str, Any], *hosts: str, more: str = "") -> None:
        """The configuration; `tls` is that of the listener `public`."""
        import json

        text = CONFIG.format(
            http=self.pebble.http_port,
            tls=self.pebble.tls_port,
            tls_said=json.dumps(tls),
            hosts=", ".join(f'"{host}"' for host in hosts),
            upstream=self.upstream,
            more=more,
        )
        path = self.folder / "lockgate.yaml"
        new = path.with_suffix(".new")
        new.write_text(text)
        new.replace(path)

    def start(self, *words: str) -> Running:
        self.running = Running(self.processes, self.folder, *words).ready()
        return self.running

    def rows(self) -> dict[str, dict[str, Any]]:
        """The admin API's word of the certificates, by name."""
        assert self.running is not None
        with self.running.admin as admin:
            told = admin.get("/v1/certificates")
        assert told.status_code == 200, told.text
        return {row["name"]: row for row in told.json()["items"]}

    def good(self, name: str) -> dict[str, Any]:
        """Wait until there is such a certificate, and how it is."""

        def look() -> dict[str, Any] | None:
            row = self.rows().get(name, {})
            return row if row.get("state") == "good" else None

        row: dict[str, Any] = self._told(look, f"the certificate {name}")
        self._told(lambda: self.shows(name) == row["fingerprint"], "a gate that shows it")
        return row

    def another(self, name: str, than: str) -> None:
        """Wait until clients are shown another certificate."""
        self._told(lambda: self.shows(name) not in {than, None}, "another one")

    def _told(self, look: Callable[[], Any], what: str) -> Any:
        """Wait, and say how things stand where that is in vain."""
        assert self.running is not None
        try:
            return until(look, what, within=60)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.rows()}\n{self.running.output}") from None

    def connect(self, name: str, port: int | None = None) -> ssl.SSLSocket:
        """A connection over TLS that believes in Pebble alone."""
        how = ssl.create_default_context(cafile=str(self.root))
        how.set_alpn_protocols(["http/1.1"])
        raw = socket.create_connection(("127.0.0.1", port or self.pebble.tls_port), timeout=10)
        try:
            return how.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise

    def shows(self, name: str, port: int | None = None) -> str | None:
        """The fingerprint of what a client is shown; nothing where it is turned away."""
        try:
            return self.shown(name, port).fingerprint(hashes.SHA256()).hex()
        except ssl.SSLError:
            return None

    def shown(self, name: str, port: int | None = None) -> x509.Certificate:
        """The certificate that a client is shown."""
        with self.connect(name, port) as sock:
            told = sock.getpeercert(binary_form=True)
        assert told is not None
        return x509.load_der_x509_certificate(told)


def ask(sock: ssl.SSLSocket, host: str) -> int:
    """The status of one request on a connection that stays open."""
    sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    came = b""
    while b"\r\n\r\n" not in came:
        came += sock.recv(65536)
    head, _, body = came.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += sock.recv(65536)
    return int(head.split(b" ")[1])
