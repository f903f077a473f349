"""Sizes, durations, rates, dates, networks: what is taken, and that saying one reads back."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from lockgate.addresses import is_loopback, parse_host, parse_listen, parse_network, parse_target
from lockgate.scalars import (
    duration,
    parse_date,
    parse_duration,
    parse_rate,
    parse_size,
    say_duration,
    say_rate,
    say_size,
    shown,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("10MiB", 10 * 2**20),
        ("32 KiB", 32 * 2**10),
        ("1GB", 10**9),
        ("1.5GiB", 3 * 2**29),
        ("123", 123),
        (123, 123),
        ("5B", 5),
        ("2kb", 2000),
        ("1TiB", 2**40),
    ],
)
def test_sizes(text: object, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(
    "text", ["", "MiB", "10 M B", "-1", "1e3", "10XB", True, None, 1.5, "1" * 99, "\N{FULLWIDTH DIGIT ONE}KB"]
)
def test_no_sizes(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("500ms", 500),
        ("10s", 10_000),
        ("5m", 300_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("1.5s", 1500),
        (0, 0),
        ("0", 0),
    ],
)
def test_durations(text: object, count: int) -> None:
    assert parse_duration(text) == count


@pytest.mark.parametrize("text", ["", "10", 10, "s", "10 seconds", "-1s", "1M", False, None])
def test_no_durations(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_duration(text)


def test_a_minute_is_no_month_and_a_mebibyte_no_millisecond() -> None:
    with pytest.raises(PydanticCustomError):
        parse_duration("5M")


def test_no_unit_is_guessed_that_would_not_fit() -> None:
    adapter = TypeAdapter(Annotated[int, duration(1_000, 86_400_000)])
    for value, hint in ((90, "write `90s` if you mean seconds"), (-5, None), (10**12, None)):
        with pytest.raises(ValidationError) as raised:
            adapter.validate_python(value)
        assert raised.value.errors()[0]["ctx"].get("hint") == hint


@given(st.integers(0, 2**50))
def test_what_is_said_reads_back(count: int) -> None:
    assert parse_size(say_size(count)) == count
    assert parse_rate(say_rate(count)) == count


@given(st.integers(0, 10**11))
def test_durations_read_back(count: int) -> None:
    assert parse_duration(say_duration(count)) == count


@given(st.dates())
def test_dates_read_back(day: dt.date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize("text", ["2027-1-1", "2027-02-29", "01.01.2027", "2027-01-01T00:00", 2027, "tomorrow"])
def test_no_dates(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_date(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_networks_keep_their_meaning(address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> None:
    network = ipaddress.ip_network(f"{address}/{min(length, address.max_prefixlen)}", strict=False)
    assert ipaddress.ip_network(parse_network(str(network))) == network
    assert parse_network(str(address)) == str(address)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:0", "[::1]:0"), ("[0:0::1]:080", "[::1]:80")],
)
def test_listening_addresses(text: str, address: str) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://10.0.0.5:9000", "http://10.0.0.5:9000"),
        ("HTTP://Shop.Internal/", "http://shop.internal:80"),
        ("http://[::1]", "http://[::1]:80"),
    ],
)
def test_targets(text: str, target: str) -> None:
    assert parse_target(text) == target


def test_hosts_are_compared_in_lower_case() -> None:
    assert parse_host("Shop.Example.COM") == "shop.example.com"
    assert parse_host("[::1]") == "[::1]"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_a_quoted_value_cannot_drive_a_terminal() -> None:
    assert "\033" not in shown("\033[31mred")
    assert len(shown("x" * 500)) < 70
