"""A new bundle: whole or not at all, and nobody who is being served notices."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.conftest import Measured
from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate, Refused, key_revoke
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Closed, answer, request
from lockgate.config.bundle_types import Bundle, FactsPolicy
from support.waiting import until

RELOADS = 20


class Load(threading.Thread):
    """A client that asks again and again over one connection, and counts what it gets."""

    def __init__(self, port: int, ending: threading.Event) -> None:
        super().__init__()
        self.port = port
        self.ending = ending
        self.statuses: Counter[int] = Counter()
        self.closed = 0
        self.failed: list[str] = []

    def run(self) -> None:
        while not self.ending.is_set():
            with Client(self.port) as client:
                try:
                    while not self.ending.is_set():
                        self.statuses[client.get("/a").status] += 1
                except Closed:
                    self.closed += 1
                except (OSError, TimeoutError, AssertionError) as error:
                    self.failed.append(repr(error))


def answered(loads: list[Load], enough: int) -> None:
    """Waits for requests to be answered after a change."""
    until(lambda: sum(load.statuses.total() for load in loads) > enough, "requests")


def under_load(port: int, change: Callable[[int], None], *, clients: int = 8) -> list[Load]:
    """Changes something `RELOADS` times while clients ask; each change waits for requests in between."""
    ending = threading.Event()
    loads = [Load(port, ending) for _ in range(clients)]
    for load in loads:
        load.start()
    try:
        for number in range(RELOADS):
            change(number)
            # Each client may have one request under way that began before: one more began after.
            answered(loads, sum(load.statuses.total() for load in loads) + clients)
    finally:
        ending.set()
        for load in loads:
            load.join()
    return loads


def test_no_request_fails_and_no_connection_closes(tmp_path: Path, signer: Signer, measured: Measured) -> None:
    with AutoUpstream() as one, AutoUpstream() as two, Gate(tmp_path / "state", signer=signer, workers=2) as gate:
        first = gate.load(bundles.plain(one.port))["hash"]
        hashes: list[str] = []

        def change(number: int) -> None:
            # Upstream, policies and the number of routes all change.
            more = [bundles.api(f"more-{extra}", f"/more/{extra}") for extra in range(number * 10)]
            shop = bundles.api(body=bundles.body_limit(1000 + number))
            to = bundles.upstream((one, two)[number % 2].port)
            hashes.append(gate.load(bundles.bundle([shop, *more], [to]))["hash"])

        loads = under_load(gate.port(), change)
        total = sum((load.statuses for load in loads), Counter[int]())
        measured(f"requests during {RELOADS} reloads", dict(total))
        assert [load.failed for load in loads] == [[]] * len(loads)
        assert [load.closed for load in loads] == [0] * len(loads)
        assert set(total) == {200}
        assert min(load.statuses.total() for load in loads) >= RELOADS
        assert len(two.requests) > RELOADS, "the other upstream was really used"
        assert gate.count("lockgate_bundles_loaded_total") == RELOADS + 1
        gate.written(bundle=hashes[-1])
        # The look goes back 10,000 events; how many bundles that covers depends on the machine.
        named = {event["bundle"] for event in gate.now_written() if event["class"] == "access"}
        assert named <= {first, *hashes}, "events name the bundle that each was judged by"


@pytest.mark.full
def test_ten_thousand_routes_are_live_in_a_moment(gate: Gate, auto: AutoUpstream, measured: Measured) -> None:
    def routes(turn: int) -> Bundle:
        apis = [
            bundles.api(f"api-{number}", f"/{turn}/{number}", {"template": f"/{turn}/{number}/items/{{id}}"})
            for number in range(5_000)
        ]
        return bundles.bundle(apis, [bundles.upstream(auto.port)])

    gate.load(routes(0))
    took = sorted(int(gate.load(routes(turn))["took_us"]) for turn in range(1, 6))
    measured("microseconds from handing over 10,000 routes to serving them", took)
    client = gate.client()
    assert client.get("/5/4999/items/7").status == 200
    assert client.get("/4/4999/items/7").reason == "no-route"


def test_refused_bundles_under_load_change_nothing(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    before = gate.tell("bundle_info")
    stranger = Signer()

    def change(number: int) -> None:
        with pytest.raises(Refused):
            gate.load_signed(stranger.sign(bundles.plain(auto.port)))

    loads = under_load(gate.port(), change)
    assert [(load.failed, load.closed, set(load.statuses)) for load in loads] == [([], 0, {200})] * len(loads)
    assert gate.tell("bundle_info") == before
    assert gate.count("lockgate_bundles_refused_total") == RELOADS


def test_a_request_is_judged_by_the_bundle_that_it_began_with(gate: Gate, upstream: Upstream) -> None:
    first = gate.load(bundles.plain(upstream.port))["hash"]
    client = gate.client()
    client.send(request("/a", "Transfer-Encoding: chunked", method="POST"))
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    second = gate.load(bundles.bundle([bundles.api("shop", "/elsewhere")], [bundles.upstream(upstream.port)]))["hash"]
    client.send(b"5\r\nhello\r\n0\r\n\r\n")
    wire.until(b"0\r\n\r\n")
    wire.send(answer())
    got = client.message()
    assert (got.status, gate.event(got.id)["bundle"]) == (200, first)
    refusal = client.get("/a")
    assert (refusal.reason, gate.event(refusal.id)["bundle"]) == ("no-route", second)


def test_a_listener_is_added_and_taken_away(gate: Gate, auto: AutoUpstream) -> None:
    def listening(*addresses: str) -> Bundle:
        listeners = [bundles.listener(f"at {address}", f"{address}:0") for address in addresses]
        return bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=listeners)

    gate.load(listening("127.0.0.1"))
    stays = Client(gate.port("at 127.0.0.1"))
    gate.load(listening("127.0.0.1", "127.0.0.2"))
    port = gate.port("at 127.0.0.2")
    goes = Client(port, host="127.0.0.2")
    assert (stays.get().status, goes.get().status) == (200, 200)
    assert gate.event(goes.get().id)["listener"] == "at 127.0.0.2"
    gate.load(listening("127.0.0.1"))
    assert goes.ended(), "what the bundle no longer has is closed"
    assert stays.get().status == 200, "and nothing else"

    def gone() -> bool:
        try:
            Client(port, host="127.0.0.2").close()
        except ConnectionRefusedError:
            return True
        return False

    until(gone, "the listener to be gone")
    assert list(gate.tell("addresses")) == ["at 127.0.0.1"]
    stays.close()
    goes.close()


def test_a_listener_that_goes_finishes_what_it_began(gate: Gate, upstream: Upstream) -> None:
    def listening(address: str) -> Bundle:
        return bundles.bundle(
            [bundles.api()], [bundles.upstream(upstream.port)], listeners=[bundles.listener("one", f"{address}:0")]
        )

    gate.load(listening("127.0.0.2"))
    with Client(gate.port("one"), host="127.0.0.2") as client:
        client.send(request("/slow"))
        wire = upstream.accept()
        wire.message()
        gate.load(listening("127.0.0.3"))
        wire.send(answer(b"finished"))
        got = client.message()
        assert (got.status, got.body, got.get("connection")) == (200, b"finished", "close")
        assert client.ended()


def test_trust_in_a_proxy_ends_at_once(gate: Gate, auto: AutoUpstream) -> None:
    """Also on connections that were opened while it was trusted."""

    def trusting(*networks: str) -> Bundle:
        return bundles.bundle(
            [bundles.api()], [bundles.upstream(auto.port)], listeners=[bundles.listener(trusted=networks)]
        )

    gate.load(trusting("127.0.0.0/8"))
    client = gate.client()
    client.get("/", "X-Forwarded-For: 203.0.113.7")
    gate.load(trusting())
    client.get("/", "X-Forwarded-For: 203.0.113.7")
    told = [message.get("x-forwarded-for") for message in auto.requests]
    assert told == ["203.0.113.7, 127.0.0.1", "127.0.0.1"]


def test_a_listener_that_is_renamed_obeys_its_new_self(gate: Gate, auto: AutoUpstream) -> None:
    def named(name: str, *networks: str) -> Bundle:
        listeners = [bundles.listener(name, trusted=networks)]
        return bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=listeners)

    gate.load(named("old", "127.0.0.0/8"))
    with gate.client("old") as client:
        client.get("/", "X-Forwarded-For: 203.0.113.7")
    gate.load(named("new"))
    got = gate.client("new").get("/", "X-Forwarded-For: 203.0.113.7")
    assert auto.requests[-1].get("x-forwarded-for") == "127.0.0.1"
    assert gate.event(got.id)["listener"] == "new"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda signed: signed | {"bundle": signed["bundle"].replace("/.lockgate", "/.l0ckgate")}, "bundle-signature"),
        (lambda signed: signed | {"signature": "00" * 64}, "bundle-signature"),
        (lambda signed: signed | {"signature": "no"}, "bundle-signature"),
        (lambda signed: signed | {"signature": ""}, "bundle-signature"),
        (lambda signed: signed | {"more": 1}, "bundle-malformed"),
        (lambda signed: {"bundle": signed["bundle"]}, "bundle-malformed"),
        (lambda signed: [signed], "bundle-malformed"),
    ],
    ids=["changed text", "other signature", "no hexadecimal", "no signature", "another field", "unsigned", "no object"],
)
def test_a_bundle_that_is_not_as_it_was_signed_is_refused(
    gate: Gate, auto: AutoUpstream, spoil: Callable[[dict[str, str]], object], code: str
) -> None:
    gate.load(bundles.plain(auto.port))
    before = gate.tell("bundle_info")
    later = bundles.plain(auto.port)
    later["sequence"] = 2
    signed = json.loads(gate.signer.sign(later))
    with pytest.raises(Refused) as refused:
        gate.load_signed(json.dumps(spoil(signed)).encode())
    assert refused.value.code == code
    assert gate.tell("bundle_info") == before
    assert gate.client().get().status == 200
    (event,) = gate.written(**{"class": "system", "code": code})
    assert event["message"]


def test_another_installations_signature_is_refused(gate: Gate, auto: AutoUpstream) -> None:
    with pytest.raises(Refused) as refused:
        gate.load_signed(Signer().sign(bundles.plain(auto.port)))
    assert refused.value.code == "bundle-signature"
    assert gate.tell("bundle_info") is None
    assert gate.tell("stats")["ready"] is False


def test_the_sequence_never_goes_back(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    def numbered(sequence: int) -> bytes:
        bundle = bundles.plain(auto.port)
        bundle["sequence"] = sequence
        return signer.sign(bundle)

    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load_signed(numbered(7))
        with pytest.raises(Refused, match="never go back") as refused:
            gate.load_signed(numbered(6))
        assert refused.value.code == "bundle-sequence"
    with Gate(tmp_path / "state", signer=signer) as again:
        with pytest.raises(Refused, match="never go back"):
            again.load_signed(numbered(6))
        assert again.tell("bundle_info")["sequence"] == 7
        assert again.load_signed(numbered(8))["sequence"] == 8


def test_an_address_that_is_taken_refuses_the_whole_bundle(gate: Gate, auto: AutoUpstream, upstream: Upstream) -> None:
    gate.load(bundles.plain(auto.port))
    listeners = [bundles.listener(), bundles.listener("taken", f"127.0.0.1:{upstream.port}")]
    closed = bundles.bundle([bundles.api("shop", "/elsewhere")], [bundles.upstream(auto.port)], listeners=listeners)
    with pytest.raises(Refused) as refused:
        gate.load(closed)
    assert refused.value.code == "listen-failed"
    assert str(upstream.port) in str(refused.value)
    assert gate.client().get().status == 200, "the old bundle serves"
    assert list(gate.tell("addresses")) == ["public"]


def test_every_error_of_a_bundle_is_told_at_once(gate: Gate, auto: AutoUpstream) -> None:
    broken = bundles.bundle(
        [bundles.api("one", to="nowhere"), bundles.api("two", addresses=bundles.ip_filter(deny=["10.0.0.0/99"]))],
        [bundles.upstream("127.0.0.1:9000"), bundles.upstream("example.com:80", name="far")],
    )
    with pytest.raises(Refused) as refused:
        gate.load(broken)
    told = str(refused.value)
    for part in ("there is no upstream `nowhere`", "10.0.0.0/99", "plain HTTP to `example.com`"):
        assert part in told


def test_a_gate_starts_again_with_what_it_last_knew(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    """No control process is there: the last good bundle and all facts are its own."""
    bundle = bundles.bundle([bundles.api(keys=[bundles.api_key()])], [bundles.upstream(auto.port)])
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(bundle)
        good = gate.key(1, "key_good")
        bad = gate.key(2, "key_bad")
        gate.facts(key_revoke(3, "key_bad"))
        info = gate.tell("bundle_info")
        with pytest.raises(Refused):
            gate.load_signed(Signer().sign(bundle))
        gate.kill()
    with Gate(tmp_path / "state", signer=signer) as again:
        assert again.tell("bundle_info") == info
        assert again.tell("facts_seq") == 3
        client = again.client()
        assert client.get("/", f"X-API-Key: {good}").status == 200
        assert client.get("/", f"X-API-Key: {bad}").reason == "key-revoked"
        assert client.get().reason == "key-missing"


def test_facts_are_as_old_after_a_restart_as_before(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    """Where old facts are denied, a restart makes them neither older nor younger."""

    def keyed(max_age_ms: int) -> Bundle:
        shop = bundles.api(keys=[bundles.api_key()])
        facts: FactsPolicy = {"max_age_ms": max_age_ms, "then": "deny"}
        return bundles.bundle([shop], [bundles.upstream(auto.port)], facts=facts)

    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(keyed(3_600_000))
        key = gate.key(1)
        gate.tell("contact")
        heard = bundles.now_ms()
        assert gate.client().get("/", f"X-API-Key: {key}").status == 200
        gate.kill()
    with Gate(tmp_path / "state", signer=signer) as again:
        assert again.client().get("/", f"X-API-Key: {key}").status == 200
        again.load({**keyed(1), "sequence": 9})
        until(lambda: bundles.now_ms() > heard + 50, "the facts to be old")
        assert again.client().get("/", f"X-API-Key: {key}").reason == "facts-stale"


def test_a_kept_bundle_that_was_tampered_with_is_not_served(tmp_path: Path, auto: AutoUpstream, signer: Signer) -> None:
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(bundles.plain(auto.port))
    kept = tmp_path / "state" / "gate" / "bundle.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_text(kept.read_text().replace("127.0.0.1:0", "127.0.0.4:0"))
    with Gate(tmp_path / "state", signer=signer) as again:
        assert again.tell("bundle_info") is None
        assert again.tell("addresses") == {}
        assert again.written(**{"class": "system", "code": "last-bundle-refused"})
