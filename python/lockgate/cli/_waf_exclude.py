"""`lockgate waf exclude`: the narrowest exclusion for a request that was no attack, and what it comes to."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lockgate.cli._output import unread_is_fine
from lockgate.cli._report import Json, leave
from lockgate.cli._state import CONFIG, StateDir, state_path

if TYPE_CHECKING:
    from lockgate.rehearsal.waf.proposal import Exclusion

SHOWN: Final = 5
"""Requests that are shown of those that would have passed."""


def exclude(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The answer's X-Request-Id.")],
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")] = CONFIG,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="RULE", help="Only for this rule or detector; may be repeated."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="PLACE", help="At this place instead, such as body/items/*/note.")
    ] = None,
    requests: Annotated[
        str | None,
        typer.Option("--requests", metavar="REQUESTS", help="For these instead, such as 'POST /notes/*' or /notes/**."),
    ] = None,
    every_request: Annotated[bool, typer.Option("--every-request", help="For every request of the API.")] = False,
    broad: Annotated[bool, typer.Option("--broad", help="Allow what leaves more alone than one value.")] = False,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who answers for it.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why it is needed.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="The day it ends; in 90 days by default.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="Look at requests from then on, such as 24h.")
    ] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show everything, and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Propose what to leave alone so that a request passes, show what that lets in, and write it.

    Each rule or detector that has to be quiet is left out at the one place where it
    found something, for requests like this one. Shown is which recorded requests
    would have passed, and which of some thousand attacks, tried at the same place on
    the gate's own engine, would no longer be stopped. What is written keeps the
    file's comments and form, is checked first, and ends on a day.

    Exits with 0 if it is written or shown, 1 if there is nothing to write, 2 if it cannot be.

    Example: lockgate waf exclude 01J9Z0Q4N2W1X8Y7V6T5S4R3Q2 --owner shop-team --reason "names have quotes"
    """
    from lockgate.cli._first_answers import waived, waiver_parts
    from lockgate.cli._waf_event import asked
    from lockgate.cli._waf_proposed import Options, proposed

    interactive = sys.stdin.isatty() and not as_json
    if (yes or as_json) and not dry_run and not interactive:
        # What cannot be written is told before anything takes time.
        waived(owner, reason, until, ask=False)
    waiver_parts(owner, reason, until)
    told = asked(state_path(state, config=config), request)
    options = Options(
        rules=frozenset(rule or ()), at=at, requests=requests, every_request=every_request, broad=broad, since=since
    )
    plan = proposed(told, config, options)
    if not as_json:
        # What is to be written is written, also where nobody reads all that it comes to.
        with unread_is_fine(yes and not dry_run):
            plan.show()
    if not plan.exclusions:
        if as_json:
            typer.echo(json.dumps({**plan.as_json(), "written": False}, indent=2, ensure_ascii=False))
        else:
            typer.echo("Nothing is written: a setting holds for all of the API, so it is yours to write.")
        raise typer.Exit(0 if dry_run else 1)
    if not (dry_run or yes or as_json or interactive):
        more = "" if owner and reason else ", with --owner and --reason"
        leave(f"Nobody can be asked here: add --yes to have it written{more}. Nothing is written.")
    answered = None if dry_run and None in (owner, reason) else _waived(owner, reason, until, ask=not as_json)
    if answered is None:
        if as_json:
            typer.echo(json.dumps({**plan.as_json(), "written": False}, indent=2, ensure_ascii=False))
        else:
            typer.echo("Nothing is written: --dry-run.")
        return
    change = plan.written(*answered)
    if not as_json:
        with unread_is_fine(yes and not dry_run):
            _show_diff(change)
    if dry_run or not (yes or as_json or _confirmed(change.path)):
        done = False
    else:
        _write(change)
        done = True
    if as_json:
        told_json = {**plan.as_json(), "file": str(change.path), "written": done}
        typer.echo(json.dumps(told_json, indent=2, ensure_ascii=False))
    elif done:
        typer.echo(f"Written to {change.path}. A gate that runs takes it up by itself; `lockgate reload` says so.")
    else:
        typer.echo("Nothing is written.")


def _waived(owner: str | None, reason: str | None, until: str | None, *, ask: bool) -> tuple[str, str, dt.date]:
    """Who answers for it, why, and until when; asked for on a terminal."""
    from lockgate.cli._first_answers import waived

    interactive = ask and sys.stdin.isatty()
    found = waived(owner, reason, until, ask=interactive)
    return found.owner, found.reason, found.until


def _confirmed(path: Path) -> bool:
    return typer.confirm(f"Write this to {path}?", default=False)


def _show_diff(change: Any) -> None:
    import difflib

    from lockgate.cli._report import output
    from lockgate.printable import printable

    paint = output().paint
    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), str(change.path), str(change.path), n=2, lineterm=""
    )
    typer.echo()
    for line in lines:
        style = {"+": "info", "-": "error"}.get(line[:1], "dim")
        typer.echo(paint(printable(line), style))


def _write(change: Any) -> None:
    from lockgate.admin.edit import put_in_place

    path = change.path.resolve()
    try:
        content = path.read_bytes()
        mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
        if content.removeprefix(mark) != change.before.encode():
            leave(f"{path} has changed in the meantime: run it again. Nothing is written.")
        put_in_place(path, mark + change.after.encode())
    except OSError as error:
        leave(f"{path} cannot be written: {error.strerror or error}. Add this by hand, or run it as its owner.")


def entries(exclusions: Sequence[Exclusion], owner: str, reason: str, until: dt.date) -> list[dict[str, object]]:
    """Exclusions, as the configuration says them."""
    return [{**one.as_json(), "owner": owner, "reason": reason, "until": until} for one in exclusions]
