"""Findings: opened when seen, closed when gone, and never lost."""

from dataclasses import replace

import pytest

from lockgate.admin.findings import Findings, Seen
from lockgate.admin.store import Store

PUBLIC = Seen(
    kind="waiver",
    code="public",
    object="api:shop",
    message="anyone may call it",
    severity="info",
    owner="shop-team",
    reason="a catalogue",
    until_ms=5,
    file="lockgate.yaml",
    line=7,
)
EXPIRED = replace(PUBLIC, kind="finding", code="waiver-expired", severity="warning")


@pytest.fixture
def findings(store: Store) -> Findings:
    return Findings(store)


def everything(findings: Findings) -> list[dict[str, object]]:
    return findings.page(kind=None, include_closed=True, after=0, limit=100)


def test_only_what_was_not_open_is_fresh(findings: Findings) -> None:
    assert findings.sync("config", [PUBLIC]) == [PUBLIC]
    assert findings.sync("config", [PUBLIC, EXPIRED]) == [EXPIRED]
    assert findings.sync("config", [PUBLIC, EXPIRED]) == []


def test_what_is_gone_is_closed_and_opens_again_when_it_returns(findings: Findings) -> None:
    findings.sync("config", [PUBLIC])
    findings.sync("config", [])
    [closed] = everything(findings)
    assert closed["closed_ms"] is not None
    assert findings.page(kind=None, include_closed=False, after=0, limit=100) == []
    assert findings.sync("config", [PUBLIC]) == [PUBLIC]
    [opened] = everything(findings)
    assert (opened["id"], opened["closed_ms"]) == (closed["id"], None)
    assert opened["first_seen_ms"] == closed["first_seen_ms"]


def test_one_source_does_not_close_anothers(findings: Findings) -> None:
    findings.sync("config", [PUBLIC])
    findings.sync("reload", [EXPIRED])
    findings.sync("reload", [])
    assert [row["closed_ms"] is None for row in everything(findings)] == [True, False]


def test_what_it_says_is_renewed(findings: Findings) -> None:
    findings.sync("config", [PUBLIC])
    findings.sync("config", [replace(PUBLIC, line=9, owner="other-team")])
    [row] = everything(findings)
    assert (row["line"], row["owner"]) == (9, "other-team")


def test_pages_by_kind_and_place(findings: Findings) -> None:
    findings.sync("config", [PUBLIC, EXPIRED])
    [waiver] = findings.page(kind="waiver", include_closed=False, after=0, limit=10)
    [finding] = findings.page(kind="finding", include_closed=False, after=0, limit=10)
    assert (waiver["code"], finding["code"]) == ("public", "waiver-expired")
    assert len(findings.page(kind=None, include_closed=False, after=0, limit=1)) == 1
    after = min(int(str(waiver["id"])), int(str(finding["id"])))
    assert len(findings.page(kind=None, include_closed=False, after=after, limit=10)) == 1


def test_what_could_not_be_looked_at_stays_as_it_is(findings: Findings) -> None:
    findings.sync("scan", [PUBLIC, EXPIRED])
    findings.sync("scan", [], untold=lambda name: name == PUBLIC.object)
    open_ = findings.page(kind=None, include_closed=False, after=0, limit=100)
    assert [row["code"] for row in open_] == [each.code for each in (PUBLIC, EXPIRED) if each.object == PUBLIC.object]
