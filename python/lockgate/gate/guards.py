"""Whether what is served refuses attacks: the gate has tried, and this says aloud what came of it."""

from __future__ import annotations

from typing import Any

import structlog

log = structlog.get_logger("lockgate.gate")

HINT = "`lockgate waf status` shows each attack, and why it passes"


def tell(stats: dict[str, Any]) -> None:
    """Write down where the policy `waf` lets through what it must refuse, and where it is told to."""
    for words in stats.get("unguarded", ()):
        log.error("waf-passes-attacks", what=words, hint=HINT)
    for words in stats.get("lenient", ()):
        log.warning("waf-told-to-pass-attacks", what=words, hint=HINT)
