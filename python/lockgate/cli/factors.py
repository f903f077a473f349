"""`lockgate factors`: second factors of people who sign in."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Annotated, Any, Final

import typer

from lockgate.cli._admin import asking
from lockgate.cli._report import Json, count, leave, tables
from lockgate.cli._state import StateDir
from lockgate.printable import printable

app = typer.Typer(
    help="List second factors, and take them away from people who have lost them.\n\nExample: lockgate factors list",
    no_args_is_help=True,
)

ID_FORM: Final = re.compile(r"[0-9a-f]{32}")
IssuerOption = Annotated[
    str | None, typer.Option("--issuer", help="Of this one alone: a name under `issuers`, or tokens' `iss`.")
]


@app.command(name="list")
def list_factors(
    subject: Annotated[str | None, typer.Option("--subject", help="Of this person alone (`sub`).")] = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """List second factors. Nothing of their secrets is shown.

    Example: lockgate factors list --subject ann@example.com
    """
    with asking(state) as admin:
        rows = list(admin.pages("/v1/factors", subject=subject, issuer=issuer))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("There are no second factors.")
    else:
        _table(rows)


@app.command()
def remove(
    factor_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The factor's id.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="All factors of this person.")] = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Take a factor away, or all of a person's, so that they can add another. Make sure who asks.

    Sessions go on; end them with `lockgate sessions end` where a device was stolen.

    Example: lockgate factors remove --subject ann@example.com

    Example: lockgate factors remove --subject ann --issuer company
    """
    if factor_id is not None and issuer is not None:
        leave("An id is of one factor already: --issuer goes with --subject.")
    if (factor_id is None) == (subject is None):
        leave("Say which factor: its id from `lockgate factors list`, or --subject for all of a person's.")
    if factor_id is not None and not ID_FORM.fullmatch(factor_id):
        leave("That is no id of a factor; they are in `lockgate factors list`.")
    with asking(state) as admin:
        every = [] if subject is None else _of_one(list(admin.pages("/v1/factors", subject=subject, issuer=issuer)))
        rows = [admin.delete(f"/v1/factors/{one}") for one in ([factor_id] if factor_id is not None else every)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        leave("There is no such factor.")
    else:
        typer.echo(f"Took away {count(len(rows), 'factor')}.")


def _of_one(rows: list[dict[str, Any]]) -> list[str]:
    """Ids of factors, if they are one person's: of two issuers' people of one name only one has lost theirs."""
    known = sorted({str(row["iss"]) for row in rows})
    if len(known) > 1:
        leave(f"More than one issuer has such a person: say which with --issuer ({', '.join(map(printable, known))}).")
    return [str(row["id"]) for row in rows]


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Id", no_wrap=True, min_width=len(rows[0]["id"]))  # What is copied must be whole.
    for title in ("Whose", "Issuer", "Kind", "Name", "Added", "Used"):
        table.add_column(title, overflow="fold")
    for row in rows:
        used = _day(row["used_ms"]) if row["used_ms"] is not None else "never"
        texts = (row["subject"], row["iss"], row["kind"], row["name"], _day(row["created_ms"]), used)
        table.add_row(row["id"], *map(printable, texts))
    tables().print(table)


def _day(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d")
