"""What is measured: a proxy that can be found, named by version, started and stopped."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import certificates
from bench.load import BODY_BYTES, CACHE, HERE, Target, write_requests
from bench.process import BenchError, Pinned

START_SECONDS = 30.0
ENVOY_CERTIFICATE = "{certificate_chain: {filename: @DIR@/chain.pem}, private_key: {filename: @DIR@/key.pem}}"
SECURED = ("tls", "h2", "grpc", "h3")
"""How the variants over TLS begin."""


@dataclass(frozen=True)
class Site:
    """Where a subject is started: its core, its own folder, and the origin."""

    core: int
    folder: Path
    origin: str


@dataclass
class Running:
    """A subject that answers."""

    process: Pinned
    target: Target
    start_seconds: float
    dropped_events: Callable[[int], int] | None = None


class Subject(Protocol):
    """A proxy under one name; `variant` says how it is configured."""

    @property
    def name(self) -> str:
        """Its name in rows and results."""

    def version(self) -> str:
        """Its version, or `BenchError` saying how to get it."""

    def start(self, variant: str, site: Site) -> Running:
        """Starts it and waits for its first right answer."""


@dataclass(frozen=True)
class Peer:
    """A proxy of other makers, run from a template of its configuration in bench/peers/<name>/."""

    name: str
    program: str
    version_words: tuple[str, ...]
    command: tuple[str, ...]
    get: str
    env: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def version(self) -> str:
        """Asks the program."""
        program = self.path()
        done = subprocess.run([program, *self.version_words], capture_output=True, text=True, timeout=30, check=False)
        found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        if found is None:
            raise BenchError(f"{program} {' '.join(self.version_words)} names no version")
        return found[0]

    def path(self) -> str:
        """Where the program is: the bench's own cache first, then the system."""
        places = [
            str(CACHE / "peers/bin"),
            str(CACHE / "spike/release"),
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
        ]
        found = shutil.which(self.program, path=":".join(places))
        if found is None:
            raise BenchError(f"{self.program} is not installed; {self.get}")
        return found

    def words(self, folder: Path, variant: str) -> Mapping[str, str]:  # noqa: ARG002 -- Those of others look at both.
        """What its templates want beside what all do."""
        return {}

    def write_requests(self, file: Path, variant: str) -> None:
        """Writes what a row sends."""
        from bench import waf  # It has peers too, and knows this module.

        if waf.is_waf(variant):
            file.write_bytes(waf.requests(variant))
        else:
            write_requests(file, [("/orders/1017", {})])

    def start(self, variant: str, site: Site) -> Running:
        """Fills in the templates on a free port and starts the program."""
        requests = site.folder / "requests"
        self.write_requests(requests, variant)
        port = free_port()
        words = {
            "DIR": str(site.folder),
            "LISTEN": f"127.0.0.1:{port}",
            "LISTEN_PORT": str(port),
            "ORIGIN": site.origin,
            "ORIGIN_PORT": site.origin.rpartition(":")[2],
            "VARIANT": "",
            "HEADERS": "",
            "TLS": "",
            "CODEC": "HTTP1",
            "SCHEME": "http",
            "CONNECTION": '""',
            "PASS": "proxy_pass http://origin;",
            "UPSTREAM": "",
            "ORIGIN_OPTIONS": "",
            "ORIGIN_SCHEME": "",
            "WEBSOCKET": "",
            "QUIC": "",
            "ENVOY_CERTIFICATE": ENVOY_CERTIFICATE,
            "PROTOCOLS": "protocols h1 h2",
            **self.variants.get(variant, {}),
            **self.words(site.folder, variant),
        }
        trust = certificates.write(site.folder) if variant.startswith(SECURED) else None
        for template in (HERE / "peers" / self.name).glob("*"):
            (site.folder / template.name).write_text(fill(fill(template.read_text(), words), words))
        command = [self.path(), *(fill(word, words) for word in self.command)]
        env = {name: fill(value, words) for name, value in self.env.items()}

        def spawn() -> tuple[Pinned, str]:
            process = Pinned(command, site.core, site.folder / "log", env=env, cwd=site.folder)
            return process, words["LISTEN"]

        return started(spawn, requests, trust)


def fill(text: str, words: Mapping[str, str]) -> str:
    """Puts values in the place of @NAMES@."""
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text


def started(spawn: Callable[[], tuple[Pinned, str]], requests: Path, trust: Path | None = None) -> Running:
    """Starts a subject and waits for its first right answer, timing it."""
    begin = time.monotonic()
    process, address = spawn()
    problem = "no answer yet"
    while problem and not process.ended() and time.monotonic() < begin + START_SECONDS:
        target = Target(address, requests, trust)
        problem = wrong_answer(target)
        if not problem:
            return Running(process, target, time.monotonic() - begin)
        time.sleep(0.01)
    process.stop()
    raise BenchError(f"{process.command[0]} does not serve: {problem}\n{process.tail()}")


