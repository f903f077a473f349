"""The table of attacks in `docs/concepts/the-wire.md`, from what the tests hold to it."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.markdown import table

PAGE = "docs/concepts/the-wire.md"
PART = "attacks"


def part(root: Path) -> str:
    """The table."""
    tests = str(root / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from attacks.promises import PROMISES

    rows = [
        [each.attack, each.holds, ", ".join([*map(_said, each.tried), *(f"`{test}`" for test in each.tests)])]
        for each in PROMISES
    ]
    return table(["Attack", "What holds", "Tried by"], rows)


def _said(name: str) -> str:
    """An attack, or each whose name begins so."""
    return f"each {name}…" if name.endswith(" ") else name.strip()
