"""`lockgate limits`: how much a configuration lets come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lockgate.cli._report import ConfigFile, Json, load_or_exit, tables

if TYPE_CHECKING:
    from lockgate.admin.limits import LimitRow


def limits(file: ConfigFile = Path("lockgate.yaml"), as_json: Json = False) -> None:
    """List the limits of a configuration: what they count by, and how much they allow. Nothing needs to run.

    Example: lockgate limits
    """
    from lockgate.admin.limits import limits_of

    rows = limits_of(load_or_exit(file).compile(0, 0))
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    _print(rows)


def _print(rows: list[LimitRow]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Limit", "Of", "Counts", "By", "Allows", "At once", "Stands", "Mode", "Said in"):
        table.add_column(title, overflow="fold")
    for row in rows:
        where = f"{row.file}:{row.line}" if row.said else "by default"
        stands = "before authentication" if row.early else "behind authentication"
        of = ", ".join(row.apis)
        table.add_row(row.name, of, row.count, ", ".join(row.by), row.allow, str(row.burst), stands, row.mode, where)
    tables().print(table)
