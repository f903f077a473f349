"""Devices as they are kept: seen, judged, confirmed, approved, revoked; how many, and for how long."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update

from lockgate.admin.devices import (
    BROWSER_MS,
    DEVICES,
    UNUSED_MS,
    DeviceLimitError,
    DeviceLookError,
    DeviceNameError,
    DeviceNotFoundError,
    DeviceRevokedError,
    Devices,
    Sighting,
    Standing,
)
from lockgate.admin.facts import FactsLog
from lockgate.admin.looks import LOOKS
from lockgate.admin.store import Store
from lockgate.admin.store.models import Device as Row
from lockgate.admin.tokens import RevocationKeptError, TokenRevocations
from lockgate.identity.people import DEVICE_SECONDS
from python.admin.conftest import ListJournal

ISS = "https://login.example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
MINUTE_MS = 60_000
ANN = Sighting(ISS, "ann", "browser", "m1", "192.0.2.1", FIREFOX)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def devices(store: Store, journal: ListJournal, clock: Clock) -> Devices:
    return Devices(store, journal, clock)


def seen(devices: Devices, mark: str = "m1", subject: str = "ann", **more: object) -> Standing:
    return devices.seen(replace(ANN, mark=mark, subject=subject, **more))  # type: ignore[arg-type]


def told(store: Store) -> list[dict[str, object]]:
    facts = map(json.loads, FactsLog(store).after(0).facts)
    return [{name: value for name, value in fact.items() if name not in ("seq", "at_ms")} for fact in facts]


def test_a_device_is_made_when_it_is_first_seen_and_known_after(
    devices: Devices, clock: Clock, journal: ListJournal
) -> None:
    first = seen(devices)
    assert first == Standing(first.id, "Firefox on Linux", clock.ms, None, None, None, None, None, 1)
    clock.ms += 5
    assert seen(devices, agent=None, address=None) == first, "what is not known takes nothing away"
    one = devices.one(first.id)
    assert (one.state, one.first_ms, one.last_ms, one.address) == ("new", clock.ms - 5, clock.ms, "192.0.2.0/24")
    [event] = journal.events
    assert (event["action"], event["object"], event["actor"]) == ("device.enrol", first.id, f"{ISS} ann")
    assert "m1" not in json.dumps(journal.events), "what it is known by stands nowhere"
    # Of another owner the same mark is another device.
    assert seen(devices, subject="bob").id != first.id
    assert [one.id for one in devices.of(ISS, "ann")] == [first.id]
    assert devices.id_of(ISS, "ann", "m1") == first.id
    assert devices.id_of(ISS, "ann", "m2") is None


def test_programs_and_machines_are_called_by_what_they_are(devices: Devices) -> None:
    assert seen(devices, "k", kind="dpop", agent=None).name == "Program with a key"
    assert seen(devices, "c", kind="certificate", agent="curl/8").name == "curl"


@pytest.mark.parametrize("wrong", [{"mark": ""}, {"mark": "m" * 129}, {"subject": "s" * 256}, {"kind": "cat"}])
def test_what_cannot_be_kept_is_refused(devices: Devices, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="device"):
        devices.seen(replace(ANN, **wrong))  # type: ignore[arg-type]
    assert devices.page() == []


def test_what_strangers_say_is_bounded(devices: Devices) -> None:
    long = "x" * 100_000
    made = seen(devices, address=long, agent=f"{long}/1", ja4=long, http2=long, country=long, network=long)
    one = devices.one(made.id)
    assert max(len(text) for text in (one.name, one.agent, one.address or "", one.network or "")) <= 200
    assert seen(devices, latitude=float("nan"), longitude=1e9).travel_ms is None


def test_it_has_changed_until_it_is_confirmed_or_approved(devices: Devices, clock: Clock) -> None:
    first = seen(devices, ja4="a", network="AS1")
    clock.ms += 10
    assert seen(devices, ja4="a", network="AS2").changed_ms is None, "another network is no other device"
    clock.ms += 10
    changed_ms = clock.ms
    assert seen(devices, ja4="b", network="AS2").changed_ms == changed_ms
    clock.ms += 10
    assert seen(devices, ja4="a", network="AS1").changed_ms is None, "who looks as ever is not the other"
    assert devices.one(first.id).changed_ms == changed_ms, "but it is told"
    # A proof of which nobody knows how the device looked says nothing of the other look.
    assert devices.confirm(first.id).confirmed_ms == clock.ms
    assert seen(devices, ja4="b", network="AS2").changed_ms == changed_ms
    look = Sighting(ISS, "ann", "browser", "m1", ja4="b", network="AS2")
    assert devices.confirm(first.id, look).changed_ms is None
    assert seen(devices, ja4="b", network="AS2").changed_ms is None
    assert seen(devices, ja4="a", network="AS1").changed_ms == clock.ms
    looks = {(one.ja4, one.network): one for one in devices.one(first.id).looks}
    assert {key for key, one in looks.items() if one.changed} == {("a", "AS1")}
    assert devices.approve("me", first.id, looks["a", "AS1"].name).changed_ms is None
    assert seen(devices, ja4="a", network="AS1").changed_ms is None


def test_what_a_thief_looks_like_is_never_learned(devices: Devices, clock: Clock) -> None:
    first = seen(devices, agent=FIREFOX)
    # One trait is another, so that nothing speaks against it yet: but the rest is not what the device looks like.
    assert seen(devices, agent="curl/8.0", ja4="thief", network="AS9").changed_ms is None
    assert seen(devices, agent=FIREFOX, ja4="own", network="AS1").changed_ms is None
    assert seen(devices, agent="curl/8.0", ja4="thief", network="AS9").changed_ms == clock.ms
    devices.confirm(first.id, Sighting(ISS, "ann", "browser", "m1", agent=FIREFOX, ja4="own", network="AS1"))
    assert seen(devices, agent="curl/8.0", ja4="thief", network="AS9").changed_ms == clock.ms


def test_what_is_learned_later_is_compared_from_then_on(devices: Devices, clock: Clock) -> None:
    seen(devices)
    assert seen(devices, ja4="a", http2="h", network="AS1").changed_ms is None
    assert seen(devices, ja4="b", http2="i").changed_ms == clock.ms


def test_travel_is_judged_by_all_devices_of_an_owner(devices: Devices, clock: Clock) -> None:
    laptop = seen(devices, country="DE", latitude=52.52, longitude=13.405)
    clock.ms += 30 * MINUTE_MS
    assert seen(devices, "m2", "bob", country="US", latitude=40.7, longitude=-74.0).travel_ms is None
    thief = seen(devices, "m2", country="US", latitude=40.7, longitude=-74.0)
    assert thief.travel_ms == clock.ms
    # It says nothing against the one that it contradicts, and stays so by waiting or going on.
    clock.ms += MINUTE_MS
    assert seen(devices, country="DE", latitude=52.52, longitude=13.405).travel_ms is None
    clock.ms += 100 * MINUTE_MS
    assert seen(devices, "m2", country="US", latitude=40.7, longitude=-74.0).travel_ms == thief.travel_ms
    there = Sighting(ISS, "ann", "browser", "m2", country="US", latitude=40.7, longitude=-74.0)
    devices.confirm(thief.id, there)
    assert seen(devices, "m2", country="US", latitude=40.7, longitude=-74.0).travel_ms is None
    clock.ms += 10 * 60 * MINUTE_MS
    assert seen(devices, "m2", country="US", latitude=40.7, longitude=-74.0).travel_ms is None
    # Its own mark elsewhere is the same.
    clock.ms += MINUTE_MS
    assert seen(devices, "m2", country="FR").travel_ms == clock.ms
    devices.revoke("me", thief.id)
    clock.ms += MINUTE_MS
    assert seen(devices, country="DE").id == laptop.id
    assert seen(devices, country="DE").travel_ms is None, "what was revoked says nothing either"


def test_who_is_at_home_is_not_refused_for_who_is_not(devices: Devices, clock: Clock) -> None:
    home = seen(devices, country="DE")
    clock.ms += MINUTE_MS
    stolen_ms = clock.ms
    assert seen(devices, country="US").travel_ms == stolen_ms, "the same mark, elsewhere"
    clock.ms += MINUTE_MS
    assert seen(devices, country="DE").travel_ms is None
    clock.ms += 70 * MINUTE_MS
    assert seen(devices, country="US").travel_ms == stolen_ms, "waiting helps nobody"
    away, _ = devices.one(home.id).looks
    assert (away.country, away.travel) == ("US", True)
    devices.approve("me", home.id, away.name)
    assert seen(devices, country="US").travel_ms is None


OWNER = {"agent": FIREFOX, "ja4": "own", "http2": "h", "network": "AS1", "country": "DE"}
THIEF = {"agent": "curl/8.0", "ja4": "thief", "http2": "i", "network": "AS9", "country": "BR"}


def test_an_approval_is_of_one_look(devices: Devices, clock: Clock, journal: ListJournal) -> None:
    """Also where the thief of a session was seen last, or first."""
    for number, order in enumerate(((OWNER, THIEF), (THIEF, OWNER))):
        mark = f"m{number}"
        known = ""
        for traits in order:
            clock.ms += MINUTE_MS
            known = seen(devices, mark, f"ann{number}", **traits).id
        with pytest.raises(DeviceLookError, match=r"say which look is meant: \w{32} \(") as refused:
            devices.approve("me", known)
        looks = {one.country: one for one in devices.one(known).looks}
        for look in looks.values():
            assert f"{look.name} ({look.agent}, {look.country}, {look.network}, 192.0.2.0/24" in str(refused.value)
        with pytest.raises(DeviceLookError, match=r"no one look 'a{32}'"):
            devices.approve("me", known, "a" * 32)
        assert devices.one(known).state == "new"
        done = devices.approve("me", known, looks["DE"].name)
        assert (done.state, [one.country for one in done.looks]) == ("approved", ["BR"])
        assert (done.looks[0].changed, done.looks[0].travel) == (True, number == 0)
        assert journal.events[-1]["detail"]["look"] == looks["DE"].name
        clock.ms += MINUTE_MS
        owner, thief = (seen(devices, mark, f"ann{number}", **traits) for traits in (OWNER, THIEF))
        assert (owner.changed_ms, owner.travel_ms) == (None, None)
        assert (thief.changed_ms, thief.travel_ms) == (clock.ms, thief.travel_ms)
        assert thief.travel_ms is not None
        with pytest.raises(DeviceLookError, match="looks otherwise, far away"):
            devices.approve("me", known)


def test_a_look_that_speaks_against_its_device_is_approved_by_name_alone(devices: Devices, clock: Clock) -> None:
    known = seen(devices, **OWNER).id
    approved = devices.approve("me", known)
    assert approved.looks == ()
    assert devices.approve("you", known) == approved, "nothing is left to be approved"
    clock.ms += 90 * MINUTE_MS
    seen(devices, **{**OWNER, "network": "AS2"})
    assert devices.one(known).looks == (), "another network is no other look of what is approved"
    seen(devices, **THIEF)
    [look] = devices.one(known).looks
    with pytest.raises(DeviceLookError, match=look.name):
        devices.approve("me", known)
    assert devices.approve("me", known, look.name).looks == ()
    assert seen(devices, **OWNER).changed_ms == clock.ms


def test_a_look_has_another_name_when_more_is_learned_of_it(devices: Devices, clock: Clock) -> None:
    """Who approves what was shown approves nothing that came since."""
    known = seen(devices).id
    [shown] = devices.one(known).looks
    seen(devices, **OWNER)
    [look] = devices.one(known).looks
    assert (look.name != shown.name, look.first_ms) == (True, shown.first_ms)
    with pytest.raises(DeviceLookError, match=look.name):
        devices.approve("me", known, shown.name)
    clock.ms += 1
    seen(devices)
    [again] = devices.one(known).looks
    assert (again.name, again.ja4, again.last_ms) == (look.name, "own", clock.ms)


def test_an_approval_keeps_nothing_of_another_look(devices: Devices) -> None:
    """Of whoever had the session first, say."""
    known = seen(devices, agent="curl/8.0", ja4="thief", network="AS9").id
    seen(devices, agent=FIREFOX)
    owner = next(one for one in devices.one(known).looks if one.agent == "Firefox on Linux")
    devices.approve("me", known, owner.name)
    assert seen(devices, agent=FIREFOX, ja4="own", network="AS1").changed_ms is None
    assert seen(devices, agent="curl/8.0", ja4="thief", network="AS9").changed_ms is not None


def test_the_last_few_looks_are_kept(devices: Devices, clock: Clock) -> None:
    for number in range(LOOKS + 3):
        clock.ms += 1
        seen(devices, network=f"AS{number}")
    known = seen(devices, network="AS5").id
    looks = devices.one(known).looks
    assert [one.network for one in looks] == ["AS5", "AS10", "AS9", "AS8", "AS7", "AS6", "AS4", "AS3"]


def test_who_says_no_place_any_more_is_still_far_away(devices: Devices, clock: Clock) -> None:
    devices.confirm(seen(devices, "laptop", country="DE").id)
    clock.ms += MINUTE_MS
    known = seen(devices, **THIEF).id
    clock.ms += MINUTE_MS
    seen(devices, **{name: value for name, value in THIEF.items() if name != "country"})
    [look] = devices.one(known).looks
    assert (look.country, look.travel, look.last_ms) == ("BR", True, clock.ms)
    with pytest.raises(DeviceLookError, match="far away"):
        devices.approve("me", known)
    # A place where the device may be takes it away, and is what an approval takes over.
    devices.confirm(known, replace(ANN, **{**THIEF, "country": "DE"}))  # type: ignore[arg-type]
    clock.ms += MINUTE_MS
    seen(devices, **{**THIEF, "country": "DE"})
    assert {one.country: one.travel for one in devices.one(known).looks} == {"DE": False, "BR": True}


def test_a_place_without_doubt_takes_that_of_a_doubted_one(devices: Devices, clock: Clock) -> None:
    """Else the look would be approved where the device cannot have come to."""
    known = seen(devices, country="DE", latitude=52.0, longitude=13.0).id
    clock.ms += MINUTE_MS
    seen(devices, country="AT", latitude=47.4, longitude=13.0)
    far, _ = devices.one(known).looks
    assert (far.country, far.travel) == ("AT", True)
    clock.ms += MINUTE_MS
    seen(devices, country="CZ", latitude=47.6, longitude=13.0)
    near = devices.one(known).looks[0]
    assert (near.country, near.travel, near.name == far.name) == ("CZ", False, False)
    # Who was too far stays so: that look is not the one that was far.
    assert devices.approve("me", known, near.name).travel_ms is not None


def test_what_speaks_against_a_device_is_not_driven_from_its_looks(devices: Devices, clock: Clock) -> None:
    known = seen(devices, **OWNER).id
    clock.ms += MINUTE_MS
    far_ms = clock.ms
    seen(devices, country="BR")
    for number in range(2 * LOOKS):
        clock.ms += 1
        seen(devices, agent="curl/8.0", ja4=f"j{number}", http2=f"h{number}", network=f"AS{number}0")
        looks = devices.one(known).looks
        assert (len(looks) <= LOOKS, [one.country for one in looks if one.travel]) == (True, ["BR"])
    clock.ms += 1
    seen(devices, **OWNER)
    newest, *others = devices.one(known).looks
    assert (newest.country, len(others), all(one.changed or one.travel for one in others)) == ("DE", LOOKS - 1, True)
    assert devices.approve("me", known, newest.name).travel_ms == far_ms
    clock.ms += 90 * MINUTE_MS
    assert seen(devices, country="BR").travel_ms == far_ms, "waiting helps nobody"


def test_of_too_many_that_are_far_away_none_is_forgiven_by_an_approval(devices: Devices, clock: Clock) -> None:
    known = seen(devices, **OWNER).id
    for country in ("BR", *["FR"] * LOOKS):
        clock.ms += MINUTE_MS
        seen(devices, agent=f"a{clock.ms}/1", ja4=f"j{clock.ms}", country=country)
    looks = devices.one(known).looks
    assert [(one.country, one.travel) for one in looks] == [("FR", True)] * LOOKS
    assert devices.approve("me", known, looks[0].name).travel_ms is not None
    clock.ms += 90 * MINUTE_MS
    assert seen(devices, country="BR").travel_ms is not None


@pytest.mark.parametrize("column", ["changed_ms", "travel_ms"])
def test_an_approval_of_nothing_is_none(devices: Devices, store: Store, journal: ListJournal, column: str) -> None:
    """Of an approved device that something spoke against before looks were kept."""
    known = seen(devices, **OWNER).id
    devices.approve("me", known)
    with pytest.raises(DeviceLookError, match="is approved, and no look of it is left"):
        devices.approve("me", known, "a" * 32)
    with store.write() as database:
        database.execute(update(Row).values(**{column: 1}))
    told = len(journal.events)
    with pytest.raises(DeviceLookError, match="used first"):
        devices.approve("you", known)
    one = devices.one(known)
    assert (one.approved_by, getattr(one, column), len(journal.events)) == ("me", 1, told)


def test_of_what_was_seen_before_there_were_looks_nothing_is_approved(devices: Devices, store: Store) -> None:
    known = seen(devices, **OWNER).id
    with store.write() as database:
        database.execute(update(Row).values(looks=[]))
    with pytest.raises(DeviceLookError, match="used first"):
        devices.approve("me", known)
    # Nor is a stranger's, who comes first: what the device looked like is still known.
    seen(devices, **THIEF)
    with pytest.raises(DeviceLookError, match="curl"):
        devices.approve("me", known)


def test_a_new_device_says_nothing_of_where_the_owner_is(devices: Devices, clock: Clock) -> None:
    devices.confirm(seen(devices, country="DE").id)
    clock.ms += 2 * 60 * MINUTE_MS
    seen(devices, "thief", country="US")
    clock.ms += MINUTE_MS
    assert seen(devices, "phone", country="DE").travel_ms is None
    assert seen(devices, "other", country="US").travel_ms is None, "nothing is known of the last hour"
    assert seen(devices, country="DE").travel_ms is None
    assert seen(devices, "more", country="US").travel_ms == clock.ms


def test_where_nobody_knows_the_place_the_last_known_one_counts(devices: Devices, clock: Clock) -> None:
    seen(devices, country="DE")
    clock.ms += 50 * MINUTE_MS
    seen(devices)
    clock.ms += 20 * MINUTE_MS
    assert seen(devices, country="FR").travel_ms is None, "it was seen there 70 minutes ago"
    clock.ms += 20 * MINUTE_MS
    assert seen(devices, country="US").travel_ms == clock.ms


def test_how_many_are_used_at_once(devices: Devices, clock: Clock) -> None:
    assert [seen(devices, f"m{number}").at_once for number in range(3)] == [1, 2, 3]
    seen(devices, "m9", "bob")
    devices.confirm(seen(devices, "m0").id)
    assert seen(devices, "m0").at_once == 1, "those that nobody vouches for do not count against it"
    assert seen(devices, "m1").at_once == 3
    clock.ms += 15 * MINUTE_MS
    assert seen(devices, "m0").at_once == 1
    assert seen(devices, "m1").at_once == 2
    devices.revoke("me", seen(devices, "m1").id)
    assert seen(devices, "m0").at_once == 1


def test_of_too_many_the_one_goes_that_was_not_used_for_longest_and_nobody_approved(
    devices: Devices, clock: Clock
) -> None:
    ids = []
    for number in range(DEVICES):
        clock.ms += 1
        ids.append(seen(devices, f"m{number}").id)
    devices.approve("me", ids[0])
    devices.confirm(ids[1])
    clock.ms += 1
    newest = seen(devices, "new")
    left = {one.id for one in devices.of(ISS, "ann")}
    assert left == ({*ids, newest.id} - {ids[2]})
    seen(devices, "m9", "bob")
    assert len(devices.of(ISS, "ann")) == DEVICES, "each owner has their own"


def test_approved_ones_are_as_many_and_never_make_room(devices: Devices, clock: Clock) -> None:
    for number in range(DEVICES):
        devices.approve("me", seen(devices, f"m{number}").id)
    last = seen(devices, "last")
    with pytest.raises(DeviceLimitError, match="revoke one"):
        devices.approve("me", last.id)
    clock.ms += 1
    seen(devices, "later")
    assert len(devices.of(ISS, "ann")) == DEVICES + 1
    assert devices.page(state="unapproved", limit=10)[0].name == "Firefox on Linux"
    with pytest.raises(DeviceNotFoundError):
        devices.one(last.id)
    devices.revoke("me", devices.page(state="approved", limit=1)[0].id)
    devices.approve("me", seen(devices, "later").id)


def test_what_nobody_uses_nor_vouches_for_is_forgotten(devices: Devices, clock: Clock) -> None:
    ids = {name: seen(devices, name, subject).id for name, subject in (("a", "ann"), ("b", "bob"), ("c", "cat"))}
    devices.confirm(ids["a"])
    devices.approve("me", ids["b"])
    clock.ms += UNUSED_MS
    devices.prune()
    assert len(devices.page()) == 3
    clock.ms += 1
    devices.prune()
    assert {one.id for one in devices.page()} == {ids["a"], ids["b"]}


def test_a_revoked_device_is_revoked_for_good_and_gates_are_told(
    devices: Devices, store: Store, clock: Clock, journal: ListJournal
) -> None:
    browser, key = seen(devices), seen(devices, "jkt", kind="dpop")
    assert devices.revoke("me", key.id, "lost").revoked_ms == clock.ms
    devices.revoke("me", browser.id)
    meant = {"kind": "token.revoke", "issuer": ISS, "by": "device", "before_ms": None}
    assert told(store) == [
        {**meant, "value": "jkt", "until_ms": None},
        {**meant, "value": "m1", "until_ms": clock.ms + BROWSER_MS},
    ]
    assert [event["action"] for event in journal.events[-2:]] == ["device.revoke"] * 2
    devices.revoke("me", key.id)
    assert len(told(store)) == 2, "twice is once"
    standing = seen(devices, "jkt", kind="dpop", agent="curl/8")
    assert (standing.id, standing.revoked_ms, standing.name) == (key.id, clock.ms, "Firefox on Linux")
    for again in (devices.confirm, lambda of: devices.approve("me", of)):
        with pytest.raises(DeviceRevokedError, match="enrol anew"):
            again(key.id)
    # Also when its row is long gone.
    clock.ms += UNUSED_MS + 1
    devices.prune()
    assert devices.page() == []
    tokens = TokenRevocations(store, journal)
    for revocation in tokens.page():
        with pytest.raises(RevocationKeptError, match="enrol anew"):
            tokens.restore("me", revocation.id)
    assert len(tokens.page()) == 2
    assert seen(devices, "jkt", kind="dpop").revoked_ms is not None
    assert seen(devices).revoked_ms is not None
    clock.ms += BROWSER_MS
    assert seen(devices, "m2").revoked_ms is None


def test_a_browsers_revocation_lasts_as_long_as_its_cookie() -> None:
    assert BROWSER_MS == DEVICE_SECONDS * 1_000


def test_a_key_that_was_revoked_as_tokens_are_is_a_revoked_device(
    devices: Devices, store: Store, journal: ListJournal
) -> None:
    known = seen(devices, "jkt", kind="dpop")
    tokens = TokenRevocations(store, journal)
    done = tokens.revoke("me", issuer=ISS, by="device", value="jkt")
    assert (done.before_ms, done.until_ms) == (None, None)
    assert seen(devices, "jkt", kind="dpop").revoked_ms == done.created_ms
    assert devices.one(known.id).state == "revoked"
    with pytest.raises(RevocationKeptError, match=known.id):
        tokens.restore("me", done.id)
    devices.forget_all("me", ISS, "ann")
    with pytest.raises(RevocationKeptError, match=known.id):
        tokens.restore("me", done.id)
    # A slip, of which no device is known, is taken back.
    slip = tokens.revoke("me", issuer=ISS, by="device", value="another")
    assert tokens.restore("me", slip.id) == slip


def test_a_revocation_and_its_row_are_one(devices: Devices, store: Store, journal: ListJournal) -> None:
    known = seen(devices)
    journal.broken = True
    with pytest.raises(OSError, match="full"):
        devices.revoke("me", known.id)
    assert (told(store), devices.one(known.id).revoked_ms) == ([], None)


def test_devices_are_named_listed_and_forgotten(devices: Devices, clock: Clock, journal: ListJournal) -> None:
    ids = []
    for number in range(5):
        clock.ms += 1
        ids.append(seen(devices, f"m{number}").id)
    assert devices.rename("me", ids[0], "Ann's laptop").name == "Ann's laptop"
    assert seen(devices, "m0").name == "Ann's laptop"
    with pytest.raises(DeviceNameError):
        devices.rename("me", ids[0], "a" * 300)
    devices.confirm(ids[1])
    devices.approve("me", ids[2])
    devices.revoke("me", ids[3])
    wanted = {
        "new": [ids[0], ids[4]],
        "confirmed": [ids[1]],
        "approved": [ids[2]],
        "revoked": [ids[3]],
        "unapproved": [ids[0], ids[1], ids[4]],
    }
    for state, expected in wanted.items():
        assert [one.id for one in devices.page(state=state)] == expected, state  # type: ignore[arg-type]
        assert state == "unapproved" or {one.state for one in devices.page(state=state)} == {state}  # type: ignore[arg-type]
    first = devices.page(limit=2)
    assert [one.id for one in first + devices.page(after=first[-1].id)] == ids
    assert devices.page(issuer="https://other") == devices.page(subject="bob") == []
    with pytest.raises(DeviceNotFoundError, match="devices list"):
        devices.one("dev_x")
    devices.forget_all("me", ISS, "ann")
    assert devices.page() == []
    assert journal.events[-1]["action"] == "device.forget"


def test_sightings_at_once_are_one_device(devices: Devices) -> None:
    with ThreadPoolExecutor(8) as pool:
        standings = list(pool.map(lambda _: seen(devices), range(24)))
    assert len({standing.id for standing in standings}) == 1
    assert len(devices.page()) == 1
