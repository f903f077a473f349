"""The generated parts of `docs/policies/<policy>.md`: its fields and its reasons."""

from __future__ import annotations

from pathlib import Path

from lockgate import _native
from lockgate.config.models import schema
from lockgate.identity.reasons import REASONS
from reference.config_page import ROOMS, fields
from reference.markdown import replace_region, table


def files(root: Path) -> dict[str, str]:
    """Each policy's page, its words kept as they are."""
    document = schema()
    pages = {}
    for definition, room in ROOMS.items():
        name = f"docs/policies/{room}.md"
        page = (root / name).read_text(encoding="utf-8")
        page = replace_region(page, "fields", fields(document["$defs"][definition], document, "../reference/config.md"))
        page = replace_region(page, "reasons", reasons(room))
        pages[name] = replace_region(page, "sign-in", sign_in()) if room == "session" else page
    return pages


def sign_in() -> str:
    """What the identity pages may say."""
    rows = [[f"`{each.code}`", str(each.status), each.title, each.advice] for each in REASONS]
    return table(["Reason", "Status", "What the person reads", "What to do"], rows)


def reasons(room: str) -> str:
    """What a policy may say."""
    found = [each for each in _native.reasons() if each["room"] == room]
    return table(
        ["Reason", "Status", "What to do"],
        [
            [f"[`{each['code']}`](../reference/reasons.md#{each['code']})", str(each["status"]), each["advice"]]
            for each in found
        ],
    )
