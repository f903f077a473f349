"""The rows of the benchmark: a subject, how it is configured, and what that is to show."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.process import BenchError

BASE = "nginx/plain"

Way = Literal["closed", "handshakes", "resumptions", "messages", "streams", "calls", "quic"]
"""Requests on connections that are kept; on a new one each, with a whole handshake or a session that goes on; messages
of WebSockets instead of requests; and many requests at once on each of few connections: over HTTP/2, as calls of gRPC,
over HTTP/3."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    subject: str
    variant: str
    what: str
    budget: float | None = None
    flat_against: str | None = None
    base: str = BASE
    """The row that its budget is a ratio to."""
    way: Way = "closed"
    """How it is loaded."""

    @property
    def id(self) -> str:
        """Its name on the command line and in results."""
        return f"{self.subject}/{self.variant}"

    @property
    def against(self) -> list[Row]:
        """The rows that it is compared with."""
        wanted = {BASE, self.base, self.flat_against} - {self.id}
        return [row for row in ROWS if row.id in wanted]


LOADED: tuple[tuple[str, Way, str, float | None, str, tuple[str, ...]], ...] = (
    (
        "tls-handshakes",
        "handshakes",
        "a whole handshake of TLS 1.3 for each request",
        1.0,
        "nginx/tls-handshakes",
        ("nginx", "haproxy", "envoy", "caddy", "lockgate"),
    ),
    (
        "tls-resumptions",
        "resumptions",
        "a handshake of TLS 1.3 that goes on with a session, for each request",
        1.0,
        "nginx/tls-resumptions",
        ("nginx", "haproxy", "envoy", "caddy", "lockgate"),
    ),
    (
        "h2",
        "streams",
        "HTTP/2 over TLS 1.3, 4 connections with 100 requests under way on each",
        0.8,
        "envoy/h2",
        ("nginx", "haproxy", "envoy", "caddy", "lockgate"),
    ),
    (
        "grpc",
        "calls",
        "unary calls of gRPC to an upstream over HTTP/2, loaded as h2",
        0.8,
        "envoy/grpc",
        ("nginx", "haproxy", "envoy", "caddy", "lockgate"),
    ),
    (
        "h3",
        "quic",
        "HTTP/3, 4 connections with 25 requests under way on each",
        None,
        "envoy/h3",
        ("envoy", "caddy", "lockgate"),
    ),
    (
        "websocket",
        "messages",
        "messages of 64 bytes and their echoes over WebSockets",
        None,
        "nginx/websocket",
        ("nginx", "haproxy", "envoy", "caddy", "lockgate"),
    ),
)
"""Ways to load and the rows of each: variant, way, what is shown, Lockgate's budget, what it is a ratio to, whose."""

GUARDED: tuple[tuple[str, str, float | None], ...] = (
    ("get", "a GET with a browser's fields", 1.8),
    ("post", "a POST of 1.3 KB of JSON", 4.0),
    ("post-fresh", "POSTs of 1.3 KB of JSON whose texts are never the same", 4.0),
    ("post-100k", "a POST of 100 KB of JSON", None),
    ("post-100k-fresh", "POSTs of 100 KB of JSON whose texts are never the same", None),
    ("prose", "a POST of JSON with sentences in it", None),
    ("attack", "GETs with attacks in them, found and let through", None),
)
"""What is sent where attacks are looked for, and Lockgate's budgets with the Core Rule Set, level 1."""

