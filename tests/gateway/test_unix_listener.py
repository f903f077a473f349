"""Listeners at a Unix socket: whose the file is, who its callers are, and what becomes of it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate, Refused
from gateway.harness.secure import context
from gateway.harness.servers import haproxy, nginx, program
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Client, request
from lockgate.config.bundle_types import Api, Bundle, Listener
from support.certificates import Authority
from support.ports import free_port
from support.waiting import until

NOBODY = "0.0.0.0"  # noqa: S104 -- Who has no address.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gate.sock"


def served(auto: AutoUpstream, listener: Listener, *apis: Api) -> Bundle:
    return bundles.bundle([bundles.api(), *apis], [bundles.upstream(auto.port)], listeners=[listener])


def at(path: Path, *trusted: str, proxy_protocol: bool = False, mode: int = 0o660) -> Listener:
    return bundles.listener(address=f"unix:{path}", trusted=trusted, proxy_protocol=proxy_protocol, mode=mode)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_requests_come_from_nobody(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    gate.load(served(auto, at(path)))
    assert gate.tell("addresses") == {"public": f"unix:{path}"}
    assert mode_of(path) == 0o660
    with Client.at(path) as client:
        for _ in range(2):
            # What such a caller says of itself is not believed.
            assert client.get("/", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-Port: 1").status == 200
    assert auto.requests[0].get("x-forwarded-for") == "unknown"
    assert auto.requests[0].get("forwarded") == "for=unknown;proto=http;host=a.example"
    assert auto.requests[0].get("x-forwarded-port") is None
    assert [event["peer"] for event in gate.written(2, path="/")] == [NOBODY, NOBODY]


def test_rules_for_addresses_do_not_open(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    """No list of real addresses has them, lists of impossible ones do, and they share what one address may have."""
    gate.load(
        served(
            auto,
            at(path),
            bundles.api("inside", "/inside", addresses=bundles.ip_filter(allow=["127.0.0.0/8", "10.0.0.0/8", "::1"])),
            bundles.api("named", "/named", addresses=bundles.ip_filter(allow=[NOBODY])),
            bundles.api("bogons", "/bogons", addresses=bundles.ip_filter(deny=["0.0.0.0/8"])),
            bundles.api("few", "/few", limits=[bundles.limit("few", allow=2)]),
        )
    )
    with Client.at(path) as client, Client.at(path) as other:
        assert client.get("/inside").reason == "address-not-allowed"
        assert client.get("/named").status == 200
        assert client.get("/bogons").reason == "address-denied"
        assert [client.get("/few").status, other.get("/few").status] == [200, 200]
        assert (client.get("/few").status, other.get("/few").status) == (429, 429)


def test_connections_are_bounded_as_those_of_one_address(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    bounded = at(path) | {"limits": bundles.limits(connections_per_ip=2)}
    gate.load(served(auto, bounded))
    with Client.at(path) as one, Client.at(path) as two, Client.at(path) as three:
        assert [one.get().status, two.get().status] == [200, 200]
        assert three.ended()
    # Whoever is believed speaks for many.
    gate.load(served(auto, at(path, "unix") | {"limits": bundles.limits(connections_per_ip=2)}))
    with Client.at(path) as one, Client.at(path) as two, Client.at(path) as three:
        assert [each.get().status for each in (one, two, three)] == [200, 200, 200]


def test_a_proxy_on_this_machine_is_believed_where_it_is_said(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    blocked = bundles.api("blocked", "/blocked", addresses=bundles.ip_filter(deny=["203.0.113.0/24"]))
    gate.load(served(auto, at(path, "unix"), blocked))
    with Client.at(path) as client:
        assert client.get("/blocked", "X-Forwarded-For: 203.0.113.7").reason == "address-denied"
        assert client.get("/", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https").status == 200
        # Without a word it is nobody, as any other.
        assert client.get("/").status == 200
    told, silent = auto.requests
    assert (told.get("x-forwarded-for"), told.get("x-forwarded-proto")) == ("203.0.113.7", "https")
    assert silent.get("x-forwarded-for") == "unknown"
    events = gate.written(2, path="/")
    assert sorted(event["peer"] for event in events) == [NOBODY, "203.0.113.7"]


def test_the_proxy_protocol_names_the_client(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    gate.load(served(auto, at(path, "unix", proxy_protocol=True)))
    with Client.at(path) as client:
        client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n", request("/"))
        assert client.message().status == 200
    with Client.at(path) as silent:
        silent.send(request("/"))
        assert silent.ended()
    assert gate.refusals("proxy-protocol-missing") == 1
    assert auto.requests[0].get("x-forwarded-for") == "203.0.113.7"


def test_a_socket_that_nobody_listens_at_is_replaced(tmp_path: Path, signer: Signer, auto: AutoUpstream) -> None:
    path = tmp_path / "gate.sock"
    with Gate(tmp_path / "first", signer=signer) as first:
        first.load(served(auto, at(path)))
        first.kill()
    assert path.is_socket(), "the gate had no time to take it away"
    with pytest.raises(ConnectionRefusedError):
        Client.at(path)
    with Gate(tmp_path / "second", signer=signer) as second:
        second.load(served(auto, at(path)))
        with Client.at(path) as client:
            assert client.get().status == 200
        # This one lives, and keeps its place.
        with Gate(tmp_path / "third", signer=signer) as third:
            with pytest.raises(Refused, match="another program listens there; stop it") as refused:
                third.load(served(auto, at(path)))
            assert refused.value.code == "listen-failed"
        with Client.at(path) as client:
            assert client.get().status == 200
        assert second.tell("drain", within=5) is True
        assert not path.exists()


def test_no_other_file_is_touched(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("of somebody")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "folder").mkdir()
    for name in ("notes", "link", "folder"):
        with pytest.raises(Refused, match="no socket; take it away"):
            gate.load(served(auto, at(tmp_path / name)))
    with pytest.raises(Refused, match="its folder is not there; make it"):
        gate.load(served(auto, at(tmp_path / "none" / "gate.sock")))
    assert path.read_text() == "of somebody"


def test_rights_change_while_it_serves(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    gate.load(served(auto, at(path, mode=0o600)))
    with Client.at(path) as client:
        assert client.get().status == 200
        assert mode_of(path) == 0o600
        group = str(os.getegid())
        wider = at(path, mode=0o666)
        wider["socket"]["group"] = group
        gate.load(served(auto, wider))
        assert (mode_of(path), path.lstat().st_gid) == (0o666, int(group))
        assert client.get().status == 200, "the connection stands"
        if os.geteuid() == 0:
            wider["socket"] |= {"group": "65534", "owner": "65534"}
            gate.load(served(auto, wider))
            assert (path.lstat().st_uid, path.lstat().st_gid) == (65534, 65534)
            # What is said no more is the gate's own again.
            gate.load(served(auto, at(path, mode=0o666)))
            assert (path.lstat().st_uid, path.lstat().st_gid) == (0, os.getegid())
        stranger = at(path)
        stranger["socket"]["owner"] = "nobody-of-this-machine"
        with pytest.raises(Refused, match="this machine has no user `nobody-of-this-machine`"):
            gate.load(served(auto, stranger))
        assert mode_of(path) == 0o666


def test_rights_go_to_our_own_socket_alone(gate: Gate, auto: AutoUpstream, path: Path, tmp_path: Path) -> None:
    """A symbolic link at its path, whoever put it there, leads a change of rights nowhere."""
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    gate.load(served(auto, at(path)))
    aside = path.rename(tmp_path / "aside.sock")
    for target in (secret, aside):
        path.symlink_to(target)
        with pytest.raises(Refused, match="not the gate's socket any more; take it away") as refused:
            gate.load(served(auto, at(path, mode=0o666)))
        assert refused.value.code == "listen-failed"
        # What does not concern the file is not held up by it.
        gate.load(served(auto, at(path)))
        assert (mode_of(secret), mode_of(aside)) == (0o600, 0o660)
        path.unlink()
    with pytest.raises(Refused, match="not the gate's socket any more"):
        gate.load(served(auto, at(path, mode=0o666)))
    aside.rename(path)
    gate.load(served(auto, at(path, mode=0o666)))
    assert mode_of(path) == 0o666


def test_a_refused_bundle_changes_no_rights(gate: Gate, auto: AutoUpstream, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sock"

    def also(mode: int = 0o660) -> Listener:
        return bundles.listener(name="other", address=f"unix:{other}", mode=mode)

    def both(mode: int, more: Listener) -> Bundle:
        upstreams = [bundles.upstream(auto.port)]
        return bundles.bundle([bundles.api()], upstreams, listeners=[at(path, mode=mode), more])

    with socket.create_server(("127.0.0.1", 0)) as taken:
        gate.load(served(auto, at(path)))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Refused) as refused:
            gate.load(both(0o666, bundles.listener(name="taken", address=address)))
    assert refused.value.code == "listen-failed"
    assert mode_of(path) == 0o660
    # Nor where the rights of another socket are the ones that fail.
    gate.load(both(0o660, also()))
    aside = other.rename(tmp_path / "aside.sock")
    with pytest.raises(Refused, match="not the gate's socket any more"):
        gate.load(both(0o666, also(0o666)))
    assert (mode_of(path), mode_of(aside)) == (0o660, 0o660)
    # What became of the file besides is mended by any bundle.
    path.chmod(0o777)
    gate.load(served(auto, at(path)))
    assert mode_of(path) == 0o660


def test_a_written_address_is_no_caller(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    """`0.0.0.0` stands for whoever has no address; to write it makes nobody a proxy that is believed."""
    inside = bundles.api("inside", "/inside", addresses=bundles.ip_filter(allow=["10.0.0.0/8"]))
    gate.load(served(auto, at(path, "unix"), inside))
    with Client.at(path) as client:
        assert client.get("/inside", "X-Forwarded-For: 10.0.0.1").status == 200
        for written in (NOBODY, f"{NOBODY}:5", f"::ffff:{NOBODY}"):
            assert client.get("/inside", f"X-Forwarded-For: 10.0.0.1, {written}").reason == "address-not-allowed"
        assert client.get("/inside", "Forwarded: for=10.0.0.1, for=0.0.0.0").reason == "address-not-allowed"
    gate.load(served(auto, at(path, "unix", proxy_protocol=True), inside))
    for line in (b"PROXY TCP4 0.0.0.0 192.0.2.1 1 2", b"PROXY TCP6 ::ffff:0.0.0.0 ::1 1 2", b"PROXY UNKNOWN"):
        with Client.at(path) as client:
            client.send(line + b"\r\n", request("/inside", "X-Forwarded-For: 10.0.0.1"))
            assert client.message().reason == "address-not-allowed"
    # Nor has one more connections than any other address.
    bounded = at(path, "unix", proxy_protocol=True) | {"limits": bundles.limits(connections_per_ip=1)}
    gate.load(served(auto, bounded))
    with Client.at(path) as one, Client.at(path) as two:
        line = b"PROXY TCP4 0.0.0.0 192.0.2.1 1 2\r\n"
        one.send(line, request("/"))
        assert one.message().status == 200
        two.send(line, request("/"))
        assert two.ended()


def test_names_of_this_machine_are_known(gate: Gate, auto: AutoUpstream, path: Path) -> None:
    import grp
    import pwd

    mine = at(path)
    mine["socket"] |= {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
    gate.load(served(auto, mine))
    assert (path.lstat().st_uid, path.lstat().st_gid) == (os.geteuid(), os.getegid())


def test_every_worker_takes_connections(tmp_path: Path, signer: Signer, auto: AutoUpstream) -> None:
    path = tmp_path / "gate.sock"
    with Gate(tmp_path / "state", signer=signer, workers=3) as gate, ExitStack() as open_ones:
        gate.load(served(auto, at(path)))
        clients = [open_ones.enter_context(Client.at(path)) for _ in range(100)]
        for client in clients:
            client.send(request("/"))
        assert all(client.message().status == 200 for client in clients)
        # Those that one worker does not take, another one does: none is left in the queue.
        assert gate.tell("stats")["connections"] == 100
        gate.load(bundles.plain(auto.port))
        assert not path.exists()
        assert all(client.ended() for client in clients)


def test_tls_is_spoken_there_too(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    authority = Authority(tmp_path)
    issued = authority.issue("front", "a.example")
    listener = bundles.listener(address=f"unix:{path}", tls=bundles.tls(issued))
    gate.load(served(auto, listener))
    with Client.at(path) as client:
        client.sock = context(authority.pem).wrap_socket(client.sock, server_hostname="a.example")
        assert client.get().status == 200
    curl = [program("curl"), "-sS", "--unix-socket", str(path), "--cacert", str(authority.pem)]
    done = subprocess.run(
        [*curl, "-w", "%{http_version} %{http_code}", "-o", "/dev/null", "https://a.example/"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 200"
    assert auto.requests[-1].get("x-forwarded-proto") == "https"


def test_nginx_in_front(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """As `proxy_pass http://unix:…` has it, with the client's address in a header."""
    path, port = tmp_path / "gate.sock", free_port()
    gate.load(served(auto, at(path, "unix")))
    server = f"""
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://unix:{path}:/; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
        }}
    """
    with nginx(tmp_path / "nginx", server, "$status", ready=tmp_path / "nginx" / "pid") as front:
        with Client(port, source="127.0.0.9") as client:
            assert [client.get("/one").status, client.get("/two").status] == [200, 200]
        until(lambda: front.seen == ["200", "200"], "nginx to write its log")
    assert [message.get("x-forwarded-for") for message in auto.requests] == ["127.0.0.9"] * 2
    assert gate.written(path="/one")[0]["peer"] == "127.0.0.9"


def test_haproxy_in_front(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """It passes bytes on, and says by the PROXY protocol for whom."""
    path, port = tmp_path / "gate.sock", free_port()
    gate.load(served(auto, at(path, "unix", proxy_protocol=True)))
    config = f"""
global
    pidfile {tmp_path}/haproxy/pid
    stats socket {tmp_path}/haproxy/ready mode 600
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:{port}
    server gate unix@{path} send-proxy-v2
"""
    running = haproxy(tmp_path / "haproxy", config, ready=tmp_path / "haproxy" / "ready")
    with running, Client(port, source="127.0.0.9") as client:
        assert client.get("/one").status == 200
    assert auto.requests[0].get("x-forwarded-for") == "127.0.0.9"
