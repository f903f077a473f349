"""TLS with real clients and servers: who gets which certificate, who may come in, and what is told."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.harness import bundles
from gateway.harness.gate import Gate, Refused
from gateway.harness.secure import Http2, connect, context, secure
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, Wire
from lockgate.config.bundle_types import Bundle, Tls, UpstreamTls
from support.certificates import Authority, Issued
from support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate, and for clients."""
    return Authority(tmp_path)


def serving(upstream: AutoUpstream, tls: Tls, **more: int) -> Bundle:
    """One public API over TLS."""
    listener = bundles.listener(tls=tls, bounds=bundles.limits(**more))
    return bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener])


def shown(port: int, how: ssl.SSLContext, name: str | None) -> x509.Certificate:
    """The certificate that a client is shown."""
    with connect(port, how, name) as sock:
        told = sock.getpeercert(binary_form=True)
    assert told is not None
    return x509.load_der_x509_certificate(told)


def talk(port: int, how: ssl.SSLContext) -> bytes:
    """With TLS 1.3 a client hears that it was refused when it reads."""
    with connect(port, how) as sock:
        sock.sendall(GET % b"shop.example")
        return sock.recv(1)


def counted(gate: Gate, reason: str) -> None:
    """The gate has given this reason, or does so soon."""
    until(lambda: gate.refusals(reason), f"{reason} to be counted")


def ask(wire: Wire, host: str = "shop.example") -> int:
    """The status of an answer."""
    wire.send(GET % host.encode())
    return wire.message().status


