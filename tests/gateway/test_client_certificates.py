"""Client certificates with real clients: whose are taken, what is told of them, and who is out again."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import select
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put
from gateway.harness.secure import Http2, connect, context, secure
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import WITHIN, Message
from lockgate import _native
from lockgate.config.bundle_types import Bundle, Clients
from support.certificates import Authority, Issued, Key
from support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n"
BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
ForClients = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
ForServers = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
IsAuthority = (x509.BasicConstraints(ca=True, path_length=None), True)
SPOOFED = [
    "Client-Cert: :AAAA:",
    "Client-Cert-Chain: :AAAA:",
    "Client_Cert: :AAAA:",
    "CLIENT-CERT_CHAIN: :AAAA:",
    "X-Forwarded-Client-Cert: Hash=1",
    "X-Forwarded_Client-Cert: Hash=1",
    "X-Client-Cert: 1",
    "X-SSL-Client-Cert: 1",
    "SSL-Client-Cert: 1",
    "X-SSL-Client-Verify: SUCCESS",
    "X-ARR-ClientCert: 1",
    "X-TLS-Client-Cert: 1",
    "X-Amzn-Mtls-Clientcert-Subject: CN=admin",
    "X_Amzn_Mtls_Clientcert_Leaf: 1",
    "Cf-Client-Cert-Sha256: 1",
    "X-SSL-Subject: CN=admin",
    "X-SSL-Verify: SUCCESS",
    "X-Client-DN: CN=admin",
    "X-Client-CN: admin",
    "X-SPIFFE-ID: spiffe://a/b",
]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate, and for clients."""
    return Authority(tmp_path)


@pytest.fixture
def own(authority: Authority) -> Issued:
    """The gate's own certificate."""
    return authority.issue("gate", "shop.example", "staff.example")


def serving(
    upstream: AutoUpstream,
    own: Issued,
    clients: Clients,
    *,
    client_cert: Literal["off", "certificate", "chain"] = "off",
    trusted: Sequence[str] = (),
) -> Bundle:
    """One API that wants a certificate, or a key."""
    api = bundles.api(keys=[bundles.api_key(), bundles.mtls()], client_cert=client_cert)
    listener = bundles.listener(tls=bundles.tls(own, clients=clients), trusted=trusted)
    return bundles.bundle([api], [bundles.upstream(upstream.port)], listeners=[listener])


def ask(port: int, how: ssl.SSLContext, *fields: str, host: str = "shop.example") -> Message:
    """One answer over a connection of its own."""
    with secure(port, how, host) as wire:
        lines = "".join(f"{field}\r\n" for field in fields)
        wire.send(GET % (host.encode(), lines.encode()))
        return wire.message()


def stays_out(
    port: int, how: ssl.SSLContext, host: str = "shop.example", session: ssl.SSLSession | None = None
) -> bool:
    """Whether no answer can be had; with TLS 1.3 a client hears of it when it reads."""
    try:
        with connect(port, how, host, session) as sock:
            sock.sendall(GET % (host.encode(), b""))
            return not sock.recv(1)
    except (ssl.SSLError, ConnectionError):
        return True


def turned_away(
    gate: Gate,
    how: ssl.SSLContext,
    reason: str,
    host: str = "shop.example",
    session: ssl.SSLSession | None = None,
) -> None:
    """Nobody comes in this way, and the gate says why."""
    before = gate.refusals(reason)
    assert stays_out(gate.port(), how, host, session)
    until(lambda: gate.refusals(reason) > before, f"{reason} to be counted")


def chained(issued: Issued, *others: Authority) -> Issued:
    """The same, shown with those that vouch for it."""
    whole = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in others)
    issued.chain.write_bytes(issued.certificate.public_bytes(Encoding.PEM) + whole)
    return issued


def elsewhere(authority: Authority) -> Authority:
    """Another of the same name."""
    folder = authority.folder / "elsewhere"
    folder.mkdir()
    return Authority(folder)


def encoded(certificate: x509.Certificate) -> str:
    """As RFC 9440 has it."""
    return f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"


