"""`lockgate routes`: what a configuration answers to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli._report import ConfigFile, Json, load_or_exit, tables

if TYPE_CHECKING:
    from lockgate.admin.routes import OperationRow, Route


def routes(
    file: ConfigFile = Path("lockgate.yaml"),
    operations: Annotated[
        bool, typer.Option("--operations", help="List the operations of the APIs' OpenAPI documents instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what a configuration answers to, and who may call it, the most specific first. Nothing needs to run.

    A request goes to the first row that fits it; a method that this row does not
    take is refused there.

    Example: lockgate routes
    """
    from lockgate.admin.routes import operation_rows, ordered, routes_of

    bundle = load_or_exit(file).compile(0, 0)
    if operations:
        _operations(operation_rows(bundle), as_json=as_json)
        return
    rows = ordered(routes_of(bundle))
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    _print(rows)
    for listener in bundle["listeners"]:
        for entry in listener["tls"]["passthrough"] if listener["tls"] is not None else ():
            hosts = ", ".join(entry["hosts"])
            typer.echo(f"\nCarried on unread at {listener['name']}, seen by no policy: {hosts} to {entry['upstream']}")


def _operations(rows: list[OperationRow], *, as_json: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from lockgate.printable import printable

    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    if not rows:
        typer.echo("No API names an OpenAPI document: `openapi: FILE` in an API does.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("API", "Operation", "Method", "Path", "Said in"):
        table.add_column(title, overflow="fold")
    for row in rows:
        # The document may be somebody else's: its words are no markup, and drive no terminal.
        path = " or ".join(base + row.path for base in row.bases)
        api = row.api if row.version is None else f"{row.api} {row.version}"
        cells = (api, row.operation, row.method, path, f"{row.file}:{row.line}")
        table.add_row(*(escape(printable(cell)) for cell in cells))
    tables().print(table)


def _print(rows: list[Route]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("API", "Hosts", "Path", "Methods", "Upstream", "Who may call", "Said in"):
        table.add_column(title, overflow="fold")
    for row in rows:
        hosts, methods = ", ".join(row.hosts) or "any", ", ".join(row.methods) or "any"
        path = f"{row.match} {row.path}" + "".join(f"\n{each}" for each in row.asks)
        api = row.api if row.route is None else f"{row.api} / {row.route}"
        table.add_row(api, hosts, path, methods, row.upstream, row.access, f"{row.file}:{row.line}")
    tables().print(table)
