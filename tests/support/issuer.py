"""An issuer of a test's own: it publishes keys over HTTP, signs tokens, counts who asks, and can be slow or down."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256


def b64(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class SigningKey:
    """A key for ES256."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, str]:
        """Its public part."""
        point = self._key.public_key().public_numbers()
        x, y = (b64(number.to_bytes(32, "big")) for number in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256", "x": x, "y": y}

    def token(
        self, kid: str | None = None, typ: str = "at+jwt", header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token with these claims, and the usual ones; `header` stands above what its header says."""
        header = {"alg": "ES256", "kid": kid or self.kid, "typ": typ, **(header or {})}
        now = int(time.time())
        body = {"aud": "shop", "sub": "ann", "exp": now + 300, "iat": now, **claims}
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, body))
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class Issuer:
    """An issuer on a free port of loopback; `with` ends it."""

    def __init__(self) -> None:
        self.keys = [SigningKey("first")]
        self.fetches: list[str] = []
        self.cookies: list[str] = []
        self.posted: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """What a path answers in the place of what it should."""
        self.hold = threading.Event()
        self.hold.set()
        """While cleared, nothing is answered."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.fetches.append(self.path)
                issuer.cookies += self.headers.get_all("Cookie") or []
                issuer.hold.wait(30)
                status, headers, body = issuer.answers.get(self.path) or issuer.answer(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                issuer.posted.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- The name is the base's.
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its name."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """What it answers when all is well."""
        documents = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [key.jwk for key in self.keys]},
        }
        if path not in documents:
            return 404, {}, b""
        return 200, {"Content-Type": "application/json", **self.headers}, json.dumps(documents[path]).encode()

    def key_fetches(self) -> int:
        """How often its keys were asked for."""
        return self.fetches.count("/keys")

    def token(self, **more: Any) -> str:
        """A good token, signed with its newest key."""
        return self.keys[-1].token(iss=self.url, **more)

    def rotate(self) -> SigningKey:
        """A new key takes the place of the old ones."""
        self.keys = [SigningKey(f"key-{len(self.fetches)}-{time.monotonic_ns()}")]
        return self.keys[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