def test_upstreams_are_told_what_was_shown_and_never_what_was_claimed(
    gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    between = authority.below("between", IsAuthority)
    client = chained(between.issue("client", "client.example", extensions=[ForClients]), between)
    clients = bundles.clients(authority.pem, require=False)
    how = context(authority.pem, shown=client)
    # The peer is a proxy that is believed: of certificates it is not.
    for told in ("off", "certificate", "chain"):
        gate.load(serving(auto, own, clients, client_cert=told, trusted=["127.0.0.0/8"]))
        auto.requests.clear()
        assert ask(gate.port(), how, *SPOOFED).status == 200
        with Http2(gate.port(), authority.pem, shown=client) as web:
            spoofed = [(name.lower(), value) for name, _, value in (field.partition(": ") for field in SPOOFED)]
            assert web.get("/", *spoofed).status == 200
        for request in auto.requests:
            found = {name.lower(): value for name, value in request.headers}
            wanted = {
                "client-cert": encoded(client.certificate) if told != "off" else None,
                "client-cert-chain": encoded(between.certificate) if told == "chain" else None,
            }
            assert {name: found.get(name) for name in wanted} == wanted
            assert not [name for name in found if "cert" in name.replace("_", "-") and name not in wanted]
            assert "x-ssl-client-verify" not in found
    assert len(auto.requests) == 2


def test_nothing_is_told_where_nothing_was_shown(
    gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    key, digest = _native.mint_key(gate.pepper)
    clients = bundles.clients(authority.pem, require=False)
    gate.load(serving(auto, own, clients, client_cert="chain"))
    gate.facts(key_put(1, "key_1", digest))
    auto.requests.clear()
    assert ask(gate.port(), context(authority.pem), f"X-API-Key: {key}", *SPOOFED).status == 200
    names = [name.lower() for name, _ in auto.requests[-1].headers]
    assert not [name for name in names if "cert" in name]


def test_any_one_way_is_enough(gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued) -> None:
    key, digest = _native.mint_key(gate.pepper)
    client = authority.issue("client", "client.example")
    gate.load(serving(auto, own, bundles.clients(authority.pem, require=False)))
    gate.facts(key_put(1, "key_1", digest))
    nobody, known = context(authority.pem), context(authority.pem, shown=client)
    refused = ask(gate.port(), nobody)
    assert refused.status == 401
    assert len(refused.all("www-authenticate")) == 2
    assert "ClientCertificate" in refused.all("www-authenticate")
    assert ask(gate.port(), nobody, f"X-API-Key: {key}").status == 200
    assert ask(gate.port(), known).status == 200
    # Who sends a key is known by that; a wrong one does not shut out whom the certificate proves.
    assert ask(gate.port(), known, f"X-API-Key: {key}").status == 200
    assert ask(gate.port(), known, "X-API-Key: lg_live_nonsense").status == 200
    wanted = ["key_1", "dns:client.example", "key_1", "dns:client.example"]
    until(lambda: [event["key"] for event in gate.written() if event.get("key")] == wanted, "events to say who called")


def test_who_asks_before_hearing_of_its_certificate_hears_of_it_all_the_same(
    gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    """With TLS 1.3 a client may ask at once; the gate reads none of it, and still its alert has to arrive."""
    stranger, revoked = Authority(authority.folder, "stranger"), authority.issue("revoked", "revoked.example")
    crl = authority.revoke(revoked.certificate)
    gate.load(serving(auto, own, bundles.clients(authority.pem, crl=[crl])))
    for shown, alert in [
        (None, "CERTIFICATE_REQUIRED"),
        (stranger.issue("client", "client.example"), "UNKNOWN_CA"),
        (revoked, "CERTIFICATE_REVOKED"),
    ]:
        how = context(authority.pem, shown=shown)
        for _ in range(10):
            with connect(gate.port(), how, "shop.example") as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for part in (b"GET / HTTP/1.1\r\n", b"Host: shop.example\r\n", b"X: y\r\n"):
                    sock.sendall(part)
                # Once the gate is done with it: what is sent then is not read at all.
                select.select([sock], [], [], WITHIN)
                sock.sendall(b"\r\n")
                with pytest.raises(ssl.SSLError, match=alert):
                    sock.recv(1)


@pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)
def test_certificates_that_prove_nothing(
    version: ssl.TLSVersion, gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    gate.load(serving(auto, own, bundles.clients(authority.pem)))
    port = gate.port()

    def how(shown: Issued | None) -> ssl.SSLContext:
        return context(authority.pem, shown=shown, only=version)

    between = authority.below("between", IsAuthority)
    good = chained(between.issue("good", "good.example", extensions=[ForClients]), between)
    assert ask(port, how(good)).status == 200

    refused, expired = "tls-client-certificate-refused", "tls-client-certificate-expired"
    # Of the same name as the authority, and signed by itself.
    double = elsewhere(authority)
    assert double.certificate.subject == authority.certificate.subject
    turned_away(gate, how(double.issue("impostor", "good.example")), refused)
    turned_away(gate, how(chained(double.issue("impostor-2", "good.example"), double)), refused)
    # What vouches for it is no authority by its own word, or may not be one this deep.
    plain = authority.below("plain")
    turned_away(gate, how(chained(plain.issue("plain-client", "a.example"), plain)), refused)
    denied = authority.below("denied", (x509.BasicConstraints(ca=False, path_length=None), True))
    turned_away(gate, how(chained(denied.issue("denied-client", "a.example"), denied)), refused)
    last = authority.below("last", (x509.BasicConstraints(ca=True, path_length=0), True))
    deeper = last.below("deeper", IsAuthority)
    turned_away(gate, how(chained(deeper.issue("deeper-client", "a.example"), deeper, last)), refused)
    # The link between is missing.
    turned_away(gate, how(between.issue("unlinked", "a.example")), refused)
    # For servers alone; an authority's own; of a name that its authority may not give.
    turned_away(gate, how(authority.issue("server", "a.example", extensions=[ForServers])), refused)
    turned_away(gate, how(authority.issue("itself", "a.example", extensions=[IsAuthority])), refused)
    within = x509.NameConstraints(permitted_subtrees=[x509.DNSName("partners.example")], excluded_subtrees=None)
    narrow = authority.below("narrow", IsAuthority, (within, True))
    turned_away(gate, how(chained(narrow.issue("outside", "a.staff.example"), narrow)), refused)
    assert ask(port, how(chained(narrow.issue("inside", "a.partners.example"), narrow))).status == 200
    # An extension that nobody knows, and has to.
    unknown = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)
    turned_away(gate, how(authority.issue("critical", "a.example", extensions=[unknown])), refused)
    # Out of its time, or one that vouches for it is.
    turned_away(gate, how(authority.issue("expired", "a.example", days=-1)), expired)
    turned_away(gate, how(authority.issue("early", "a.example", begins=1)), expired)
    ended = authority.below("ended", IsAuthority, days=-1)
    turned_away(gate, how(chained(ended.issue("ended-client", "a.example"), ended)), expired)
    assert ask(port, how(good)).status == 200


@pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)
def test_more_than_can_be_looked_at(
    version: ssl.TLSVersion, gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    gate.load(serving(auto, own, bundles.clients(authority.pem)))
    others = [authority.below(f"other-{number}", IsAuthority) for number in range(8)]
    client = authority.issue("client", "client.example")
    how = context(authority.pem, shown=chained(client, *others), only=version)
    assert ask(gate.port(), how).status == 200, "what is shown besides does no harm"
    how = context(authority.pem, shown=chained(client, *others, others[0]), only=version)
    turned_away(gate, how, "tls-client-certificate-too-large")
    many = authority.issue("many", *(f"{number}.{'a' * 60}.example" for number in range(500)))
    turned_away(
        gate,
        context(authority.pem, shown=many, only=version),
        "tls-client-certificate-too-large",
    )
    # Within the bytes, and with more names than are looked at.
    names = authority.issue("names", *(f"{number}.example" for number in range(300)))
    turned_away(gate, context(authority.pem, shown=names, only=version), "tls-client-certificate-refused")


def test_authorities_change_while_both_hold(gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued) -> None:
    old, new = Authority(authority.folder, "old"), Authority(authority.folder, "new")
    trust = authority.folder / "clients.pem"
    trust.write_bytes(old.pem.read_bytes())
    gate.load(serving(auto, own, bundles.clients(trust)))
    first = context(authority.pem, shown=old.issue("first", "first.example"))
    second = context(authority.pem, shown=new.issue("second", "second.example"))
    turned_away(gate, second, "tls-client-certificate-refused")
    with secure(gate.port(), first) as wire:
        wire.send(GET % (b"shop.example", b""))
        assert wire.message().status == 200
        trust.write_bytes(old.pem.read_bytes() + new.pem.read_bytes())
        assert gate.tell("renew_secrets")
        assert ask(gate.port(), second).status == ask(gate.port(), first).status == 200
        trust.write_text("spoiled", encoding="utf-8")
        assert gate.tell("renew_secrets")
        assert ask(gate.port(), second).status == ask(gate.port(), first).status == 200
        assert any("the last good one serves on" in told for told in gate.tell("stats")["unfit"])
        trust.write_bytes(new.pem.read_bytes())
        assert gate.tell("renew_secrets")
        assert ask(gate.port(), second).status == 200
        turned_away(gate, first, "tls-client-certificate-refused")
        # Who was in by the old one is out with the next request.
        wire.send(GET % (b"shop.example", b""))
        assert (wire.message().status, wire.rest()) == (400, b"")


@pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)
def test_a_ticket_does_not_outlive_its_certificate(
    version: ssl.TLSVersion, gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    client = authority.issue("client", "client.example")
    crl = authority.revoke()
    gate.load(serving(auto, own, bundles.clients(authority.pem, crl=[crl])))
    how = context(authority.pem, shown=client, only=version)

    def again(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with connect(gate.port(), how, session=session) as sock:
            sock.sendall(GET % (b"shop.example", b""))
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            assert sock.session_reused is (session is not None)
            return sock.session

    session = again(again(None))
    authority.revoke(client.certificate)
    assert gate.tell("renew_secrets")
    # The listener is another one now, with tickets of its own: the session is not taken up, and
    # the certificate, shown anew, is refused.
    turned_away(gate, how, "tls-client-certificate-revoked", session=session)


@pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)
def test_a_session_does_not_outlive_the_certificate_that_it_brings_along(
    version: ssl.TLSVersion, gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    brief = authority.issue("brief", "brief.example", days=4 / 86_400, begins=-1)
    gate.load(serving(auto, own, bundles.clients(authority.pem)))
    how = context(authority.pem, shown=brief, only=version)
    with connect(gate.port(), how) as sock:
        sock.sendall(GET % (b"shop.example", b""))
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        session = sock.session
    over = brief.certificate.not_valid_after_utc + dt.timedelta(seconds=1)
    until(lambda: dt.datetime.now(dt.UTC) > over, "the certificate to run out")
    # No file has changed, so the ticket is taken up; what it brings along is verified anew, and no
    # request is read.
    with connect(gate.port(), how, session=session) as sock:
        assert sock.session_reused
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            sock.sendall(GET % (b"shop.example", b""))
            assert not sock.recv(1)
    until(lambda: gate.refusals("tls-client-certificate-expired"), "the refusal to be counted")


@pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)
def test_tickets_of_one_host_are_none_of_another(
    version: ssl.TLSVersion, gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    tls = bundles.tls(own, hosts={"staff.example": bundles.clients(authority.pem)})
    listener = bundles.listener(tls=tls)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener]))
    how = context(authority.pem, only=version)
    # The client asks for another name than it checks for, as one would that means harm.
    how.check_hostname = False
    with connect(gate.port(), how, "shop.example") as sock:
        sock.sendall(GET % (b"shop.example", b""))
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        session = sock.session
    turned_away(gate, how, "tls-client-certificate-missing", "staff.example", session)


