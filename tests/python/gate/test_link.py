"""Both ends of the link, talking to each other: the gate is a fake, the socket and the store are real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lockgate._native import LockgateError
from lockgate.admin.facts import BATCH, FactsLog
from lockgate.admin.gate_said import SEQUENCE_MAX
from lockgate.admin.gate_session import UNASKED_BYTES
from lockgate.admin.keys import Keys
from lockgate.admin.link import LINKS_EACH
from lockgate.admin.store import Store
from lockgate.certificates import HttpChallenge
from lockgate.gate.frames import Kind, encode, message
from lockgate.gate.link import Link
from lockgate.gate.sockets import socket_name
from lockgate.state import StateFolder
from support.waiting import until

from .wire import FakeGate, Wire


class Quiet:
    """A journal for those that want one."""

    def audit(self, *_: object) -> None:
        """Nothing."""

    def system(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(StateFolder.open(tmp_path / ".lockgate"))
    yield wire
    wire.close()


@pytest.fixture
def keys(wire: Wire) -> Keys:
    return Keys(wire.store, Quiet(), bytes(32))


def imported(keys: Keys, count: int) -> None:
    keys.import_("me", "file", ({"digest": f"{n:064x}", "name": "n", "owner": "o"} for n in range(count)))


def test_a_gate_that_knows_nothing_is_told_everything(wire: Wire, keys: Keys) -> None:
    bundle = wire.publish()
    imported(keys, 2 * BATCH + 1)
    gate = FakeGate()
    wire.connected(gate)
    assert wire.settled() == "applied"
    assert len(gate.keys) == 2 * BATCH + 1
    assert max(gate.batches) <= BATCH
    until(lambda: gate.bundle == {"sequence": 1, "hash": bundle.hash}, "the bundle")


def test_a_gate_that_does_not_listen_yet_learns_the_keys_first(wire: Wire, keys: Keys) -> None:
    known: list[int] = []

    class Looking(FakeGate):
        def load(self, signed: bytes) -> dict[str, Any]:
            known.append(len(self.keys))
            return super().load(signed)

    wire.publish()
    imported(keys, BATCH + 1)
    wire.gate(Looking())
    until(lambda: known, "the bundle")
    assert known == [BATCH + 1]


def test_a_change_is_live_before_the_answer(wire: Wire, keys: Keys) -> None:
    gate = FakeGate()
    wire.connected(gate)
    created = keys.create("me", name="n", owner="o")
    assert wire.settled() == "applied"
    assert not gate.keys[created.record.id]["revoked"]
    keys.revoke("me", created.record.id)
    assert wire.settled() == "applied"
    assert gate.keys[created.record.id]["revoked"]


def test_what_another_process_writes_is_noticed(wire: Wire) -> None:
    gate = FakeGate()
    wire.connected(gate)
    beside = Store.open(wire.state.database)
    created = Keys(beside, Quiet(), bytes(32)).create("me", name="n", owner="o")
    until(lambda: created.record.id in gate.keys, "the key", within=2.0)
    beside.close()


def test_a_gate_that_was_away_gets_only_what_it_missed(wire: Wire, keys: Keys) -> None:
    imported(keys, 3)
    gate = FakeGate()
    link = wire.connected(gate)
    assert wire.settled() == "applied"
    link.stop()
    until(lambda: wire.server.gate is None, "the end of the connection")
    gate.batches.clear()
    keys.create("me", name="n", owner="o")
    wire.connected(gate)
    assert wire.settled() == "applied"
    assert gate.batches == [1]
    assert len(gate.keys) == 4


@pytest.mark.parametrize("seq", [7, 2**52])
def test_a_gate_of_another_log_forgets_what_it_knew(wire: Wire, keys: Keys, seq: int) -> None:
    created = keys.create("me", name="n", owner="o")
    gate = FakeGate()
    gate.seq, gate.keys = seq, {"key_foreign": {"revoked": False}}
    wire.connected(gate)
    assert wire.settled() == "applied"
    assert set(gate.keys) == {created.record.id}
    assert gate.seq == FactsLog(wire.store).head()
    keys.revoke("me", created.record.id)
    assert wire.settled() == "applied"
    assert gate.keys[created.record.id]["revoked"]


def test_a_gate_comes_back_to_a_new_control_process(wire: Wire, keys: Keys) -> None:
    gate = FakeGate()
    wire.connected(gate)
    wire.restart_control()
    keys.create("me", name="n", owner="o")
    until(lambda: wire.server.gate is not None, "the gate's return", within=3.0)
    assert wire.settled() == "applied"
    assert len(gate.keys) == 1


def test_a_fault_of_the_gate_ends_the_connection_not_the_link(wire: Wire, keys: Keys) -> None:
    gate = FakeGate()
    wire.connected(gate)
    gate.fault = LockgateError("disk full")
    keys.create("me", name="n", owner="o")
    wire.server.facts_changed()
    until(lambda: len(gate.keys) == 1, "the fact, at the second attempt", within=5.0)
    assert wire.server.connections == 2


def test_the_gate_hears_each_second_that_it_knows_everything(wire: Wire) -> None:
    gate = FakeGate()
    wire.connected(gate)
    until(lambda: gate.contacts >= 3, "beats", within=5.0)


def test_no_beat_says_complete_while_facts_are_outstanding(wire: Wire, keys: Keys) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(FakeGate):
        def apply_facts(self, facts: list[bytes]) -> int:
            entered.set()
            leave.wait(10)
            return super().apply_facts(facts)

    imported(keys, 1)
    gate = Slow()
    wire.gate(gate)
    assert entered.wait(5)
    session = until(lambda: wire.server.gate, "the session")
    assert not session.synced
    assert wire.settled(0.05) == "pending"
    assert gate.contacts == 0
    leave.set()
    until(lambda: gate.contacts >= 1, "contact")
    assert len(gate.keys) == 1


def test_a_new_bundle_is_handed_over_and_answered(wire: Wire) -> None:
    wire.publish(a=1)
    gate = FakeGate()
    wire.connected(gate)
    answer = wire.call(wire.server.push(wire.publish(a=2)))
    assert answer.applied["sequence"] == 2
    assert answer.error is None
    assert gate.bundle is not None
    assert gate.bundle["sequence"] == 2


def test_a_newer_bundle_that_came_first_stays(wire: Wire) -> None:
    """What a gate is sent as it connects may have been looked up before the newer one was published."""
    older, newer = wire.publish(a=1), wire.publish(a=2)
    gate = FakeGate()
    wire.connected(gate)
    until(lambda: gate.bundle == {"sequence": newer.sequence, "hash": newer.hash}, "the newer bundle")
    session = wire.server.gate
    assert session is not None
    assert wire.call(session.hand_over(older, only_newer=True)) is None
    assert gate.bundle is not None
    assert gate.bundle["sequence"] == newer.sequence


def test_the_same_bundle_is_not_sent_again(wire: Wire) -> None:
    loads: list[bytes] = []

    class Counting(FakeGate):
        def load(self, signed: bytes) -> dict[str, Any]:
            loads.append(signed)
            return super().load(signed)

    bundle = wire.publish()
    wire.connected(Counting())
    until(lambda: len(loads) == 1, "the bundle")
    assert wire.call(wire.server.push(bundle)).applied["sequence"] == 1
    wire.restart_control()
    until(lambda: wire.server.gate is not None, "the gate's return", within=3.0)
    assert wire.call(wire.server.push(bundle)).applied["sequence"] == 1
    assert len(loads) == 1


def test_a_refused_bundle_is_told_to_both_sides(wire: Wire) -> None:
    gate = FakeGate()
    wire.connected(gate)
    gate.refuse = "port taken"
    answer = wire.call(wire.server.push(wire.publish()))
    assert answer.applied is None
    assert answer.error["message"] == "port taken"
    assert wire.refused == ["port taken"]


def test_a_bundle_that_is_refused_on_connecting_is_told_to_the_reloader(wire: Wire) -> None:
    told: list[int] = []

    async def on_refused(bundle: Any, _error: dict[str, Any]) -> None:
        told.append(bundle.sequence)

    wire.server.on_refused = on_refused
    wire.publish()
    gate = FakeGate()
    gate.refuse = "port taken"
    wire.gate(gate)
    until(lambda: told == [1], "the refusal")


def test_a_bundle_that_fits_no_frame_is_refused(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = FakeGate()
    wire.connected(gate)
    bundle = wire.publish()
    with monkeypatch.context() as patch:
        patch.setattr("lockgate.gate.frames.MAX_FRAME_BYTES", 100)
        answer = wire.call(wire.server.push(bundle))
    assert answer.error["code"] == "bundle-too-large"
    assert gate.bundle is None


def test_a_gate_with_a_higher_number_gets_the_bundle_above_it(wire: Wire) -> None:
    wire.publish(a=1)
    gate = FakeGate()
    gate.bundle = {"sequence": 500, "hash": "of a lost database"}
    wire.connected(gate)
    until(lambda: gate.bundle is not None and gate.bundle["sequence"] == 501, "the bundle under a new number")


def test_a_newer_connection_takes_the_place_of_an_older(wire: Wire) -> None:
    first, second = FakeGate(), FakeGate()
    link = wire.connected(first)
    wire.connected(second)
    link.stop()
    assert wire.call(wire.server.gate.ask("stats"))["stats"] == {"requests": 7}  # type: ignore[union-attr]


def test_numbers_are_given_when_asked(wire: Wire) -> None:
    wire.connected(FakeGate())
    session = wire.server.gate
    assert session is not None
    assert wire.call(session.ask("metrics"))["text"] == "lockgate_requests_total 7\n"


def test_an_answer_that_comes_with_a_cancellation_does_not_hide_it(wire: Wire) -> None:
    """What asks in a loop would go on for ever, and its process would never end."""
    wire.connected(FakeGate())
    session = wire.server.gate
    assert session is not None

    async def ask() -> bool:
        asking = asyncio.ensure_future(session.ask("stats", within=20.0))
        await asyncio.sleep(0)  # It has asked, and waits.
        (answer,) = session._requests.values()
        answer.set_result({"stats": {}})
        asking.cancel()
        await asyncio.wait([asking])
        return asking.cancelled()

    assert wire.call(ask())


def test_a_gate_process_without_a_link_is_waited_for(wire: Wire, keys: Keys) -> None:
    """While one gate follows another both serve, and only one may have a link."""
    wire.connected(FakeGate())
    imported(keys, 1)
    with wire.state.gate_process():
        told = wire.call(wire.server.settled(0.05))
        assert (told.state, told.waiting) == ("pending", ("local",))
    assert wire.settled() == "applied"


def test_where_the_only_gate_process_has_no_link_nobody_says_that_there_is_none(wire: Wire) -> None:
    with wire.state.gate_process():
        assert wire.settled(0.05) == "pending"
    assert wire.settled(0.05) == "absent"


def test_what_only_a_gate_that_retires_knows_is_not_applied(wire: Wire, keys: Keys) -> None:
    """It writes nothing down any more: the gate that is started next would not know it."""
    imported(keys, 1)
    gate = FakeGate()
    wire.gate(gate, retiring=True)
    until(lambda: gate.keys, "the key")
    assert wire.settled(0.05) == "pending"
    wire.connected(FakeGate())
    assert wire.settled() == "applied"


def test_a_gate_process_that_gets_its_link_meanwhile_counts(wire: Wire, keys: Keys) -> None:
    imported(keys, 1)
    with wire.state.gate_process():
        waiting = asyncio.run_coroutine_threadsafe(wire.server.settled(20.0), wire.loop)
        gate = FakeGate()
        wire.gate(gate, pid=os.getpid())
        assert waiting.result(30).state == "applied"
        assert len(gate.keys) == 1


def test_without_a_gate_nothing_waits(wire: Wire) -> None:
    assert wire.call(wire.server.push(wire.publish())) is None
    assert wire.settled(60.0) == "absent"


@pytest.mark.parametrize(
    "said",
    [
        b"\xff" * 5,
        encode(Kind.FACTS, b"{}"),
        encode(Kind.MESSAGE, b'{"type":"beat"}'),
        encode(Kind.MESSAGE, b"not json"),
    ],
)
def test_what_does_not_speak_as_agreed_is_shown_the_door(wire: Wire, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        with socket_name(wire.state.link_socket) as name:
            stranger.connect(name)
        stranger.settimeout(10)
        stranger.sendall(said)
        assert stranger.recv(1) == b""
    wire.connected(FakeGate())


def test_another_users_process_is_refused(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.admin.link.peer_is_same_user", lambda _connection: False)
    with socket.socket(socket.AF_UNIX) as stranger:
        with socket_name(wire.state.link_socket) as name:
            stranger.connect(name)
        stranger.settimeout(10)
        assert stranger.recv(1) == b""
    assert wire.server.connections == 0


def test_a_gate_does_not_trust_another_users_socket(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []

    def foreign(_connection: socket.socket) -> bool:
        looked.append(True)
        return False

    monkeypatch.setattr("lockgate.gate.link.peer_is_same_user", foreign)
    wire.gate(FakeGate())
    until(lambda: len(looked) >= 2, "two attempts")
    assert wire.noted == []


def test_the_socket_is_for_its_owner_only(wire: Wire) -> None:
    assert wire.state.link_socket.stat().st_mode & 0o777 == 0o600


def test_a_silent_control_process_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.gate.link.SILENCE", 0.3)
    monkeypatch.setattr("lockgate.gate.link.BEAT", 0.1)
    monkeypatch.setattr("lockgate.admin.gate_session.BEAT", 3600.0)
    wire.connected(FakeGate())
    until(lambda: wire.server.connections >= 2, "another attempt")


def test_a_silent_gate_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.admin.gate_session.SILENCE", 0.2)
    monkeypatch.setattr("lockgate.admin.gate_session.BEAT", 0.1)
    monkeypatch.setattr("lockgate.gate.link.BEAT", 3600.0)
    wire.connected(FakeGate())
    until(lambda: "gate-lost" in wire.noted, "the loss")


def test_a_gate_that_is_asked_to_stop_is_no_loss(wire: Wire) -> None:
    wire.connected(FakeGate()).stop()
    until(lambda: "gate-stopped" in wire.noted, "the gate's last word")
    assert "gate-lost" not in wire.noted


def test_a_gate_that_ends_for_another_reason_is_lost(wire: Wire) -> None:
    wire.connected(FakeGate()).stop(asked=False)
    until(lambda: "gate-lost" in wire.noted, "the loss")
    assert "gate-stopped" not in wire.noted


def test_a_control_process_that_stops_loses_no_gate(wire: Wire) -> None:
    wire.connected(FakeGate())
    wire.restart_control()
    assert not {"gate-lost", "gate-stopped"} & set(wire.noted)


def warnings(logged: list[Any]) -> int:
    return sum(1 for line in logged if line["event"] == "link-down")


def test_a_link_beyond_a_thousand_descriptors_works(wire: Wire, keys: Keys) -> None:
    """`select` takes none above 1,023, and a busy gate has thousands open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_000:
        pytest.skip(f"needs 2,000 descriptors, and the hard limit (ulimit -Hn) is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_000), hard))
    with contextlib.ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1_100):
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        gate = FakeGate()
        wire.connected(gate)
        made = keys.create("me", name="n", owner="o")
        until(lambda: made.record.id in gate.keys, "the key")


