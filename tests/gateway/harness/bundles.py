"""Bundles for tests, and a control process's signature under them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockgate.config.bundle_types import (
    Api,
    ApiDocument,
    Attached,
    AuthenticatorApiKey,
    AuthenticatorJwt,
    AuthenticatorMtls,
    BodyLimitConfig,
    Bundle,
    By,
    Certificate,
    ClientCert,
    Clients,
    CompressConfig,
    Condition,
    CorsConfig,
    Credential,
    FactsPolicy,
    Geo,
    GrpcConfig,
    HeadersConfig,
    InflateConfig,
    IpFilterConfig,
    JwtConfig,
    KnownBy,
    LimitsConfig,
    Listener,
    ListenerLimits,
    Mirror,
    MtlsConfig,
    NormalForm,
    Ocsp,
    Passive,
    Passthrough,
    PathMatch,
    PenaltyConfig,
    Place,
    PlacedApiKey,
    PlacedBodyLimit,
    PlacedCompress,
    PlacedCors,
    PlacedGrpc,
    PlacedHeaders,
    PlacedInflate,
    PlacedIpFilter,
    PlacedJwt,
    PlacedLimits,
    PlacedMtls,
    PlacedPlugins,
    PlacedWaf,
    PlacedWebsocket,
    PlaceRules,
    PluginSet,
    Protocol,
    RuleSet,
    Server,
    Span,
    Split,
    Tell,
    Timeouts,
    Tls,
    TlsVersion,
    Upstream,
    UpstreamTls,
    Version,
    VersionBy,
    Versions,
    Waiver,
    Wanted,
)
from support.certificates import Issued

Mode = Literal["enforce", "observe", "off"]
DAY_MS = 86_400_000
NORMAL_FORM: NormalForm = {
    "dot_segments": "normalize",
    "double_slash": "reject",
    "encoded_slash": "reject",
    "backslash": "reject",
    "path_parameters": "reject",
    "nul": "reject",
    "duplicate_parameters": "keep",
}


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def span(line: int = 1) -> Span:
    """A place in the one source file."""
    return {"file": 0, "line": line, "column": 1}


def waiver(until_ms: int | None = None) -> Waiver:
    """An exception that holds for a day, or until then."""
    until = now_ms() + DAY_MS if until_ms is None else until_ms
    return {"owner": "tests", "reason": "A test's gate on loopback.", "until_ms": until, "span": span(90)}


def limits(
    *,
    head_bytes: int = 32 * 1024,
    headers: int = 100,
    head_timeout_ms: int = 10_000,
    idle_timeout_ms: int = 75_000,
    body_rate_min: int = 1024,
    write_timeout_ms: int = 60_000,
    connections: int = 15_000,
    connections_per_ip: int = 15_000,
    handshake_timeout_ms: int = 10_000,
    new_connections_per_ip: int = 0,
    streams: int = 100,
    control_frames: int = 1,
    compress_memory: int = 256 << 20,
    inflate_memory: int = 256 << 20,
    inspect_memory: int = 256 << 20,
) -> ListenerLimits:
    """A listener's limits; the defaults are the gate's, with room for a crowd."""
    return {
        "head_bytes": head_bytes,
        "headers": headers,
        "head_timeout_ms": head_timeout_ms,
        "idle_timeout_ms": idle_timeout_ms,
        "body_rate_min": body_rate_min,
        "write_timeout_ms": write_timeout_ms,
        "connections": connections,
        "connections_per_ip": connections_per_ip,
        "handshake_timeout_ms": handshake_timeout_ms,
        "new_connections_per_ip": new_connections_per_ip,
        "streams": streams,
        "control_frames": control_frames,
        "compress_memory": compress_memory,
        "inflate_memory": inflate_memory,
        "inspect_memory": inspect_memory,
    }


def listener(
    name: str = "public",
    address: str = "127.0.0.1:0",
    *,
    trusted: Sequence[str] = (),
    bounds: ListenerLimits | None = None,
    proxy_protocol: bool = False,
    tls: Tls | None = None,
    http3: bool = False,
    mode: int = 0o660,
    public_port: int = 0,
) -> Listener:
    """A listener on loopback; with `tls` it speaks HTTP/2 too. `mode` is that of a Unix socket."""
    best: list[Protocol] = ["h3", "h2"] if http3 else ["h2"]
    return {
        "name": name,
        "address": address,
        "socket": {"mode": mode, "owner": None, "group": None},
        "protocols": [*best, "http/1.1"] if tls is not None else ["http/1.1"],
        "tls": tls,
        "redirect_port": 0,
        "public_port": public_port,
        "proxy_protocol": proxy_protocol,
        "trusted_proxies": list(trusted),
        "limits": bounds or limits(),
        "insecure": None,
        "span": span(2),
    }


def tls(
    *certificates: Issued,
    minimum: TlsVersion = "1.2",
    clients: Clients | None = None,
    hosts: Mapping[str, Clients | None] | None = None,
    hsts: str | None = None,
    passthrough: Sequence[Passthrough] = (),
) -> Tls:
    """How a listener speaks TLS."""
    return {
        "certificates": [pem_files(each) for each in certificates],
        "minimum": minimum,
        "clients": clients,
        "hosts": [{"names": [name], "clients": each} for name, each in (hosts or {}).items()],
        "hsts": hsts,
        "passthrough": list(passthrough),
    }


def carried(
    *hosts: str,
    upstream: str = "legacy",
    idle_ms: int = 3_600_000,
    ended: Sequence[str] = (),
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    geo: Mapping[str, Any] | None = None,
) -> Passthrough:
    """Names that are carried on unread."""
    return {
        "hosts": list(hosts),
        "ended": list(ended),
        "upstream": upstream,
        "idle_ms": idle_ms,
        "ip_filter": filtering(allow, deny, geo),
    }


def pem_files(issued: Issued) -> Certificate:
    """A certificate and its key, by where they lie."""
    return {"files": {"chain": str(issued.chain), "key": str(issued.key)}}


def clients(
    *trust: Path, require: bool = True, crl: Sequence[Path] = (), certain: bool = False, ocsp: Ocsp | None = None
) -> Clients:
    """Whose certificates clients may show; `certain` is whether it must be known that they were not revoked."""
    return {
        "trust": [str(each) for each in trust],
        "require": require,
        "crl": [str(each) for each in crl],
        "unknown_revocation": "deny" if certain else "allow",
        "ocsp": ocsp,
    }


def upstream_tls(
    *trust: Path,
    name: str | None = None,
    pins: Sequence[str] = (),
    shown: Issued | None = None,
    minimum: TlsVersion = "1.2",
    unverified: Waiver | None = None,
) -> UpstreamTls:
    """How the gate speaks TLS with an upstream."""
    return {
        "trust": [str(each) for each in trust],
        "server_name": name,
        "pins": list(pins),
        "client": pem_files(shown) if shown is not None else None,
        "minimum": minimum,
        "unverified": unverified,
    }


def timeouts(
    *, connect_ms: int = 5_000, first_byte_ms: int = 30_000, idle_ms: int = 60_000, keep_alive_ms: int = 30_000
) -> Timeouts:
    """An upstream's timeouts."""
    return {
        "connect_ms": connect_ms,
        "first_byte_ms": first_byte_ms,
        "idle_ms": idle_ms,
        "keep_alive_ms": keep_alive_ms,
    }


