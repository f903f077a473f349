"""`lockgate doctor`: whether this machine and this installation are fit to serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli._report import Json, count, output
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from lockgate.doctor import Result


def doctor(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")] = Path(
        "lockgate.yaml"
    ),
    state: StateDir = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no other machine: no upstream is looked at.")] = False,
    as_json: Json = False,
) -> None:
    """Examine the machine and the installation, and say of each fault what it means and what to do.

    Looks at descriptors, kernel, clock, native module, state folder, disk, configuration, secrets, waivers,
    certificates, ports, upstreams, and what runs. It changes nothing.

    Exits with 0 if all is well, 1 if something should be looked at, 2 if something keeps it from serving.

    Example: lockgate doctor --config lockgate.yaml
    """
    from lockgate.doctor import examine
    from lockgate.state import StateFolder

    folder = StateFolder(state_path(state, config=config).absolute())
    results = list(examine(config, folder, asks=not offline))
    levels = {result.level for result in results}
    if as_json:
        told = {"ok": levels <= {"ok"}, "results": [result.as_json() for result in results]}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(results)
    raise typer.Exit(2 if "error" in levels else 1 if "warning" in levels else 0)


def _print(results: list[Result]) -> None:
    renderer = output()
    words = {"ok": "ok", "warning": renderer.paint("warning", "warning"), "error": renderer.paint("error", "error")}
    for result in results:
        pad = " " * (9 - len(result.level))
        typer.echo(f"{words[result.level]}{pad}{result.check}: {result.found}")
        for label, text in (("means", result.means), ("do", result.advice)):
            if text is not None:
                typer.echo(f"         {label:<6}{text}")
    wrong = [result for result in results if result.level != "ok"]
    typer.echo(f"{count(len(results), 'check')}; {count(len(wrong), 'fault')}." if wrong else "All is well.")