def test_a_start_without_a_control_process_is_no_warning_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only once it has lasted, and then once."""
    tried = threading.Semaphore(0)

    def connect() -> socket.socket:
        tried.release()
        raise FileNotFoundError("nobody listens")

    for quiet, wanted in ((3600.0, 0), (0.0, 1)):
        monkeypatch.setattr("lockgate.gate.link.QUIET_SECONDS", quiet)
        link = Link(connect, FakeGate(), version="t", pid=1, loaded=lambda _info: None, refused=lambda *_: None)
        with capture_logs() as logged:
            link.start()
            for _ in range(5):
                tried.acquire()
            link.stop()
        assert warnings(logged) == wanted


def test_a_link_that_was_up_and_breaks_is_a_warning_at_once(wire: Wire) -> None:
    gate = FakeGate()
    with capture_logs() as logged:
        wire.connected(gate)
        wire.publish()
        wire.settled()
        wire.restart_control()
        until(lambda: warnings(logged) == 1, "the warning")


def liar(wire: Wire, **said: Any) -> socket.socket:
    """A gate that says what it likes."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(10)
    with socket_name(wire.state.link_socket) as name:
        link.connect(name)
    hello = {"pid": 7, "version": "test", "facts_seq": 0, "bundle": None, "addresses": {}, "retiring": False}
    # A link too many is hung up at once, perhaps before it could say a word.
    with contextlib.suppress(ConnectionError):
        link.sendall(message("hello", **{**hello, **said}))
    return link


