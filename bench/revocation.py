"""How long a revocation takes: from the word to the admin API until both of two gates refuse, and until its answer.

A control process with a gate of its own, and a second gate in a folder of its own, over its link. Each is asked with
the credential again and again, one request after the other, while it is revoked.

Example:
    python -m bench.revocation --times 200
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from bench.machine import machine
from bench.process import BenchError
from bench.subjects import free_port
from lockgate.state import StateFolder

ISSUER = "urn:lockgate:bench"
CONFIG = """\
version: 1
listeners: {{public: {{address: "127.0.0.1:0"}}}}
admin: {{address: "127.0.0.1:0"}}
gates: {{address: "127.0.0.1:{link}"}}
issuers:
  bench: {{issuer: "{issuer}", audience: bench, algorithms: [HS256], secret: "${{env:BENCH_SECRET}}"}}
apis:
  shop:
    upstream: "http://127.0.0.1:{origin}"
    authenticate: [{{jwt: {{issuer: bench}}}}, api_key]
    authorize: authenticated
"""
START_SECONDS = 60.0
PATIENCE_SECONDS = 10.0


@dataclass
class Asking:
    """One gate, asked with a credential until it refuses it."""

    port: int
    headers: dict[str, str]
    accepted_at: float = 0.0
    """When the last request was sent that was let through."""
    refused_at: float = 0.0
    """When the first refusal was there."""
    let_in: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Asks one request after the other, over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            while not self.refused_at:
                sent = time.monotonic()
                try:
                    connection.request("GET", "/", headers=self.headers)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    # An answer that is under way is cut off.
                    connection.close()
                    continue
                if answer.status == 200:
                    self.accepted_at = sent
                    self.let_in.set()
                elif self.let_in.is_set():
                    self.refused_at = time.monotonic()
        finally:
            connection.close()


@dataclass
class Round:
    """One revocation, in seconds since it was said."""

    answered: float
    refused: float
    """Until the later of the gates refused."""
    late: float
    """How long after the answer the last request was sent that a gate let through; negative for before it."""


def _token(secret: str, jti: str) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "bench", "sub": "bench", "iat": now, "exp": now + 3600, "jti": jti}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "at+jwt"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def _until(look: Callable[[], Any], what: str) -> Any:
    by = time.monotonic() + START_SECONDS
    while time.monotonic() < by:
        try:
            if found := look():
                return found
        except (OSError, httpx.HTTPError):
            pass
        time.sleep(0.05)
    raise BenchError(f"waited {START_SECONDS:g} s in vain for {what}")


class _Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16

    def do_GET(self) -> None:
        """Answers at once."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gate that cuts off an answer cuts off its request, too."""


@contextmanager
def _origin() -> Iterator[int]:
    with _Server(("127.0.0.1", 0), _Origin) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _lockgate(folder: Path, *words: str, secret: str) -> Iterator[None]:
    environment = {**os.environ, "BENCH_SECRET": secret}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lockgate", *words], cwd=folder, env=environment, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def _place(folder: Path, secret: str) -> Iterator[tuple[httpx.Client, list[int]]]:
    """The admin API and the ports of both gates."""
    control, edge = folder / "control", folder / "edge"
    control.mkdir()
    edge.mkdir()
    with ExitStack() as stack:
        origin = stack.enter_context(_origin())
        (control / "lockgate.yaml").write_text(CONFIG.format(issuer=ISSUER, link=free_port(), origin=origin))
        stack.enter_context(_lockgate(control, "run", secret=secret))
        state = StateFolder(control / ".lockgate")
        address = _until(lambda: state.admin_address_file.read_text().strip(), "the admin API")
        token = {"Authorization": f"Bearer {state.admin_token()}"}
        admin = stack.enter_context(httpx.Client(base_url=f"http://{address}", headers=token, timeout=30))
        made = _until(lambda: admin.post("/v1/gates/tokens", json={"name": "edge"}).json().get("token"), "a token")
        (edge / "token").write_text(made)
        enrol = [sys.executable, "-m", "lockgate", "gates", "enrol", "--token-file", "token"]
        subprocess.run(enrol, cwd=edge, check=True, capture_output=True)
        stack.enter_context(_lockgate(edge, "run", "--role", "gate", "--workers", "1", secret=secret))

        def ports() -> list[int] | None:
            gates = admin.get("/v1/gates").json()["items"]
            served = [(gate.get("addresses") or {}).get("public") for gate in gates if gate.get("bundle")]
            return [int(one.rpartition(":")[2]) for one in served if one] if len(served) == 2 and all(served) else None

        yield admin, _until(ports, "both gates to serve")


def _round(ports: list[int], headers: dict[str, str], revoke: Callable[[], httpx.Response]) -> Round:
    askings = [Asking(port, headers) for port in ports]
    threads = [threading.Thread(target=asking.run, daemon=True) for asking in askings]
    for thread in threads:
        thread.start()
    for asking in askings:
        if not asking.let_in.wait(PATIENCE_SECONDS):
            raise BenchError("a gate does not let the credential in")
    said = time.monotonic()
    answer = revoke()
    answered = time.monotonic()
    if answer.is_error:
        raise BenchError(f"the admin API says {answer.status_code}: {answer.text}")
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    if not all(asking.refused_at for asking in askings):
        raise BenchError("a gate lets in what was revoked")
    refused = max(asking.refused_at for asking in askings)
    last = max(asking.accepted_at for asking in askings)
    return Round(answered - said, refused - said, last - answered)


def _told(what: str, rounds: list[Round]) -> None:
    def spread(values: list[float]) -> str:
        ordered = sorted(value * 1_000 for value in values)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return f"median {statistics.median(ordered):6.1f}   99th {p99:6.1f}   longest {ordered[-1]:6.1f} ms"

    late = sum(one.late > 0 for one in rounds)
    print(f"{what}: {len(rounds)} revocations, two gates")
    print(f"  refused by both after   {spread([one.refused for one in rounds])}")
    print(f"  answered after          {spread([one.answered for one in rounds])}")
    print(f"  rounds in which a request sent after the answer was let through: {late}")


def main(words: list[str] | None = None) -> None:
    """Measures keys and tokens."""
    parser = argparse.ArgumentParser(prog="python -m bench.revocation", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--times", type=int, default=200, help="how many of each are revoked (200)")
    times = parser.parse_args(words).times
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as folder, _place(Path(folder), secret) as (admin, ports):
        told = machine()
        print(f"{told.cpu}, {told.cores} cores")
        keys = []
        for _ in range(times):
            made = admin.post("/v1/keys", json={"name": "bench", "owner": "bench"}).json()
            headers = {"X-API-Key": made["key"]}
            keys.append(_round(ports, headers, partial(admin.post, f"/v1/keys/{made['id']}/revoke")))
        _told("API keys", keys)
        tokens = []
        for number in range(times):
            jti = f"bench-{number}"
            headers = {"Authorization": f"Bearer {_token(secret, jti)}"}
            said = {"issuer": "bench", "by": "token", "value": jti}
            tokens.append(_round(ports, headers, partial(admin.post, "/v1/tokens/revocations", json=said)))
        _told("tokens, by `jti`", tokens)


if __name__ == "__main__":
    main()
