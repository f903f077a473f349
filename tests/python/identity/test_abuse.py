"""Abuse of login: who waits, for how long, and who does not."""

from __future__ import annotations

import pytest

from lockgate.identity import abuse
from lockgate.identity.abuse import EVERYWHERE, Attempt, Detector, Ruling, source_of, wait_ms


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def detector(clock: Clock) -> Detector:
    return Detector(clock)


def fail(detector: Detector, account: str, source: str = "192.0.2.1", device: str | None = None) -> Ruling:
    attempt = Attempt(account, source, device)
    ruled = detector.begin(attempt)
    if ruled.ruling is Ruling.GO_ON:
        detector.failed(attempt)
    return ruled.ruling


def succeed(detector: Detector, account: str, source: str = "192.0.2.1", device: str | None = None) -> Ruling:
    attempt = Attempt(account, source, device)
    ruled = detector.begin(attempt)
    if ruled.ruling is Ruling.GO_ON:
        detector.succeeded(attempt)
    return ruled.ruling


def test_a_source_is_an_address_and_of_ipv6_a_network() -> None:
    assert source_of("192.0.2.7") == "192.0.2.7"
    assert source_of("2001:db8:1:2:3:4:5:6") == source_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert source_of("2001:db8:1:3::1") != source_of("2001:db8:1:2::1")
    assert source_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert source_of("") == source_of("no address") == "unknown"


def test_a_wait_doubles_and_ends() -> None:
    assert [wait_ms(times) for times in (0, 1, 2, 3, 4, 5, 100, 10**9)] == [
        30_000,
        60_000,
        120_000,
        240_000,
        480_000,
        900_000,
        900_000,
        900_000,
    ]


def test_a_source_waits_after_some_failures_and_not_for_ever(detector: Detector, clock: Clock) -> None:
    went = [fail(detector, "ann") for _ in range(abuse.SOURCE_FREE + 2)]
    assert went == [Ruling.GO_ON] * (abuse.SOURCE_FREE + 1) + [Ruling.SOURCE_WAITS]
    assert detector.begin(Attempt("bob", "192.0.2.1")).wait_s == 31
    assert fail(detector, "ann", "192.0.2.2") is Ruling.GO_ON, "others do not wait"
    clock.ms += 30_000
    # The next time it waits longer; what fails meanwhile drains away.
    while fail(detector, "ann") is Ruling.GO_ON:
        pass
    assert detector.begin(Attempt("ann", "192.0.2.1")).wait_s > 31
    clock.ms += abuse.LONGEST_WAIT_MS + abuse.SOURCE_FREE * abuse.DRAIN_MS
    assert [fail(detector, "ann") for _ in range(abuse.SOURCE_FREE)] == [Ruling.GO_ON] * abuse.SOURCE_FREE


def test_a_success_gives_back_itself_alone(detector: Detector) -> None:
    """Whoever has an account of their own does not wash off with it what they try with others'."""
    ruled = []
    for _ in range(abuse.SOURCE_FREE + 1):
        ruled.append(fail(detector, "ann"))
        succeed(detector, "mallory")
    assert fail(detector, "ann") is Ruling.SOURCE_WAITS
    assert set(ruled) == {Ruling.GO_ON}


def test_who_is_known_is_counted_apart(detector: Detector) -> None:
    attempts = [Attempt("ann", "192.0.2.1"), Attempt("ann", "192.0.2.9"), Attempt("ann", "192.0.2.1", "d1")]
    assert detector.mark(attempts[0]) == detector.mark(attempts[1]), "strangers are one"
    assert len({detector.mark(one) for one in attempts}) == 2
    succeed(detector, "ann")
    assert len({detector.mark(one) for one in attempts}) == 3, "and so is a place that has signed in"
    assert detector.is_known(attempts[0])
    assert not detector.is_known(Attempt("bob", "192.0.2.1"))
    while fail(detector, "bob") is Ruling.GO_ON:
        pass
    assert fail(detector, "ann", device="d1") is Ruling.GO_ON, "the owner gets in from where somebody guesses, too"
    assert fail(detector, "ann") is Ruling.GO_ON
    detector.forget_places("ann")
    assert fail(detector, "ann") is Ruling.SOURCE_WAITS


def test_a_list_that_is_tried_from_one_source_ends_at_once(detector: Detector, clock: Clock) -> None:
    went = [fail(detector, f"person {number}") for number in range(abuse.STUFFING_ACCOUNTS + 1)]
    assert went == [Ruling.GO_ON] * abuse.STUFFING_ACCOUNTS + [Ruling.SOURCE_WAITS]
    assert detector.stuffing() == ["192.0.2.1"]
    clock.ms += abuse.LONGEST_WAIT_MS
    assert detector.stuffing() == []


def test_an_office_of_people_who_mistype_is_no_attack(detector: Detector, clock: Clock) -> None:
    for person in range(30):
        fail(detector, f"person {person}")
        assert succeed(detector, f"person {person}") is Ruling.GO_ON
        clock.ms += 60_000
    assert detector.stuffing() == []


def test_a_list_that_is_tried_from_everywhere_is_seen_and_sources_get_less(detector: Detector, clock: Clock) -> None:
    for number in range(abuse.STUFFING_EVERYWHERE):
        assert fail(detector, f"person {number}", f"198.51.100.{number}") is Ruling.GO_ON
    assert detector.stuffing() == [EVERYWHERE]
    went = [fail(detector, "ann", "203.0.113.1") for _ in range(abuse.SOURCE_FREE_ALARMED + 2)]
    assert went[-1] is Ruling.SOURCE_WAITS
    clock.ms += abuse.WINDOW_MS
    assert detector.stuffing() == []


def test_what_nobody_could_look_at_does_not_count(detector: Detector) -> None:
    for number in range(abuse.SOURCE_FREE * 3):
        attempt = Attempt(f"person {number}", "192.0.2.1")
        assert detector.begin(attempt).ruling is Ruling.GO_ON
        detector.undecided(attempt)
    assert detector.stuffing() == []


def test_memory_is_bounded(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abuse, "SOURCES", 100)
    monkeypatch.setattr(abuse, "KNOWN_PLACES", 100)
    while fail(detector, "ann") is Ruling.GO_ON:
        pass
    for number in range(1_000):
        fail(detector, f"person {number}", f"2001:db8:0:{number:x}::/64")
        succeed(detector, f"person {number}", f"2001:db8:1:{number:x}::/64")
    assert len(detector) == 100
    assert not detector.is_known(Attempt("person 0", "2001:db8:1:0::/64"))
    assert detector.is_known(Attempt("person 999", "2001:db8:1:3e7::/64"))
