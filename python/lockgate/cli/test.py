"""`lockgate test`: a configuration held against a table of requests and what must come of them."""

from __future__ import annotations

import fnmatch
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli._report import Json, count, leave, load_or_exit, output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockgate.rehearsal.coverage import Coverage
    from lockgate.rehearsal.read import Read
    from lockgate.rehearsal.run import Result, Run


def test(
    tables: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TABLE",
            help="Tables of cases; by default lockgate.tests.yaml and tests/*.yaml beside the configuration.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")] = Path(
        "lockgate.yaml"
    ),
    only: Annotated[
        str | None,
        typer.Option("--filter", "-k", metavar="TEXT", help="Only cases whose name has this text, or matches."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit's XML, too.")
    ] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="List what no case meets.")] = False,
    coverage_min: Annotated[
        float | None,
        typer.Option("--coverage-min", min=0, max=100, metavar="PERCENT", help="Exit with 1 where less is met."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name each case, also those that pass.")] = False,
    init: Annotated[bool, typer.Option("--init", help="Write a first table beside the configuration instead.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a table instead.")] = False,
    as_json: Json = False,
) -> None:
    """Hold a configuration against a table of requests: which are let through, which are refused and why.

    The gate's own engine judges; nothing runs, and nothing is sent. A case that
    comes out otherwise is shown with its line, and with each policy's verdict.

    Exits with 0 if all is as expected, 1 if a case is not or too little is
    covered, 2 if there is nothing to run, a file is wrong, or a case says
    what cannot be under this configuration.

    Example: lockgate test --coverage-min 80
    """
    if schema:
        from lockgate.rehearsal.model import schema as made

        typer.echo(json.dumps(made(), indent=2, ensure_ascii=False))
        return
    if init:
        _init(config)
        return
    loaded = load_or_exit(config)
    cases = _chosen(_read(tables, config), only)
    from lockgate.rehearsal.coverage import measure
    from lockgate.rehearsal.run import Run

    run = Run(loaded.compile(0, 0), cases, loaded.document.sign_in)
    results = _run(run, quiet=as_json, verbose=verbose)
    met = measure(run.outline(), run.explained, run.parts())
    if junit is not None:
        _write_junit(junit, results, run.bundle)
    failed = any(not result.passed for result in results)
    broken = any(result.broken is not None for result in results)
    short = coverage_min is not None and met.percent < coverage_min
    if as_json:
        _print_json(results, met, run.bundle)
    else:
        _sum_up(results, met, listed=coverage or short, least=coverage_min)
    raise typer.Exit(2 if broken else 1 if failed or short else 0)


def _read(tables: Sequence[Path] | None, config: Path) -> list[Read]:
    from lockgate.errors import ConfigErrors
    from lockgate.rehearsal.read import NAME, beside, read

    files = list(tables) if tables else beside(config)
    if not files:
        leave(f"There is no table: write {config.parent / NAME}, or let `lockgate test --init` write a first one.")
    try:
        return read(files)
    except ConfigErrors as refused:
        renderer = output(err=True)
        for text in renderer.problems(refused.errors):
            typer.echo(text, err=True)
        leave(f"The table is refused: {count(len(refused.errors), 'error')}.")


def _chosen(cases: list[Read], only: str | None) -> list[Read]:
    if only is None:
        return cases
    wanted = only.casefold()
    names = [one.case.name.casefold() for one in cases]
    chosen = [
        one for one, name in zip(cases, names, strict=True) if wanted in name or fnmatch.fnmatchcase(name, wanted)
    ]
    if not chosen:
        leave(f"No case's name has {only!r}: there are {count(len(cases), 'case')}, and `-v` names them.")
    return chosen


def _run(run: Run, *, quiet: bool, verbose: bool) -> list[Result]:
    """Run all, showing failures as they come and how far it is."""
    from lockgate.cli._progress import Progress
    from lockgate.cli._tested import failure

    results: list[Result] = []
    renderer = output()
    with Progress(len(run.cases), "cases", shown=not quiet) as progress:
        for result in run:
            results.append(result)
            progress.advance(1)
            if quiet or (result.passed and not verbose):
                continue
            with progress.paused():
                if result.passed:
                    typer.echo(f"{renderer.paint('ok', 'info')}    {result.read.case.name}")
                else:
                    typer.echo(failure(result, renderer, run.bundle))
    return results


def _write_junit(path: Path, results: Sequence[Result], bundle: Mapping[str, Any]) -> None:
    from lockgate.cli._tested import failure
    from lockgate.config.render import Renderer
    from lockgate.rehearsal.junit import report

    plain = Renderer()
    try:
        path.write_bytes(report(results, lambda result: failure(result, plain, bundle)))
    except OSError as error:
        leave(f"--junit: {path} cannot be written: {error.strerror}")


def _print_json(results: Sequence[Result], met: Coverage, bundle: Mapping[str, Any]) -> None:
    from lockgate.cli._tested import told

    cases: list[dict[str, Any]] = [
        {
            "name": result.read.case.name,
            "file": result.read.source.name,
            "line": result.read.region.line,
            "passed": result.passed,
            "error": result.broken,
            "misses": [{"field": miss.field, "expected": miss.expected, "found": miss.found} for miss in result.misses],
            "explained": told(result, bundle),
        }
        for result in results
    ]
    passed = sum(result.passed for result in results)
    summed = {"passed": passed, "failed": len(results) - passed, "cases": cases, "coverage": met.as_json()}
    typer.echo(json.dumps(summed, indent=2, ensure_ascii=False))


def _sum_up(results: Sequence[Result], met: Coverage, *, listed: bool, least: float | None) -> None:
    renderer = output()
    if listed:
        for point in met.missing:
            typer.echo(f"{point.place or '-'}: {point.words}")
        if met.missing:
            typer.echo("")
    passed = sum(result.passed for result in results)
    broken = sum(result.broken is not None for result in results)
    failed = len(results) - passed - broken
    said = [f"{count(passed, 'case')} as expected"]
    if failed:
        said.insert(0, renderer.paint(f"{count(failed, 'case')} not", "error"))
    if broken:
        said.insert(0, renderer.paint(f"{count(broken, 'case')} could not be run", "error"))
    typer.echo(f"{', '.join(said)}.")
    kinds = {
        "routes": ("route",),
        "operations": ("operation",),
        "verdicts of policies": ("allows", "refuses"),
        "roles, scopes and rules": ("rule",),
    }
    parts = [f"{got} of {total} {what}" for what, kind in kinds.items() for got, total in [met.of(*kind)] if total]
    typer.echo(f"Covered: {math.floor(met.percent)} % ({', '.join(parts)}).")
    if least is not None and met.percent < least:
        typer.echo(f"That is less than --coverage-min {least:g}.", err=True)


def _init(config: Path) -> None:
    from lockgate.rehearsal.first_table import first_table
    from lockgate.rehearsal.read import NAME

    path = config.parent / NAME
    loaded = load_or_exit(config)
    text = first_table(loaded.compile(0, 0), loaded.document.sign_in)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        leave(f"{path} is there already, and stays as it is.", code=1)
    except OSError as error:
        leave(f"{path} cannot be written: {error.strerror}")
    sys.stdout.write(f"Wrote {path}: read it, then `lockgate test`.\n")
