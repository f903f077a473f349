"""Every reason has a name that stays, words, a page, and a case that gives it."""

from __future__ import annotations

import re

import pytest

from lockgate import _native
from support.tree import ROOT

REASONS = {reason["code"]: reason for reason in _native.reasons()}
FAULTS = {"client", "upstream", "gate"}


def test_codes_are_unique() -> None:
    assert len(REASONS) == len(_native.reasons()) > 20


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_reason_is_well_formed(code: str) -> None:
    reason = REASONS[code]
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code)
    # Who has to sign in first is sent there; all else is an error.
    assert 400 <= reason["status"] <= 599 or code in {"session-sign-in", "step-up-page"}
    assert reason["fault"] in FAULTS
    if reason["fault"] == "client":
        # 501 and 505 are what RFC 9110 wants for a method or version that is not spoken here.
        assert reason["status"] < 500 or reason["status"] in {501, 505}
    assert reason["title"].endswith(".")
    assert len(reason["title"]) <= 90
    assert reason["advice"].endswith("."), "the advice is a sentence that says what to do"


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_reason_has_a_page(code: str) -> None:
    assert f"\n### {code}\n" in (ROOT / "docs/reference/reasons.md").read_text(encoding="utf-8")


def test_a_policy_names_its_reasons() -> None:
    for room in _native.policies():
        page = (ROOT / f"docs/policies/{room}.md").read_text(encoding="utf-8")
        missing = {code for code, reason in REASONS.items() if reason["room"] == room and f"`{code}`" not in page}
        assert not missing, f"docs/policies/{room}.md does not name {missing}"