def hung_up(link: socket.socket) -> bool:
    """Whether the other end has closed it, whatever it said before."""
    with contextlib.suppress(ConnectionError):
        while link.recv(1 << 16):
            pass
    return True


@pytest.mark.parametrize(
    "said",
    [
        {"addresses": [1, 2]},
        {"addresses": {"public": "\x1b]0;mine\x07"}},
        {"addresses": {str(number): "a" for number in range(2000)}},
        {"version": {"a": 1}},
        {"version": "\x1b[31m"},
        {"version": "v" * 300},
        {"bundle": {"sequence": 2**60, "hash": "x"}},
        {"bundle": {"sequence": -1, "hash": "x"}},
        {"bundle": 7},
        {"facts_seq": "many"},
        {"pid": -1},
    ],
)
def test_a_gate_that_says_what_none_can_is_cut_off(wire: Wire, said: dict[str, Any]) -> None:
    with liar(wire, **said) as link:
        assert hung_up(link)
    assert wire.server.gate is None


def test_links_that_take_no_facts_keep_nobody_from_anything(wire: Wire, keys: Keys) -> None:
    """Each is owed a snapshot, and none of them ever says that it has it."""
    imported(keys, BATCH + 1)
    with contextlib.ExitStack() as held:
        links = [held.enter_context(liar(wire, retiring=True, pid=number + 1)) for number in range(3 * LINKS_EACH)]
        until(lambda: len(wire.server._sessions) >= LINKS_EACH, "the links")
        assert len(wire.server._sessions) <= LINKS_EACH, "one gate has only so many"
        assert hung_up(links[-1])
        # Neither a change nor a reader waits for them.
        created = keys.create("me", name="n", owner="o")
        keys.revoke("me", created.record.id)
        assert wire.settled(0.1) == "pending"


