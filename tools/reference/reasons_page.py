"""`docs/reference/reasons.md`, from the reasons that the core declares."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from lockgate import _native
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# Reasons

Why a request was refused: the last part of `type` in the answer, `reason` in the event, and a label of the metrics. A
code never changes once it is released. `lockgate explain` shows the same words.

*Whose fault* says who can mend it: the client, the upstream behind the gate, or the gate and its configuration.

"""


def files(_root: Path) -> dict[str, str]:
    """The page."""
    reasons = sorted(_native.reasons(), key=lambda reason: (reason["room"], reason["code"]))
    overview = table(
        ["Reason", "Status", "Room", "Title"],
        [
            [f"[`{each['code']}`](#{each['code']})", str(each["status"]), f"`{each['room']}`", each["title"]]
            for each in reasons
        ],
    )
    parts = [overview]
    for room, group in groupby(reasons, key=lambda reason: reason["room"]):
        parts.append(f"## `{room}`\n")
        parts += [entry(each["code"], each["status"], each["fault"], each["title"], each["advice"]) for each in group]
    return {"docs/reference/reasons.md": NOTE + INTRODUCTION + "\n".join(parts)}


def entry(code: str, status: int, fault: str, title: str, advice: str) -> str:
    """One reason."""
    return f"### {code}\n\n**{status}. {title}** Whose fault: {fault}.\n\n{advice}\n"
