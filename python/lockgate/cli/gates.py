"""`lockgate gates`: gates on other machines."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lockgate.cli._admin import NotRunningError, RefusedError, running
from lockgate.cli._report import Json, leave, tables
from lockgate.cli._state import StateDir, state_path

app = typer.Typer(
    help="Let gates on other machines enrol, list them, shut one out.\n\nExample: lockgate gates list",
    no_args_is_help=True,
)

TOKEN_BYTES: Final = 4096


@app.command()
def token(
    name: Annotated[
        str | None, typer.Option("--name", help="The gate's name: lower-case letters, digits and hyphens.")
    ] = None,
    expires: Annotated[str, typer.Option("--expires", help="How long it may be used, such as `1h`.")] = "1h",
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make a one-time token, which one gate enrols with.

    The token alone goes to standard output. It carries where this control process is reached, by what
    fingerprint it is known, and a secret that is good once: bring it to the other machine as you would a key.

    Example: lockgate gates token --name edge-1 > edge-1.token
    """
    made = _asked(state, "POST", "/v1/gates/tokens", {"name": name, "lives_ms": _milliseconds(expires)})
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["token"])
    typer.echo(f"For the gate {made['name']}, once, until {_when(made['expires_ms'])}. On its machine:", err=True)
    typer.echo(f"  lockgate gates enrol --token-file FILE    (it looks for {made['address']})", err=True)


@app.command()
def enrol(
    token_file: Annotated[
        Path, typer.Option("--token-file", metavar="FILE", help="Where the token is; `-` for standard input.")
    ] = Path("-"),
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make this machine's gate belong to a control process elsewhere.

    Nothing is told to who does not show the fingerprint in the token. Start the gate afterwards with
    `lockgate run --role gate`.

    Example: lockgate gates enrol --token-file edge-1.token
    """
    from lockgate.gate.enrolment import EnrolmentError, Ticket
    from lockgate.gate.enrolment import enrol as enrolling
    from lockgate.state import StateError, StateFolder

    path = state_path(state)
    try:
        text = sys.stdin.read(TOKEN_BYTES) if str(token_file) == "-" else token_file.read_text("utf-8")[:TOKEN_BYTES]
        ticket = Ticket.read(text)
        folder = StateFolder.without_secrets(path)
        if folder.database.exists():
            leave(f"{folder.root} is a control process's own: name another folder with --state.")
        with folder.lock("supervisor-gate"):
            name = enrolling(folder, ticket)
    except (EnrolmentError, StateError) as error:
        leave(str(error))
    except (OSError, ValueError) as error:
        leave(f"{token_file} cannot be read: {error}")
    if as_json:
        typer.echo(json.dumps({"name": name, "control": ticket.address}))
        return
    where = "" if state is None else f" --state {shlex.quote(str(state))}"
    typer.echo(f"Enrolled as {name} with {ticket.address}. Now: lockgate run --role gate{where}")


@app.command(name="list")
def list_gates(state: StateDir = None, as_json: Json = False) -> None:
    """List the gates, and what each serves.

    Example: lockgate gates list
    """
    told = _asked(state, "GET", "/v1/gates", None)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    from rich.markup import escape
    from rich.table import Table

    from lockgate.printable import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Gate", "Status", "Version", "Bundle", "Listens", "Certificate until"):
        table.add_column(title, overflow="fold")
    for gate in told["items"]:
        bundle = str(gate["bundle"]["sequence"]) if gate["bundle"] else "none"
        listens = ", ".join(gate["addresses"].values()) or "nowhere known"
        ends = _when(gate["certificate_ends_ms"]) if gate["certificate_ends_ms"] else "needs none"
        row = (gate["name"], gate["status"], gate["version"] or "unknown", bundle, listens, ends)
        table.add_row(*(escape(printable(cell)) for cell in row))
    tables().print(table)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The gate's name.")],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Shut a gate out: its connection ends at once, and its certificate opens nothing any more.

    It serves on with what it knows; stop it on its machine. What it knows of keys are digests, and the pepper
    under which they are made: replace both where the machine was lost to somebody.

    Example: lockgate gates revoke edge-1
    """
    told = _asked(state, "POST", f"/v1/gates/{name}/revoke", {})
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"Revoked: {told['name']}. Its name is free for another.")


def _asked(state: Path | None, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    try:
        admin = running(state)
        return admin.get(path) if method == "GET" else admin.post(path, body)
    except RefusedError as refused:
        leave(str(refused))
    except NotRunningError as error:
        leave(str(error), code=error.exit_code)


def _milliseconds(text: str) -> int:
    from pydantic_core import PydanticCustomError

    from lockgate.scalars import parse_duration

    try:
        return parse_duration(text)
    except PydanticCustomError as error:
        leave(f"--expires: {error.message()}; write it like `1h`.")


def _when(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
