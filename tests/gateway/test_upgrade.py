"""`lockgate upgrade` under load: another gate takes over, and no request is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.ending import ending
from gateway.harness.hellos import trusting
from gateway.harness.http3 import Http3
from gateway.harness.secure import connect
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Closed, Wire, answer, request
from lockgate import _native
from support.certificates import Authority
from support.command import lockgate
from support.ports import free_port
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until

EMPTY = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass
class Load:
    """Requests without pause, on connections that are kept and on new ones; every answer counts."""

    port: int | Path
    """Or the path of a Unix socket."""
    key: str
    answered: int = 0
    reconnected: int = 0
    failed: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_asking(self, *, fresh: bool) -> None:
        client: Client | None = None
        while not self._ending.is_set():
            try:
                client = client or connected(self.port)
                got = client.get("/load", f"X-API-Key: {self.key}")
                last = fresh or got.get("connection") == "close"
                with self._lock:
                    self.answered += 1
                    self.ids.append(got.id)
                    self.reconnected += last and not fresh
                    if got.status != 200:
                        self.failed.append(str(got.status))
                if last:
                    # So many connections a second, each waiting its minute, would use up the system's ports.
                    client.reset()
                    client = None
            except Exception as error:  # noqa: BLE001 -- Whatever it is, it is what a client would have seen.
                with self._lock:
                    self.failed.append(repr(error))
                client = None
        if client is not None:
            client.close()

    def more(self, count: int) -> None:
        """Wait until that many more were answered."""
        wanted = self.answered + count
        until(lambda: self.answered >= wanted, "further requests")


def connected(port: int | Path) -> Client:
    return Client.at(port) if isinstance(port, Path) else Client(port)


@contextmanager
def load(port: int | Path, key: str) -> Iterator[Load]:
    load = Load(port, key)
    threads = [threading.Thread(target=load.keep_asking, kwargs={"fresh": number % 2 == 0}) for number in range(6)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load._ending.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def running(tmp_path: Path, auto: AutoUpstream, processes: Processes) -> Running:
    gate, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    write_config(tmp_path, f"http://127.0.0.1:{auto.port}", gate=gate, admin=admin)
    return Running(processes, tmp_path, "--workers", "2", "--drain-timeout", "10s").ready()


def upgrade(folder: Path, *, expect: int = 0) -> dict[str, Any]:
    done = lockgate("upgrade", "--json", cwd=folder)
    assert done.code == expect, done.out + done.err
    told: dict[str, Any] = json.loads(done.out)
    return told


def upgraded_under_load(running: Running, times: int) -> Load:
    key = running.make_key()["key"]
    place = running.serving()["gate"]["addresses"]["public"]
    unix = place.startswith("unix:")
    with load(Path(place.removeprefix("unix:")) if unix else int(place.rpartition(":")[2]), key) as under:
        for _ in range(times):
            before = running.pids()
            told = upgrade(running.folder)
            assert (told["result"], told["control"]) == ("done", True)
            after = running.pids()
            assert after["gate"] != before["gate"]
            assert after["control"] != before["control"]
            under.more(50)
    assert under.failed == []
    assert under.reconnected, "kept connections were told to come again"
    return under


def all_retired(running: Running, count: int) -> None:
    until(lambda: running.output.count("process-retired") == count, "the replaced gates to end")


def test_no_request_is_lost(running: Running) -> None:
    under = upgraded_under_load(running, 3)
    assert running.restarts() == {"gate": 0, "control": 0}
    # The events of the gates that have gone are in the one log, none missing.
    all_retired(running, 3)
    folder = running.state.gate_events
    until(lambda: not list(folder.glob("leaving-*")), "their events to be taken over")
    last = under.ids[-1]
    until(lambda: _native.find_event(folder, last), "the last event")
    kept = event_ids(folder)
    assert not [id_ for id_ in under.ids if id_ not in kept]


def test_no_request_is_lost_at_a_unix_socket(tmp_path: Path, auto: AutoUpstream, processes: Processes) -> None:
    """The socket goes from gate to gate, and its file stays until the last of them ends."""
    path = tmp_path / "gate.sock"
    write_config(tmp_path, f"http://127.0.0.1:{auto.port}", gate=f"unix:{path}")
    running = Running(processes, tmp_path, "--workers", "2", "--drain-timeout", "10s").ready()
    inode = path.lstat().st_ino
    upgraded_under_load(running, 2)
    all_retired(running, 2)
    assert path.lstat().st_ino == inode
    # A gate that dies leaves its file, and the next one takes its place.
    os.kill(running.pids()["gate"], signal.SIGKILL)
    until(lambda: running.restarts()["gate"] == 1, "another gate")
    running.serving()
    with Client.at(path) as client:
        assert client.get("/", "X-API-Key: none").status == 401
    running.process.signal(signal.SIGTERM)
    assert running.process.wait() == 0
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_request_is_lost_over_many_upgrades(running: Running) -> None:
    upgraded_under_load(running, 30)


def event_ids(folder: Path) -> set[str]:
    found: set[str] = set()
    cursor: str | None = None
    while True:
        events, cursor = _native.read_events(folder, after=cursor, limit=10_000)
        if not events:
            return found
        found |= {str(event["id"]) for event in events}


def test_a_new_gate_that_does_not_serve_leaves_the_old_one(running: Running) -> None:
    key = running.make_key()["key"]
    port = int(running.url().rpartition(":")[2])
    bundle = running.state.gate / "bundle.json"
    good = bundle.read_bytes()
    before = running.pids()
    with load(port, key) as under:
        under.more(20)
        bundle.write_bytes(good[:100])
        told = upgrade(running.folder, expect=1)
        assert told["result"] == "failed"
        assert "does not serve the bundle" in told["cause"]
        assert running.pids() == before
        # What changes meanwhile is taken, and kept on disk, by the gate that stayed.
        revoked = running.make_key()
        with running.admin as admin:
            gone = admin.post(f"/v1/keys/{revoked['id']}/revoke", json={}).json()
        assert gone["gate"] == "applied"
        bundle.write_bytes(good)
        assert upgrade(running.folder)["result"] == "done"
        under.more(20)
    assert under.failed == []
    with Client(port) as client:
        assert client.get("/", f"X-API-Key: {revoked['key']}").status == 401


def test_a_revocation_reaches_the_gate_that_retires(tmp_path: Path, upstream: Upstream, processes: Processes) -> None:
    """A connection that rests on the old gate is served once more, by what is known then."""
    write_config(tmp_path, f"http://127.0.0.1:{upstream.port}", gate=f"127.0.0.1:{free_port()}")
    running = Running(processes, tmp_path, "--workers", "1", "--drain-timeout", "60s").ready()
    first, second = running.make_key(), running.make_key()
    port = int(running.url().rpartition(":")[2])
    with Client(port) as slow, Client(port) as resting, Client(port) as other:
        for client in (resting, other):
            client.send(request("/", f"X-API-Key: {second['key']}"))
            wire = upstream.accept()
            wire.message()
            wire.send(answer())
            assert client.message().status == 200
            wire.close()
        slow.send(request("/slow", f"X-API-Key: {first['key']}"))
        wire = upstream.accept()
        wire.message()
        assert upgrade(running.folder)["result"] == "done"
        running.serving()
        other.send(request("/nowhere", "X-API-Key: none"))
        last = other.message()
        assert (last.status, last.get("connection")) == (401, "close")
        with running.admin as admin:
            assert admin.post(f"/v1/keys/{second['id']}/revoke", json={}).json()["gate"] == "applied"
        resting.send(request("/", f"X-API-Key: {second['key']}"))
        assert resting.message().status == 401
        wire.send(answer(b"in the end"))
        got = slow.message()
        assert (got.status, got.body, got.get("connection")) == (200, b"in the end", "close")
    until(lambda: "process-retired" in running.output, "the old gate to end")


CARRIED = """\
version: 1
listeners:
  public:
    address: "{gate}"
    tls: {{passthrough: [{{hosts: [{hosts}], upstream: legacy}}]}}
  plain: {{address: "127.0.0.1:0"}}
