"""The events of several directories as one list: the last, all, one by its id, and those that come."""

from __future__ import annotations

import datetime as dt
import difflib
import heapq
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticCustomError

from lockgate import _native
from lockgate.scalars import parse_duration

CLASSES: Final = ("access", "security", "audit", "system")

LOOK_SECONDS: Final = 0.2
"""Between two looks for new events; workers hand theirs over every 50 ms, so this is what one waits for."""

PAGE: Final = 1000
"""Events read at once."""

MOST: Final = 10_000
"""Events that the native reader gives at once, at most."""

ELSEWHERE: Final = {
    "waf-unscanned": "the gate's own log calls files that passed without a scan; --reason waf-scan-unavailable lists "
    "their requests, and those that were refused for it."
}
"""Codes of other logs that are looked for here."""

_STATUS: Final = re.compile(r"(?P<class>[1-5])xx|(?P<low>[1-5]\d\d)(?:-(?P<high>[1-5]\d\d))?")

Event = dict[str, Any]


class BadFilterError(ValueError):
    """What is wanted cannot be understood; the message says what can."""


class Events:
    """The events that a filter wants, of some directories; a directory need not be there yet."""

    def __init__(self, folders: Sequence[Path], criteria: Mapping[str, Any]) -> None:
        self._folders = tuple(folders)
        self._criteria = dict(criteria)
        self._cursors: dict[Path, str | None] = {}

    def last(self, count: int) -> list[Event]:
        """The newest `count` by their time, oldest first; `new` goes on after them.

        A log is in the order of writing: a long request is written late, and each
        worker writes its own in batches. So the last of a log need not be the
        newest, and all that are not older than those are looked at as well.
        """
        found = self._written_last(count, self._criteria)
        if 0 < count <= len(found):
            oldest = max(_moment(found[-count]), self._criteria.get("since_ms", 0))
            found = self._written_last(MOST, {**self._criteria, "since_ms": oldest})
        return found[len(found) - min(count, len(found)) :]

    def _written_last(self, count: int, criteria: dict[str, Any]) -> list[Event]:
        """The last `count` of each log as written, in order of time."""
        found: list[Event] = []
        for folder in self._there():
            events, cursor = _native.last_events(str(folder), count, filter=criteria)
            found += events
            self._cursors[folder] = cursor
        return sorted(found, key=_moment)

    def all(self) -> Iterator[Event]:
        """All, oldest first, page by page; `new` goes on after them."""
        return heapq.merge(*(self._rest(folder) for folder in self._there()), key=_moment)

    def new(self) -> list[Event]:
        """Those written since the last look."""
        return sorted((event for folder in self._there() for event in self._rest(folder)), key=_moment)

    def find(self, identifier: str) -> Event | None:
        """The newest with this id."""
        for folder in self._there():
            event: Event | None = _native.find_event(str(folder), identifier)
            if event is not None:
                return event
        return None

    def _there(self) -> list[Path]:
        return [folder for folder in self._folders if folder.is_dir()]

    def _rest(self, folder: Path) -> Iterator[Event]:
        """From the cursor to the end of what is written now.

        A page may be empty because a filter wants nothing of it, so the end is
        where the cursor stays.
        """
        while True:
            before = self._cursors.get(folder)
            events, cursor = _native.read_events(str(folder), after=before, limit=PAGE, filter=self._criteria)
            self._cursors[folder] = cursor
            yield from events
            if cursor == (before or ""):
                return


def wanted(
    classes: Sequence[str] | None,
    status: str | None,
    since: str | None,
    until: str | None,
    exact: Mapping[str, str | None],
) -> dict[str, Any]:
    """The filter, as the native reader takes it."""
    criteria: dict[str, Any] = {field: value for field, value in exact.items() if value is not None}
    if "reason" in criteria:
        criteria["reason"] = _reason(criteria["reason"])
    if "key" in criteria:
        criteria["key"] = _key(criteria["key"])
    if classes:
        criteria["classes"] = [_class(name) for text in classes for name in text.split(",")]
    if status is not None:
        criteria["status_min"], criteria["status_max"] = _statuses(status)
    if since is not None:
        criteria["since_ms"] = moment_ms(since)
    if until is not None:
        criteria["until_ms"] = moment_ms(until)
    return criteria


def moment_ms(text: str, *, now: float | None = None) -> int:
    """Milliseconds since the epoch, from `15m`, `15m ago` or a date and time; without a zone it is this machine's."""
    try:
        ago = parse_duration(text.strip().removesuffix("ago").rstrip())
    except PydanticCustomError:
        pass
    else:
        return int((time.time() if now is None else now) * 1000) - ago
    try:
        return int(dt.datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise BadFilterError(
            f"{text!r} is no moment. Write how long ago, such as 15m, 24h or '15m ago', "
            "or a date and time, such as 2027-01-31, 2027-01-31T09:30 or 2027-01-31T09:30:00Z."
        ) from None


def _class(name: str) -> str:
    if name not in CLASSES:
        raise BadFilterError(f"{name!r} is no class of events. {_meant(name, CLASSES)}There are {', '.join(CLASSES)}.")
    return name


def _reason(code: str) -> str:
    """A filter by a reason that there is not would show nothing, as if all were well."""
    codes = [reason["code"] for reason in _native.reasons()]
    if code in ELSEWHERE:
        raise BadFilterError(f"{code!r} is what {ELSEWHERE[code]}")
    if code not in codes:
        raise BadFilterError(f"{code!r} is no reason. {_meant(code, codes)}docs/reference/reasons.md lists them all.")
    return code


def _key(key_id: str) -> str:
    if not key_id.startswith("key_"):
        # What was typed may be a key itself, which must stand in no message.
        raise BadFilterError("--key wants a key's id, which begins with key_: `lockgate keys list` shows it.")
    return key_id


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}? " if close else ""


def _statuses(text: str) -> tuple[int, int]:
    found = _STATUS.fullmatch(text)
    if found is None:
        raise BadFilterError(f"{text!r} is no status. Write one, such as 404, or several, such as 4xx or 400-499.")
    if found["class"]:
        low = int(found["class"]) * 100
        return low, low + 99
    return int(found["low"]), int(found["high"] or found["low"])


def _moment(event: Event) -> int:
    return int(event["at_ms"])
