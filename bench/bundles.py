"""Bundles for the rows: signed as a control process would sign them."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import entitled, signed, waf
from bench.tokens import RULES

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
    "handshake_timeout_ms": 10_000,
    "new_connections_per_ip": 0,
    "streams": 1_000,
    "control_frames": 1,
}


CALLS = {"deadline_ms": 60_000, "message_bytes": 4 * 1024 * 1024, "only": False, "web": False}
MESSAGES = {
    "frame_bytes": 64 * 1024,
    "message_bytes": 1024 * 1024,
    "messages": 0,
    "idle_ms": HOUR_MS,
    "origins": [],
}


ASSERTION = {"header": "Authorization", "audience": ["orders"], "claims": ["scope"], "lifetime_s": 60}


@dataclass(frozen=True)
class Shape:
    """What a row's bundle holds."""

    events: bool
    keys: bool = False
    tokens: bool = False
    limits: bool = False
    apis: int = 1
    operations: int = 0
    prefixes: int = 0
    tls: bool = False
    quic: bool = False
    calls: bool = False
    """Calls of gRPC, to an upstream over HTTP/2."""
    messages: bool = False
    """WebSockets."""
    guarded: str = ""
    """The row whose requests are looked at for attacks."""
    session: bool = False
    """The cookie of a person who has signed in."""
    assertion: bool = False
    """The upstream is told who calls."""
    revoked: int = 0
    """Tokens that are revoked, none of which is ever sent."""
    signed: str = ""
    """The row whose requests are signed."""
    entitled: str = ""
    """The row that says who may what."""


def bundle(shape: Shape, origin: str, sequence: int = 1, folder: Path | None = None) -> str:
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
                    "protocols": [*(["h3"] if shape.quic else []), *(["h2"] if shape.tls else []), "http/1.1"],
                    "tls": tls(folder) if shape.tls and folder else None,
                    "redirect_port": 0,
                    "proxy_protocol": False,
                    "trusted_proxies": [],
                    "limits": LIMITS,
                    "insecure": None,
                    "span": SPAN,
                }
            ],
            "upstreams": [
                {
                    "name": "origin",
                    "targets": [{"url": f"http://{origin}", "weight": 1, "priority": 0}],
                    "timeouts": {
                        "connect_ms": 5000,
                        "first_byte_ms": 30_000,
                        "idle_ms": 60_000,
                        "keep_alive_ms": HOUR_MS,
                    },
                    "protocol": "h2" if shape.calls else "http/1.1",
                    "credential": None,
                    "assertion": ASSERTION if shape.assertion else None,
                    "head_bytes": 64 * 1024,
                    "insecure": None,
                    "span": SPAN,
                }
            ],
            "issuers": [{"name": "company", "rules": RULES, "span": SPAN}] if shape.tokens else [],
            "apis": [api(number, shape, now, folder) for number in range(shape.apis)],
            "roles": entitled.compiled(shape.entitled)["roles"] if shape.entitled else [],
            "documents": entitled.compiled(shape.entitled)["documents"]
            if shape.entitled
            else [document(shape.operations)]
            if shape.operations
            else [],
            "rule_sets": [waf.rule_set()] if shape.guarded and waf.policy(shape.guarded)["set"] is not None else [],
            "facts": {"max_age_ms": 24 * HOUR_MS, "then": "continue"},
            "events": {"access": shape.events, "retain_bytes": 2**30},
            "problem_base": "/.lockgate/reasons/",
        }
    )


def tls(folder: Path) -> dict[str, object]:
    """TLS with the certificate that the peers have too."""
    files = {"chain": str(folder / "chain.pem"), "key": str(folder / "key.pem")}
    return {"certificates": [{"files": files}], "minimum": "1.2", "clients": None, "hosts": [], "hsts": None}