def test_what_no_list_tells_of(gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued) -> None:
    unknown = "tls-client-certificate-status-unknown"
    between = authority.below("between", IsAuthority)
    client = chained(between.issue("client", "client.example"), between)
    how = context(authority.pem, shown=client)
    above, below = authority.revoke(), between.revoke(file="between.crl")
    gate.load(serving(auto, own, bundles.clients(authority.pem, crl=[above], certain=True)))
    turned_away(gate, how, unknown)
    gate.load(serving(auto, own, bundles.clients(authority.pem, crl=[above, below], certain=True)))
    assert ask(gate.port(), how).status == 200
    # Its time is over, and nobody has renewed it.
    between.revoke(file="between.crl", days=-1)
    assert gate.tell("renew_secrets")
    turned_away(gate, how, unknown)
    between.revoke(client.certificate, file="between.crl", days=-1)
    gate.load(serving(auto, own, bundles.clients(authority.pem, crl=[above, below])))
    turned_away(gate, how, "tls-client-certificate-revoked")


def test_two_lists_of_one_issuer_are_refused(authority: Authority) -> None:
    """The library would ask the first alone, and who is revoked by the second would come in."""
    client = authority.issue("client", "client.example")
    empty = authority.revoke(file="empty.crl").read_bytes()
    revoking = authority.revoke(client.certificate, file="revoking.crl").read_bytes()
    trust = [authority.pem.read_bytes()]
    for lists in ([empty, revoking], [revoking, empty], [empty + revoking]):
        with pytest.raises(Exception, match="two lists of"):
            _native.check_client_trust(trust, lists)
    _native.check_client_trust(trust, [revoking])
    other = Authority(authority.folder)
    trust.append(other.pem.read_bytes())
    nameless = other.revoke(file="nameless.crl", signed=False).read_bytes()
    for lists in ([empty, nameless], [nameless, empty]):
        with pytest.raises(Exception, match="authorityKeyIdentifier"):
            _native.check_client_trust(trust, lists)
    many = [Authority(authority.folder, f"many-{number // 2}") for number in range(10)]
    lists = [each.revoke(file="each.crl").read_bytes() for each in many]
    _native.check_client_trust(trust, lists[:8])
    with pytest.raises(Exception, match="more than 16 ways"):
        _native.check_client_trust(trust, lists)