upstreams: {{legacy: {{targets: ["tcp://127.0.0.1:{port}"]}}}}
apis: {{shop: {{path: /, upstream: "http://127.0.0.1:9", authenticate: [api_key], authorize: authenticated}}}}
"""


@contextmanager
def carried(folder: Path, processes: Processes, drain: str) -> Iterator[tuple[Running, Callable[..., socket.socket]]]:
    """A gate that carries TLS on to a server behind, and how to reach that server through it."""
    authority = Authority(folder)
    gate, config = f"127.0.0.1:{free_port()}", folder / "lockgate.yaml"
    with ending(authority.issue("theirs", "db.example")) as port:
        config.write_text(CARRIED.format(gate=gate, hosts="db.example", port=port), encoding="utf-8")
        running = Running(processes, folder, "--workers", "2", "--drain-timeout", drain).ready()
        yield running, lambda: connect(int(gate.rpartition(":")[2]), trusting(authority.pem), "db.example")


def echoed(through: socket.socket, word: bytes) -> None:
    through.sendall(word)
    assert through.recv(100) == word


def test_what_is_carried_on_outlives_a_reload_and_an_upgrade(tmp_path: Path, processes: Processes) -> None:
    """A TLS connection to the server behind goes on for as long as the gate that has it may take to end."""
    with carried(tmp_path, processes, drain="120s") as (running, reach), reach() as old:
        assert old.recv(100) == b"db.example\n"
        echoed(old, b"before")
        bundle, config = running.serving()["gate"]["bundle"], tmp_path / "lockgate.yaml"
        config.write_text(config.read_text("utf-8").replace("[db.example]", "[db.example, new.example]"), "utf-8")
        until(lambda: running.serving()["gate"]["bundle"] != bundle, "the changed configuration")
        echoed(old, b"after a reload")
        assert upgrade(running.folder)["result"] == "done"
        echoed(old, b"after an upgrade")


def test_what_is_carried_on_ends_with_the_time_of_the_gate_that_has_it(tmp_path: Path, processes: Processes) -> None:
    with carried(tmp_path, processes, drain="1s") as (running, reach), reach() as old:
        assert old.recv(100) == b"db.example\n"
        assert upgrade(running.folder)["result"] == "done"
        with reach() as new:
            assert new.recv(100) == b"db.example\n"
            until(lambda: "process-retired" in running.output, "the old gate to end")
            with suppress(OSError):
                assert old.recv(100) == b"", "its time is over"
            echoed(new, b"on the new gate")


@contextmanager
def busy(folder: Path, upstream: Upstream, processes: Processes) -> Iterator[tuple[Running, Client, Wire]]:
    """A gate with a request under way: the client that waits for it, and the upstream's end of it."""
    write_config(folder, f"http://127.0.0.1:{upstream.port}", gate=f"127.0.0.1:{free_port()}")
    running = Running(processes, folder, "--workers", "1", "--drain-timeout", "60s").ready()
    key = running.make_key()["key"]
    with Client(int(running.url().rpartition(":")[2])) as slow:
        slow.send(request("/slow", f"X-API-Key: {key}"))
        wire = upstream.accept()
        wire.message()
        yield running, slow, wire


