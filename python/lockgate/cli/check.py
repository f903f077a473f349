"""`lockgate check`: the errors of a configuration, with their places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli._report import ConfigFile, Json, count, output

if TYPE_CHECKING:
    from lockgate.config import Finding, Loaded, Problem


def check(
    file: ConfigFile = Path("lockgate.yaml"),
    as_json: Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where there are warnings.")] = False,
) -> None:
    """Check a configuration and report its errors together, each with its place and what is allowed.

    Only what cannot be read at all (a slip of syntax, a value of the wrong kind) may hide an error of meaning until it
    is mended; an unknown key hides none. A waiver that has ended is a warning.

    Exits with 0 if it can be served, 1 if it can but has warnings and --strict is
    given, 2 if it is refused. Nothing is started, and no secret is read.

    Example: lockgate check lockgate.yaml
    """
    from lockgate.config import ConfigErrors, load

    try:
        loaded = load(file)
    except ConfigErrors as refused:
        _print(refused.errors, refused.warnings, [], None, as_json=as_json)
        raise typer.Exit(2) from None
    # Warnings of the load are findings too; what is left are those of the clock.
    findings = [finding for finding in loaded.findings() if finding.code.startswith("waiver-") and _clock(finding)]
    _print([], loaded.warnings, findings, loaded, as_json=as_json)
    raise typer.Exit(1 if strict and (loaded.warnings or findings) else 0)


def _clock(finding: Finding) -> bool:
    return finding.kind == "finding" and finding.until is not None


def _print(
    errors: list[Problem] | tuple[Problem, ...],
    warnings: list[Problem] | tuple[Problem, ...],
    findings: list[Finding],
    loaded: Loaded | None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        found = {
            "ok": loaded is not None,
            "errors": [error.as_json() for error in errors],
            "warnings": [warning.as_json() for warning in warnings],
            "findings": [finding.as_json() for finding in findings],
        }
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    renderer = output()
    for text in renderer.problems(sorted((*errors, *warnings), key=lambda problem: problem.order)):
        typer.echo(text)
    for finding in findings:
        typer.echo(renderer.finding(finding))
    warned = len(warnings) + len(findings)
    wrong = sum(error.faults for error in errors)
    said = [count(number, what) for number, what in ((wrong, "error"), (warned, "warning")) if number]
    if loaded is None:
        typer.echo(f"{renderer.paint('Refused', 'error')}: {', '.join(said)}.")
        return
    document = loaded.document
    numbers = {
        "API": len(document.apis),
        "upstream": len(document.upstreams),
        "listener": len(document.listeners) or 1,
        "file": len(loaded.files),
    }
    parts = [count(number, what) for what, number in numbers.items() if number]
    problems = f"; {said[-1]}" if warned else ""
    typer.echo(f"Fine: {', '.join(parts)}{problems}.")