def server(where: int | str, *, weight: int = 1, priority: int = 0) -> Server:
    """A target: a port of loopback, `host:port`, or a whole URL."""
    if isinstance(where, int):
        where = f"127.0.0.1:{where}"
    return {
        "url": where if "://" in where or where.startswith("unix:") else f"http://{where}",
        "weight": weight,
        "priority": priority,
    }


def passive(failures: int = 3, *, eject_ms: int = 60_000, share: int = 50) -> Passive:
    """What failures of requests do; 0 for nothing."""
    return {
        "failures": failures,
        "eject_ms": eject_ms,
        "eject_most_ms": eject_ms,
        "share": share,
        "statuses": [502, 503, 504],
    }


def upstream(
    *ports: int | str,
    name: str = "shop",
    within: Timeouts | None = None,
    credential: Credential | None = None,
    head_bytes: int = 64 * 1024,
    protocol: Protocol = "http/1.1",
    tls: UpstreamTls | None = None,
    proxy_protocol: Literal["v1", "v2"] | None = None,
) -> Upstream:
    """An upstream of loopback ports (or of `host:port`)."""
    return {
        "name": name,
        "token": None,
        "targets": [server(port) for port in ports],
        "balance": {"by": "round_robin", "key": None, "cookie": None},
        "health": None,
        "passive": passive(0),
        "slow_start_ms": 0,
        "retry": None,
        "breaker": None,
        "dns": {"servers": [], "least_ms": 1000, "most_ms": 60_000},
        "timeouts": within or timeouts(),
        "assertion": None,
        "credential": credential,
        "protocol": protocol,
        "proxy_protocol": proxy_protocol,
        "tls": tls,
        "head_bytes": head_bytes,
        "insecure": None,
        "span": span(10),
    }