def test_what_a_gate_sends_unasked_is_bounded(wire: Wire) -> None:
    with liar(wire) as link:
        with contextlib.suppress(OSError):
            link.sendall(message("beat", addresses={}, more="x" * (2 * UNASKED_BYTES)))
        assert hung_up(link)


def test_wishes_that_nobody_can_grant_cost_nothing(wire: Wire) -> None:
    asked: list[list[str]] = []
    wire.server.on_refetch = lambda _session, issuers: asked.append(issuers)
    with liar(wire) as link:
        link.sendall(message("refetch", issuers=["a", "a"]))
        until(lambda: asked, "the wishes")
        link.sendall(message("refetch", issuers=[str(number) for number in range(5000)]))
        assert hung_up(link)
    assert asked == [["a", "a"]]


def test_a_gate_elsewhere_does_not_spend_the_numbers_of_bundles(wire: Wire) -> None:
    bundle = wire.publish()

    async def catch_up(name: str, sequence: int) -> None:
        session = wire.server.session(asyncio.StreamReader(), None, name)  # type: ignore[arg-type]
        session.bundle_sequence, session.bundle_hash = sequence, "other"
        await wire.server._catch_up(session)

    wire.call(catch_up("edge-1", SEQUENCE_MAX - 1))
    assert wire.bundles.latest().sequence == bundle.sequence  # type: ignore[union-attr]
    assert "gate-not-believed" in wire.noted
    wire.call(catch_up("edge-1", 1000))
    assert wire.bundles.latest().sequence == 1001  # type: ignore[union-attr]


