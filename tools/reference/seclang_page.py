"""`docs/reference/seclang.md`, from the rule language as the engine has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from lockgate import _native
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# SecLang

The rule language of ModSecurity and the OWASP Core Rule Set, as `waf` reads it from the Core Rule Set and from `files`
of your own. Whatever stands in a rule file is on this page or is an error at load, with file, line and what to write
instead; nothing is passed over. Where versions of ModSecurity differ, version 3 holds, and version 2 where the Core
Rule Set's own cases want it.

*Instead* says what Lockgate has in its place: such a line is read, and where it would have to change something it has
to say what the API's `waf` says. *Refused* is an error at load.

[From ModSecurity or Coraza](../guides/from-modsecurity.md) leads through a move.

"""

KINDS: Final = {
    "directive": ("Directives", "What stands at the beginning of a line."),
    "variable": ("Variables", "What a rule looks at."),
    "operator": ("Operators", "What a rule asks of it, behind `@`; `!` turns the answer round."),
    "transformation": ("Transformations", "What becomes of a value before it is asked, behind `t:`."),
    "action": ("Actions", "What a rule is, and what its match does."),
    "ctl": ("`ctl`", "What a match changes for the rest of its request, behind `ctl:`."),
}


def files(_root: Path) -> dict[str, str]:
    """The page."""
    words = _native.rule_language()
    parts = [section(kind, [each for each in words if each["kind"] == kind]) for kind in KINDS]
    return {"docs/reference/seclang.md": NOTE + INTRODUCTION + "\n".join(parts)}


def section(kind: str, words: list[dict[str, Any]]) -> str:
    """All words of a kind: first those that do what they say."""
    title, what = KINDS[kind]
    order = ("done", "instead", "refused")
    rows = [
        [f"`{each['name']}`", _plain(each["says"]), _here(each)]
        for each in sorted(words, key=lambda one: order.index(one["support"]))
    ]
    return f"## {title}\n\n{what}\n\n{table(['Word', 'What it says', 'Here'], rows)}"


def _here(word: dict[str, Any]) -> str:
    match word["support"]:
        case "instead":
            return f"Instead: {word['why']}"
        case "refused":
            return f"**Refused**: {word['why']}"
    return "Does it"


def _plain(text: str) -> str:
    """As code what a page's renderer would take for a picture's name: `HH:MM:SS`."""
    return re.sub(r"\w+(?::\w+){2,}", r"`\g<0>`", text)