def filtering(allow: Sequence[str], deny: Sequence[str], geo: Mapping[str, Any] | None) -> IpFilterConfig:
    """Which addresses may come."""
    rules = None
    if geo is not None:
        rules = cast("PlaceRules", {"allow_countries": [], "deny_countries": [], "deny_networks": [], **geo})
    return {"allow": list(allow), "deny": list(deny), "geo": rules}


def ip_filter(
    *,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    geo: Mapping[str, Any] | None = None,
    mode: Mode = "enforce",
    until: Waiver | None = None,
) -> PlacedIpFilter:
    """The address filter in its place."""
    config = filtering(allow, deny, geo)
    return {"mode": mode, "on_error": "deny", "waiver": until, "span": span(31), "config": config}


def api_key(
    header: str = "X-API-Key",
    *,
    environments: Sequence[str] = (),
    imported: bool = False,
    mode: Mode = "enforce",
    until: Waiver | None = None,
) -> AuthenticatorApiKey:
    """A way to prove an identity by a key."""
    placed: PlacedApiKey = {
        "mode": mode,
        "on_error": "deny",
        "waiver": until,
        "span": span(32),
        "config": {"header": header, "environments": list(environments), "imported": imported},
    }
    return {"api_key": placed}


def jwt(issuer: str, place: Place | None = None, *, forward: bool = False) -> AuthenticatorJwt:
    """A way to prove an identity by a token."""
    config: JwtConfig = {
        "issuer": issuer,
        "place": place or {"header": "Authorization"},
        "forward": forward,
        "bound": [],
        "proof": {"max_age_ms": 60_000, "nonce": False},
    }
    placed: PlacedJwt = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": span(35), "config": config}
    return {"jwt": placed}


def mtls(*allow: Wanted, known_by: KnownBy = "any") -> AuthenticatorMtls:
    """A way to prove an identity by the certificate of the handshake."""
    config: MtlsConfig = {"allow": list(allow), "known_by": known_by}
    placed: PlacedMtls = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": span(37), "config": config}
    return {"mtls": placed}


def body_limit(size: int, *, mode: Mode = "enforce") -> PlacedBodyLimit:
    """The bound on a body in its place."""
    config: BodyLimitConfig = {"bytes": size}
    return {"mode": mode, "on_error": "deny", "waiver": None, "span": span(33), "config": config}


def packs() -> PlacedCompress:
    """Which answers are packed, in its place: text, in each coding and by its usual level."""
    config: CompressConfig = {
        "codings": ["zstd", "br", "gzip"],
        "types": ["text/*"],
        "min_bytes": 1024,
        "gzip_level": 4,
        "br_level": 4,
        "zstd_level": 3,
        "unsafe_with_cookies": False,
    }
    return {"mode": "enforce", "on_error": "deny", "waiver": None, "span": span(38), "config": config}


