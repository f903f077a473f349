"""Two ways to change what gates know: a running admin API, and the state folder itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lockgate.cli._admin import Admin, NotRunningError, StartingError
from lockgate.state import StateFolder, StateInUseError

LOCK_SECONDS = 5.0
"""A control process that is being started again answers within a few seconds."""

START_SECONDS = 20.0
"""And one that follows another has to wait for it to end: only it can say what the gates know."""

MOST_NAMED = 5
"""Gates of an installation may be many, and a line is one."""

Row = dict[str, Any]
Way = TypeVar("Way")


def admin_or_folder(state: StateFolder, running: Callable[[Admin], Way], folder: Callable[[], Way]) -> Way:
    """Through the admin API where one answers; else in the folder, whose lock `folder` takes.

    Raises `StateInUseError` where something holds the folder and does not answer.
    """
    began = time.monotonic()
    deadline = began + LOCK_SECONDS
    while True:
        try:
            admin = Admin.of(state)
            admin.get("/healthz")
        except StartingError:
            if time.monotonic() < began + START_SECONDS:
                time.sleep(0.1)
                continue
        except NotRunningError:
            pass
        else:
            return running(admin)
        try:
            return folder()
        except StateInUseError:
            # Something starts or stops at this very moment: it will answer, or let go.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def told_in_folder(state: StateFolder, elsewhere: Sequence[str]) -> Row:
    """Who does not know yet of a change that was made in the folder; `elsewhere` are the gates that have enrolled."""
    try:
        beside = bool(state.gate_processes())
    except OSError:
        beside = True
    waiting = [*(["local"] if beside else []), *elsewhere]
    return {"gate": "pending" if waiting else "absent", "waiting": waiting}


def gate_words(row: Row) -> str:
    """Who acts on a change by now, in words."""
    gate, elsewhere = row.get("gate"), [name for name in row.get("waiting", ()) if name != "local"]
    if gate == "applied":
        return "The gate acts on it already."
    if gate != "pending":
        return "No gate runs now; it will know when it starts."
    if not elsewhere:
        return "A gate serves that does not know it yet, and will once a control process runs: see `lockgate status`."
    more = f" and {len(elsewhere) - MOST_NAMED} more" if len(elsewhere) > MOST_NAMED else ""
    return (
        f"Not known yet to {', '.join(elsewhere[:MOST_NAMED])}{more}, which may still serve by what was known; "
        "see `lockgate gates list`. If a gate is no more, shut it out: `lockgate gates revoke NAME`."
    )
