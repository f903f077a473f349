"""`lockgate logs`: what happened, from the event logs of the gate and the control process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lockgate.cli._report import Json, leave
from lockgate.cli._state import StateDir, state_or_exit

if TYPE_CHECKING:
    from lockgate.cli._events import Events
    from lockgate.state import StateFolder

DEFAULT_LAST: Final = 100


def logs(
    state: StateDir = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens now.")] = False,
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", min=0, max=10_000, metavar="N", help="Only the last N; 100 without --since."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="CLASS", help="access, security (refused), audit or system; may be repeated."),
    ] = None,
    api: Annotated[str | None, typer.Option("--api", metavar="NAME", help="Requests to this API.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Requests answered 404, 4xx or 400-499.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="CODE",
            help="Requests refused so, or that `mode: observe` or `on_error` let pass.",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="ID", help="Requests with this key's id.")] = None,
    of_app: Annotated[
        str | None, typer.Option("--app", metavar="NAME", help="Requests by this program (`lockgate apps list`).")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="From then: 15m ago, or 2027-01-31T09:30.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Up to then.")] = None,
    request: Annotated[str | None, typer.Option("--id", metavar="ID", help="All of this one request or event.")] = None,
    as_json: Json = False,
) -> None:
    """Print what happened: requests answered and refused, changes, and the gate's own life.

    Requests of the gate and changes made through the control process come in one
    list, oldest first. With --json, each line is one event, all of it.

    Example: lockgate logs --follow --class security --status 4xx
    """
    from lockgate.cli._events import BadFilterError, Events, wanted

    folder = state_or_exit(state)
    try:
        criteria = wanted(classes, status, since, until, {"api": api, "reason": reason, "key": key, "app": of_app})
    except BadFilterError as wrong:
        leave(str(wrong))
    events = Events((folder.gate_events, folder.control_events), criteria)
    show = _as_json if as_json else _as_lines
    if request is not None:
        _one(folder, events, request, as_json=as_json)
        return
    if last is None and since is not None:
        shown = show(events.all())
    else:
        shown = show(events.last(DEFAULT_LAST if last is None else last))
    if not shown and last != 0:
        # Beside the events, which may be read by a program.
        typer.echo(_nothing(api), err=True)
    if follow:
        _follow(events, show)


def _nothing(api: str | None) -> str:
    of = "" if api is None else f" An API is asked for by its name in the configuration, here {api!r}."
    return f"Nothing of that is in the logs: they may be older, or in another --state.{of}"


def _follow(events: Events, show: Callable[[Iterable[dict[str, Any]]], int]) -> None:
    """Show what is new, until the reader has enough."""
    from lockgate.cli._events import LOOK_SECONDS

    while True:
        show(events.new())
        time.sleep(LOOK_SECONDS)


def _one(folder: StateFolder, events: Events, request: str, *, as_json: bool) -> None:
    event = events.find(request)
    if event is None:
        event = _older(folder, request)
    if event is None:
        leave(f"No event has the id {request!r}: it may be older than what is kept, or in another --state.", code=1)
    if as_json:
        typer.echo(json.dumps(event, indent=2, ensure_ascii=False))
        return
    from lockgate.cli._event_lines import console, in_full

    console().print(in_full(event), end="", soft_wrap=True)


def _older(folder: StateFolder, request: str) -> dict[str, Any] | None:
    """One that the log has deleted, as the history keeps it."""
    from lockgate.history.manifest import HistoryError, Manifest
    from lockgate.history.reader import History

    try:
        if not Manifest.read(folder.history).parts:
            return None
        with History.open(folder, tail=False) as history:
            return history.event(request)
    except HistoryError as error:
        leave(str(error))


def _as_json(events: Iterable[dict[str, Any]]) -> int:
    shown = 0
    for shown, event in enumerate(events, 1):  # noqa: B007 -- The last number is the answer.
        typer.echo(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
    return shown


def _as_lines(events: Iterable[dict[str, Any]]) -> int:
    from lockgate.cli._event_lines import console, line

    out = console()
    shown = 0
    for shown, event in enumerate(events, 1):  # noqa: B007 -- As above.
        text = line(event)
        if out.is_terminal:
            out.print(text, soft_wrap=True)
        else:
            # A file or a pipe has no colours, and rich's layout would take most of the time.
            typer.echo(text.plain)
    return shown
