"""`docs/reference/credentials-tried.md`: every credential that the tests try, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from lockgate.config.model_apis import WAYS
from reference.markdown import table

PAGE: Final = "docs/reference/credentials-tried.md"


def files(root: Path) -> dict[str, str]:
    """The page."""
    sections = [_section(root, room) for room in WAYS]
    return {PAGE: "\n".join([_HEAD, *sections])}


def _section(root: Path, room: str) -> str:
    document: dict[str, Any] = yaml.safe_load((root / f"tests/vectors/{room}.yaml").read_text(encoding="utf-8"))
    cases = document["cases"]
    refused = [[case["name"], f"[`{case['reason']}`](reasons.md#{case['reason']})"] for case in cases if _reason(case)]
    taken = len(cases) - len(refused)
    words = f"{len(refused)} that are refused, beside {taken} that are taken or left to another way:"
    return f"## [`{room}`](../policies/{room}.md)\n\n{words}\n\n{table(['Credential', 'Reason'], refused)}\n"


def _reason(case: dict[str, Any]) -> str | None:
    reason: str | None = case.get("reason")
    return reason


_HEAD: Final = """<!-- Written by `make docs` from the tests' vectors. Changes here are lost. -->

# Credentials that are tried

What the tests bring to each way to authenticate, and why it is refused: tokens as attackers make them (RFC 8725), keys
that are no longer good, signatures over something else. The same cases are judged by the gate, by the engine within an
application and by `lockgate explain`. Proofs of possession (DPoP, certificates) are tried beside them.
"""
