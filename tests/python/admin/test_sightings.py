"""What gates see of devices, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lockgate.admin.devices import Devices
from lockgate.admin.sightings import DOUBTED_MS, KNOWN_MS, Sightings
from lockgate.admin.store import Store
from python.admin.conftest import ListJournal
from python.admin.test_devices import Clock

AT_S = 1_800_000_000
SEEN = {"issuer": "https://login.example.com", "subject": "ann", "kind": "dpop", "mark": "k1", "address": "192.0.2.0"}


@pytest.fixture
def clock() -> Clock:
    made = Clock()
    made.ms = AT_S * 1_000
    return made


@pytest.fixture
def devices(store: Store, clock: Clock) -> Devices:
    return Devices(store, ListJournal(), clock)


def told(devices: Devices, clock: Clock, **more: Any) -> tuple[dict[str, Any], int]:
    """What a gate is told, and for how long it goes by it."""
    brought = Sightings(devices, clock).told(json.dumps({**SEEN, **more}))
    assert brought.got is not None
    return json.loads(brought.got), brought.until_ms - clock.ms


def test_a_device_is_new_until_its_owner_proves_themselves(devices: Devices, clock: Clock) -> None:
    said, holds = told(devices, clock, heeds=["new"])
    assert (said["new"], said["approved"], said["at_once"], holds) == (True, False, 1, DOUBTED_MS)
    # A proof of before is none of this device's: but it is seen for the first time a moment after a sign-in.
    assert told(devices, clock, proved_s=AT_S - 60)[0]["new"]
    assert not told(devices, clock, proved_s=AT_S - 59)[0]["new"]
    assert told(devices, clock, heeds=["new"]) == ({**said, "new": False, "since_s": 0}, KNOWN_MS)


def test_a_change_wants_a_proof_of_after_it(devices: Devices, clock: Clock) -> None:
    at = {"agent": "curl/8.0", "ja4": "a"}
    told(devices, clock, proved_s=AT_S, **at)
    clock.ms += 600_000
    other = {"agent": "python-httpx/1.0", "ja4": "b"}
    assert told(devices, clock, proved_s=AT_S, heeds=["changed"], **other)[0]["changed"]
    # In the second of the change nobody knows which came first.
    said, _ = told(devices, clock, proved_s=AT_S + 600, **other)
    assert (said["changed"], said["since_s"]) == (True, AT_S + 600)
    clock.ms += 1_000
    # Who has the session of before the proof is not let in by it; and no clock that is ahead lets anybody in.
    assert told(devices, clock, proved_s=AT_S + 662, **other)[0]["changed"]
    assert not told(devices, clock, proved_s=AT_S + 601, **other)[0]["changed"]
    assert not told(devices, clock, proved_s=AT_S, **other)[0]["changed"]
    assert told(devices, clock, proved_s=AT_S, **at)[0]["changed"]


OWNER = {"agent": "curl/8.0", "ja4": "a", "country": "DE", "location": [52, 13]}
THIEF = {"agent": "python-httpx/1.0", "ja4": "b", "country": "BR", "location": [-23, -46]}


def test_a_proof_counts_for_the_look_that_brings_it_first(devices: Devices, clock: Clock) -> None:
    """However long ago something odd was seen: whoever copies the session of after the proof has nothing of it."""
    told(devices, clock, proved_s=AT_S, **OWNER)
    clock.ms += 600_000
    odd = told(devices, clock, proved_s=AT_S, **{**OWNER, "agent": "Wget/1.2", "ja4": "c"})[0]
    assert odd["changed"]
    clock.ms += 86_400_000
    proof = clock.ms // 1_000 - 1
    owner = told(devices, clock, proved_s=proof, **OWNER)[0]
    assert (owner["changed"], owner["travel"], owner["new"]) == (False, False, False)
    clock.ms += 60_000
    thief = told(devices, clock, proved_s=proof, **THIEF)[0]
    assert (thief["changed"], thief["travel"]) == (True, True)
    owner = told(devices, clock, proved_s=proof, **OWNER)[0]
    assert (owner["changed"], owner["travel"]) == (False, False)


def test_who_looks_otherwise_does_not_say_where_the_owner_is(devices: Devices, clock: Clock) -> None:
    told(devices, clock, proved_s=AT_S, **OWNER)
    clock.ms += 36 * 3_600_000
    assert told(devices, clock, proved_s=AT_S, **THIEF)[0]["changed"]
    clock.ms += 1_000
    owner = told(devices, clock, proved_s=AT_S, **OWNER)[0]
    assert (owner["changed"], owner["travel"]) == (False, False)


def test_what_the_pages_took_is_no_proof_by_the_means_that_a_gate_wants(devices: Devices, clock: Clock) -> None:
    """They take any second factor; a gate says when the caller gave one that its configuration names."""
    said, _ = told(devices, clock)
    devices.confirm(str(said["id"]))
    assert told(devices, clock)[0]["new"]
    assert not told(devices, clock, proved_s=AT_S)[0]["new"]


def test_what_the_gate_does_not_heed_is_not_asked_about_again_soon(devices: Devices, clock: Clock) -> None:
    assert told(devices, clock, heeds=["changed"])[1] == KNOWN_MS
    assert told(devices, clock, heeds=["unapproved"])[1] == DOUBTED_MS


def test_no_proof_brings_back_what_was_revoked(devices: Devices, clock: Clock) -> None:
    said, _ = told(devices, clock)
    devices.revoke("cli", said["id"])
    clock.ms += 1_000
    assert told(devices, clock, proved_s=AT_S + 1)[0]["revoked"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"subject": "a" * 2_000},
        {"kind": "phone"},
        {"mark": "m" * 200},
        {"address": "here"},
        {"country": "nl"},
        {"network": -1},
        {"location": [91, 0]},
        {"location": [0]},
        {"proved_s": "1"},
        {"heeds": ["new"] * 9},
    ],
)
def test_what_no_gate_says_is_not_kept(devices: Devices, clock: Clock, wrong: dict[str, Any]) -> None:
    for shown in (json.dumps({**SEEN, **wrong}), "no JSON"):
        assert Sightings(devices, clock).told(shown).outcome == "refused"
    assert devices.page() == []