def test_old_versions_are_not_spoken(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    issued = authority.issue("shop", "shop.example")
    gate.load(serving(auto, bundles.tls(issued)))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(gate.port(), context(authority.pem, only=version)) as sock:
            assert sock.version() == version.name.replace("_", ".")
    gate.load(serving(auto, bundles.tls(issued, minimum="1.3")))
    with pytest.raises(ssl.SSLError):
        connect(gate.port(), context(authority.pem, only=ssl.TLSVersion.TLSv1_2))
    gate.refused("tls-version-too-old")


def test_the_protocol_is_agreed_on(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    for offered, agreed in [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1")]:
        with connect(gate.port(), context(authority.pem, protocols=offered)) as sock:
            assert sock.selected_alpn_protocol() == agreed
    with pytest.raises(ssl.SSLError):
        connect(gate.port(), context(authority.pem, protocols=("spdy/3",)))


def test_each_name_gets_its_certificate(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    first = authority.issue("shop", "shop.example", "127.0.0.1")
    second = authority.issue("office", "office.example", "*.office.example")
    gate.load(serving(auto, bundles.tls(first, second)))
    how = context(authority.pem)
    assert shown(gate.port(), how, "shop.example") == first.certificate
    assert shown(gate.port(), how, "a.office.example") == second.certificate
    # Python sends no name for an address.
    assert shown(gate.port(), how, "127.0.0.1") == first.certificate
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        connect(gate.port(), how, "nobody.example")
    gate.refused("tls-name-unknown")


def test_a_connection_carries_no_other_hosts_requests(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    first = authority.issue("shop", "shop.example", "www.shop.example", "staff.shop.example")
    second = authority.issue("office", "office.example")
    client = authority.issue("client", "client.example")
    hosts = {"staff.shop.example": bundles.clients(authority.pem)}
    gate.load(serving(auto, bundles.tls(first, second, hosts=hosts)))
    with secure(gate.port(), context(authority.pem)) as wire:
        assert ask(wire) == 200
        assert ask(wire, "www.shop.example") == 200
        assert ask(wire, "office.example") == 421
        assert ask(wire, "staff.shop.example") == 421
        assert ask(wire) == 200
    with Http2(gate.port(), authority.pem) as web:
        assert web.get().status == 200
        web.name = "staff.shop.example"
        assert web.get().status == 421
        web.name = "www.shop.example"
        assert web.get().status == 200
    with secure(gate.port(), context(authority.pem, shown=client), "staff.shop.example") as wire:
        assert ask(wire, "staff.shop.example") == 200
        assert ask(wire, "shop.example") == 421
    gate.refused("tls-misdirected", 4)


def test_clients_show_certificates_where_they_must(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    stranger = Authority(authority.folder, "stranger")
    known, unknown = authority.issue("known", "a"), stranger.issue("unknown", "b")
    expired = authority.issue("expired", "c", days=-1)
    issued = authority.issue("shop", "shop.example")
    gate.load(serving(auto, bundles.tls(issued, clients=bundles.clients(authority.pem))))
    with secure(gate.port(), context(authority.pem, shown=known)) as wire:
        assert ask(wire) == 200
    for each, reason in [
        (None, "tls-client-certificate-missing"),
        (unknown, "tls-client-certificate-refused"),
        (expired, "tls-client-certificate-expired"),
    ]:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            talk(gate.port(), context(authority.pem, shown=each))
        counted(gate, reason)
    gate.load(serving(auto, bundles.tls(issued, clients=bundles.clients(authority.pem, require=False))))
    with secure(gate.port(), context(authority.pem)) as wire:
        assert ask(wire) == 200


def test_a_revoked_certificate_ends_its_connections(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    client = authority.issue("client", "client.example")
    other = authority.issue("other", "other.example")
    crl = authority.revoke(other.certificate)
    tls = bundles.tls(authority.issue("shop", "shop.example"), clients=bundles.clients(authority.pem, crl=[crl]))
    gate.load(serving(auto, tls))
    how = context(authority.pem, shown=client, only=ssl.TLSVersion.TLSv1_2)
    with secure(gate.port(), how) as wire, connect(gate.port(), how) as sock:
        session = sock.session
        assert ask(wire) == 200
        authority.revoke(other.certificate, client.certificate)
        assert gate.tell("renew_secrets")
        assert ask(wire) == 403
        assert wire.rest() == b""
        # A session from before is no way in either.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(gate.port(), how, session=session).recv(1)
    until(lambda: gate.refusals("tls-client-certificate-revoked") >= 2, "both to be refused")


def test_sessions_are_resumed_for_the_same_host_alone(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    issued = authority.issue("shop", "shop.example", "www.shop.example")
    gate.load(serving(auto, bundles.tls(issued)))
    how = context(authority.pem, only=ssl.TLSVersion.TLSv1_2)
    with connect(gate.port(), how) as sock:
        session = sock.session
    with connect(gate.port(), how, session=session) as sock:
        assert sock.session_reused
    with connect(gate.port(), how, "www.shop.example", session) as sock:
        assert not sock.session_reused


def test_a_renewed_certificate_is_taken_up_and_a_spoiled_one_is_not(
    gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    issued = authority.issue("shop", "shop.example")
    gate.load(serving(auto, bundles.tls(issued)))
    how = context(authority.pem)
    with secure(gate.port(), how) as wire:
        assert ask(wire) == 200
        renewed = authority.issue("shop", "shop.example")
        assert gate.tell("renew_secrets")
        assert shown(gate.port(), how, "shop.example") == renewed.certificate
        gate.written(**{"class": "system", "code": "secrets-renewed"})
        [told] = gate.tell("stats")["certificates"]
        assert (told["name"], told["listeners"], told["hosts"]) == (str(issued.chain), ["public"], ["shop.example"])
        assert told["ends_ms"] == renewed.certificate.not_valid_after_utc.timestamp() * 1000
        assert told["days_left"] in {29, 30}
        assert told["differs"] is None
        issued.chain.write_text("spoiled", encoding="utf-8")
        assert gate.tell("renew_secrets")
        assert shown(gate.port(), how, "shop.example") == renewed.certificate
        unfit = gate.tell("stats")["unfit"]
        assert len(unfit) == 1
        assert "the last good one serves on" in unfit[0]
        # Nothing was renewed, and nobody says so.
        gate.written(**{"class": "system", "code": "secrets-not-all-renewed"})
        assert len(gate.now_written(**{"class": "system", "code": "secrets-renewed"})) == 1
        [still] = gate.tell("stats")["certificates"]
        assert still["fingerprint"] == told["fingerprint"]
        assert still["differs"] == "the chain holds no certificate"
        assert ask(wire) == 200, "who was connected stays so"
    expired = authority.issue("shop", "shop.example", days=-1)
    assert gate.tell("renew_secrets")
    assert shown(gate.port(), how, "shop.example") == renewed.certificate != expired.certificate
    assert "expired" in gate.tell("stats")["certificates"][0]["differs"]
    authority.issue("shop", "shop.example")
    assert gate.tell("renew_secrets")
    assert gate.tell("stats")["certificates"][0]["differs"] is None
    until(lambda: len(gate.now_written(**{"class": "system", "code": "secrets-renewed"})) == 2, "the good one")


def test_a_certificate_that_was_never_good_is_no_bundle(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    issued = authority.issue("shop", "shop.example")
    other = authority.issue("other", "other.example")
    wrong = Issued(issued.chain, other.key, issued.certificate)
    with pytest.raises(Refused, match="do not belong together"):
        gate.load(serving(auto, bundles.tls(wrong)))


def test_one_that_ran_out_is_never_shown_anew_and_holds_up_no_other(
    gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    old = authority.issue("old", "old.example", days=-1)
    good = authority.issue("shop", "shop.example")
    with pytest.raises(Refused, match="the certificate expired"):
        gate.load(serving(auto, bundles.tls(old)))
    gate.load(serving(auto, bundles.tls(old, good)))
    how = context(authority.pem)
    assert shown(gate.port(), how, "shop.example") == good.certificate
    with pytest.raises(ssl.SSLError, match=r"(?i)internal"):
        connect(gate.port(), how, "old.example")
    gate.refused("tls-certificate-expired")
    assert "the certificate expired" in gate.tell("stats")["unfit"][0]
    # Where something serves already, one alone holds up no change.
    gate.load(serving(auto, bundles.tls(old)))
    with pytest.raises(ssl.SSLError, match=r"(?i)internal"):
        connect(gate.port(), how, "old.example")
    renewed = authority.issue("old", "old.example")
    assert gate.tell("renew_secrets")
    assert shown(gate.port(), how, "old.example") == renewed.certificate


def test_plain_http_on_the_secure_port_is_told_so(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    with gate.client() as wire:
        wire.send(GET % b"shop.example")
        told = wire.message()
    assert (told.status, told.body) == (400, b"This port speaks HTTPS: ask with https:// instead.")
    with gate.client() as wire:
        wire.send(b"\x00\x01nonsense" * 10)
        wire.rest()
    gate.refused("tls-plain-http")
    counted(gate, "tls-not-tls")


def test_a_handshake_has_its_time(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example")), handshake_timeout_ms=300))
    with gate.client() as silent, gate.client() as slow:
        slow.send(b"\x16\x03\x01\x02\x00\x01")
        assert silent.rest() == slow.rest() == b""
    gate.refused("tls-handshake-too-slow", 2)


def test_a_plain_listener_sends_its_clients_on(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    told = serving(auto, bundles.tls(authority.issue("shop", "shop.example"), hsts="max-age=60"))
    told["listeners"].append({**bundles.listener("plain", "0.0.0.0:0"), "redirect_port": 8443})
    gate.load(told)
    with gate.client("plain") as wire:
        wire.send(b"POST /a%20b?c=%20d HTTP/1.1\r\nHost: Shop.example:80\r\nContent-Length: 0\r\n\r\n")
        answer = wire.message()
        assert (answer.status, answer.get("location")) == (308, "https://shop.example:8443/a%20b?c=%20d")
        assert answer.get("strict-transport-security") is None, "it is nothing worth in the clear"
    with gate.client("plain") as wire:
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        assert wire.message().reason == "https-required"
    assert not auto.requests


def test_answers_say_that_the_host_is_only_asked_over_tls(gate: Gate, authority: Authority) -> None:
    reply = b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=0\r\nContent-Length: 0\r\n\r\n"
    with AutoUpstream(lambda _: reply) as auto:
        gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"), hsts="max-age=60")))
        with secure(gate.port(), context(authority.pem)) as wire:
            wire.send(GET % b"shop.example")
            assert wire.message().all("strict-transport-security") == ["max-age=60"]
        with Http2(gate.port(), authority.pem) as web:
            fields = [value for name, value in web.get().headers if name == "strict-transport-security"]
            assert fields == ["max-age=60"]
    forwarded = auto.requests[0]
    assert (forwarded.get("x-forwarded-proto"), forwarded.get("x-forwarded-host")) == ("https", "shop.example")


def answers_soon(gate: Gate, status: int) -> None:
    """Asked again and again, it answers so."""
    until(lambda: once(gate).status == status, f"an answer of {status}")


@contextmanager
def secure_upstream(
    issued: Issued, trust: Path | None = None, *, versions: ssl.TLSVersion | None = None
) -> Iterator[int]:
    """A server over TLS that says whose certificate it was shown."""
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    how.load_cert_chain(issued.chain, issued.key)
    if versions is not None:
        how.maximum_version = versions
    if trust is not None:
        how.load_verify_locations(trust)
        how.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for number in itertools.count():
                try:
                    raw, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=converse, args=(raw, number), daemon=True).start()

        def converse(raw: socket.socket, number: int) -> None:
            try:
                with how.wrap_socket(raw, server_side=True) as sock:
                    wire = Wire(sock)
                    peer = sock.getpeercert(binary_form=True)
                    name = x509.load_der_x509_certificate(peer).subject.rfc4514_string() if peer else ""
                    while True:
                        wire.message()
                        said = name.encode()
                        head = b"HTTP/1.1 200 OK\r\nConnection-Number: %d\r\nContent-Length: %d\r\n\r\n"
                        wire.send(head % (number, len(said)) + said)
            except (OSError, Exception):  # noqa: BLE001 -- A client that goes is no matter here.
                raw.close()

        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1])


def once(gate: Gate) -> Message:
    """What one request comes to."""
    with gate.client() as wire:
        wire.send(GET % b"shop.example")
        return wire.message()


def through(gate: Gate, port: int, tls: UpstreamTls | None) -> tuple[int, bytes]:
    """What a request over an upstream with TLS comes to."""
    upstream = bundles.upstream(f"https://127.0.0.1:{port}", tls=tls)
    gate.load(bundles.bundle([bundles.api()], [upstream]))
    first, again = once(gate), once(gate)
    assert first.status == again.status
    return again.status, again.body


def test_an_upstream_is_verified(gate: Gate, authority: Authority) -> None:
    stranger = Authority(authority.folder, "stranger")
    with secure_upstream(authority.issue("up", "127.0.0.1", "orders.internal")) as port:
        assert through(gate, port, bundles.upstream_tls(authority.pem)) == (200, b"")
        assert through(gate, port, bundles.upstream_tls(authority.pem, name="orders.internal")) == (200, b"")
        for wrong in (
            None,
            bundles.upstream_tls(stranger.pem),
            bundles.upstream_tls(authority.pem, name="other.internal"),
        ):
            status, body = through(gate, port, wrong)
            assert status == 502
            assert b"upstream-tls-failed" in body
        assert through(gate, port, bundles.upstream_tls(stranger.pem, unverified=bundles.waiver())) == (200, b"")
        expired = bundles.waiver(bundles.now_ms() - 1)
        status, body = through(gate, port, bundles.upstream_tls(stranger.pem, unverified=expired))
        assert status == 403
        assert b"waiver-expired" in body
    told = gate.written(code="upstream-tls-failed")
    assert any("NotValidForName" in each["message"] or "not valid for name" in each["message"] for each in told)


def test_an_upstream_is_held_to_its_pins(gate: Gate, authority: Authority) -> None:
    issued = authority.issue("up", "127.0.0.1")
    key = issued.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = sha256(key).hexdigest()
    with secure_upstream(issued) as port:
        assert through(gate, port, bundles.upstream_tls(authority.pem, pins=[pin, "00" * 32]))[0] == 200
        assert through(gate, port, bundles.upstream_tls(authority.pem, pins=["00" * 32]))[0] == 502
        unverified = bundles.waiver()
        assert through(gate, port, bundles.upstream_tls(pins=["00" * 32], unverified=unverified))[0] == 502


def test_two_upstreams_at_one_place_keep_their_own_connections(gate: Gate, authority: Authority) -> None:
    mine = authority.issue("gate", "gate.internal")
    with secure_upstream(authority.issue("up", "127.0.0.1"), authority.pem) as port:
        where = f"https://127.0.0.1:{port}"
        rules = {
            "any": bundles.upstream_tls(authority.pem, shown=mine),
            "new": bundles.upstream_tls(authority.pem, shown=mine, minimum="1.3"),
        }
        upstreams = [bundles.upstream(where, name=name, tls=tls) for name, tls in rules.items()]
        gate.load(bundles.bundle([bundles.api(name, f"/{name}", to=name) for name in rules], upstreams))
        numbers = []
        with gate.client() as wire:
            for path in ("any", "new") * 3:
                wire.send(b"GET /%s HTTP/1.1\r\nHost: shop.example\r\n\r\n" % path.encode())
                numbers.append(wire.message().get("connection-number"))
        assert numbers == ["0", "1"] * 3


def test_the_gate_shows_its_certificate_to_an_upstream(gate: Gate, authority: Authority) -> None:
    mine = authority.issue("gate", "gate.internal")
    with secure_upstream(authority.issue("up", "127.0.0.1"), authority.pem) as port:
        assert through(gate, port, bundles.upstream_tls(authority.pem, shown=mine)) == (200, b"CN=gate")
        assert through(gate, port, bundles.upstream_tls(authority.pem))[0] == 502


def test_an_upstream_of_old_versions_is_not_spoken_to(gate: Gate, authority: Authority) -> None:
    issued = authority.issue("up", "127.0.0.1")
    with secure_upstream(issued, versions=ssl.TLSVersion.TLSv1_2) as port:
        assert through(gate, port, bundles.upstream_tls(authority.pem))[0] == 200
        assert through(gate, port, bundles.upstream_tls(authority.pem, minimum="1.3"))[0] == 502


def test_health_is_asked_over_tls(gate: Gate, authority: Authority) -> None:
    stranger = Authority(authority.folder, "stranger")
    with secure_upstream(authority.issue("up", "127.0.0.1")) as port:
        for trust, healthy in [(authority, True), (stranger, False)]:
            upstream = bundles.upstream(f"https://127.0.0.1:{port}", tls=bundles.upstream_tls(trust.pem))
            upstream["health"] = {
                "path": "/",
                "every_ms": 50,
                "timeout_ms": 1000,
                "unhealthy_after": 1,
                "healthy_after": 1,
                "expect": [{"low": 200, "high": 299}],
                "host": None,
            }
            gate.load(bundles.bundle([bundles.api()], [upstream]))
            answers_soon(gate, 200 if healthy else 503)


def test_a_client_that_trusts_nobody_breaks_off(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    stranger = Authority(authority.folder, "stranger")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(gate.port(), context(stranger.pem))
    counted(gate, "tls-certificate-not-taken")


def test_a_client_without_a_common_cipher_is_told_so(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
    how = context(authority.pem, only=ssl.TLSVersion.TLSv1_2)
    how.set_ciphers("AES128-SHA")
    with pytest.raises(ssl.SSLError):
        connect(gate.port(), how)
    counted(gate, "tls-nothing-in-common")


def test_a_request_without_a_host_is_let_in_by_no_hosts_rules(
    gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    """HTTP/1.0 may name none, and would be routed to an API for any host."""
    issued = authority.issue("shop", "shop.example", "public.example")
    tls = bundles.tls(issued, clients=bundles.clients(authority.pem), hosts={"public.example": None})
    gate.load(serving(auto, tls))
    with secure(gate.port(), context(authority.pem), "public.example") as wire:
        wire.send(b"GET /internal HTTP/1.0\r\n\r\n")
        assert wire.message().status == 421
    assert not auto.requests


def test_rules_of_a_wildcard_hold_for_all_below_it(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    """An API's `*.staff.example` is any host below, and so are the rules for client certificates."""
    issued = authority.issue("shop", "shop.example", "127.0.0.1")
    tls = bundles.tls(issued, hosts={"*.staff.example": bundles.clients(authority.pem)})
    gate.load(serving(auto, tls))
    # Python sends no name for an address.
    with Wire(connect(gate.port(), context(authority.pem), "127.0.0.1")) as wire:
        assert ask(wire, "127.0.0.1") == 200
        for host in ("a.staff.example", "a.b.staff.example", "A.B.staff.example.:443"):
            assert ask(wire, host) == 421


def test_what_was_connected_in_the_clear_is_not_served_once_there_is_tls(
    gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    gate.load(bundles.plain(auto.port))
    with gate.client() as wire:
        assert ask(wire) == 200
        gate.load(serving(auto, bundles.tls(authority.issue("shop", "shop.example"))))
        wire.send(GET % b"shop.example")
        answer = wire.message()
        assert (answer.status, answer.reason) == (403, "https-required")
        assert wire.rest() == b""
