"""The PROXY protocol: of load balancers that are trusted it is demanded, and of nobody else it is taken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import context
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import request
from lockgate.config.bundle_types import Bundle
from support.certificates import Authority

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(source: bytes, destination: bytes, *, command: int = 1, more: bytes = b"") -> bytes:
    """Version 2, TCP over IPv4."""
    body = source + destination + struct.pack(">HH", 40_000, 443) + more
    return SIGNATURE + bytes([0x20 | command, 0x11]) + struct.pack(">H", len(body)) + body


V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n"
V2 = v2(bytes([203, 0, 113, 7]), bytes([192, 0, 2, 1]))


def proxied(auto: AutoUpstream, trusted: str = "127.0.0.0/8") -> Bundle:
    """A listener behind a load balancer."""
    listener = bundles.listener(proxy_protocol=True, trusted=[trusted])
    blocked = bundles.api("blocked", "/blocked", addresses=bundles.ip_filter(deny=["203.0.113.0/24"]))
    return bundles.bundle([bundles.api(), blocked], [bundles.upstream(auto.port)], listeners=[listener])


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
def test_the_client_is_whom_it_names(header: bytes, gate: Gate, auto: AutoUpstream) -> None:
    gate.load(proxied(auto))
    with gate.client() as client:
        # Whatever the client says of itself is not the load balancer's word.
        client.send(header, request("/", "X-Forwarded-For: 198.51.100.1"))
        assert client.message().status == 200
        client.send(request("/blocked"))
        assert client.message().reason == "address-denied"
    assert auto.requests[0].get("x-forwarded-for") == "203.0.113.7"
    assert gate.written(path="/")[0]["peer"] == "203.0.113.7"


def test_it_may_come_in_pieces(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(proxied(auto))
    with gate.client() as client:
        for byte in V1:
            client.send(bytes([byte]))
        client.send(request("/"))
        assert client.message().status == 200


def test_health_checks_of_the_balancer_itself_pass(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(proxied(auto))
    for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"):
        with gate.client() as client:
            client.send(header, request("/"))
            assert client.message().status == 200
    assert {seen.get("x-forwarded-for") for seen in auto.requests} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (request("/"), "proxy-protocol-missing"),
        (b"PROXY TCP4 nobody 192.0.2.1 1 2\r\n" + b"x" * 100, "proxy-protocol-malformed"),
        (b"PROXY " + b"x" * 200, "proxy-protocol-too-long"),
        (v2(bytes(4), bytes(4), more=b"\x03\x00\x04\x00\x00\x00\x00"), "proxy-protocol-checksum"),
    ],
)
def test_what_is_not_told_rightly_is_not_believed(said: bytes, reason: str, gate: Gate, auto: AutoUpstream) -> None:
    gate.load(proxied(auto))
    before = gate.refusals(reason)
    with gate.client() as client:
        client.send(said)
        assert client.rest() == b""
    gate.refused(reason, before + 1)
    assert not auto.requests


def test_of_strangers_it_is_not_taken(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(proxied(auto, trusted="192.0.2.0/24"))
    with gate.client() as client:
        client.send(request("/"))
        assert client.message().status == 200
    with gate.client() as client:
        client.send(V1, request("/"))
        assert client.message().status == 400


def test_before_tls(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    told = proxied(auto)
    told["listeners"][0]["tls"] = bundles.tls(authority.issue("shop", "shop.example"))
    gate.load(told)
    with gate.client() as client:
        client.send(V2)
        how = context(authority.pem)
        with how.wrap_socket(client.sock, server_hostname="shop.example") as sock:
            sock.sendall(request("/", host="shop.example"))
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_client_has_its_share_behind_the_balancer_too(gate: Gate, auto: AutoUpstream) -> None:
    told = proxied(auto)
    told["listeners"][0]["limits"] = bundles.limits(connections_per_ip=2)
    gate.load(told)
    with gate.client() as first, gate.client() as second, gate.client() as third:
        for client in (first, second):
            client.send(V1, request("/"))
            assert client.message().status == 200
        third.send(V1, request("/"))
        assert third.rest() == b""
        with gate.client() as other:
            other.send(V1.replace(b"203.0.113.7", b"203.0.113.8"), request("/"))
            assert other.message().status == 200
    assert gate.count("lockgate_connections_turned_away_total", limit="connections_per_ip") == 1


def test_a_balancer_that_does_not_say_for_whom_lets_nobody_say_it(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(proxied(auto))
    with gate.client() as client:
        client.send(b"PROXY UNKNOWN\r\n", request("/", "X-Forwarded-For: 203.0.113.9"))
        assert client.message().status == 200
    assert auto.requests[-1].get("x-forwarded-for") == "127.0.0.1"
