"""Events as people read them: one line each, or all of one."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from lockgate.printable import printable

_CLASS_STYLES: Final = {"access": "dim", "security": "red", "audit": "magenta", "system": "cyan"}
_OUTCOME_STYLES: Final = {
    "allow": "green",
    "identify": "green",
    "respond": "yellow",
    "observe-deny": "yellow",
    "deny": "red",
    "error": "red",
}

FULL_FIRST: Final = ("class", "id", "node", "method", "host", "path", "status", "reason", "room")
"""Fields that are read first in the full form; the others follow as the event has them."""

Event = dict[str, Any]


def console() -> Console:
    """What prints: colours where a terminal reads, and nothing of an event taken for markup."""
    return Console(highlight=False, markup=False, emoji=False)


def line(event: Event) -> Text:
    """One event in one line."""
    kind = str(event["class"])
    text = Text.assemble((moment(event["at_ms"]), "dim"), "  ", (f"{kind:<8}", _CLASS_STYLES.get(kind, "")))
    if kind in {"access", "security"}:
        return text.append("  ").append_text(_request(event))
    if kind == "audit":
        _add(text, f"{event['actor']} {event['action']} {event['object']}", "bold")
        for part in _changed(event):
            _add(text, part)
    else:
        _add(text, str(event["code"]), "bold")
        _add(text, str(event["message"]))
    return text


def in_full(event: Event) -> Text:
    """All of one event."""
    text = Text()
    text.append_text(line(event)).append("\n\n")
    rest = [field for field in event if field not in (*FULL_FIRST, "verdicts", "span", "v", "at_ms")]
    for field in (*FULL_FIRST, *rest):
        value = event.get(field)
        if value is not None and value != "":
            text.append(f"  {field:<12} ", "dim").append(f"{_safe(value)}\n")
    if event.get("span"):
        span = event["span"]
        text.append(f"  {'decided by':<12} ", "dim")
        text.append(f"{_safe(span['file'])}:{span['line']}:{span['column']}\n")
    for verdict in event.get("verdicts", []):
        text.append(f"  {'policy':<12} ", "dim").append(f"{_safe(verdict['policy']):<14} ")
        text.append(_safe(verdict["outcome"]), _OUTCOME_STYLES.get(verdict["outcome"], "dim"))
        text.append(f" {_safe(verdict['reason'])}\n" if verdict["reason"] else "\n")
    return text


def moment(at_ms: int) -> str:
    """A moment in this machine's zone, to the millisecond."""
    try:
        local = dt.datetime.fromtimestamp(at_ms / 1000).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
    return f"{local:%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d}"


def took(microseconds: int) -> str:
    """How long, in the unit that reads best."""
    if microseconds < 1000:
        return f"{microseconds}µs"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:.1f}ms"
    return f"{microseconds / 1_000_000:.1f}s"


def _changed(event: Event) -> list[str]:
    """What tells one change from another of the same kind."""
    detail = event.get("detail")
    if not isinstance(detail, dict):
        return []
    said = []
    if event["action"] == "config.reload":
        said.append(str(detail.get("result", "")))
        if detail.get("result") == "refused":
            number = detail.get("errors")
            said.append(f"{number} error{'s' * (number != 1)}")
        elif detail.get("sequence") is not None:
            said.append(f"bundle {detail['sequence']}")
    said += [f"{field}={detail[field]}" for field in ("name", "owner", "environment", "keys") if detail.get(field)]
    if event["action"] == "key.revoke":
        said.append(f"reason={detail.get('reason') or 'none given'}")
    return [part for part in said if part]


def _request(event: Event) -> Text:
    status = int(event["status"])
    text = Text.assemble((str(status or "---"), _status_style(status)))
    # Where no request was read the protocol says what it was.
    what = event["method"] or event.get("protocol") or ""
    _add(text, f"{what} {event['host']}{event['path']}".rstrip(), "bold")
    if event["reason"]:
        own = f" ({_safe(event['own'])})" if event.get("own") else ""
        _add(text, f"{event['reason']}{own}", "red" if event["class"] == "security" else "yellow")
    for verdict in event.get("verdicts") or ():
        if verdict["outcome"] == "observe-deny" and verdict["reason"]:
            _add(text, f"{verdict['reason']} (observed)", "yellow")
    _add(text, str(event["peer"]))
    for field in ("api", "key", "app"):
        if event.get(field):
            _add(text, f"{field}={event[field]}", "dim")
    _add(text, took(int(event["took_us"])), "dim")
    _add(text, str(event["id"]), "dim")
    return text


def _status_style(status: int) -> str:
    match status // 100:
        case 2 | 3:
            return "green"
        case 4:
            return "yellow"
        case 1:
            return ""
        case _:
            return "red"


def _add(text: Text, part: str, style: str = "") -> None:
    if len(text):
        text.append("  ")
    text.append(_safe(part), style)


def _safe(value: object) -> str:
    """Nothing that a stranger sent may drive the terminal."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    return printable(text)
