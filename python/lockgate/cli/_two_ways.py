"""Two ways to change what gates know: a running admin API, and the state folder itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from lockgate.cli._admin import Admin, NotRunningError, RefusedError, StartingError
from lockgate.cli._report import leave
from lockgate.cli._state import state_or_exit
from lockgate.state import StateError, StateFolder, StateInUseError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LOCK_SECONDS = 5.0
"""A control process that is being started again answers within a few seconds."""

START_SECONDS = 20.0
"""And one that follows another has to wait for it to end: only it can say what the gates know."""

MOST_NAMED = 5
"""Gates of an installation may be many, and a line is one."""

Row = dict[str, Any]
Way = TypeVar("Way")


class Known(Protocol):
    """What gates are to know."""

    def gates_elsewhere(self) -> list[str]:
        """The gates that have enrolled."""


Kept = TypeVar("Kept", bound=Known)


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


class Folder(Generic[Kept]):
    """A state folder itself, while no control process runs on it: a gate learns of changes once one does."""

    def __init__(self, kept: Kept, state: StateFolder) -> None:
        """`kept` holds the folder's lock."""
        from lockgate.admin.journal import admin_actor

        self.kept = kept
        self.actor = admin_actor()
        self._state = state

    def changed(self, record: DataclassInstance, **more: Any) -> Row:
        """What was changed, and who does not know it yet."""
        return {**asdict(record), **more, **told_in_folder(self._state, self.kept.gates_elsewhere())}

    def pages(self, page: Callable[[str | None], Sequence[DataclassInstance]]) -> Iterator[Row]:
        """All there are, each with an id; `page` gives those after one."""
        after: str | None = None
        while rows := [asdict(item) for item in page(after)]:
            yield from rows
            after = rows[-1]["id"]


@contextmanager
def two_ways(
    given: Path | None,
    running: Callable[[Admin], Way],
    folder: Callable[[Kept, StateFolder], Way],
    offline: Callable[[StateFolder], AbstractContextManager[Kept]],
    refused: tuple[type[Exception], ...],
) -> Iterator[Way]:
    """What the folder that `--state` names keeps; `refused`, and what else can go wrong, ends the command."""
    state = state_or_exit(given)
    wrong: tuple[type[Exception], ...] = (*refused, RefusedError, NotRunningError, StateError)
    with ExitStack() as stack:
        try:
            yield admin_or_folder(state, running, lambda: folder(stack.enter_context(offline(state)), state))
        except wrong as error:
            leave(str(error))
