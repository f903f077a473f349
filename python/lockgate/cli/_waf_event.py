"""The event of a request that `waf` looked at, and what is known of what it found."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lockgate.cli._report import leave

if TYPE_CHECKING:
    from lockgate.rehearsal.waf.found import Inspected
    from lockgate.state import StateFolder

ROOM: Final = "waf"
WRITTEN_SECONDS: Final = 1.0
"""So long after its answer an event may be written."""
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as its event tells it."""

    event: dict[str, Any]
    inspected: Inspected
    bundle: dict[str, Any] | None
    """What judged it, while that is kept."""
    state: StateFolder

    @property
    def placed(self) -> dict[str, Any] | None:
        """The API's policy then."""
        from lockgate.rehearsal.waf.found import waf_of

        return waf_of(self.bundle, str(self.event["api"])) if self.bundle is not None else None

    @property
    def outcome(self) -> str:
        """What the policy said: `deny`, `observe-deny`, `allow`."""
        return str(self._verdict.get("outcome", "not-reached"))

    @property
    def reason(self) -> str | None:
        """Why the policy refused, or would have; a body that cannot be read is refused for that, whatever the score."""
        said = self._verdict.get("reason")
        return None if said is None else str(said)

    @property
    def _verdict(self) -> dict[str, Any]:
        return next((one for one in self.event["verdicts"] if one["policy"] == ROOM), {})


def asked(folder: Path, request: str) -> Asked:
    """The event of this id; leaves where there is none, or where nothing was found in the request."""
    from lockgate.admin.event_log import find
    from lockgate.rehearsal.waf.found import Inspected
    from lockgate.state import StateError, StateFolder

    try:
        state = StateFolder.existing(folder)
    except StateError as error:
        leave(str(error))
    event = find(state, request)
    until = time.monotonic() + WRITTEN_SECONDS
    while event is None and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        event = find(state, request)
    if event is None:
        leave(
            f"There is no event with the id {request!r} in {folder}: neither in the log ({state.gate_events}) nor in "
            f"the history ({state.history}).\n"
            "The id is the answer's X-Request-Id, and `instance` of its body. Events are written within a second and "
            "kept up to `events.retain`, on the machine of the gate that wrote them: ask there, or with --state where "
            "its folder is another. What runs inside an application writes none: `lockgate explain` with the request's "
            "method, URL and --body tells there.",
            code=1,
        )
    if event.get("class") not in {"access", "security"}:
        leave(f"{request} is no request: `lockgate logs --id {request}` shows what it is.", code=1)
    if event.get("waf") is None:
        leave(_nothing(event), code=1)
    return Asked(event, Inspected.read(event["waf"]), _bundle(state, str(event["bundle"])), state)


UNSCANNED: Final = frozenset({"waf-file-too-long", "waf-scan-unavailable"})
"""Refusals of a file that nobody looked at: it was not found to be bad."""


def elsewhere(told: Asked) -> str | None:
    """What to say where something decided that no exclusion should change."""
    reason = told.reason
    if reason in UNSCANNED:
        return f"`{reason}` decided: the file was not looked at, so it was not found to be bad.\n{advice(reason)}"
    if reason is None or reason.endswith("-refused") or reason == "waf-malware":
        return None
    return f"`{reason}` decided, whatever the score, and no exclusion changes that.\n{advice(reason)}"


def _nothing(event: Mapping[str, Any]) -> str:
    """What to say of a request in which nothing was found."""
    request, reason = event["id"], event.get("reason")
    if reason is None:
        return f"Request {request} was let through, and nothing was found in it."
    said = f"Request {request} was refused with `{reason}`, and not for what `waf` found in it: nothing."
    if event.get("room") == ROOM and (text := advice(str(reason))):
        said += f"\n{text}"
    return f"{said}\n`lockgate explain --request {request}` says what decided."


def advice(reason: str) -> str:
    """What to do about a refusal."""
    from lockgate._native import reasons

    return next((each["advice"] for each in reasons() if each["code"] == reason), "")


def _bundle(state: StateFolder, digest: str) -> dict[str, Any] | None:
    """The bundle that judged it, of the last that are kept."""
    from lockgate.admin.bundles import text_of
    from lockgate.admin.store import Store

    store = Store.beside(state.database)
    if store is None:
        return None
    with contextlib.closing(store):
        text = text_of(store, digest)
    document: dict[str, Any] | None = json.loads(text) if text is not None else None
    return document


def of_api(state: StateFolder, api: str, since_ms: int) -> Iterator[dict[str, Any]]:
    """Events of an API's requests from then on."""
    from lockgate.cli._events import Events

    yield from Events((state.gate_events,), {"api": api, "since_ms": since_ms}).all()