@pytest.mark.parametrize("kind", ["EC", "RSA"])
@pytest.mark.parametrize("certain", [False, True], ids=["allow", "deny"])
def test_an_authority_that_renewed_its_key_has_a_list_for_each(
    certain: bool,
    kind: str,
    gate: Gate,
    auto: AutoUpstream,
    authority: Authority,
    own: Issued,
    tmp_path: Path,
) -> None:
    (tmp_path / "renewed").mkdir()
    key: Key = ec.generate_private_key(ec.SECP256R1())
    if kind == "RSA":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    old, new = Authority(tmp_path, "clients"), Authority(tmp_path / "renewed", "clients", key=key)
    trust = tmp_path / "both.pem"
    trust.write_bytes(old.pem.read_bytes() + new.pem.read_bytes())
    good, out = ([each.issue(name, f"{name}.example") for each in (old, new)] for name in ("good", "out"))
    lists = [each.revoke(revoked.certificate) for each, revoked in zip((old, new), out, strict=True)]
    for crl in (lists, lists[::-1]):
        gate.load(serving(auto, own, bundles.clients(trust, crl=crl, certain=certain)))
        for shown in good:
            assert ask(gate.port(), context(authority.pem, shown=shown)).status == 200
        for shown in out:
            turned_away(gate, context(authority.pem, shown=shown), "tls-client-certificate-revoked")
    # The list of one of its keys says nothing of what the other signed, and is not taken for none.
    gate.load(serving(auto, own, bundles.clients(trust, crl=lists[:1], certain=certain)))
    assert ask(gate.port(), context(authority.pem, shown=good[0])).status == 200
    turned_away(gate, context(authority.pem, shown=good[1]), "tls-client-certificate-refused")


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_nobody_vouches_for_clients_any_more(
    http2: bool, gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    client = authority.issue("client", "client.example")
    bundle = serving(auto, own, bundles.clients(authority.pem, require=False))
    gate.load(bundle)
    plain = serving(auto, own, bundles.clients(authority.pem, require=False))
    assert plain["listeners"][0]["tls"] is not None
    plain["listeners"][0]["tls"]["clients"] = None
    if http2:
        with Http2(gate.port(), authority.pem, shown=client) as web:
            assert web.get().status == 200
            gate.load(plain)
            assert web.get().status != 200
        return
    with connect(gate.port(), context(authority.pem, shown=client), "shop.example") as sock:
        sock.sendall(GET % (b"shop.example", b""))
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        gate.load(plain)
        sock.sendall(GET % (b"shop.example", b""))
        assert not sock.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_connection_ends_with_its_certificate(
    gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued
) -> None:
    gate.load(serving(auto, own, bundles.clients(authority.pem)))
    brief = authority.issue("brief", "brief.example", days=3 / 86_400, begins=-1)
    with Http2(gate.port(), authority.pem, shown=brief) as web:
        assert web.get().status == 200
        until(lambda: web.get().status != 200, "the certificate to run out")
        web.until_closed()
    assert gate.refusals("tls-client-certificate-expired") >= 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_comes_in(gate: Gate, auto: AutoUpstream, authority: Authority, own: Issued) -> None:
    client = authority.issue("client", "client.example")
    gate.load(serving(auto, own, bundles.clients(authority.pem, require=False)))
    place = f"shop.example:{gate.port()}:127.0.0.1"
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--cacert", str(authority.pem)]
    url = ["--resolve", place, f"https://shop.example:{gate.port()}/"]
    shown = ["--cert", str(client.chain), "--key", str(client.key)]
    told = [
        subprocess.run([*command, *how, *url], capture_output=True, text=True, check=True, timeout=30).stdout
        for how in ([], shown, [*shown, "--http1.1", "--tls-max", "1.2"])
    ]
    assert told == ["401 2", "200 2", "200 1.1"]