def wrong_answer(target: Target) -> str:
    """What is wrong with the answer to the first request of a file; empty if nothing is."""
    with target.requests.open("rb") as file:
        head = iter(file.readline, b"\r\n")
        lines = [line.decode().rstrip("\r\n") for line in head]
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines[1:])}
        sent = file.read(int(headers.get("Content-Length", "0")))
    method, path, _ = lines[0].split(" ")
    connection = http.client.HTTPConnection(target.address, timeout=5)
    try:
        if target.trust is not None:
            connection.sock = certificates.secured(target.address, target.trust)
        connection.request(method, path, body=sent or None, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    if answer.status != 200 or len(body) != BODY_BYTES:
        return f"answered {answer.status} with {len(body)} bytes: {body[:300]!r}"
    return ""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def over_tls(words: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """The variants over TLS that are configured alike, and loaded in different ways."""
    return dict.fromkeys(("tls", "tls-handshakes", "tls-resumptions"), words)


def peers() -> list[Peer]:
    """The five proxies that Lockgate is compared with, and the floor under it."""
    system = "install it with scripts/system-packages.sh"
    wheel = "install it with `python -m bench.install`"
    forwarded = (
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
        "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;"
    )
    nginx_tls = (
        "ssl_certificate @DIR@/chain.pem; ssl_certificate_key @DIR@/key.pem; ssl_protocols TLSv1.2 TLSv1.3; "
        "ssl_session_cache off; ssl_session_tickets on;"
    )
    haproxy_tls = " ssl crt @DIR@/both.pem ssl-min-ver TLSv1.2"
    envoy_tls = (
        "transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"
        '"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, '
        'common_tls_context: {alpn_protocols: [h2, "http/1.1"], tls_certificates: ['
        "@ENVOY_CERTIFICATE@]}}}"
    )
    envoy_quic = (
        "- {name: quic, address: {socket_address: {protocol: UDP, address: 127.0.0.1, port_value: @LISTEN_PORT@}}, "
        "udp_listener_config: {quic_options: {}}, filter_chains: [{"
        "transport_socket: {name: envoy.transport_sockets.quic, typed_config: {"
        '"@type": type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport, '
        "downstream_tls_context: {common_tls_context: {tls_certificates: [@ENVOY_CERTIFICATE@]}}}}, "
        "filters: [{name: envoy.filters.network.http_connection_manager, typed_config: {"
        '"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.'
        "HttpConnectionManager, "
        "stat_prefix: quic, codec_type: HTTP3, http3_protocol_options: {}, "
        'route_config: {virtual_hosts: [{name: all, domains: ["*"], '
        'routes: [{match: {prefix: "/"}, route: {cluster: origin}}]}]}, '
        "http_filters: [{name: envoy.filters.http.router, typed_config: {"
        '"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}]}]}'
    )
    envoy_h2 = (
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"
        '"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, '
        "explicit_http_config: {http2_protocol_options: {}}}}"
    )
    caddy_tls = {"SCHEME": "https", "TLS": "tls @DIR@/chain.pem @DIR@/key.pem"}
    nginx_log = "access_log @DIR@/access.log combined buffer=64k flush=1s;"
    return [
        Peer(
            "nginx",
            "nginx",
            ("-v",),
            ("-p", "@DIR@", "-e", "stderr", "-c", "@DIR@/nginx.conf"),
            system,
            variants={
                "forwarded": {"HEADERS": forwarded},
                "access-log": {"HEADERS": forwarded, "VARIANT": nginx_log},
                **over_tls({"TLS": " ssl", "VARIANT": nginx_tls}),
                "h2": {"TLS": " ssl http2", "VARIANT": nginx_tls},
                "grpc": {"TLS": " ssl http2", "VARIANT": nginx_tls, "PASS": "grpc_pass grpc://origin;"},
                "websocket": {"CONNECTION": '"upgrade"', "HEADERS": "proxy_set_header Upgrade $http_upgrade;"},
            },
        ),
        Peer(
            "spike",
            "lockgate-spike",
            ("--version",),
            ("@LISTEN@", "@ORIGIN@"),
            "it is built by `python -m bench --subjects spike`",
        ),
        Peer(
            "haproxy",
            "haproxy",
            ("-v",),
            ("-db", "-f", "@DIR@/haproxy.cfg"),
            system,
            variants={
                **over_tls({"TLS": haproxy_tls}),
                "h2": {"TLS": f"{haproxy_tls} alpn h2,http/1.1"},
                "grpc": {"TLS": f"{haproxy_tls} alpn h2,http/1.1", "ORIGIN_OPTIONS": " proto h2"},
            },
        ),
        Peer(
            "envoy",
            "envoy",
            ("--version",),
            ("-c", "@DIR@/envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
            wheel,
            variants={
                **over_tls({"TLS": envoy_tls}),
                "h2": {"CODEC": "AUTO", "TLS": envoy_tls},
                "grpc": {"CODEC": "AUTO", "TLS": envoy_tls, "UPSTREAM": envoy_h2},
                "h3": {"CODEC": "AUTO", "TLS": envoy_tls, "QUIC": envoy_quic},
                "websocket": {"WEBSOCKET": "upgrade_configs: [{upgrade_type: websocket}]"},
            },
        ),
        Peer(
            "traefik",
            "traefik",
            ("version",),
            ("--configFile=@DIR@/traefik.yaml",),
            wheel,
            env={"GOMAXPROCS": "1"},
        ),
        Peer(
            "caddy",
            "caddy",
            ("version",),
            ("run", "--config", "@DIR@/Caddyfile", "--adapter", "caddyfile"),
            wheel,
            env={"GOMAXPROCS": "1", "HOME": "@DIR@", "XDG_DATA_HOME": "@DIR@", "XDG_CONFIG_HOME": "@DIR@"},
            variants={
                **over_tls(caddy_tls),
                "h2": caddy_tls,
                "grpc": {**caddy_tls, "ORIGIN_SCHEME": "h2c://"},
                "h3": {**caddy_tls, "PROTOCOLS": "protocols h1 h2 h3"},
            },
        ),
    ]
