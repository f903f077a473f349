"""`lockgate routes`: what a configuration answers to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lockgate.cli._report import ConfigFile, Json, load_or_exit, tables

if TYPE_CHECKING:
    from lockgate.admin.routes import Route


def routes(file: ConfigFile = Path("lockgate.yaml"), as_json: Json = False) -> None:
    """List what a configuration answers to, and who may call it, the most specific first. Nothing needs to run.

    A request goes to the first row that fits it; a method that this row does not
    take is refused there.

    Example: lockgate routes
    """
    from lockgate.admin.routes import ordered, routes_of

    rows = ordered(routes_of(load_or_exit(file).compile(0, 0)))
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    _print(rows)


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