def test_a_new_gate_that_dies_is_followed_at_once(tmp_path: Path, upstream: Upstream, processes: Processes) -> None:
    """Also while the one before it still has a request to finish, which must hear of what is revoked as before."""
    with busy(tmp_path, upstream, processes) as (running, slow, wire):
        port, second = slow.sock.getpeername()[1], running.make_key()
        assert upgrade(running.folder)["result"] == "done"
        until(lambda: "gate-retiring" in running.output, "the old gate to retire")
        new = running.pids()["gate"]
        os.kill(new, signal.SIGKILL)
        until(lambda: running.pids()["gate"] not in {new, None}, "another gate")
        running.serving()
        with Client(port) as client:
            assert client.get("/", "X-API-Key: none").status == 401
        assert "process-retired" not in running.output
        with running.admin as admin:
            assert admin.post(f"/v1/keys/{second['id']}/revoke", json={}).json()["gate"] == "applied"
        with Client(port) as client:
            assert client.get("/", f"X-API-Key: {second['key']}").status == 401
        wire.send(answer(b"in the end"))
        assert slow.message().body == b"in the end"
    until(lambda: "process-retired" in running.output, "the old gate to end")
    until(lambda: not list(running.state.gate_events.glob("leaving-*")), "its events to be taken over")


def test_after_the_death_of_its_supervisor_a_gate_keeps_nobody_waiting(
    tmp_path: Path, upstream: Upstream, processes: Processes
) -> None:
    """It finishes what it has begun, and hears of revocations, while the next one serves."""
    with busy(tmp_path, upstream, processes) as (running, slow, wire):
        port, second = slow.sock.getpeername()[1], running.make_key()
        os.kill(running.process.pid, signal.SIGKILL)
        until(lambda: "the supervisor is gone" in running.output, "the gate to notice")
        again = Running(processes, tmp_path, "--workers", "1").ready()
        with Client(port) as client:
            assert client.get("/", "X-API-Key: none").status == 401
        with again.admin as admin:
            assert admin.post(f"/v1/keys/{second['id']}/revoke", json={}).json()["gate"] == "applied"
        wire.send(answer(b"in the end"))
        assert slow.message().body == b"in the end"
    until(lambda: not list(again.state.gate_events.glob("leaving-*")), "its events to be taken over")


