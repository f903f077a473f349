"""The PROXY protocol towards upstreams: said first, rightly, and never for somebody else."""

from __future__ import annotations

import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Http3
from gateway.harness.secure import Http2, context
from gateway.harness.servers import haproxy, nginx
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import WITHIN, Client, Wire, answer, request
from lockgate.config import bundle_types as types
from support.certificates import Authority
from support.ports import free_port
from support.waiting import until

Version = Literal["v1", "v2"]

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@pytest.fixture
def auto_proxied() -> Iterator[AutoUpstream]:
    """An upstream that answers by itself, and wants version 1."""
    with AutoUpstream(proxied=True) as server:
        yield server


def told(*targets: int | str, version: Version = "v1", **more: object) -> types.Bundle:
    upstream = bundles.upstream(*targets, proxy_protocol=version)
    upstream |= more  # type: ignore[typeddict-item]
    return bundles.bundle([bundles.api()], [upstream])


def line(client: Client, gate: Gate) -> bytes:
    """What version 1 says of a client."""
    host, port = client.local
    return f"PROXY TCP4 {host} 127.0.0.1 {port} {gate.port()}\r\n".encode()


def crc32c(data: bytes) -> int:
    """By the definition, bit by bit."""
    sum_ = 0xFFFFFFFF
    for byte in data:
        sum_ ^= byte
        for _ in range(8):
            sum_ = sum_ >> 1 ^ (0x82F63B78 if sum_ & 1 else 0)
    return sum_ ^ 0xFFFFFFFF


def exactly(wire: Wire, count: int) -> bytes:
    """So many bytes, and none of what follows: that may be TLS."""
    got = b""
    wire.sock.settimeout(WITHIN)
    while len(got) < count:
        data = wire.sock.recv(count - len(got))
        assert data, f"it closed after {got!r}"
        got += data
    return got


def read_v2(wire: Wire) -> tuple[int, int, bytes, dict[int, bytes]]:
    """Command and family, the addresses' block, and what stands behind it."""
    start = exactly(wire, 16)
    assert start.startswith(SIGNATURE)
    command, family, length = start[12], start[13], struct.unpack(">H", start[14:])[0]
    rest = exactly(wire, length)
    block = {0x11: 12, 0x21: 36, 0: 0}[family]
    more: dict[int, bytes] = {}
    at = block
    while at < len(rest):
        kind, size = rest[at], struct.unpack(">H", rest[at + 1 : at + 3])[0]
        more[kind] = rest[at + 3 : at + 3 + size]
        if kind == 3:
            whole = start + rest[: at + 3] + bytes(4) + rest[at + 7 :]
            assert struct.unpack(">I", more[kind])[0] == crc32c(whole)
        at += 3 + size
    return command, family, rest[:block], more


def test_it_goes_first_on_each_connection_and_once(gate: Gate, upstream: Upstream) -> None:
    gate.load(told(upstream.port))
    with gate.client() as client:
        client.send(request("/one"))
        wire = upstream.accept()
        assert wire.until(b"\r\n") == line(client, gate)
        assert wire.message().target == "/one"
        wire.send(answer())
        assert client.message().status == 200
        # The same client, the same connection.
        client.send(request("/two"))
        assert wire.message().target == "/two"
        wire.send(answer())
        assert client.message().status == 200


def test_no_two_clients_share_a_connection(gate: Gate, upstream: Upstream) -> None:
    gate.load(told(upstream.port))
    with gate.client() as first, gate.client() as second, gate.client(source="127.0.0.9") as third:
        wires: list[Wire] = []
        for client in (first, second, third):
            client.send(request("/"))
            wire = upstream.accept()
            assert wire.until(b"\r\n") == line(client, gate)
            wire.message()
            wire.send(answer())
            assert client.message().status == 200
            wires.append(wire)
        # Each finds its own again, whichever came to rest last.
        for client, wire in zip((second, third, first), (wires[1], wires[2], wires[0]), strict=True):
            client.send(request("/again"))
            assert wire.message().target == "/again"
            wire.send(answer())
            assert client.message().status == 200
        assert upstream.untouched()


def test_an_upstream_without_it_gets_none_of_these_connections(gate: Gate, upstream: Upstream) -> None:
    """Two upstreams name the same server: one wants the header, the other must not get it, nor a connection with it."""
    plain = bundles.upstream(upstream.port, name="plain")
    named = bundles.upstream(upstream.port, proxy_protocol="v1")
    gate.load(bundles.bundle([bundles.api(), bundles.api("plain", "/plain", to="plain")], [named, plain]))
    with gate.client() as client:
        client.send(request("/"))
        first = upstream.accept()
        assert first.until(b"\r\n") == line(client, gate)
        first.message()
        first.send(answer())
        assert client.message().status == 200
        client.send(request("/plain"))
        second = upstream.accept()
        assert second.message().target == "/plain"
        second.send(answer())
        assert client.message().status == 200
        for target, wire in (("/", first), ("/plain", second)):
            client.send(request(target))
            assert wire.message().target == target
            wire.send(answer())
            assert client.message().status == 200


