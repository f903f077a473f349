"""`lockgate reload`: take over the configuration as its files stand now."""

from __future__ import annotations

import json
from typing import Any

import typer

from lockgate.cli._admin import NotRunningError, RefusedError, running
from lockgate.cli._refusals import what_next
from lockgate.cli._report import Json, leave
from lockgate.cli._state import StateDir


def _unchanged(done: dict[str, Any]) -> str:
    """Files are watched, so what was changed a moment ago has mostly been taken over already."""
    from lockgate.cli._event_lines import moment

    bundle = f"bundle {done['sequence']} ({done['hash']})"
    if done.get("by") == "file":
        return f"Live already: {bundle} was taken over when the files changed, at {moment(done['since_ms'])}."
    return f"Nothing has changed: {bundle} serves."


def reload(state: StateDir = None, as_json: Json = False) -> None:
    """Read the configuration again and take it over: all of it or nothing.

    It also happens by itself when a file changes. Exits with 0 if it is live,
    2 if it is refused; then the one before goes on serving. 1 if the control
    process is only just being started: ask again.

    Example: lockgate reload
    """
    try:
        done = running(state).post("/v1/reload")
    except RefusedError as refused:
        if as_json:
            typer.echo(json.dumps(refused.problem, indent=2))
            raise typer.Exit(2) from None
        for error in refused.problem.get("errors", []):
            place = f"{error['file']}:{error['line']}:{error['column']}: " if error.get("file") else ""
            typer.echo(f"{place}{error['message']}  [{error.get('code')}]", err=True)
        leave(what_next(refused.problem.get("errors", [])))
    except NotRunningError as error:
        leave(str(error), code=error.exit_code)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    words = {
        "applied": f"Live: bundle {done['sequence']} ({done['hash']}), in {done['took_ms']} ms.",
        "unchanged": _unchanged(done),
        "signed": f"Bundle {done['sequence']} ({done['hash']}) is ready; no gate has taken it yet.",
    }
    typer.echo(words[done["result"]])
    for needed in done["needs_restart"]:
        typer.echo(f"But {needed}.")