def unpacks(ratio: int = 100, *, window: int = 8 << 20) -> PlacedInflate:
    """Which bodies are unpacked, in its place: all."""
    config: InflateConfig = {
        "codings": ["gzip", "deflate", "br", "zstd"],
        "ratio": ratio,
        "layers": 1,
        "window": window,
    }
    return {"mode": "enforce", "on_error": "deny", "waiver": None, "span": span(39), "config": config}


def cors(config: CorsConfig, *, mode: Mode = "enforce") -> PlacedCors:
    """Which pages may call, in its place."""
    return {"mode": mode, "on_error": "deny", "waiver": None, "span": span(36), "config": config}


def calls(
    message_bytes: int = 4 << 20, *, deadline_ms: int = 0, web: bool = False, only: bool = True, mode: Mode = "enforce"
) -> PlacedGrpc:
    """Which calls are taken, in its place."""
    config: GrpcConfig = {"message_bytes": message_bytes, "deadline_ms": deadline_ms, "web": web, "only": only}
    return {"mode": mode, "on_error": "deny", "waiver": None, "span": span(37), "config": config}


def headers(config: HeadersConfig, *, mode: Mode = "enforce") -> PlacedHeaders:
    """Changes to header fields in their place."""
    return {"mode": mode, "on_error": "deny", "waiver": None, "span": span(35), "config": config}


def limit(
    name: str,
    *by: By,
    allow: int = 1,
    per_ms: int = 3_600_000,
    burst: int | None = None,
    scope: str = "apis/shop",
    mode: Mode = "enforce",
    until: Waiver | None = None,
    exempt: Sequence[str] = (),
    tell: Tell = "always",
    penalty: PenaltyConfig | None = None,
    line: int = 40,
) -> PlacedLimits:
    """A limit in its place: one an hour by address, unless more is said. With a penalty it counts failures."""
    config: LimitsConfig = {
        "name": name,
        "scope": scope,
        "count": "requests" if penalty is None else "failures",
        "by": list(by) or ["address"],
        "allow": allow,
        "per_ms": per_ms,
        "burst": burst or allow,
        "ipv4_prefix": 32,
        "ipv6_prefix": 64,
        "exempt": list(exempt),
        "only": {"methods": [], "operations": [], "paths": []},
        "tell": tell,
        "legacy": False,
        "penalty": penalty,
    }
    return {"mode": mode, "on_error": "deny", "waiver": until, "span": span(line), "config": config}


def api(
    name: str = "shop",
    *paths: str | PathMatch,
    hosts: Sequence[str] = (),
    methods: Sequence[str] = (),
    to: str | None = "shop",
    split: Split | None = None,
    mirror: Mirror | None = None,
    conditions: Sequence[Condition] = (),
    normal_form: Mapping[str, str] | None = None,
    strip_path: bool = False,
    client_cert: ClientCert = "off",
    keys: Sequence[AuthenticatorApiKey | AuthenticatorJwt | AuthenticatorMtls] = (),
    addresses: PlacedIpFilter | None = None,
    body: PlacedBodyLimit | None = None,
    unpacks: PlacedInflate | None = None,
    packs: PlacedCompress | None = None,
    fields: PlacedHeaders | None = None,
    sockets: PlacedWebsocket | None = None,
    calls: PlacedGrpc | None = None,
    guards: PlacedWaf | None = None,
    checks: Sequence[PlacedPlugins] = (),
    pages: PlacedCors | None = None,
    limits: Sequence[PlacedLimits] = (),
    public: Waiver | None = None,
    openapi: Attached | None = None,
    versions: Versions | None = None,
) -> Api:
    """An API: public, unless it has ways to authenticate. A path in words is a prefix."""
    matches: list[PathMatch] = [{"prefix": path} if isinstance(path, str) else path for path in paths or ("/",)]
    return {
        "name": name,
        "route": None,
        "conditions": list(conditions),
        "normal_form": cast("NormalForm", {**NORMAL_FORM, **(normal_form or {})}),
        "hosts": list(hosts),
        "paths": matches,
        "methods": list(methods),
        "upstream": None if split is not None else to,
        "split": split,
        "mirror": mirror,
        "own": False,
        "strip_path": strip_path,
        "client_cert": client_cert,
        "openapi": openapi,
        "versions": versions,
        "public": None if keys else public or waiver(),
        "authorize": "authenticated" if keys else "public",
        "open": [],
        "suggest": None,
        "policies": {
            "redirect": None,
            "rewrite": None,
            "ip_filter": addresses,
            "cors": pages,
            "authenticate": list(keys),
            "together": [],
            "apps": None,
            "inflate": unpacks,
            "compress": packs,
            "body_limit": body,
            "websocket": sockets,
            "grpc": calls,
            "waf": guards,
            "plugins": list(checks),
            "device": None,
            "step_up": None,
            "scopes": None,
            "roles": None,
            "cedar": None,
            "decide": [],
            "objects": None,
            "risk": None,
            "enumeration": None,
            "users": None,
            "properties": None,
            "minimise": None,
            "headers": fields,
            "limits": list(limits),
        },
        "span": span(30),
        "authorize_span": span(34),
    }


