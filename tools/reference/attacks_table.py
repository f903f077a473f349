"""The table of attacks in `docs/concepts/the-wire.md`, from what the tests hold to it."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.markdown import replace_region, table

PAGE = "docs/concepts/the-wire.md"


def files(root: Path) -> dict[str, str]:
    """The page, its words kept as they are."""
    tests = str(root / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from attacks.promises import PROMISES

    rows = [
        [each.attack, each.holds, ", ".join([*map(_said, each.tried), *(f"`{test}`" for test in each.tests)])]
        for each in PROMISES
    ]
    page = (root / PAGE).read_text(encoding="utf-8")
    return {PAGE: replace_region(page, "attacks", table(["Attack", "What holds", "Tried by"], rows))}


def _said(name: str) -> str:
    """An attack, or each whose name begins so."""
    return f"each {name}…" if name.endswith(" ") else name.strip()
