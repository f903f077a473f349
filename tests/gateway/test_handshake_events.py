"""Handshakes that come to nothing have events that say why, and few of those that say nothing."""

from __future__ import annotations

import re
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Ended, Http3
from gateway.harness.secure import connect, context
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import request
from lockgate.config.bundle_types import Bundle, Tls
from support.certificates import Authority
from support.waiting import until

JA4 = re.compile(r"t1[23]d\d{4}.._[0-9a-f]{12}_[0-9a-f]{12}")
EACH_SECOND = 10


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate, and for clients."""
    return Authority(tmp_path)


def serving(auto: AutoUpstream, tls: Tls, **more: int) -> Bundle:
    """One public API over TLS."""
    listener = bundles.listener(tls=tls, bounds=bundles.limits(**more), http3=True)
    return bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener])


def refused(gate: Gate, how: ssl.SSLContext, name: str = "shop.example") -> dict[str, Any]:
    """The event of a client that is turned away."""
    # With TLS 1.3 it hears of it when it reads.
    with suppress(OSError), connect(gate.port(), how, name) as sock:
        assert sock.recv(1) == b""
    (event,) = gate.written(protocol="tls-handshake")
    assert (event["class"], event["listener"], event["peer"]) == ("security", "public", "127.0.0.1")
    assert (event["method"], event["path"], event["status"], event["room"]) == ("", "", 0, "tls")
    assert event["took_us"] < 30_000_000
    return event


def test_a_name_without_a_certificate(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    event = refused(gate, context(authority.pem), "Else.Example")
    assert (event["reason"], event["host"]) == ("tls-name-unknown", "else.example")
    assert JA4.fullmatch(event["ja4"])


def test_a_version_that_is_too_old(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"), minimum="1.3")))
    event = refused(gate, context(authority.pem, only=ssl.TLSVersion.TLSv1_2))
    assert (event["reason"], event["host"]) == ("tls-version-too-old", "shop.example")
    assert event["ja4"].startswith("t12d")


@pytest.mark.parametrize("version", ["tls1", "tls1_1"])
def test_a_client_of_long_ago(version: str, gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    """It lacks what the TLS library misses first, and still is told what it is: too old."""
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    asking = ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port()}", f"-{version}"]
    asking += ["-cipher", "ALL:@SECLEVEL=0", "-servername", "shop.example"]
    told = subprocess.run(asking, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert "alert protocol version" in told.stderr
    (event,) = gate.written(protocol="tls-handshake")
    assert (event["reason"], event["host"]) == ("tls-version-too-old", "shop.example")


def test_a_client_without_its_certificate(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    issued = authority.issue("shop", "shop.example")
    gate.load(serving(auto, bundles.tls(issued, clients=bundles.clients(authority.pem))))
    event = refused(gate, context(authority.pem))
    assert (event["reason"], event["host"]) == ("tls-client-certificate-missing", "shop.example")


def test_a_client_that_does_not_take_the_certificate(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    event = refused(gate, context(Authority(authority.folder, "stranger").pem))
    assert (event["reason"], event["host"]) == ("tls-certificate-not-taken", "shop.example")


def test_a_certificate_that_ran_out(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    old = authority.issue("old", "old.example", days=-1)
    gate.load(serving(auto, bundles.tls(old, authority.issue("shop", "shop.example"))))
    event = refused(gate, context(authority.pem), "old.example")
    assert (event["reason"], event["host"]) == ("tls-certificate-expired", "old.example")
    with pytest.raises(Ended):
        Http3(gate.port(), authority.pem, "old.example")
    until(lambda: len(gate.now_written(reason="tls-certificate-expired")) == 2, "the one over QUIC")
    over_quic = gate.now_written(reason="tls-certificate-expired")[1]
    assert over_quic["ja4"].startswith("q13d")


def test_the_same_over_quic(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    with pytest.raises(Ended):
        Http3(gate.port(), authority.pem, "else.example")
    (event,) = gate.written(protocol="tls-handshake")
    assert (event["reason"], event["host"]) == ("tls-name-unknown", "else.example")
    assert event["ja4"].startswith("q13d")
    with pytest.raises(Ended):
        Http3(gate.port(), Authority(authority.folder, "stranger").pem)
    assert gate.written(reason="tls-certificate-not-taken")


def test_plain_http_on_its_port(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    with gate.client() as client:
        client.send(request("/"))
        client.rest()
    (event,) = gate.written(protocol="tls-handshake")
    assert (event["reason"], event["host"], event["ja4"]) == ("tls-plain-http", "", None)


def test_who_says_nothing_is_counted_alone(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    """As the health checks of balancers, and connections that browsers open ahead of need."""
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example")), handshake_timeout_ms=100))
    gate.client().close()
    with gate.client() as slow:
        assert slow.ended()
    silent = ("tls-handshake-broken", "tls-handshake-too-slow")
    until(lambda: all(map(gate.refusals, silent)), "both to be counted")
    # What is written is in order: nothing comes of the two behind this one.
    assert refused(gate, context(authority.pem), "else.example")["reason"] == "tls-name-unknown"


def test_a_flood_of_them_does_not_fill_the_store(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    for _ in range(200):
        with gate.client() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.rest()
    until(lambda: gate.refusals("tls-plain-http") == 200, "all to be counted")
    until(lambda: len(gate.now_written(protocol="tls-handshake")) >= EACH_SECOND, "the first to be written")
    written = gate.now_written(protocol="tls-handshake")
    seconds = (max(event["at_ms"] for event in written) - min(event["at_ms"] for event in written)) // 1000 + 2
    assert EACH_SECOND <= len(written) <= EACH_SECOND * seconds


def test_a_header_that_a_balancer_owes(gate: Gate, auto: AutoUpstream) -> None:
    listener = bundles.listener(proxy_protocol=True, trusted=["127.0.0.0/8"])
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener]))
    with gate.client() as client:
        client.send(request("/"))
        assert client.ended()
    (event,) = gate.written(protocol="proxy-protocol")
    assert (event["class"], event["peer"], event["status"]) == ("security", "127.0.0.1", 0)
    assert event["reason"].startswith("proxy-")