def document(operations: dict[str, str], *, bases: Sequence[str] = ("",)) -> ApiDocument:
    """A document of operations: `{"GET /products": "listProducts"}`."""
    listed = [(*what.split(" ", 1), name) for what, name in operations.items()]
    return {
        "bases": list(bases),
        "security": [],
        "operations": [
            {"name": name, "method": method, "path": path, "bases": None, "security": None, "span": span(50 + index)}
            for index, (method, path, name) in enumerate(listed)
        ],
        "span": span(49),
    }


def attached(number: int = 0, *, mode: Mode = "enforce") -> Attached:
    """The document with this number, as an API has it."""
    return {"document": number, "mode": mode, "span": span(35)}


def version(name: str, *, to: str | None = None, openapi: Attached | None = None) -> Version:
    """A version that stays."""
    return {
        "name": name,
        "upstream": to,
        "openapi": openapi,
        "deprecated_ms": None,
        "sunset_ms": None,
        "brownouts": [],
        "successor": None,
        "notice": None,
        "span": span(61),
    }


def versions(*listed: Version, by: VersionBy | None = None, default: str | None = None) -> Versions:
    """An API's versions; the path says which."""
    return {"by": by or {"path": {}}, "default": default, "list": list(listed), "span": span(60)}


def bundle(
    apis: Sequence[Api],
    upstreams: Sequence[Upstream],
    *,
    listeners: Sequence[Listener] | None = None,
    sequence: int = 1,
    facts: FactsPolicy | None = None,
    access: bool = True,
    header_order: bool = False,
    documents: Sequence[ApiDocument] = (),
    rule_sets: Sequence[RuleSet] = (),
    plugins: PluginSet | None = None,
    geo: Geo | None = None,
) -> Bundle:
    """A whole bundle."""
    return {
        "bundle_version": 1,
        "sequence": sequence,
        "created_ms": now_ms(),
        "sources": ["lockgate.yaml"],
        "roles": [],
        "relations": [],
        "apps": None,
        "listeners": [listener()] if listeners is None else list(listeners),
        "upstreams": list(upstreams),
        "issuers": [],
        "assertions": {"issuer": "lockgate", "rotation": 1},
        "apis": list(apis),
        "documents": list(documents),
        "rule_sets": list(rule_sets),
        "facts": facts or {"max_age_ms": DAY_MS, "then": "continue"},
        "events": {"access": access, "retain_bytes": 2**30, "header_order": header_order},
        "geo": geo,
        "plugins": plugins,
        "problem_base": "/.lockgate/reasons/",
    }


def plain(*ports: int | str) -> Bundle:
    """One public API on `/` with one upstream."""
    return bundle([api()], [upstream(*ports)])


class Signer:
    """A control process's key."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, told: Bundle) -> bytes:
        """The signed form that a gate takes."""
        return self.sign_text(json.dumps(told))

    def sign_text(self, text: str) -> bytes:
        """The same for any text."""
        signed = {
            "bundle": text,
            "key_id": hashlib.sha256(self.public).hexdigest()[:16],
            "signature": self._key.sign(text.encode()).hex(),
        }
        return json.dumps(signed).encode()
