"""Bundles for the rows: signed as a control process would sign them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HOUR_MS = 3_600_000
SPAN = {"file": 0, "line": 1, "column": 1}
LIMITS = {
    "head_bytes": 32 * 1024,
    "headers": 100,
    "head_timeout_ms": 10_000,
    "idle_timeout_ms": HOUR_MS,
    "body_rate_min": 1024,
    "write_timeout_ms": 60_000,
    "connections": 25_000,
    "connections_per_ip": 25_000,
}


@dataclass(frozen=True)
class Shape:
    """What a row's bundle holds."""

    events: bool
    keys: bool = False
    apis: int = 1


def bundle(shape: Shape, origin: str, sequence: int = 1) -> str:
    """The JSON text of a bundle; with one API it owns `/`, with more each owns a prefix."""
    now = int(time.time() * 1000)
    return json.dumps(
        {
            "bundle_version": 1,
            "sequence": sequence,
            "created_ms": now,
            "sources": ["lockgate.yaml"],
            "listeners": [
                {
                    "name": "public",
                    "address": "127.0.0.1:0",
                    "trusted_proxies": [],
                    "limits": LIMITS,
                    "insecure": None,
                    "span": SPAN,
                }
            ],
            "upstreams": [
                {
                    "name": "origin",
                    "targets": [f"http://{origin}"],
                    "timeouts": {
                        "connect_ms": 5000,
                        "first_byte_ms": 30_000,
                        "idle_ms": 60_000,
                        "keep_alive_ms": HOUR_MS,
                    },
                    "credential": None,
                    "head_bytes": 64 * 1024,
                    "insecure": None,
                    "span": SPAN,
                }
            ],
            "apis": [api(number, shape, now) for number in range(shape.apis)],
            "documents": [],
            "facts": {"max_age_ms": 24 * HOUR_MS, "then": "continue"},
            "events": {"access": shape.events, "retain_bytes": 2**30},
            "problem_base": "/.lockgate/reasons/",
        }
    )


def api(number: int, shape: Shape, now_ms: int) -> dict[str, object]:
    """One API, public or asking for a key."""
    waiver = {
        "owner": "bench",
        "reason": "Loopback only, and gone with the run.",
        "until_ms": now_ms + 24 * HOUR_MS,
        "span": SPAN,
    }
    ask = {
        "mode": "enforce",
        "on_error": "deny",
        "waiver": None,
        "span": SPAN,
        "config": {"header": "X-API-Key"},
    }
    return {
        "name": f"api-{number}",
        "hosts": [],
        "paths": [{"prefix": path(number, shape)}],
        "methods": [],
        "upstream": "origin",
        "strip_path": False,
        "openapi": None,
        "public": None if shape.keys else waiver,
        "authorize": "authenticated" if shape.keys else "public",
        "policies": {
            "ip_filter": None,
            "authenticate": [{"api_key": ask}] if shape.keys else [],
            "body_limit": None,
        },
        "span": SPAN,
        "authorize_span": SPAN,
    }


def path(number: int, shape: Shape) -> str:
    """The prefix that an API owns."""
    return "/" if shape.apis == 1 else f"/api-{number:05}"


class Signer:
    """An Ed25519 key made for one run."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, text: str) -> bytes:
        """The signed form that a gate takes."""
        return json.dumps(
            {
                "bundle": text,
                "key_id": hashlib.sha256(self.public).hexdigest()[:16],
                "signature": self._key.sign(text.encode()).hex(),
            }
        ).encode()
