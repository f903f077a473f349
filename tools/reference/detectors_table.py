"""The table of detectors in `docs/policies/waf.md`."""

from __future__ import annotations

from pathlib import Path

from lockgate import _native
from reference.markdown import table

PAGE = "docs/policies/waf.md"
PART = "detectors"


def part(_: Path) -> str:
    """The table, in the order in which findings are told."""
    rows = [[f"`{each['name']}`", each["title"], f"`{each['tag']}`"] for each in _native.waf_detectors()]
    return table(["Detector", "What it finds", "Tag"], rows)
