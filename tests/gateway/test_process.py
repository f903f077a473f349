"""A gate's process: how it ends, how it is killed, and what is left then."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate, Refused
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Closed, answer, request
from lockgate import _native
from lockgate.state import StateFolder
from support.ports import free_port, listens
from support.waiting import until


def readable(folder: Path) -> set[str]:
    """Ids of all events that can be read."""
    found: set[str] = set()
    cursor: str | None = None
    while True:
        events, cursor = _native.read_events(folder, after=cursor, limit=10_000)
        if not events:
            return found
        found |= {str(event["id"]) for event in events}


def below(folder: Path, mark: str) -> set[str]:
    """Ids of the events below a cursor."""
    found: set[str] = set()
    cursor: str | None = None
    limit = 1_000
    while True:
        events, after = _native.read_events(folder, after=cursor, limit=limit)
        if events and place(after) <= place(mark):
            found |= {str(event["id"]) for event in events}
            cursor = after
        elif events and limit > 1:
            limit = max(1, limit // 10)
        else:
            return found


def place(cursor: str) -> tuple[str, int]:
    """A cursor in a form that can be compared: segments are named in their order."""
    name, offset = cursor.split(":")
    return name, int(offset)


def test_draining_finishes_what_was_begun(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    port = gate.port()
    busy, idle = gate.client(), gate.client()
    idle.send(request("/first"))
    upstream.serve(answer())[0].close()
    assert idle.message().status == 200
    busy.send(request("/busy", "Transfer-Encoding: chunked", method="POST"), b"3\r\nabc\r\n")
    wire = upstream.accept()
    wire.until(b"abc\r\n")
    drained: list[bool] = []
    draining = threading.Thread(target=lambda: drained.append(gate.tell("drain", within=20)))
    draining.start()
    assert idle.ended(), "who has nothing under way is let go at once"
    until(lambda: not listens(port), "the listener to close")
    busy.send(b"3\r\ndef\r\n0\r\n\r\n")
    assert wire.until(b"0\r\n\r\n") == b"3\r\ndef\r\n0\r\n\r\n"
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
    busy.until(b"\r\n\r\n")
    wire.send(b"def")
    assert busy.exactly(6) == b"abcdef"
    assert busy.ended()
    draining.join()
    assert drained == [True]
    with pytest.raises(Refused) as refused:
        gate.load(bundles.plain(upstream.port))
    assert refused.value.code == "gate-draining"
    stats = gate.tell("stats")
    assert (stats["ready"], stats["draining"], stats["connections"]) == (False, True, 0)


def test_draining_does_not_wait_for_ever(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(request("/stuck"))
    upstream.accept().message()
    assert gate.tell("drain", within=0.3) is False


def test_an_answer_while_draining_says_that_it_is_the_last(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    port = gate.port()
    client = gate.client()
    client.send(request("/1"))
    wire = upstream.accept()
    wire.message()
    draining = threading.Thread(target=gate.tell, args=["drain"], kwargs={"within": 20})
    draining.start()
    until(lambda: not listens(port), "the listener to close")
    wire.send(answer())
    got = client.message()
    assert (got.status, got.get("connection")) == (200, "close")
    assert client.ended()
    draining.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_real_process(tmp_path: Path, upstream: Upstream, number: signal.Signals) -> None:
    """`python -m lockgate.gate`, as `lockgate run` starts it, with nothing but its state folder."""
    state = StateFolder.open(tmp_path / "state")
    signer = Signer()
    state.public_key_file.write_text(signer.public.hex())
    port = free_port()
    plain = bundles.bundle(
        [bundles.api()], [bundles.upstream(upstream.port)], listeners=[bundles.listener("one", f"127.0.0.1:{port}")]
    )
    (state.root / "gate" / "bundle.json").write_bytes(signer.sign(plain))
    command = [sys.executable, "-m", "lockgate.gate", "--state", str(state.root), "--workers", "2"]
    # A job in the background of a shell ignores it, and so would what it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: listens(port), "the gate to listen")
            with Client(port) as client:
                client.send(request("/slow"))
                wire = upstream.accept()
                wire.message()
                process.send_signal(number)
                until(lambda: not listens(port), "the listener to close")
                assert client.silent()
                wire.send(answer(b"finished"))
                got = client.message()
                assert (got.status, got.body, got.get("connection")) == (200, b"finished", "close")
                assert client.ended()
            assert process.wait(20) == 0
            event = _native.find_event(state.root / "gate" / "events", got.id)
            assert event is not None, "all events are on disk"
            assert event["path"] == "/slow"
        finally:
            process.kill()


def test_kill_loses_no_event_below_the_watermark(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    """Killed in the middle of traffic, as by the kernel, again and again; the log goes on where it stood."""
    promised: set[str] = set()
    for _ in range(3):
        with Gate(tmp_path / "state", signer=signer, workers=2) as gate:
            if gate.tell("bundle_info") is None:
                gate.load(bundles.plain(auto.port))
            ending = threading.Event()
            told: list[list[str]] = [[] for _ in range(4)]

            def ask(ids: list[str], port: int = gate.port(), ending: threading.Event = ending) -> None:
                with suppress(OSError, Closed), Client(port) as client:
                    while not ending.is_set():
                        ids += [client.get("/a").id, client.get("/nowhere/%00").id]

            asking = [threading.Thread(target=ask, args=[ids]) for ids in told]
            for thread in asking:
                thread.start()
            before = _native.events_durable_until(gate.events)
            enough = gate.tell("stats")["events_written"] + 300

            def moved(before: str | None = before, enough: int = enough, gate: Gate = gate) -> str | None:
                if gate.tell("stats")["events_written"] < enough:
                    return None
                now = _native.events_durable_until(gate.events)
                return now if now != before else None

            durable = until(moved, "the watermark to move on")
            gate.kill()
            ending.set()
            for thread in asking:
                thread.join()
        below_it = below(tmp_path / "state" / "gate" / "events", durable)
        assert len(below_it) > len(promised)
        for ids in told:
            # One connection's events stand in the order of its requests: below the mark none may be missing.
            kept = [request_id in below_it for request_id in ids]
            assert kept == sorted(kept, reverse=True)
        promised |= below_it
    assert len(promised) > 300
    with Gate(tmp_path / "state", signer=signer) as last:
        assert last.tell("bundle_info") is not None, "a gate that was killed serves by its last good bundle"
        got = last.client().get("/after")
        assert got.status == 200
        last.event(got.id)
        assert promised <= readable(last.events), "also when the log was written on"


def test_a_killed_gate_leaves_its_port_free(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    port = free_port()
    plain = bundles.bundle(
        [bundles.api()], [bundles.upstream(auto.port)], listeners=[bundles.listener("one", f"127.0.0.1:{port}")]
    )
    for turn in range(3):
        with Gate(tmp_path / "state", signer=signer) as gate:
            if turn == 0:
                gate.load(plain)
            with Client(port) as client:
                assert client.get().status == 200
                gate.kill()


def test_two_gates_cannot_share_a_port_unnoticed(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    port = free_port()
    plain = bundles.bundle(
        [bundles.api()], [bundles.upstream(auto.port)], listeners=[bundles.listener("one", f"127.0.0.1:{port}")]
    )
    with Gate(tmp_path / "first", signer=signer) as first, Gate(tmp_path / "second", signer=signer) as second:
        first.load(plain)
        with pytest.raises(Refused) as refused:
            second.load(plain)
        assert refused.value.code == "listen-failed"


def test_a_damaged_fact_log_does_not_stop_the_gate(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    """A fact that was cut off by a crash is as if it had never come; those before it hold."""
    keyed = bundles.bundle([bundles.api(keys=[bundles.api_key()])], [bundles.upstream(auto.port)])
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(keyed)
        key = gate.key(1, "key_1")
        gate.key(2, "key_2")
        gate.kill()
    log = tmp_path / "state" / "gate" / "facts.log"
    assert log.stat().st_mode & 0o777 == 0o600
    log.write_bytes(log.read_bytes()[:-5])
    with Gate(tmp_path / "state", signer=signer) as again:
        assert again.tell("facts_seq") == 1
        assert again.client().get("/", f"X-API-Key: {key}").status == 200
        other = again.key(2, "key_2")
        assert again.client().get("/", f"X-API-Key: {other}").status == 200


def test_no_secret_is_kept_in_the_clear(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    keyed = bundles.bundle([bundles.api(keys=[bundles.api_key()])], [bundles.upstream(auto.port)])
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(keyed)
        key = gate.key(1)
        got = gate.client().get("/", f"X-API-Key: {key}")
        assert got.status == 200
        event = json.dumps(gate.event(got.id))
        refusal = gate.client().get("/?key=" + key, f"X-API-Key: {key[:-1]}!")
        event += json.dumps(gate.event(refusal.id))
        assert key not in event
        assert key not in gate.tell("metrics")
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path
