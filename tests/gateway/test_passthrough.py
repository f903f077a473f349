"""Names whose TLS is ended elsewhere: carried on unread, to the right server, within every bound."""

from __future__ import annotations

import hashlib
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

import pytest

from gateway.harness import bundles
from gateway.harness.ending import Refusal, ending
from gateway.harness.gate import Gate
from gateway.harness.hellos import hello, message_of, records, trusting
from gateway.harness.secure import Http2, connect, context, secure
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import WITHIN, Client, Wire
from lockgate.config.bundle_types import Bundle, HealthCheck, Passthrough, Tls
from support.certificates import Authority
from support.ports import free_port
from support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
ALERT = b"\x15\x03\x03\x00\x02\x02"
"""How a fatal alert begins before there is a key."""
INTERNAL, UNKNOWN_NAME, DENIED = b"\x50", b"\x70", b"\x31"
MIB = 2**20


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate, and for the servers behind it."""
    return Authority(tmp_path)


def carrying(
    auto: AutoUpstream | None, tls: Tls, *targets: int | str, proxy_protocol: bool = False, **limits: int
) -> Bundle:
    """A public API, and an upstream of these targets that takes no requests."""
    trusted = ["127.0.0.0/8"] if proxy_protocol else []
    listener = bundles.listener(
        tls=tls, bounds=bundles.limits(**limits), trusted=trusted, proxy_protocol=proxy_protocol
    )
    shop = bundles.upstream(auto.port if auto is not None else 9)
    legacy = bundles.upstream(*(f"tcp://127.0.0.1:{each}" for each in targets), name="legacy")
    return bundles.bundle([bundles.api()], [shop, legacy], listeners=[listener])


def alone(*targets: int | str, way: Passthrough | None = None, proxy_protocol: bool = False, **limits: int) -> Bundle:
    """A listener that ends nothing itself."""
    tls = bundles.tls(passthrough=[way or bundles.carried("db.example", "*.old.example")])
    return carrying(None, tls, *targets, proxy_protocol=proxy_protocol, **limits)


def begin(gate: Gate, upstream: Upstream, name: str = "db.example") -> tuple[Client, Wire]:
    """Both ends of what is carried on, once the hello is through."""
    client = gate.client()
    said = hello(name)
    client.send(said)
    server = upstream.accept()
    assert server.exactly(len(said)) == said
    return client, server


def told(sock: ssl.SSLSocket) -> bytes:
    """The server's first line."""
    line = b""
    while not line.endswith(b"\n"):
        line += sock.recv(100)
    return line.strip()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_meets_the_server_behind(
    version: ssl.TLSVersion, gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    theirs = authority.issue("theirs", "db.example", "*.old.example")
    ours = authority.issue("ours", "shop.example")
    with ending(theirs) as port:
        ways = [bundles.carried("db.example", "*.old.example")]
        gate.load(carrying(auto, bundles.tls(ours, passthrough=ways), port))
        how = trusting(authority.pem, version)
        for name in ("db.example", "a.old.example"):
            with connect(gate.port(), how, name) as sock:
                assert sock.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(theirs.chain.read_text())
                assert told(sock) == name.encode()
                sock.sendall(b"what nobody reads on the way")
                assert sock.recv(100) == b"what nobody reads on the way"
        # What is ended here is ended here.
        with secure(gate.port(), context(authority.pem)) as wire:
            wire.send(GET % b"shop.example")
            assert wire.message().status == 200
    (event,) = gate.written(host="db.example")
    assert event["class"] == "access"
    assert (event["protocol"], event["upstream"], event["target"]) == ("tls-passthrough", "legacy", f"127.0.0.1:{port}")
    assert event["ja4"].startswith("t1")
    assert (event["method"], event["path"], event["status"], event["reason"], event["tls"]) == ("", "", 0, None, None)
    assert event["bytes_in"] > 300
    assert event["bytes_out"] > 300
    assert event["took_us"] >= event["upstream_us"] > 0
    assert gate.count("lockgate_passthrough_connections_total", upstream="legacy") == 2
    until(lambda: gate.count("lockgate_passthrough_open", upstream="legacy") == 0, "both to be over")
    assert gate.count("lockgate_passthrough_received_bytes_total", upstream="legacy") > event["bytes_in"]


@pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin:/bin") is None, reason="nginx is not installed")
def test_nginx_behind_speaks_http2_with_its_own_certificate(
    gate: Gate, authority: Authority, tmp_path: Path, ends: ExitStack
) -> None:
    issued, port = authority.issue("theirs", "db.example"), free_port()
    (tmp_path / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {tmp_path}/nginx.pid; error_log {tmp_path}/nginx.log;
        events {{}}
        http {{
            access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; uwsgi_temp_path {tmp_path};
            fastcgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
            server {{
                listen 127.0.0.1:{port} ssl http2; server_name db.example;
                ssl_certificate {issued.chain}; ssl_certificate_key {issued.key};
                location / {{ return 200 "$ssl_server_name over $server_protocol"; }}
            }}
        }}
        """,
        encoding="utf-8",
    )
    command = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/bin"})
    ends.callback(nginx.wait)
    ends.callback(nginx.terminate)
    until(lambda: _takes(port), "nginx")
    gate.load(alone(port))
    with Http2(gate.port(), authority.pem, "db.example") as web:
        reply = web.get("/")
        assert (reply.status, reply.body) == (200, b"db.example over HTTP/2.0")
        assert str(reply.get("server")).startswith("nginx")


def _takes(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_who_is_not_named_is_not_carried_on(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    ours = authority.issue("ours", "shop.example", "*.own.old.example")
    ways = [bundles.carried("db.example", "*.old.example", ended=["*.own.old.example", "not.old.example"])]
    with Upstream() as upstream:
        gate.load(carrying(auto, bundles.tls(ours, passthrough=ways), upstream.port))
        how = trusting(authority.pem)
        for name in ("nobody.example", "old.example", "a.db.example", "not.old.example"):
            with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
                connect(gate.port(), how, name)
        with connect(gate.port(), how, "a.own.old.example") as sock:
            sock.sendall(GET % b"a.own.old.example")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
        # Who names nobody is shown the first certificate, as ever.
        with gate.client() as client:
            client.send(hello(None))
            assert client.exactly(2)[0] == 22
        assert upstream.untouched()
    gate.refused("tls-name-unknown", 4)


def test_a_listener_may_end_nothing_itself(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        for said in (hello("shop.example"), hello(None)):
            with gate.client() as client:
                client.send(said)
                assert client.rest() == ALERT + UNKNOWN_NAME
        with gate.client() as client:
            client.send(GET % b"db.example")
            assert client.message().status == 400
        assert upstream.untouched()
    gate.refused("tls-name-unknown", 2)
    gate.refused("tls-plain-http")


def test_a_hello_goes_on_as_it_came(gate: Gate) -> None:
    """Cut into records and segments, with a name in capitals, and with what the client says before it is answered."""
    message = message_of(hello("DB.Example"))
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        for said in (
            records(message, 100),
            records(message, -(-len(message) // 60)),
            hello("db.example", padded=16_000),
            hello("db.example") + b"\x17\x03\x03\x00\x05early",
        ):
            client = gate.client()
            for at in range(0, len(said), 977):
                client.send(said[at : at + 977])
            server = upstream.accept()
            assert server.exactly(len(said)) == said
            server.send(b"and back")
            assert client.exactly(8) == b"and back"
        assert len(said) > 500


@pytest.mark.parametrize(("offers", "longer"), [(0, 200), (7, 1_900), (62, 15_000)])
def test_a_server_behind_takes_a_hello_in_many_pieces(
    offers: int, longer: int, gate: Gate, authority: Authority
) -> None:
    """A whole handshake: as short as it gets, as long as with post-quantum keys, and as long as is taken."""
    how, come, go = trusting(authority.pem), ssl.MemoryBIO(), ssl.MemoryBIO()
    if offers:
        how.set_alpn_protocols([f"{each:0240}" for each in range(offers)])
    talk = how.wrap_bio(come, go, server_hostname="db.example")
    with ending(authority.issue("theirs", "db.example")) as port:
        gate.load(alone(port))
        with gate.client() as client:
            with pytest.raises(ssl.SSLWantReadError):
                talk.do_handshake()
            message = message_of(go.read())
            assert longer < len(message) < 2**14
            each = -(-len(message) // 60)
            said = records(message, each)
            for at in range(0, len(said), 7 + each // 2):
                client.send(said[at : at + 7 + each // 2])

            def hearing(step: Callable[[], object]) -> None:
                """Takes a step, and hears what is wanted for it."""
                while True:
                    try:
                        step()
                    except ssl.SSLWantReadError:
                        client.send(go.read())
                        come.write(client.sock.recv(2**16))
                    else:
                        client.send(go.read())
                        return

            hearing(talk.do_handshake)
            talk.write(b"whole")
            back = bytearray()
            while not back.endswith(b"whole"):
                hearing(lambda: back.extend(talk.read(100)))
            assert back == b"db.example\nwhole"
    gate.written(host="db.example", reason=None)


def test_an_old_client_is_for_the_server_behind_to_judge(gate: Gate) -> None:
    """TLS 1.0, which the gate itself would refuse: who carries on does not judge."""
    message = bytearray(message_of(hello("db.example")))
    at = bytes(message).index(b"\x00\x2b", 4)
    message[4:6] = b"\x03\x01"
    message[at : at + 2] = b"\xfa\xfa"  # No supported_versions any more.
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        client = gate.client()
        client.send(records(bytes(message)))
        assert message_of(upstream.accept().exactly(len(message) + 5)) == bytes(message)


def test_a_hello_has_its_bounds(gate: Gate) -> None:
    message = message_of(hello("db.example"))
    with Upstream() as upstream:
        gate.load(alone(upstream.port, handshake_timeout_ms=500))
        # Longer than is looked at, or in more pieces: it is ended here, where there is nothing for it.
        for said in (hello("db.example", padded=17_000), records(message, -(-len(message) // 65) - 1)):
            with gate.client() as client:
                client.send(said)
                assert client.rest() == ALERT + UNKNOWN_NAME
        with gate.client() as slow, gate.client() as silent:
            slow.send(records(message)[:-1])
            assert slow.rest() == silent.rest() == b""
        assert upstream.untouched()
    gate.refused("tls-handshake-too-slow", 2)
    gate.refused("tls-passthrough-unclear", 2)
    events = gate.now_written(host="db.example", reason="tls-passthrough-unclear", protocol="tls-handshake")
    assert [event["class"] for event in events] == ["security"] * 2


def test_a_hello_that_can_be_read_in_two_ways_is_not_carried_on(gate: Gate) -> None:
    message = message_of(hello("db.example"))
    one = b"\x00\x00" + (15).to_bytes(2, "big") + (13).to_bytes(2, "big") + b"\x00" + (10).to_bytes(2, "big")
    assert one + b"db.example" in message
    two = message.replace(b"\x00\x0adb.example", b"\x00\x02db\x00\x00\x05.exam")
    assert len(two) == len(message)
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        with gate.client() as client:
            client.send(records(two))
            assert client.rest().startswith(b"\x15")
        assert upstream.untouched()


def test_each_side_may_end_first(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        client, server = begin(gate, upstream)
        client.send(b"the last that I say")
        client.finish()
        assert server.rest() == b"the last that I say"
        server.send(b"but not the last")
        assert client.exactly(16) == b"but not the last"
        server.close()
        assert client.rest() == b""
        client, server = begin(gate, upstream)
        server.send(b"bye")
        server.finish()
        assert client.rest() == b"bye"
        client.send(b"one more")
        assert server.exactly(8) == b"one more"
        client.close()
        assert server.rest() == b""
    until(lambda: len(gate.now_written(host="db.example", reason=None)) == 2, "both to be over")


def test_a_side_that_breaks_breaks_the_other(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        client, server = begin(gate, upstream)
        client.reset()
        assert server.rest() == b""
        gate.written(host="db.example", reason="client-gone", **{"class": "access"})
        client, server = begin(gate, upstream)
        server.send(b"x")
        assert client.exactly(1) == b"x"
        server.reset()
        client.rest()
        gate.written(host="db.example", reason="upstream-reset", **{"class": "security"})


def both_ways(sock: ssl.SSLSocket, piece: bytes, times: int) -> tuple[int, bytes]:
    """Sends a piece so often while it takes what is echoed: how much came back, and its digest.

    In one thread: this Python's `ssl` lets a thread that writes wait for what another one reads.
    """
    sock.setblocking(False)
    left, back, got = memoryview(piece * times), 0, hashlib.sha256()
    while back < len(piece) * times:
        ready = select.select([sock], [sock] if left else [], [], WITHIN)
        assert any(ready), f"nothing passes after {back} bytes"
        with suppress(ssl.SSLWantReadError):
            while came := sock.recv(2**16):
                got.update(came)
                back += len(came)
        with suppress(ssl.SSLWantWriteError):
            while left:
                left = left[sock.send(left[:MIB]) :]
    return back, got.digest()


def test_much_passes_both_ways_at_once(gate: Gate, authority: Authority) -> None:
    sent = hashlib.sha256(b"seed").digest() * (MIB // 32)
    with ending(authority.issue("theirs", "db.example")) as port:
        gate.load(alone(port))
        before = gate.memory()
        with connect(gate.port(), trusting(authority.pem), "db.example") as sock:
            told(sock)
            back, got = both_ways(sock, sent, 64)
        assert back == 64 * MIB
        assert got == hashlib.sha256(sent * 64).digest()
        assert gate.memory() - before < 16 * MIB
    (event,) = gate.written(host="db.example")
    assert min(event["bytes_in"], event["bytes_out"]) > 64 * MIB


def test_who_takes_nothing_is_let_go(gate: Gate) -> None:
    """And what waits for it waits with the server behind, not in the gate."""
    with Upstream() as upstream:
        gate.load(alone(upstream.port, write_timeout_ms=500))
        client = gate.client(receive=4096)
        client.send(hello("db.example"))
        server = upstream.accept()
        before = gate.memory()
        with pytest.raises(OSError, match=r"(?i)reset|broken pipe"):
            server.send(bytes(256 * MIB))
        assert gate.memory() - before < 16 * MIB
    gate.written(host="db.example", reason="client-takes-nothing")


def test_nothing_may_rest_for_ever(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port, way=bundles.carried("db.example", idle_ms=500)))
        client, server = begin(gate, upstream)
        assert client.rest() == server.rest() == b""
    gate.written(host="db.example", reason="tls-passthrough-idle", **{"class": "security"})
    gate.refused("tls-passthrough-idle")


def test_where_nobody_is_the_client_is_told(gate: Gate) -> None:
    gate.load(alone(free_port()))
    with gate.client() as client:
        client.send(hello("db.example"))
        assert client.rest() == ALERT + INTERNAL
    (event,) = gate.written(host="db.example")
    assert (event["class"], event["reason"], event["upstream"]) == ("security", "upstream-connect-failed", "legacy")
    gate.refused("upstream-connect-failed")


@pytest.mark.parametrize("refusal", ["closes", "resets", "alerts"])
def test_hellos_that_a_server_refuses_put_nobody_out(refusal: Refusal, gate: Gate, authority: Authority) -> None:
    """However many a stranger sends, one after the other: others are served by all servers as before."""
    theirs = authority.issue("theirs", "db.example")
    with ending(theirs, refusal) as one, ending(theirs, refusal) as other:
        wanted = alone(one, other)
        legacy = wanted["upstreams"][1]
        legacy["passive"] = bundles.passive(1, share=100)
        legacy["breaker"] = {"concurrent": 1, "queue": 8, "wait_ms": 10_000}
        gate.load(wanted)
        for _ in range(8):
            with gate.client() as stranger:
                stranger.send(hello("a.old.example"))
                assert stranger.rest() == (ALERT + UNKNOWN_NAME if refusal == "alerts" else b"")
        reason = None if refusal == "alerts" else "upstream-reset"
        until(lambda: len(gate.now_written(host="a.old.example", reason=reason)) == 8, "all to be over")
        (standing,) = gate.tell("stats")["upstreams"]
        assert [each["state"] for each in standing["targets"]] == ["healthy", "healthy"]
        assert gate.count("lockgate_upstream_failures_total", upstream="legacy") == 0
        assert gate.count("lockgate_upstream_ejections_total", upstream="legacy") == 0
        for _ in range(2):
            with connect(gate.port(), trusting(authority.pem), "db.example") as sock:
                assert told(sock) == b"db.example"
    until(lambda: len(gate.now_written(host="db.example", reason=None)) == 2, "both to be over")
    served = {event["target"] for event in gate.now_written(host="db.example", reason=None)}
    assert served == {f"127.0.0.1:{one}", f"127.0.0.1:{other}"}


def test_a_server_that_takes_connections_again_is_back(gate: Gate, authority: Authority) -> None:
    """Before it says a word: what it says may be for one client alone."""
    port = free_port()
    with ending(authority.issue("theirs", "db.example")) as well:
        wanted = alone(port, well)
        wanted["upstreams"][1]["passive"] = bundles.passive(1, eject_ms=50)
        gate.load(wanted)

        def asking_tells(code: str) -> bool:
            with gate.client() as client:
                client.send(hello("db.example"))
                client.finish()
            return bool(gate.now_written(code=code))

        until(lambda: asking_tells("upstream-target-ejected"), "it to be out")
        with socket.create_server(("127.0.0.1", port)):
            until(lambda: asking_tells("upstream-target-returned"), "it to be back")


def test_another_server_is_asked_where_one_is_gone(gate: Gate, authority: Authority) -> None:
    dead = free_port()
    with ending(authority.issue("theirs", "db.example")) as port:
        wanted = alone(dead, port)
        wanted["upstreams"][1]["passive"] = bundles.passive(1)
        gate.load(wanted)
        for _ in range(4):
            with connect(gate.port(), trusting(authority.pem), "db.example") as sock:
                assert told(sock) == b"db.example"
    assert gate.count("lockgate_upstream_ejections_total", target=f"127.0.0.1:{dead}") == 1


def test_servers_are_seen_to_take_connections(gate: Gate) -> None:
    check: HealthCheck = {
        "path": "",
        "host": None,
        "every_ms": 50,
        "timeout_ms": 1000,
        "expect": [{"low": 200, "high": 299}],
        "unhealthy_after": 1,
        "healthy_after": 1,
    }
    wanted = alone(free_port())
    wanted["upstreams"][1]["health"] = check
    gate.load(wanted)
    until(lambda: gate.tell("stats")["upstreams"][0]["targets"][0]["state"] == "unhealthy", "the check to fail")
    with gate.client() as client:
        client.send(hello("db.example"))
        assert client.rest() == ALERT + INTERNAL
    gate.written(host="db.example", reason="upstream-unhealthy")
    with Upstream() as upstream:
        wanted = alone(upstream.port)
        wanted["upstreams"][1]["health"] = check
        gate.load(wanted)
        until(lambda: gate.tell("stats")["upstreams"][0]["targets"][0]["state"] == "healthy", "the check to pass")


def test_a_breaker_bounds_them(gate: Gate) -> None:
    with Upstream() as upstream:
        wanted = alone(upstream.port)
        wanted["upstreams"][1]["breaker"] = {"concurrent": 1, "queue": 0, "wait_ms": 0}
        gate.load(wanted)
        first, server = begin(gate, upstream)
        with gate.client() as second:
            second.send(hello("db.example"))
            assert second.rest() == ALERT + INTERNAL
        gate.written(host="db.example", reason="upstream-busy")
        first.close()
        server.rest()
        server.close()
        until(lambda: gate.count("lockgate_upstream_under_way", upstream="legacy") == 0, "a place")
        begin(gate, upstream)


def test_they_are_connections_of_their_address(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port, connections_per_ip=2))
        kept = [begin(gate, upstream), begin(gate, upstream)]
        with gate.client() as third:
            assert third.rest() == b""
        assert gate.count("lockgate_connections_turned_away_total", limit="connections_per_ip") == 1
        begin_again = kept.pop()
        begin_again[0].close()
        begin_again[1].rest()
        begin_again[1].close()
        until(lambda: gate.count("lockgate_passthrough_open", upstream="legacy") == 1, "a place")
        begin(gate, upstream)


@pytest.mark.parametrize(
    ("allow", "deny", "reason"),
    [
        (["10.0.0.0/8", "2001:db8::/32"], [], "address-not-allowed"),
        (["127.0.0.0/8"], ["127.0.0.1"], "address-denied"),
        (["127.0.0.0/8"], ["127.0.0.2"], None),
    ],
)
def test_some_networks_may_come(allow: list[str], deny: list[str], reason: str | None, gate: Gate) -> None:
    """And a server hears nothing of the others; another name of the same listener has lists of its own."""
    ways = [bundles.carried("db.example", allow=allow, deny=deny), bundles.carried("open.example")]
    with Upstream() as upstream:
        gate.load(carrying(None, bundles.tls(passthrough=ways), upstream.port))
        begin(gate, upstream, "open.example")
        if reason is None:
            begin(gate, upstream)
            return
        with gate.client() as client:
            client.send(hello("db.example"))
            assert client.rest() == ALERT + DENIED
        assert upstream.untouched()
    (event,) = gate.written(host="db.example")
    assert (event["class"], event["reason"], event["room"]) == ("security", reason, "ip_filter")
    assert (event["protocol"], event["peer"], event["ja4"][:2]) == ("tls-handshake", "127.0.0.1", "t1")
    gate.refused(reason)


def test_what_a_load_balancer_says_counts_for_the_lists(gate: Gate) -> None:
    way = bundles.carried("db.example", allow=["203.0.113.0/24"])
    with Upstream() as upstream:
        gate.load(alone(upstream.port, way=way, proxy_protocol=True))
        with gate.client() as client:
            client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n", hello("db.example"))
            upstream.accept()
        with gate.client() as client:
            client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 443\r\n", hello("db.example"))
            assert client.rest() == ALERT + DENIED
        assert upstream.untouched()
    assert gate.written(reason="address-not-allowed")[0]["peer"] == "198.51.100.7"


def test_a_list_that_changes_ends_what_it_leaves_out(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        client, server = begin(gate, upstream)
        gate.load(alone(upstream.port, way=bundles.carried("db.example", deny=["192.0.2.7"])))
        client.send(b"still")
        assert server.exactly(5) == b"still"
        gate.load(alone(upstream.port, way=bundles.carried("db.example", deny=["127.0.0.1"])))
        assert client.rest() == server.rest() == b""
    gate.refused("tls-passthrough-ended")


def test_a_load_balancer_says_for_whom(gate: Gate) -> None:
    said = hello("db.example")
    with Upstream() as upstream:
        gate.load(alone(upstream.port, proxy_protocol=True))
        client = gate.client()
        client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n", said)
        server = upstream.accept()
        assert server.exactly(len(said)) == said
        client.close()
        server.close()
    assert gate.written(host="db.example")[0]["peer"] == "203.0.113.7"


def test_no_request_is_served_for_a_name_that_is_ended_elsewhere(
    gate: Gate, auto: AutoUpstream, authority: Authority
) -> None:
    """Though the listener's certificate would be good for it."""
    ours = authority.issue("ours", "*.shop.example")
    ways = [bundles.carried("db.shop.example")]
    with Upstream() as upstream:
        gate.load(carrying(auto, bundles.tls(ours, passthrough=ways), upstream.port))
        with secure(gate.port(), context(authority.pem), "a.shop.example") as wire:
            wire.send(GET % b"db.shop.example")
            answer = wire.message()
            assert (answer.status, answer.reason) == (421, "tls-misdirected")
            wire.send(GET % b"a.shop.example")
            assert wire.message().status == 200
        with Http2(gate.port(), authority.pem, "a.shop.example") as web:
            web.name = "db.shop.example"
            assert web.get().status == 421
        # Nor over a connection that was made for it before.
        gate.load(carrying(auto, bundles.tls(ours), upstream.port))
        with secure(gate.port(), context(authority.pem), "db.shop.example") as wire:
            wire.send(GET % b"db.shop.example")
            assert wire.message().status == 200
            gate.load(carrying(auto, bundles.tls(ours, passthrough=ways), upstream.port))
            wire.send(GET % b"db.shop.example")
            assert wire.message().status == 421
        assert upstream.untouched()


def test_what_a_reload_leaves_alone_goes_on(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    ours = authority.issue("ours", "shop.example")

    def wanted(*hosts: str) -> Bundle:
        ways = [bundles.carried(*hosts)] if hosts else []
        return carrying(auto, bundles.tls(ours, passthrough=ways), upstream.port)

    with Upstream() as upstream:
        gate.load(wanted("db.example", "old.example"))
        kept, server = begin(gate, upstream)
        going, gone = begin(gate, upstream, "old.example")
        for hosts in [("db.example", "new.example"), ("*.example", "db.example")]:
            gate.load(wanted(*hosts))
            kept.send(b"still")
            assert server.exactly(5) == b"still"
            if "*.example" not in hosts:
                assert going.rest() == gone.rest() == b"", "it is carried on no more"
        gate.written(host="old.example", reason="tls-passthrough-ended")
        server.send(b"here")
        assert kept.exactly(4) == b"here"
        gate.load(wanted())
        assert kept.rest() == server.rest() == b""
    gate.refused("tls-passthrough-ended", 2)


def test_it_ends_with_its_listener(gate: Gate, auto: AutoUpstream) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        client, server = begin(gate, upstream)
        gate.load(bundles.plain(auto.port))
        # The plain listener is on the same address: only the way is gone.
        assert client.rest() == server.rest() == b""
        wanted = alone(upstream.port)
        wanted["listeners"][0]["address"] = "127.0.0.2:0"
        gate.load(wanted)
        port = gate.port()
        with Wire(socket.create_connection(("127.0.0.2", port), timeout=WITHIN)) as other:
            other.send(hello("db.example"))
            server = upstream.accept()
            gate.load(bundles.plain(auto.port))
            assert other.rest() == b""
    gate.refused("tls-passthrough-ended", 2)


def test_a_gate_that_goes_down_leaves_it_its_time(gate: Gate) -> None:
    with Upstream() as upstream:
        gate.load(alone(upstream.port))
        client, server = begin(gate, upstream)
        going = threading.Thread(target=gate.tell, args=("drain",), kwargs={"within": WITHIN})
        going.start()
        until(lambda: not _takes_more(client.sock.getpeername()), "the listener to close")
        client.send(b"not over yet")
        assert server.exactly(12) == b"not over yet"
        server.send(b"but now")
        server.close()
        assert client.rest() == b"but now"
        client.close()
        going.join()
    assert gate.written(host="db.example")[0]["reason"] is None


def _takes_more(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_server_is_told_who_the_client_is(version: Literal["v1", "v2"], gate: Gate) -> None:
    said = hello("db.example")
    with Upstream() as upstream:
        wanted = alone(upstream.port)
        wanted["upstreams"][1]["proxy_protocol"] = version
        gate.load(wanted)
        client = gate.client()
        client.send(said)
        server = upstream.accept()
        if version == "v1":
            client_at, gate_at = client.sock.getsockname(), client.sock.getpeername()
            told = f"PROXY TCP4 127.0.0.1 127.0.0.1 {client_at[1]} {gate_at[1]}\r\n".encode()
            assert server.exactly(len(told)) == told
        else:
            head = server.exactly(16)
            assert head[:13] == b"\r\n\r\n\x00\r\nQUIT\n\x21"
            body = server.exactly(int.from_bytes(head[14:], "big"))
            assert body[8:10] == client.sock.getsockname()[1].to_bytes(2, "big")
            assert b"\x02\x00\x0adb.example" in body, "the name that the client asked for"
        assert server.exactly(len(said)) == said


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "[::]"])  # noqa: S104
@pytest.mark.parametrize("speaks", [False, True], ids=["plain", "proxy-protocol"])
def test_what_leads_back_to_the_gate_is_not_carried(address: str, speaks: bool, gate: Gate) -> None:
    port = free_port()
    tls = bundles.tls(passthrough=[bundles.carried("db.example")])
    listener = bundles.listener(address=f"{address}:{port}", tls=tls)
    target = f"tcp://127.0.0.1:{port}"
    back = bundles.upstream(target, name="legacy", proxy_protocol="v1" if speaks else None)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(9), back], listeners=[listener]))
    accepted = gate.count("lockgate_connections_accepted_total")
    with gate.client() as client:
        client.send(hello("db.example"))
        assert client.rest() == ALERT + INTERNAL
    (event,) = gate.written(host="db.example")
    assert (event["reason"], event["class"]) == ("tls-passthrough-to-itself", "security")
    assert (event["target"], event["bytes_out"]) == (f"127.0.0.1:{port}", 0)
    gate.refused("tls-passthrough-to-itself")
    # The client's, and the one that was given up.
    until(lambda: gate.count("lockgate_connections") == 0, "both to be over")
    assert gate.count("lockgate_connections_accepted_total") == accepted + 2
    assert gate.count("lockgate_passthrough_connections_total", upstream="legacy") == 0
