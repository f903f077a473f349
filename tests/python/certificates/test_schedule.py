"""When a certificate is renewed, asked about and left alone, by a clock of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from lockgate.certificates import AskWindow, Authority, Kept, Names, Renew, RenewalWindow, Sleep, Status, Wanted, due
from lockgate.certificates.chain import make_request, new_key, read_chain
from lockgate.certificates.schedule import back_off, check_failed, failed
from support.acme import TestAuthority

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = timedelta(days=90)
NAMES = Names.of(["shop.test"])
DIRECTORY = "https://ca.test/dir"
WANTED = Wanted(NAMES, Authority(DIRECTORY))
CHAIN = read_chain(TestAuthority().issue("shop.test", begins=BEGIN, ends=BEGIN + LIFE)[0])


def kept(**more: Any) -> Kept:
    settings = {"source": "acme", "directory": DIRECTORY, "next_check": BEGIN + LIFE, **more}
    return Kept(NAMES, Status(names=NAMES.all, **settings), CHAIN)


def day(number: float) -> datetime:
    return BEGIN + timedelta(days=number)


def window(start: float, end: float, chosen: float) -> RenewalWindow:
    return RenewalWindow(start=day(start), end=day(end), chosen=day(chosen))


def test_there_is_none() -> None:
    nothing = Kept(NAMES, Status(names=NAMES.all))
    assert due(nothing, WANTED, BEGIN) == Renew("there is none yet")


def test_at_two_thirds_where_the_authority_says_nothing() -> None:
    assert due(kept(), WANTED, day(59.9)) == Sleep(day(60))
    assert due(kept(), WANTED, day(60)) == Renew("two thirds of its life are over")


def test_at_the_moment_that_was_chosen_in_the_window() -> None:
    suggested = kept(window=window(30, 40, 33))
    assert due(suggested, WANTED, day(32.9)) == Sleep(day(33))
    assert due(suggested, WANTED, day(33)) == Renew("the authority suggests it")
    late = kept(window=window(70, 75, 72))
    assert due(late, WANTED, day(65)) == Sleep(day(72))


def test_a_window_that_leaves_no_time_is_not_waited_for() -> None:
    last = kept(window=window(89, 95, 91))
    assert due(last, WANTED, day(80)) == Sleep(day(81))
    assert due(last, WANTED, day(81)) == Renew("the authority's window leaves too little time")


def test_the_authority_is_asked_when_it_said() -> None:
    assert due(kept(next_check=None), WANTED, day(1)) == AskWindow()
    assert due(kept(next_check=day(2)), WANTED, day(1)) == Sleep(day(2))
    assert due(kept(next_check=day(2)), WANTED, day(2)) == AskWindow()


def test_what_has_expired_is_renewed_and_not_asked_about() -> None:
    assert due(kept(next_check=None, window=window(95, 99, 97)), WANTED, day(90)) == Renew("it has expired")


def test_renewing_comes_before_asking() -> None:
    assert isinstance(due(kept(next_check=None), WANTED, day(61)), Renew)


@pytest.mark.parametrize("more", [{}, {"window": window(0, 2, 1)}], ids=["a fast clock", "a window that is over"])
def test_what_was_just_had_is_kept_for_a_while(more: dict[str, Any]) -> None:
    fresh = kept(issued=day(65), **more)
    assert due(fresh, WANTED, day(65)) == Sleep(day(65.25))
    assert isinstance(due(fresh, WANTED, day(65.25)), Renew)
    assert due(fresh, WANTED, day(90)) == Renew("it has expired")
    brought = kept(issued=day(65), source="imported")
    assert isinstance(due(brought, WANTED, day(65)), Renew), "an import may be old"


def test_after_a_failure_nothing_is_done_for_a_while() -> None:
    failing = kept(next_attempt=day(61), attempts=1, next_check=None)
    assert due(failing, WANTED, day(60.5)) == Sleep(day(61))
    assert isinstance(due(failing, WANTED, day(61)), Renew)
    nothing = Kept(NAMES, Status(names=NAMES.all, next_attempt=day(1)))
    assert due(nothing, WANTED, BEGIN) == Sleep(day(1))


def test_what_is_wanted_in_another_way_does_not_wait() -> None:
    other = Wanted(NAMES, Authority(DIRECTORY, email="ops@shop.test"))
    elsewhere = Wanted(NAMES, Authority("https://other.test/dir"))
    status = failed(Status(names=NAMES.all), "no", None, BEGIN, WANTED)
    failing = Kept(NAMES, status)
    assert isinstance(due(failing, WANTED, BEGIN), Sleep)
    assert isinstance(due(failing, other, BEGIN), Renew)
    asked = Kept(NAMES, failed(status, "slowly", 86_400.0, BEGIN, WANTED))
    assert due(asked, other, BEGIN) == Sleep(day(1)), "the authority's own word holds for every order of it"
    assert isinstance(due(asked, elsewhere, BEGIN), Renew)
    assert isinstance(due(Kept(NAMES, failed(status, "no", None, BEGIN)), other, BEGIN), Sleep), "nobody knows which"


def test_another_directory_or_profile_is_another_certificate() -> None:
    assert due(kept(), Wanted(NAMES, Authority("https://other.test/dir")), day(1)) == Renew(
        "another directory is wanted"
    )
    assert due(kept(), Wanted(NAMES, Authority(DIRECTORY), profile="short"), day(1)) == Renew(
        "another profile is wanted"
    )


def test_a_request_with_another_key_is_another_certificate() -> None:
    request = make_request(NAMES, new_key()).public_bytes(serialization.Encoding.PEM).decode()
    wish = Wanted(NAMES, Authority(DIRECTORY), request_pem=request)
    assert due(kept(), wish, day(1)) == Renew("the signing request has another key")


def test_an_imported_one_is_followed_when_it_is_old() -> None:
    imported = kept(source="imported", directory=None, next_check=None)
    assert due(imported, WANTED, day(1)) == Sleep(day(60))
    assert isinstance(due(imported, WANTED, day(60)), Renew)


@given(st.floats(0, 120), st.floats(-10, 100), st.floats(0, 10), st.booleans())
def test_nothing_sleeps_beyond_what_is_due_or_into_the_past(now: float, start: float, size: float, has: bool) -> None:
    held = kept(window=window(start, start + size + 0.1, start + size / 2) if has else None, next_check=day(now + 1))
    step = due(held, WANTED, day(now))
    if isinstance(step, Sleep):
        assert day(now) < step.until <= min(day(now + 1), day(81))
    else:
        assert isinstance(step, Renew)


def test_waits_grow_to_a_limit_and_are_never_short() -> None:
    waits = [back_off(number, chance=lambda: 0.0) for number in range(1, 12)]
    assert waits == [120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600, 21600, 21600]
    assert sum(waits[:5]) > 3600
    assert back_off(1, chance=lambda: 1.0) == 150
    assert back_off(10**6) <= 21600 * 1.25
    assert back_off(0, chance=lambda: 0.0) == 120


def test_what_the_authority_asks_for_is_the_least() -> None:
    assert back_off(1, asked=7200, chance=lambda: 0.0) == 7200
    assert back_off(9, asked=60, chance=lambda: 0.0) == 21600


def test_failures_are_counted() -> None:
    status = failed(failed(Status(names=NAMES.all), "no", None, day(1)), "still no", 86_400.0, day(2))
    assert (status.attempts, status.last_error, status.last_error_at) == (2, "still no", day(2))
    assert status.next_attempt is not None
    assert day(3) <= status.next_attempt <= day(3.25)
    assert status.asked_until == day(3)
    assert failed(status, "no", None, day(4)).asked_until is None


def test_checks_that_fail_leave_the_window_and_are_made_again() -> None:
    before = kept(window=window(30, 40, 33)).status
    status = check_failed(before, "no", None, day(1))
    assert status.window == before.window
    assert status.next_check is not None
    assert timedelta(seconds=60) <= status.next_check - day(1) <= timedelta(seconds=75)
    assert check_failed(before, "no", 10**9, day(1)).next_check == day(2)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"names": Names.of(["*.shop.test"])}, "only be shown by `dns-01`"),
        ({"names": Names.of(["127.0.0.1"]), "challenge": "dns-01"}, "cannot be shown by `dns-01`"),
        ({"challenge": "dns-01"}, "wants a program"),
        ({"challenge": "dns-02"}, "one of http-01, tls-alpn-01, dns-01"),
        ({"request_pem": "x"}, "no certificate signing request"),
    ],
)
def test_what_can_never_be_had(more: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Wanted(**{"names": NAMES, "authority": Authority(DIRECTORY), **more})


def test_a_request_for_other_names_is_refused() -> None:
    request = make_request(Names.of(["other.test"]), new_key()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(ValueError, match="other names"):
        Wanted(NAMES, Authority(DIRECTORY), request_pem=request)