ROWS: tuple[Row, ...] = (
    Row("nginx", "plain", "plain proxying, access log off: the measure of all ratios"),
    Row("nginx", "forwarded", "and Host, X-Forwarded-For, X-Forwarded-Proto and X-Request-Id set, as Lockgate does"),
    Row("nginx", "access-log", "and a buffered access log, as Lockgate with events on"),
    Row("haproxy", "plain", "plain proxying"),
    Row("envoy", "plain", "plain proxying (it also makes request ids and statistics)"),
    Row("traefik", "plain", "plain proxying (it also sets forwarded headers)"),
    Row("caddy", "plain", "plain proxying (it also sets forwarded headers)"),
    Row("spike", "plain", "bare hyper, no policy, no checks (bench/spike): the floor under Lockgate"),
    Row("nginx", "tls", "plain proxying over TLS 1.3, kept alive"),
    *(
        Row(name, "tls", "plain proxying over TLS 1.3, kept alive", base="nginx/tls")
        for name in ("haproxy", "envoy", "caddy")
    ),
    Row("lockgate", "plain", "one public route, events off", budget=1.0),
    Row("lockgate", "events", "the same, an access event for each request", budget=1.05),
    Row("lockgate", "key", "and an API key, one of 10", budget=1.1),
    Row("lockgate", "jwt", "in place of the key a token signed with ES256, one of 10, verified before"),
    Row("lockgate", "jwt-limits", "and two limits, by address and by client", budget=1.2),
    Row("lockgate", "jwt-roles", "and scopes and roles, and a document with 100 operations", budget=1.2),
    Row("lockgate", "jwt-cedar", "in place of these 1,000 policies in Cedar"),
    Row("lockgate", "jwt-users", "in place of these caps on users, a day and at once"),
    Row("lockgate", "jwt-assertion", "and the upstream is told who calls, signed with ES256"),
    Row("lockgate", "jwt-and-key", "a token and a key, which must hold together"),
    Row("lockgate", "session", "in place of the token the cookie of a person who has signed in, one of 10"),
    Row("lockgate", "signature-hmac", "in place of the key a signature by RFC 9421 (hmac-sha256)"),
    Row("lockgate", "signature-ed25519", "the same (ed25519)"),
    Row("lockgate", "webhook", "a webhook of 1 KB, held and verified (hmac-sha256)", base="nginx/crs-post"),
    Row("lockgate", "tls", "one public route over TLS 1.3, events off", budget=1.0, base="nginx/tls"),
    *(
        Row(name, variant, what, budget if name == "lockgate" else None, base=base, way=way)
        for variant, way, what, budget, base, names in LOADED
        for name in names
    ),
    *(Row("nginx", f"crs-{sent}", f"plain proxying: {what}") for sent, what, _ in GUARDED),
    *(
        Row(
            name,
            f"crs-{sent}",
            f"the Core Rule Set, level 1: {what}",
            budget if name == "lockgate" else None,
            base=f"nginx/crs-{sent}",
        )
        for sent, what, budget in GUARDED
        for name in ("modsecurity", "coraza", "lockgate")
    ),
    *(
        Row("lockgate", f"{which}-{sent}", f"{looks}: {what}", base=f"nginx/crs-{sent}")
        for which, looks in (("native", "its detectors"), ("both", "its detectors and the Core Rule Set, level 1"))
        for sent, what, _ in GUARDED
    ),
    Row("lockgate", "routes-10", "events on, requests spread over 10 APIs"),
    Row("lockgate", "routes-10000", "events on, requests spread over 10,000 APIs", flat_against="lockgate/routes-10"),
    Row("lockgate", "operations-10", "events on, a document with 10 operations, all in use"),
    Row(
        "lockgate",
        "operations-10000",
        "events on, 1,000 of a document's 10,000 operations in use",
        flat_against="lockgate/operations-10",
    ),
    Row("lockgate", "keys-1000000", "events on, 10,000 of 1,000,000 keys in use", flat_against="lockgate/key"),
    Row(
        "lockgate",
        "revoked-1000000",
        "events on, tokens while 1,000,000 others are revoked",
        flat_against="lockgate/jwt",
    ),
    Row("lockgate", "prefixes-10", "events on, 10 networks denied"),
    Row(
        "lockgate",
        "prefixes-1000000",
        "events on, 1,000,000 networks denied",
        flat_against="lockgate/prefixes-10",
    ),
)

# A ratio of two rows up to this is called flat.
FLAT = 1.05


def chosen(subjects: Sequence[str], patterns: Sequence[str]) -> list[Row]:
    """The rows of some subjects that match any pattern; the base always, for without it there is no ratio."""
    known = {row.subject for row in ROWS}
    unknown = [name for name in subjects if name not in known]
    if unknown:
        raise BenchError(f"no subject {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    rows = [
        row
        for row in ROWS
        if row.id == BASE
        or (row.subject in subjects and any(fnmatch.fnmatchcase(row.id, pattern) for pattern in patterns))
    ]
    if len(rows) == 1 and not any(fnmatch.fnmatchcase(BASE, pattern) for pattern in patterns):
        raise BenchError(f"no row matches {', '.join(patterns)}; there are {', '.join(row.id for row in ROWS)}")
    return rows
