"""`lockgate sessions`: who has signed in with a browser, and ending that."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Annotated, Any, Final

import typer

from lockgate.cli._admin import Admin, asking
from lockgate.cli._report import Json, count, leave, tables
from lockgate.cli._state import StateDir
from lockgate.cli._two_ways import gate_words
from lockgate.printable import printable

app = typer.Typer(
    help="List who has signed in with a browser, and end sessions.\n\nExample: lockgate sessions list",
    no_args_is_help=True,
)

ID_FORM: Final = re.compile(r"[0-9a-f]{32}")
IssuerOption = Annotated[
    str | None, typer.Option("--issuer", help="Of this one alone: a name under `issuers`, or tokens' `iss`.")
]


@app.command(name="list")
def list_sessions(
    subject: Annotated[
        str | None, typer.Option("--subject", help="Of this person alone: the provider's `sub`.")
    ] = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """List sessions that have not had their time, oldest first.

    Example: lockgate sessions list --subject ann@example.com
    """
    with asking(state) as admin:
        rows = list(admin.pages("/v1/sessions", subject=subject, issuer=issuer))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("Nobody is signed in.")
    else:
        _table(rows)


@app.command()
def end(
    session_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The session's id.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="All sessions of this person.")] = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """End a session, or all of a person's. Every gate refuses them before this returns.

    A provider that still knows the person signs them in again without asking: lock the account there first.
    Exits with 0 if every gate knows; 1 if one may not know yet, and then says which; 2 if nothing was ended.

    Example: lockgate sessions end --subject ann@example.com

    Example: lockgate sessions end --subject ann --issuer company
    """
    if session_id is not None and issuer is not None:
        leave("An id is of one session already: --issuer goes with --subject.")
    if (session_id is None) == (subject is None):
        leave("Say which session: its id from `lockgate sessions list`, or --subject for all of a person's.")
    if session_id is not None and not ID_FORM.fullmatch(session_id):
        leave("That is no id of a session; they are in `lockgate sessions list`.")
    with asking(state) as admin:
        found = [session_id] if session_id is not None else _open(admin, subject, issuer)
        rows = [admin.delete(f"/v1/sessions/{one}") for one in found]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        leave("There is no such session.")
    else:
        typer.echo(f"Ended {count(len(rows), 'session')}. {gate_words(rows[-1])}")
    if any(row["gate"] == "pending" for row in rows):
        raise typer.Exit(1)


def _open(admin: Admin, subject: str | None, issuer: str | None) -> list[str]:
    rows = admin.pages("/v1/sessions", subject=subject, issuer=issuer)
    return [str(row["id"]) for row in rows if row["ended_ms"] is None]


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Id", no_wrap=True, min_width=len(rows[0]["id"]))  # What is copied must be whole.
    for title in ("Who", "Signed in by", "At", "Until"):
        table.add_column(title, overflow="fold")
    for row in rows:
        until = f"ended {_when(row['ended_ms'])}" if row["ended_ms"] is not None else _when(row["until_ms"])
        by = f"{row['issuer']} ({row['sign_in']})"
        table.add_row(row["id"], *map(printable, (row["subject"], by, _when(row["created_ms"]), until)))
    tables().print(table)


def _when(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
