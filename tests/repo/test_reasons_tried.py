"""Every reason is given by some case."""

from __future__ import annotations

import re

from lockgate import _native
from support.tree import matching, text

REASONS = {reason["code"] for reason in _native.reasons()}


# What no case gives yet, and why. The list may only grow shorter.
UNTRIED = {
    "not-authenticated": "an API whose authentications are all off by a waiver; the judge's own test gives it by hand",
    "out-of-descriptors": "the process must run out of descriptors while it connects to an upstream",
    "upstream-invalid-answer": "the framing of answers has a reason for each flaw; none is left for this one",
}


def test_every_reason_is_given_by_some_case() -> None:
    """A reason that no vector and no test expects is a promise that nobody checks."""
    files = matching(r"tests/(vectors|policies|gateway|python)/|crates/.*tests.*\.rs$")
    cases = "\n".join(text(path) for path in files)
    untried = {code for code in REASONS if not re.search(rf"(?<![\w-]){re.escape(code)}(?![\w-])", cases)}
    assert untried <= set(UNTRIED)
