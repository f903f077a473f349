"""Gates on other machines: two of them and one control process, on loopback, with real TLS."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Client
from lockgate.gate.enrolment import EnrolmentError, Papers, Ticket, enrol
from lockgate.state import StateFolder
from support.command import lockgate
from support.ports import free_port
from support.processes import Process, Processes
from support.running import Running, write_config
from support.waiting import until

LIVE_SECONDS = 1.0
"""What a change may take to reach every gate that is connected."""


class Edge:
    """A gate in a state folder of its own, as on a machine of its own."""

    def __init__(self, processes: Processes, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.name = name
        self.processes = processes
        self.process: Process | None = None

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / ".lockgate")

    def enrol(self, token: str) -> Edge:
        file = self.folder / "token"
        file.write_text(token)
        done = lockgate("gates", "enrol", "--token-file", str(file), cwd=self.folder)
        assert done.code == 0, done.err
        return self

    def start(self) -> Edge:
        self.process = self.processes.lockgate("run", "--role", "gate", "--workers", "1", cwd=self.folder)
        return self


class Installation:
    """A control process without a gate of its own, and its edges."""

    def __init__(self, processes: Processes, folder: Path, upstream: int) -> None:
        self.processes = processes
        self.folder = folder
        self.port = free_port()
        self.link_port = free_port()
        self.config = write_config(
            folder,
            f"http://127.0.0.1:{upstream}",
            gate="127.0.0.1:0",
            extra=f"gates: {{address: '127.0.0.1:{self.link_port}'}}\n",
        )
        self.running = Running(processes, folder, "--role", "control").ready()

    def token(self, name: str, **more: Any) -> str:
        with self.running.admin as admin:
            made = admin.post("/v1/gates/tokens", json={"name": name, **more})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def gates(self) -> dict[str, dict[str, Any]]:
        with self.running.admin as admin:
            told = admin.get("/v1/gates").json()
        return {gate["name"]: gate for gate in told["items"]}

    def serving(self, *names: str) -> dict[str, int]:
        """Wait until these gates serve; their ports."""

        def look() -> dict[str, int] | None:
            known = self.gates()
            ready = [known.get(name, {}) for name in names]
            if any(
                gate.get("status") != "connected"
                or "public" not in (gate.get("addresses") or {})
                or not gate.get("bundle")
                for gate in ready
            ):
                return None
            return {gate["name"]: int(gate["addresses"]["public"].rpartition(":")[2]) for gate in ready}

        return until(look, f"{names} to serve", within=60)

    def edge(self, name: str) -> Edge:
        return Edge(self.processes, self.folder, name).enrol(self.token(name)).start()


@pytest.fixture
def control(tmp_path: Path, auto: AutoUpstream, processes: Processes) -> Installation:
    installation = Installation(processes, tmp_path, auto.port)
    until(lambda: installation.running.output.count("gates-listening"), "the port for gates")
    return installation


def status(port: int, key: str, path: str = "/") -> int:
    with Client(port) as client:
        return client.get(path, f"X-API-Key: {key}").status


def soon(what: str, look: Any) -> float:
    """How long it took."""
    began = time.monotonic()
    until(look, what)
    return time.monotonic() - began


@pytest.mark.timeout(300)
def test_two_gates_serve_by_one_control_process(control: Installation) -> None:
    edges = [control.edge("edge-1"), control.edge("edge-2")]
    ports = control.serving("edge-1", "edge-2")
    made = control.running.make_key()
    assert made["gate"] == "applied"
    assert {status(port, made["key"]) for port in ports.values()} == {200}
    told = lockgate("status", cwd=control.folder)
    assert told.code == 0, told.out
    for name, port in ports.items():
        assert f"{name}: http://127.0.0.1:{port}, serves bundle" in told.out
    assert "all are connected (2)" in lockgate("doctor", cwd=control.folder).out
    there = lockgate("status", cwd=edges[0].folder)
    assert (there.code, "which has enrolled, and serves" in there.err) == (2, True)

    # A revocation is live on both when it is answered.
    began = time.monotonic()
    with control.running.admin as admin:
        revoked = admin.post(f"/v1/keys/{made['id']}/revoke", json={}).json()
    assert revoked["gate"] == "applied"
    assert {status(port, made["key"]) for port in ports.values()} == {401}
    revoked_in = time.monotonic() - began

    # So is a configuration.
    key = control.running.make_key()["key"]
    began = time.monotonic()
    control.config.write_text(control.config.read_text().replace("path: /\n", "path: /moved\n"))
    with control.running.admin as admin:
        assert admin.post("/v1/reload").json()["result"] in {"applied", "unchanged"}
    assert {status(port, key, "/moved") for port in ports.values()} == {200}
    assert {status(port, key) for port in ports.values()} == {404}
    changed_in = time.monotonic() - began
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        assert revoked_in <= LIVE_SECONDS
        assert changed_in <= 2 * LIVE_SECONDS

    # Without their control process both serve on, and find it again.
    pid = control.running.pids()["control"]
    control.running.process.stop()
    assert {status(port, key, "/moved") for port in ports.values()} == {200}
    # What is changed meanwhile is written down, and nobody says that it holds already.
    written = lockgate("keys", "create", "--name", "later", "--owner", "tests", "--json", cwd=control.folder)
    later = json.loads(written.out)
    assert (later["gate"], later["waiting"]) == ("pending", ["edge-1", "edge-2"])
    assert lockgate("keys", "revoke", later["id"], cwd=control.folder).code == 1
    control.running = Running(control.processes, control.folder, "--role", "control").ready()
    assert control.running.pids()["control"] != pid
    assert control.serving("edge-1", "edge-2") == ports
    other = control.running.make_key()
    until(lambda: {status(port, other["key"], "/moved") for port in ports.values()} == {200}, "the new key")

    # One that is shut out is let in no more, and the other is not concerned.
    thief = Papers(edges[0].state)
    with thief.dial() as connection:
        connection.sendall(b"x")
    with control.running.admin as admin:
        assert admin.post("/v1/gates/edge-1/revoke", json={}).json()["status"] == "revoked"
    until(lambda: "edge-1" not in connected(control), "the revoked gate to be cut off")
    assert refused_link(thief)
    with control.running.admin as admin:
        admin.post(f"/v1/keys/{other['id']}/revoke", json={})
    assert status(ports["edge-2"], other["key"], "/moved") == 401
    assert connected(control) == {"edge-2"}
    # One that is away may serve on, so a revocation is not said to hold until the gate is shut out itself.
    assert edges[1].process is not None
    edges[1].process.stop()
    until(lambda: not connected(control), "the second gate to be away")
    last = control.running.make_key()
    assert (last["gate"], last["waiting"]) == ("pending", ["edge-2"])
    done = lockgate("keys", "revoke", last["id"], cwd=control.folder)
    assert ("Not known yet to edge-2" in done.out, done.code) == (True, 1)
    with control.running.admin as admin:
        assert admin.post("/v1/gates/edge-2/revoke", json={}).status_code == 200
        assert admin.post(f"/v1/keys/{last['id']}/revoke", json={}).json()["gate"] == "absent"
    for edge in edges:
        state = edge.state
        assert (state.root.stat().st_mode & 0o777) == 0o700
        assert state.enrolment_certificate_file.stat().st_mode & 0o777 == 0o600
        assert state.pepper() == control.running.state.pepper()
        assert not state.signing_key_file.exists(), "what signs bundles stays with the control process"


def connected(control: Installation) -> set[str]:
    return {name for name, gate in control.gates().items() if gate["status"] == "connected"}


def refused_link(papers: Papers) -> bool:
    """Whether the control process hangs up without a word."""
    try:
        with papers.dial() as connection:
            connection.settimeout(10)
            connection.sendall(bytes(5))
            return connection.recv(1) == b""
    except OSError:
        return True


@pytest.mark.timeout(180)
def test_a_token_is_good_once_and_for_a_while(control: Installation, tmp_path: Path) -> None:
    token = control.token("edge-1")
    edge = Edge(control.processes, tmp_path, "edge-1").enrol(token)
    ticket = Ticket.read(token)
    for wrong in (
        token,  # Used.
        control.token("edge-2", lives_ms=1_000),  # Over, once the second has gone.
        token_with(token, s="not-a-secret-of-ours"),
    ):
        ended = Ticket.read(wrong)
        folder = StateFolder.open(tmp_path / f"other-{ended.secret[:4]}")

        def refused(ended: Ticket = ended, folder: StateFolder = folder) -> bool:
            try:
                enrol(folder, ended)
            except EnrolmentError as error:
                return "refuses the token" in str(error)
            folder.enrolment_file.unlink()
            raise AssertionError("it was let in")

        if ended.secret != ticket.secret and "not-a" not in ended.secret:
            until(lambda: over(control, "edge-2"), "the token to be over")
        assert refused()
        assert not folder.enrolment_file.exists()
    # Another fingerprint: nothing is told to whoever answers.
    with pytest.raises(EnrolmentError, match="is not the control process that made the token"):
        enrol(StateFolder.open(tmp_path / "misled"), Ticket.read(token_with(control.token("edge-3"), f="0" * 64)))
    # A name is taken until its gate is revoked.
    with control.running.admin as admin:
        assert admin.post("/v1/gates/tokens", json={"name": "edge-1"}).json()["code"] == "gate-name-refused"
        assert admin.post("/v1/gates/edge-1/revoke", json={}).status_code == 200
        assert admin.post("/v1/gates/none/revoke", json={}).json()["code"] == "gate-not-found"
    before = Papers(edge.state)
    again = Edge(control.processes, tmp_path, "again").enrol(control.token("edge-1"))
    assert refused_link(before), "the certificate of the one before opens nothing"
    assert not refused_link_at_once(Papers(again.state))
    assert "s=" not in control.running.output
    assert ticket.secret not in control.running.output


def refused_link_at_once(papers: Papers) -> bool:
    """Whether a hello is taken: what comes back is a frame."""
    from lockgate.gate.frames import HEADER, message

    with papers.dial() as connection:
        connection.settimeout(10)
        connection.sendall(message("hello", version="t", pid=1, bundle=None, facts_seq=0, addresses={}))
        return len(connection.recv(HEADER.size)) == 0


def over(control: Installation, name: str) -> bool:
    import sqlite3

    with sqlite3.connect(control.running.state.database) as database:
        (ends,) = database.execute("SELECT expires_ms FROM gate_tokens WHERE name = ?", (name,)).fetchone()
    return bool(time.time() * 1000 > ends)


def token_with(token: str, **other: str) -> str:
    import base64

    packed = token.removeprefix("lgenr_")
    told = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return "lgenr_" + base64.urlsafe_b64encode(json.dumps({**told, **other}).encode()).decode().rstrip("=")


@pytest.mark.timeout(180)
def test_strangers_are_bounded(control: Installation) -> None:
    """Who only connects, or says too much, keeps nobody out for long and costs little."""
    port = control.link_port
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    try:
        with socket.create_connection(("127.0.0.1", port)) as ninth:
            ninth.settimeout(20)
            assert ninth.recv(1) == b"", "more from one address are hung up on"
        for each in held:
            each.settimeout(20)
            assert each.recv(1) == b"", "who does not speak TLS is given up"
    finally:
        for each in held:
            each.close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def asked(said: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as connection:
            connection.settimeout(20)
            try:
                connection.sendall(said)
                return connection.recv(4096)
            except (ssl.SSLError, OSError):
                return b""

    until(lambda: b"authority" in asked(b'{"type": "authority"}\n'), "a place for a stranger")
    assert asked(b"x" * 100_000 + b"\n") == b""
    assert asked(b"not json\n") == b""
    for said in ({"type": "enrol"}, {"type": "enrol", "token": 5, "csr": []}, ["enrol"], {"type": "other"}):
        assert json.loads(asked(json.dumps(said).encode() + b"\n")) == {"type": "refused"}
    # TLS 1.2 is not spoken.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, OSError)):
        asked(b"{}\n")


@pytest.mark.timeout(180)
def test_a_certificate_is_renewed_over_the_link(control: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    from lockgate.gate.frames import FrameReader, Kind, message

    edge = Edge(control.processes, control.folder, "edge-1").enrol(control.token("edge-1"))
    papers = Papers(edge.state)
    assert papers.due() is None
    before = edge.state.enrolment_certificate_file.read_text()
    monkeypatch.setattr("lockgate.gate.enrolment.RENEW_AFTER", 0.0)
    papers = Papers(edge.state)
    asking = papers.due()
    assert asking is not None
    assert papers.due() is None, "it asks once"
    with papers.dial() as connection:
        connection.sendall(message("hello", version="t", pid=1, bundle=None, facts_seq=0, addresses={}) + asking)
        reader = FrameReader(connection, silence=20)

        def certificate() -> dict[str, Any] | None:
            frame = reader.read()
            if frame.kind is Kind.MESSAGE and frame.message()["type"] == "certificate":
                return frame.message()
            return None

        papers.take(until(certificate, "the new certificate"))
    after = edge.state.enrolment_certificate_file.read_text()
    assert after != before
    assert not refused_link_at_once(Papers(edge.state))


def test_where_gates_are_not_wanted(tmp_path: Path, processes: Processes) -> None:
    write_config(tmp_path, "http://127.0.0.1:9")
    running = Running(processes, tmp_path, "--role", "control").ready()
    done = lockgate("gates", "token", cwd=tmp_path)
    assert done.code == 2
    assert "gates.address" in done.err
    assert not (running.state.secrets / "gates-ca.key").exists(), "no authority before it is needed"


@pytest.fixture(autouse=True)
def _no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