CHALLENGE = HttpChallenge("shop.example.com", "token", "token.thumbprint")
HANDED = {"certificates": [], "challenges": [{"http": {"token": "token", "answer": "token.thumbprint"}}]}


def test_a_gate_gets_certificates_when_it_connects_and_when_they_change(wire: Wire) -> None:
    gate = FakeGate()
    first = wire.fill(CHALLENGE)
    bundle = wire.publish()
    wire.connected(gate)
    assert wire.call(wire.server.certificates_reached(first, 5)).knowing == ("local",)
    assert gate.certificates == [HANDED]
    assert gate.bundle is not None
    assert gate.bundle["hash"] == bundle.hash
    second = wire.fill()
    assert wire.call(wire.server.certificates_reached(second, 5)).knowing == ("local",)
    assert gate.certificates[1:] == [{"certificates": [], "challenges": []}]
    assert wire.fill() == second, "what is the same is not sent again"


def test_a_gate_that_lets_nobody_in_yet_answers_no_authority(wire: Wire) -> None:
    gate = FakeGate()
    bundle = wire.publish()
    gate.bundle, gate.closed = {"sequence": bundle.sequence, "hash": bundle.hash}, True
    gate.shut.set()
    wire.connected(gate)
    number = wire.fill(CHALLENGE)
    until(lambda: gate.certificates, "the challenge")
    assert wire.call(wire.server.certificates_reached(number, 0.05)).knowing == ()
    gate.shut.clear()
    assert wire.call(wire.server.certificates_reached(number, 20)).knowing == ("local",)


def test_a_gate_loses_nothing_before_anybody_knows_what_it_should_have(wire: Wire) -> None:
    gate = FakeGate()
    wire.publish()
    wire.connected(gate)
    until(lambda: gate.contacts, "a beat, which comes after all that is sent at first")
    assert gate.certificates == []


def test_who_waits_for_gates_is_told_which_have_it_not(wire: Wire) -> None:
    nobody = wire.call(wire.server.certificates_reached(wire.fill(CHALLENGE), 0.05))
    assert (nobody.knowing, nobody.behind) == ((), ())
    gate = FakeGate()
    wire.publish()
    wire.connected(gate)
    until(lambda: gate.bundle, "the bundle")
    gate.refuse = "not these"
    with capture_logs() as logs:
        refused = wire.call(wire.server.certificates_reached(wire.fill(), 5))
    assert (refused.knowing, refused.behind) == ((), ("local",))
    assert [each["cause"] for each in logs if each["event"] == "certificates-refused"] == ["not these"] * 2
    gate.refuse = None
    assert wire.call(wire.server.certificates_reached(wire.fill(CHALLENGE), 5)).knowing == ("local",)
