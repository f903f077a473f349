"""The control process's own events: who changed what, and what happened to it.

An audit event is on disk before the change is answered; the log chains its
hashes, so that none can be taken out unseen. Nothing secret goes in here.
"""

import os
import pwd
import threading
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from lockgate.state import StateFolder

RETAIN_BYTES = 256 * 1024 * 1024
"""Of the control process's own events: at about 300 bytes each, some 900,000 changes."""

log = structlog.get_logger("lockgate.control")


class Journal(Protocol):
    """Where a change is written down."""

    def audit(self, actor: str, action: str, object_: str, detail: dict[str, Any]) -> None:
        """Write down a change; on disk when this returns."""

    def system(self, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        """Write down what happened to the process itself."""


class EventJournal:
    """A journal in the state folder's segments. One process at a time: hold the `control` lock."""

    def __init__(self, state: StateFolder) -> None:
        """Open the segments for appending."""
        from lockgate._native import EventWriter

        self._writer = EventWriter(str(state.control_events), RETAIN_BYTES)
        self._lock = threading.Lock()

    def audit(self, actor: str, action: str, object_: str, detail: dict[str, Any]) -> None:
        """Write down a change; on disk when this returns."""
        event = {"actor": actor, "action": action, "object": object_, "detail": detail}
        with self._lock:
            self._writer.append({"v": 1, "class": "audit", **event}, durable=True)

    def system(self, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        """Write down what happened to the process itself; a full disk must not stop what goes on."""
        from lockgate._native import LockgateError

        event = {"code": code, "message": message, "detail": detail or {}}
        try:
            with self._lock:
                self._writer.append({"v": 1, "class": "system", **event})
        except LockgateError as error:
            log.error("event-not-written", code=code, cause=str(error))  # noqa: TRY400 -- The cause says it all.

    def close(self) -> None:
        """Flush and close."""
        with self._lock:
            self._writer.flush()
            self._writer.close()

    def __enter__(self) -> Self:
        """Nothing more than the constructor did."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def admin_actor() -> str:
    """Who an audit event names: `admin:` and the account that the state folder belongs to.

    A command that works on the folder itself and one that asks the admin API prove
    the same thing, that they can read the folder: so they are one actor. The account
    is the kernel's word, not the environment's, and every process on a folder has it.
    """
    try:
        return f"admin:{pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:  # A container's user need not have a name.
        return f"admin:{os.geteuid()}"
