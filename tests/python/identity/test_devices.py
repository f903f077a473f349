"""Devices: when one looks otherwise, when nobody can have come so far, and what a browser is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.identity.devices import (
    NAME_CHARACTERS,
    DeviceNameError,
    Place,
    device_name,
    distance_km,
    family,
    has_changed,
    is_impossible,
)

HOUR_MS = 3_600_000
BERLIN, PARIS, NEW_YORK = (52.52, 13.405), (48.857, 2.352), (40.713, -74.006)

points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def place(at_ms: int, country: str | None = None, point: tuple[float, float] | None = None) -> Place:
    return Place(at_ms, country, *(point or (None, None)))


def test_distances_are_those_of_maps() -> None:
    assert distance_km(BERLIN, PARIS) == pytest.approx(878, abs=3)
    assert distance_km(BERLIN, NEW_YORK) == pytest.approx(6_385, abs=10)


@given(points, points, points)
def test_distances_are_those_of_a_sphere(
    one: tuple[float, float], other: tuple[float, float], by: tuple[float, float]
) -> None:
    far = distance_km(one, other)
    assert 0 <= far <= 20_016
    assert far == pytest.approx(distance_km(other, one), abs=1e-6)
    assert far <= distance_km(one, by) + distance_km(by, other) + 0.01
    assert distance_km(one, one) == pytest.approx(0, abs=1e-6)
    around = (other[0], other[1] - 360 if other[1] > 0 else other[1] + 360)
    assert distance_km(one, around) == pytest.approx(far, abs=0.1), "there is no edge at the 180th meridian"


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [
        (place(0, "DE", BERLIN), place(6 * HOUR_MS, "US", NEW_YORK), True),
        (place(0, "DE", BERLIN), place(7 * HOUR_MS, "US", NEW_YORK), False),
        (place(0, "DE", BERLIN), place(1, "DE", (52.4, 9.73)), False),  # 250 km: databases err by more.
        (place(0, "DE", BERLIN), place(HOUR_MS // 2, "FR", PARIS), True),
        (place(0, "DE"), place(HOUR_MS - 1, "FR"), True),
        (place(0, "DE"), place(HOUR_MS, "FR"), False),
        (place(0, "DE"), place(1, "DE"), False),
        (place(0, "DE", BERLIN), place(1, "FR"), True),
        (place(0), place(1, "FR"), False),
        (place(0, "DE"), place(1), False),
        # With coordinates known, a border in between says nothing.
        (place(0, "DE", (49.0, 8.4)), place(1, "FR", (48.58, 7.75)), False),
        # Gates' words may come in another order than they were said in.
        (place(6 * HOUR_MS, "DE", BERLIN), place(0, "US", NEW_YORK), True),
    ],
)
def test_nobody_comes_so_far_so_fast(before: Place, now: Place, wanted: bool) -> None:
    assert is_impossible(before, now) is wanted


@given(points, points, st.integers(0, 10**9))
def test_the_way_back_is_as_long(one: tuple[float, float], other: tuple[float, float], between_ms: int) -> None:
    there = is_impossible(place(0, point=one), place(between_ms, point=other))
    assert there == is_impossible(place(0, point=other), place(between_ms, point=one))
    if between_ms > 21 * HOUR_MS:
        assert not there, "half the way around the world takes 20 hours"


KNOWN = {"agent": "Firefox on Linux", "ja4": "t13d1716h2_5b57614c22b0_3d5424432f57", "http2": "a", "network": "AS1"}


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ({}, False),
        ({"network": "AS2"}, False),
        ({"network": "AS2", "agent": "Chrome on Windows"}, True),
        ({"ja4": "t13d1516h2_8daaf6152771_02713d6af862", "http2": "b"}, True),
        ({"ja4": "other", "http2": "b"}, True),
        # The same browser over QUIC, and for a WebSocket or with a session that it resumes.
        ({"ja4": "q13d0312h3_55b375c5d22e_06cda9e17597", "network": "AS2"}, False),
        ({"ja4": "t13d1717h1_5b57614c22b0_d41ae481755e", "network": "AS2"}, False),
        ({"agent": None, "http2": None, "network": "AS2"}, False),
    ],
)
def test_two_traits_that_differ_are_another_device(now: dict[str, str | None], wanted: bool) -> None:
    assert has_changed(KNOWN, {**KNOWN, **now}) is wanted
    assert has_changed({}, {**KNOWN, **now}) is False, "what was not known cannot differ"


@pytest.mark.parametrize(
    ("agent", "wanted"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
                "Safari/537.36 Edg/140.0.0.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile "
                "Safari/537.36"
            ),
            "Chrome on Android",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/18.6 Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
                "Safari/605.1.15"
            ),
            "Safari on macOS",
        ),
        ("curl/8.14.1", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("<script>alert(1)</script>", ""),
        ("Mozilla/5.0", ""),
        ("", ""),
        (None, ""),
        ("a" * 100_000, ""),
    ],
)
def test_browsers_and_programs_are_called_by_their_family(agent: str | None, wanted: str) -> None:
    assert family(agent) == wanted


@given(st.text(max_size=600))
def test_what_a_program_calls_itself_is_bounded_and_plain(agent: str) -> None:
    said = family(agent)
    assert len(said) <= 64
    assert said.isprintable()
    assert said.isascii()


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "at least one"), ("  ", "at least one"), ("a" * 300, "too long"), ("a\nb", "seen"), ("a\u202eb", "seen")],
)
def test_names_that_cannot_be_kept_are_refused_with_a_word(text: str, words: str) -> None:
    with pytest.raises(DeviceNameError, match=words):
        device_name(text)


def test_names_are_kept_as_they_are_written() -> None:
    assert device_name(" Jürgen's laptop ") == "Jürgen's laptop"
    assert len(device_name("ä" * NAME_CHARACTERS)) == NAME_CHARACTERS
