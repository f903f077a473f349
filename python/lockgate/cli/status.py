"""`lockgate status`: how the gate and the control process are."""

from __future__ import annotations

import json
from typing import Any

import typer

from lockgate.cli._admin import NotRunningError, running
from lockgate.cli._refusals import why_refused
from lockgate.cli._report import Json, count, leave
from lockgate.cli._state import StateDir


def status(state: StateDir = None, as_json: Json = False) -> None:
    """Show how the gate and the control process are.

    Exits with 0 if the configuration is served as it stands, 1 if something is
    wrong, a change needs a restart or the control process is only just being
    started, 2 if nothing runs.

    Example: lockgate status
    """
    try:
        told = running(state).get("/v1/status")
    except NotRunningError as error:
        leave(str(error), code=error.exit_code)
    wrong = _wrong(told)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in _lines(told):
            typer.echo(line)
        for line in wrong:
            typer.echo(f"Wrong:     {line}")
    raise typer.Exit(1 if wrong else 0)


def _lines(told: dict[str, Any]) -> list[str]:
    gate, control = told["gate"], told["control"]
    bundle = gate["bundle"]
    lines = [f"The gate   {_listens(gate)}" if gate["up"] else "The gate   is not connected"]
    if bundle is not None:
        lines.append(f"Serves     bundle {bundle['sequence']} ({bundle['hash']}) of {control['config']}")
    if gate["stats"] is not None:
        stats = gate["stats"]
        known = [count(stats[f"{what}s"], what) for what in ("connection", "request", "key") if f"{what}s" in stats]
        lines.append(f"Has        {', '.join(known)}")
    lines += [_cost(plugin) for plugin in (gate["stats"] or {}).get("plugins", []) if plugin["calls"]]
    lines.append(f"Control    process {control['pid']}, version {control['version']}, up {control['uptime_s']} s")
    for name, process in told["supervisor"].get("processes", {}).items():
        if process["restarts"]:
            lines.append(f"Restarts   {name}: {process['restarts']}")
    return lines


def _cost(plugin: dict[str, Any]) -> str:
    """What a plugin has cost its API's callers."""
    mean, longest = plugin["mean_us"] / 1000, plugin["longest_us"] / 1000
    failed = f", {plugin['failed']} failed" if plugin["failed"] else ""
    return f"Plugin     {plugin['name']}: {count(plugin['calls'], 'call')}, {mean:.1f} ms each, {longest:.1f} ms at most{failed}"


def _listens(gate: dict[str, Any]) -> str:
    """Where a gate that is connected listens, or why it does not."""
    if (gate["stats"] or {}).get("draining"):
        return "drains: it takes no new connections, finishes the requests under way, and then stops"
    return ", ".join(f"http://{address} ({name})" for name, address in gate["addresses"].items()) or "does not listen"


def _wrong(told: dict[str, Any]) -> list[str]:
    wrong = []
    if not told["gate"]["up"]:
        wrong.append("no gate is connected; the supervisor's log says why")
    elif told["gate"]["bundle"] is None:
        wrong.append("the gate has no configuration to serve")
    if told["gate"]["facts_behind"]:
        wrong.append("the gate does not know the latest keys and revocations yet")
    last = told["control"]["last_reload"]
    if last is not None and last["result"] == "refused":
        wrong.append(why_refused(last.get("errors", [])))
    wrong += told["control"]["needs_restart"]
    return wrong