def test_a_revocation_that_is_applied_holds_on_every_gate_of_an_upgrade(running: Running) -> None:
    """Also while the old gate has no link to the new control process, or the new gate none at all yet."""
    with running.admin as admin:
        keys = [admin.post("/v1/keys", json={"name": "test", "owner": "tests"}).json() for _ in range(100)]
    port = int(running.url().rpartition(":")[2])
    with ExitStack() as stack:
        # From addresses of their own: many refusals to one would stand before the key is looked at.
        resting = [stack.enter_context(Client(port, source=f"127.0.1.{number}")) for number in range(1, len(keys) + 1)]
        for client, key in zip(resting, keys, strict=True):
            assert client.get("/", f"X-API-Key: {key['key']}").status == 200
        admin = stack.enter_context(running.admin)  # Its port is set, and stays the same.
        upgrading = threading.Thread(target=upgrade, args=(running.folder,))
        upgrading.start()
        said: list[str] = []
        for client, key in zip(resting, keys, strict=True):
            revoked = until(lambda key=key: revocation(admin, key["id"]), "an admin API that answers")  # type: ignore[misc]
            said.append(revoked["gate"])
            if revoked["gate"] != "applied":
                assert revoked["waiting"] == ["local"]
                continue
            with Client(port, source=client.sock.getsockname()[0]) as fresh:
                assert fresh.get("/", f"X-API-Key: {key['key']}").status == 401
            assert not opens(client, key["key"])
        upgrading.join()
    assert running.output.count("upgrade-served") == 1
    assert "absent" not in said
    assert said.count("applied") > len(said) / 2


def opens(client: Client, key: str) -> bool:
    """Whether the key opens anything on a connection that rested, and may have been closed meanwhile."""
    try:
        client.send(request("/", f"X-API-Key: {key}"))
        return client.message().status != 401
    except (OSError, Closed):
        return False


def revocation(admin: httpx.Client, key_id: str) -> dict[str, Any] | None:
    """The answer; nothing while one control process follows another."""
    try:
        told = admin.post(f"/v1/keys/{key_id}/revoke", json={})
    except (httpx.TransportError, OSError):
        return None
    assert told.status_code == 200, told.text
    answer: dict[str, Any] = told.json()
    return answer