def api(number: int, shape: Shape, now_ms: int, folder: Path | None = None) -> dict[str, object]:
    """One API, public or asking for a key or a token."""
    waiver = {
        "owner": "bench",
        "reason": "Loopback only, and gone with the run.",
        "until_ms": now_ms + 24 * HOUR_MS,
        "span": SPAN,
    }
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": SPAN}
    ways: list[dict[str, object]] = []
    if shape.keys:
        ways.append({"api_key": {**placed, "config": {"header": "X-API-Key"}}})
    if shape.tokens:
        config = {"issuer": "company", "place": {"header": "Authorization"}, "forward": False}
        ways.append({"jwt": {**placed, "config": config}})
    if shape.session:
        ways.append({"session": {**placed, "config": {"sign_in": "staff", "issuers": ["company"]}}})
    if shape.signed and folder is not None:
        ways += [{room: {**placed, "config": said}} for room, said in signed.way(shape.signed, folder).items()]
    made: dict[str, Any] = {
        "name": f"api-{number}",
        "hosts": [],
        "paths": [{"prefix": path(number, shape)}],
        "methods": [],
        "upstream": "origin",
        "strip_path": False,
        "openapi": {"document": 0, "mode": "enforce", "span": SPAN} if shape.operations else None,
        "public": None if ways else waiver,
        "authorize": "authenticated" if ways else "public",
        "policies": {
            "ip_filter": {**placed, "config": networks(shape.prefixes)} if shape.prefixes else None,
            "authenticate": ways,
            "together": [{"first": 0, "count": 2}] if shape.keys and shape.tokens else [],
            "body_limit": None,
            "waf": guard(placed, shape.guarded, waiver) if shape.guarded else None,
            "grpc": {**placed, "config": CALLS} if shape.calls else None,
            "websocket": {**placed, "config": MESSAGES} if shape.messages else None,
            "limits": [{**placed, "config": limit(by)} for by in ("address", "client") if shape.limits],
        },
        "span": SPAN,
        "authorize_span": SPAN,
    }
    return entitled.given(shape.entitled, made) if shape.entitled else made


def guard(placed: Mapping[str, object], row: str, waiver: Mapping[str, object]) -> dict[str, object]:
    """The policy that looks for attacks; where it only looks, that is an exception with an owner."""
    mode: dict[str, object] = {} if waf.enforced(row) else {"mode": "observe", "waiver": waiver}
    return {**placed, **mode, "config": waf.policy(row)}


def limit(by: str) -> dict[str, object]:
    """A limit that no run reaches; every request is counted all the same."""
    return {
        "name": f"by-{by}",
        "scope": "defaults",
        "count": "requests",
        "by": [by],
        "allow": 1_000_000,
        "per_ms": 1000,
        "burst": 1_000_000,
        "ipv4_prefix": 32,
        "ipv6_prefix": 64,
        "exempt": [],
        "only": {"methods": [], "operations": [], "paths": []},
        "tell": "refused",
        "legacy": False,
        "penalty": None,
    }


def document(operations: int) -> dict[str, object]:
    """A document whose operations all have a parameter in their paths, as most have."""
    return {
        "bases": [""],
        "operations": [
            {
                "name": f"getOrder{number}",
                "method": "GET",
                "path": f"/orders-{number:05}/{{id}}",
                "bases": None,
                "span": SPAN,
            }
            for number in range(operations)
        ],
        "span": SPAN,
    }


def networks(count: int) -> dict[str, object]:
    """Networks of every size that abuse lists have, none of them loopback."""
    shape = random.Random(1)  # noqa: S311 -- The same list each time is what is wanted.
    denied: dict[str, None] = {}
    while len(denied) < count:
        bits = shape.choice((32, 32, 32, 24, 20))
        address = shape.randrange(0x80000000, 0xE0000000) >> (32 - bits) << (32 - bits)
        denied[f"{ipaddress.IPv4Address(address)}/{bits}"] = None
    return {"allow": [], "deny": list(denied)}


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