def test_whom_a_trusted_proxy_names_is_the_client(gate: Gate, upstream: Upstream) -> None:
    bundle = told(upstream.port)
    bundle["listeners"] = [bundles.listener(trusted=["127.0.0.0/8"])]
    gate.load(bundle)
    with gate.client() as proxy:
        for client in ("203.0.113.7", "203.0.113.8"):
            proxy.send(request("/", f"X-Forwarded-For: {client}"))
            wire = upstream.accept()
            # Its port is not known.
            assert wire.until(b"\r\n") == f"PROXY TCP4 {client} 127.0.0.1 0 {gate.port()}\r\n".encode()
            wire.message()
            wire.send(answer())
            assert proxy.message().status == 200


def test_what_came_by_the_proxy_protocol_goes_on_by_it(gate: Gate, upstream: Upstream) -> None:
    bundle = told(upstream.port, version="v2")
    bundle["listeners"] = [bundles.listener(trusted=["127.0.0.0/8"], proxy_protocol=True)]
    gate.load(bundle)
    with gate.client() as client:
        client.send(b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n", request("/"))
        wire = upstream.accept()
        command, family, block, more = read_v2(wire)
        assert (command, family) == (0x21, 0x21)
        assert block[:16].hex() == "20010db8000000000000000000000007"
        assert struct.unpack(">HH", block[32:]) == (40_000, 443)
        assert list(more) == [3]
        wire.message()
        wire.send(answer())
        assert client.message().status == 200


def test_it_goes_before_tls_and_names_what_the_client_asked_for(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    front, back = authority.issue("front", "a.example"), authority.issue("back", "localhost")
    over_tls = bundles.upstream(
        f"https://localhost:{upstream.port}", tls=bundles.upstream_tls(authority.pem), proxy_protocol="v2"
    )
    listener = bundles.listener(tls=bundles.tls(front))
    gate.load(bundles.bundle([bundles.api()], [over_tls], listeners=[listener]))
    with gate.client() as client:
        client.sock = context(authority.pem).wrap_socket(client.sock, server_hostname="a.example")
        source = client.local
        client.send(request("/"))
        wire = upstream.accept()
        command, family, block, more = read_v2(wire)
        assert (command, family) == (0x21, 0x11)
        assert block == bytes([127, 0, 0, 1] * 2) + struct.pack(">HH", source[1], gate.port())
        assert more[2] == b"a.example"
        assert set(more) == {2, 3}
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(back.chain, back.key)
        wire.sock = server.wrap_socket(wire.sock, server_side=True)
        wire.message()
        wire.send(answer())
        assert client.message().status == 200


def test_streams_of_one_client_share_what_was_said_of_it(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    """Over HTTP/2 two requests at once take two connections, each with the same words; a third takes one of them."""
    authority = Authority(tmp_path)
    bundle = told(upstream.port)
    bundle["listeners"] = [bundles.listener(tls=bundles.tls(authority.issue("front", "shop.example")))]
    gate.load(bundle)
    with Http2(gate.port(), authority.pem) as web:
        port = web.sock.getsockname()[1]
        streams = [web.ask("/one"), web.ask("/two")]
        wires = [upstream.accept(), upstream.accept()]
        for wire in wires:
            assert wire.until(b"\r\n") == f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gate.port()}\r\n".encode()
            wire.message()
            wire.send(answer())
        assert [web.answer(stream).status for stream in streams] == [200, 200]
        third = web.ask("/three")
        until(lambda: any(not wire.silent() for wire in wires), "a request on one of them")
        (wire,) = [wire for wire in wires if not wire.silent()]
        assert wire.message().target == "/three"
        wire.send(answer())
        assert web.answer(third).status == 200
        assert upstream.untouched()


def test_a_client_over_http3_is_named(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    bundle = told(upstream.port)
    front = bundles.tls(authority.issue("front", "shop.example"))
    bundle["listeners"] = [bundles.listener(tls=front, http3=True)]
    gate.load(bundle)
    with Http3(gate.port(), authority.pem) as web:
        stream = web.ask("/")
        web.flush()
        web.until(lambda: not upstream.untouched(), "a connection to the upstream")
        wire = upstream.accept()
        port = web.sock.getsockname()[1]
        assert wire.until(b"\r\n") == f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gate.port()}\r\n".encode()
        wire.message()
        wire.send(answer())
        assert web.answer(stream).status == 200


@pytest.mark.parametrize(("version", "first"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", SIGNATURE + b"\x20\x00\x00\x00")])
def test_a_health_check_speaks_for_nobody(version: Version, first: bytes, gate: Gate, upstream: Upstream) -> None:
    check: types.HealthCheck = {
        "path": "/healthz",
        "host": None,
        "every_ms": 60_000,
        "timeout_ms": 10_000,
        "expect": [{"low": 200, "high": 299}],
        "unhealthy_after": 1,
        "healthy_after": 1,
    }
    gate.load(told(upstream.port, version=version, health=check))
    wire = upstream.accept()
    assert wire.exactly(len(first)) == first
    assert wire.message().target == "/healthz"
    wire.send(answer())


def test_a_client_without_an_address_is_unknown(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    for version in ("v1", "v2"):
        bundle = told(upstream.port, version=version)
        bundle["listeners"] = [bundles.listener(address=f"unix:{path}")]
        gate.load(bundle)
        with Client.at(path) as client:
            client.send(request("/"))
            wire = upstream.accept()
            if version == "v1":
                assert wire.until(b"\r\n") == b"PROXY UNKNOWN\r\n"
            else:
                assert read_v2(wire)[:3] == (0x21, 0, b"")
            wire.message()
            wire.send(answer())
            assert client.message().status == 200


def test_more_clients_than_connections_may_rest(gate: Gate, auto_proxied: AutoUpstream) -> None:
    """Each leaves a connection behind that nobody else can use: the oldest give way, none piles up."""
    gate.load(told(auto_proxied.port))
    for _ in range(400):
        with gate.client() as client:
            assert client.get().status == 200
    assert auto_proxied.connections == 400
    until(lambda: gate.descriptors() < 256 + 100, "those beyond the bound to be closed")
    # The last that came to rest is still there for its client.
    with gate.client() as client:
        assert [client.get().status, client.get().status] == [200, 200]
    assert auto_proxied.connections == 401


@contextmanager
def two_clients(gate: Gate) -> Iterator[list[str]]:
    """Asks as several clients at once, twice each; the addresses and ports that an upstream should have seen."""
    with gate.client() as one, gate.client(source="127.0.0.9") as two, gate.client(source="127.0.0.10") as three:
        clients = [one, two, three]
        barrier = threading.Barrier(len(clients))

        def ask(client: Client) -> None:
            barrier.wait()
            for path in ("/a", "/b"):
                assert client.get(path).status == 200

        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield sorted(f"{host} {port} {path}" for host, port in (c.local for c in clients) for path in ("/a", "/b"))


SEEN = "$proxy_protocol_addr $proxy_protocol_port $uri"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nginx_reads_it(version: Version, gate: Gate, tmp_path: Path) -> None:
    port = free_port()
    server = f"listen 127.0.0.1:{port} proxy_protocol; location / {{ return 200 ok; }}"
    with nginx(tmp_path / "nginx", server, SEEN, ready=tmp_path / "nginx" / "pid") as behind:
        gate.load(told(port, version=version))
        with two_clients(gate) as expected:
            until(lambda: sorted(behind.seen) == expected, f"nginx to see {expected}; it saw {behind.seen}")
        assert "broken header" not in behind.errors, behind.errors


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nginx_reads_it_at_a_unix_socket(version: Version, gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    server = f"listen unix:{path} proxy_protocol; location / {{ return 200 ok; }}"
    with nginx(tmp_path / "nginx", server, SEEN, ready=path) as behind:
        gate.load(told(f"unix:{path}", version=version))
        with two_clients(gate) as expected:
            until(lambda: sorted(behind.seen) == expected, f"nginx to see {expected}; it saw {behind.seen}")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_haproxy_reads_it(version: Version, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    path = tmp_path / "haproxy.sock"
    config = f"""
global
    stats socket {tmp_path}/haproxy/ready mode 600
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen behind
    bind unix@{path} accept-proxy
    http-request set-header X-Seen "%[src] %[src_port] %[path]"
    server app 127.0.0.1:{auto.port}
"""
    with haproxy(tmp_path / "haproxy", config, ready=tmp_path / "haproxy" / "ready"):
        gate.load(told(f"unix:{path}", version=version))
        with two_clients(gate) as expected:
            assert sorted(str(message.get("x-seen")) for message in auto.requests) == expected


def test_a_copy_is_for_the_same_client(gate: Gate, upstream: Upstream, auto: AutoUpstream) -> None:
    """What is mirrored goes to its own upstream, which is told whose request it is."""
    copies = bundles.upstream(upstream.port, name="copies", proxy_protocol="v1")
    api = bundles.api(mirror={"upstream": "copies", "share": 100, "bytes": 0, "methods": ["GET"]})
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port), copies]))
    with gate.client() as client:
        assert client.get("/copied").status == 200
        wire = upstream.accept()
        assert wire.until(b"\r\n") == line(client, gate)
        assert wire.message().target == "/copied"
        wire.send(answer())
