"""The part of `docs/concepts/the-wire.md` that says what an audit of TLS takes points for."""

from __future__ import annotations

from pathlib import Path

from lockgate.tls_audit.faults import FAULTS, grades_said
from reference.markdown import table

PAGE = "docs/concepts/the-wire.md"
PART = "grading"


def part(_root: Path) -> str:
    """The grades, and the table."""
    rows = [[str(fault.lost), f"`{code}`", fault.what] for code, fault in FAULTS.items()]
    return f"The grades are {grades_said()}.\n\n" + table(["Points", "Fault", "What it is"], rows)
