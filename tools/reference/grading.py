"""The part of `docs/concepts/the-wire.md` that says what an audit of TLS takes points for."""

from __future__ import annotations

from pathlib import Path

from lockgate.tls_audit.faults import FAULTS, grades_said
from reference.markdown import replace_region, table

PAGE = "docs/concepts/the-wire.md"


def files(root: Path) -> dict[str, str]:
    """The page, its words kept as they are."""
    rows = [[str(fault.lost), f"`{code}`", fault.what] for code, fault in FAULTS.items()]
    text = f"The grades are {grades_said()}.\n\n" + table(["Points", "Fault", "What it is"], rows)
    return {PAGE: replace_region((root / PAGE).read_text(encoding="utf-8"), "grading", text)}