def test_a_command_is_answered_by_the_control_process_that_is_to_come(running: Running) -> None:
    """Written into the folder beside gates that serve, a revocation would hold nobody knows when."""
    keys = [running.make_key() for _ in range(3)]
    upgrading = threading.Thread(target=upgrade, args=(running.folder,))
    upgrading.start()
    for key in keys:
        done = lockgate("keys", "revoke", key["id"], "--json", cwd=running.folder)
        assert (done.code, json.loads(done.out)["gate"]) == (0, "applied")
    upgrading.join()


def test_a_control_process_that_does_not_end_is_ended(running: Running) -> None:
    """The upgrade must not wait for one that hangs: nobody could ask it for anything."""
    before = running.pids()
    os.kill(before["control"], signal.SIGSTOP)
    os.kill(running.process.pid, signal.SIGUSR2)
    until(lambda: running.pids()["control"] != before["control"], "another control process", within=60)
    assert "process-killed" in running.output
    assert running.serving()["gate"]["pid"] != before["gate"]


def test_an_upgrade_of_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lockgate").mkdir(mode=0o700)
    done = lockgate("upgrade", cwd=tmp_path)
    assert done.code == 2
    assert "Nothing runs" in done.err


def test_a_configuration_that_the_new_version_refuses_stops_the_upgrade(running: Running) -> None:
    config = running.folder / "lockgate.yaml"
    config.write_text(config.read_text() + "nonsense: 1\n")
    before = running.pids()
    done = lockgate("upgrade", cwd=running.folder)
    assert done.code == 2
    assert "nonsense" in done.err
    assert running.pids() == before


def test_descriptors_do_not_grow(running: Running) -> None:
    """Each gate closes what it passed on and what it got."""
    counts: list[int] = []
    for _ in range(3):
        upgrade(running.folder)
        all_retired(running, len(counts) + 1)
        running.serving()
        counts.append(len(list(Path(f"/proc/{running.pids()['gate']}/fd").iterdir())))
    assert counts[-1] <= counts[0] + 1


def test_a_request_over_http3_goes_on(tmp_path: Path, upstream: Upstream, processes: Processes) -> None:
    """Both gates read from the same UDP socket: each gets the packets of its own connections."""
    authority = Authority(tmp_path)
    issued = authority.issue("shop", "shop.example")
    port = free_port()
    path = write_config(tmp_path, f"http://127.0.0.1:{upstream.port}", gate=f"127.0.0.1:{port}")
    tls = f"protocols: [http/1.1, h2, h3], tls: {{certificate: {{chain: '{issued.chain}', key: '{issued.key}'}}}}"
    # The body waits for as long as the upgrade takes.
    bounds = "limits: {body_rate_min: 0}"
    path.write_text(path.read_text().replace(f'"127.0.0.1:{port}"', f'"127.0.0.1:{port}", {tls}, {bounds}'))
    running = Running(processes, tmp_path, "--workers", "2", "--drain-timeout", "60s").ready()
    key = ("x-api-key", str(running.make_key()["key"]))
    with Http3(port, authority.pem) as old:
        begun = old.ask("/slow", "POST", key, ("content-length", "9"), body=True)
        old.say(begun, b"one")
        wire = upstream.accept()
        assert upgrade(running.folder)["result"] == "done"
        old.say(begun, b"two")
        with Http3(port, authority.pem) as new:
            asked = new.ask("/new", "GET", key)
            upstream.serve(EMPTY)
            assert new.answer(asked).status == 204
            old.say(begun, b"end", end=True)
            assert wire.message().body == b"onetwoend"
            wire.send(answer(b"in the end"))
            assert old.answer(begun).body == b"in the end"
            again = new.ask("/again", "GET", key)
            upstream.serve(EMPTY)
            assert new.answer(again).status == 204
    all_retired(running, 1)
