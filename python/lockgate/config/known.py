"""Names that one part of the configuration gives and another uses."""

from __future__ import annotations

import difflib

from lockgate.config.document import Document
from lockgate.config.placed import Path
from lockgate.scalars import shown


def known(document: Document, section: str, path: Path, name: str, what: str) -> bool:
    """Whether there is something of this name in a section; if not, say what there is."""
    if document.says(section, name):
        return True
    there = document.sections.get(section)
    names = list(there.children) if there is not None and isinstance(there.children, dict) else []
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    document.problems.add(
        document.value_region(*path),
        f"{what.lower()}-unknown",
        f"there is no {what} {shown(name)}",
        allowed=", ".join(map(shown, names[:20])) if names else f"a name under `{section}`, of which there is none yet",
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )
    return False
