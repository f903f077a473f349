"""Reading events: the gate's and the control process's own, as one."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from lockgate.history.manifest import Manifest
from lockgate.history.reader import History
from lockgate.state import StateFolder

NEAR_MS = 300_000
"""A fault is written as it happens, its request when that ends: no longer apart than the longest timeouts."""
MOST_NEAR = 10_000


class CursorError(ValueError):
    """The cursor is none of ours."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order of their time, and where to go on."""

    events: list[dict[str, Any]]
    cursor: str


def page(state: StateFolder, *, cursor: str | None, limit: int, wanted: dict[str, Any] | None = None) -> Page:
    """Up to `limit` events of each process after `cursor`, such as `wanted` (the core's filter) lets through."""
    from lockgate._native import read_events

    places = _parse(cursor)
    found: list[dict[str, Any]] = []
    for name, folder in (("gate", state.gate_events), ("control", state.control_events)):
        if folder.is_dir():
            events, places[name] = read_events(str(folder), after=places.get(name), limit=limit, filter=wanted)
            found += events
    found.sort(key=lambda event: int(event["at_ms"]))
    return Page(found, _format(places))


def find(state: StateFolder, request_id: str) -> dict[str, Any] | None:
    """The event of a request, while it is kept: by the log, or longer by the history."""
    from lockgate._native import find_event

    event: dict[str, Any] | None = None
    if state.gate_events.is_dir():
        event = find_event(str(state.gate_events), request_id)
    if event is None and Manifest.read(state.history).parts:
        with History.open(state, sources=("gate",), tail=False) as history:
            event = history.event(request_id)
    return event


def faults(state: StateFolder, event: dict[str, Any]) -> list[str]:
    """What policies met that could not decide about a request: the gate writes that down beside it."""
    from lockgate._native import read_events

    if not state.gate_events.is_dir():
        return []
    about, at_ms = f" (request {event['id']})", int(event["at_ms"])
    near = {"classes": ["system"], "since_ms": max(0, at_ms - NEAR_MS), "until_ms": at_ms + NEAR_MS}
    events, _ = read_events(str(state.gate_events), limit=MOST_NEAR, filter=near)
    messages = (str(other.get("message", "")) for other in events)
    return [message.removesuffix(about) for message in messages if message.endswith(about)]


def _parse(cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    try:
        places = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError as error:
        raise CursorError("this is no cursor: give back `next` as it came") from error
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise CursorError("this is no cursor: give back `next` as it came")
    return places


def _format(places: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(places, separators=(",", ":")).encode()).decode()
