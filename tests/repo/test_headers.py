"""Names of headers that Python refuses for credentials are those that the core acts by."""

from __future__ import annotations

import re

import pytest

from lockgate import headers
from support.tree import ROOT

WIRE = ROOT / "crates/lockgate-wire/src"


def names_in(file: str, constant: str) -> set[str]:
    """The texts in one of the core's lists, without comments."""
    source = (WIRE / file).read_text(encoding="utf-8")
    found = re.search(rf"const {constant}: [^=]*= (&\[.*?\];|\"[^\"]*\";)", source, re.DOTALL)
    assert found is not None, f"{file} has no list {constant}"
    return set(re.findall(r'"([^"]+)"', re.sub("//.*", "", found[1])))


@pytest.mark.parametrize(
    ("file", "constant", "ours"),
    [
        ("headers/identity.rs", "IDENTITY", headers.IDENTITY),
        ("headers/identity.rs", "NO_IDENTITY", {headers.NO_IDENTITY}),
        ("headers.rs", "HOP_BY_HOP", headers.HOP_BY_HOP),
        # The one among them that is for keys.
        ("framing/trailer.rs", "OURS", headers.WRITTEN | {"x-api-key"}),
    ],
)
def test_the_lists_are_the_cores(file: str, constant: str, ours: set[str]) -> None:
    assert names_in(file, constant) == ours
