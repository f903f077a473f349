"""Waivers and findings: one table, by the clock."""

from __future__ import annotations

import datetime as dt

import pytest

from .conftest import API, HEAD, Read

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def public(until: str) -> str:
    return HEAD + f"apis:\n  shop:\n    upstream: shop\n    public: {{owner: me, reason: catalogue, until: {until}}}\n"


@pytest.mark.parametrize(
    ("until", "code", "words"),
    [
        ("2026-11-22", "waiver-expired", "closed since"),
        ("2020-01-01", "waiver-expired", "closed since"),
        ("2026-11-23", "waiver-ends-soon", "in 1 day;"),
        ("2026-12-06", "waiver-ends-soon", "in 14 days;"),
        ("2026-12-07", None, None),
        ("2027-11-23", None, None),
        ("2027-11-25", "waiver-far", "more than a year"),
    ],
)
def test_a_waiver_by_its_day(read: Read, until: str, code: str | None, words: str | None) -> None:
    waiver, *findings = read(public(until)).findings(NOW)
    assert (waiver.kind, waiver.code, waiver.severity, waiver.object) == (
        "waiver",
        "waiver",
        "info",
        "apis.shop.public",
    )
    assert (waiver.owner, waiver.reason, waiver.until) == ("me", "catalogue", dt.date.fromisoformat(until))
    assert waiver.span == {"file": 0, "line": 7, "column": 5}
    assert [finding.code for finding in findings] == ([code] if code else [])
    if words:
        assert words in findings[0].message
        assert (findings[0].kind, findings[0].severity) == ("finding", "warning")


def test_an_expired_waiver_is_no_error(read: Read) -> None:
    bundle = read(public("2020-01-01")).compile(0, 0)
    assert bundle["apis"][0]["public"] is not None, "the gate closes it by its own clock"


def test_other_time_zones_do_not_move_the_day(read: Read) -> None:
    late = dt.datetime(2026, 11, 22, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    codes = [finding.code for finding in read(public("2026-11-23")).findings(late)]
    assert codes == ["waiver", "waiver-expired"]


def test_every_kind_of_waiver_is_a_row(read: Read) -> None:
    waiver = "{owner: me, reason: x, until: 2027-01-01}"
    text = f"""\
version: 1
listeners: {{public: {{address: 0.0.0.0:8080, insecure: {waiver}}}}}
upstreams: {{shop: {{targets: ["http://10.0.0.5"], insecure: {waiver}}}}}
defaults: {{ip_filter: {{mode: observe, waiver: {waiver}}}, body_limit: {{mode: off, waiver: {waiver}}}}}
apis:
  shop:
    upstream: shop
    authenticate: [api_key: {{mode: observe, waiver: {waiver}}}]
    authorize: authenticated
    body_limit: {{waiver: {waiver}}}
"""
    rows = read(text).findings(NOW)
    assert [row.object for row in rows if row.kind == "waiver"] == [
        "listeners.public.insecure",
        "upstreams.shop.insecure",
        "defaults.ip_filter",
        "defaults.body_limit",
        "apis.shop.api_key",
        "apis.shop.body_limit",
    ]


def test_warnings_are_findings(read: Read) -> None:
    [row] = read(HEAD + '  old: {targets: ["http://127.0.0.1:1"]}\n' + API).findings(NOW)
    assert (row.kind, row.code, row.object, row.severity) == ("finding", "upstream-unused", "upstreams.old", "warning")
    assert row.as_json()["line"] == 4
