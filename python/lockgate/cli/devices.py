"""`lockgate devices`: what people and programs come with, approving and revoking it."""

from __future__ import annotations

import datetime as dt
import json
import re
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from lockgate.cli._admin import RefusedError, asking
from lockgate.cli._report import Json, leave, tables
from lockgate.cli._state import StateDir
from lockgate.cli._two_ways import gate_words
from lockgate.printable import printable

app = typer.Typer(
    help="List devices that people and programs come with, approve and revoke them.\n\n"
    "Example: lockgate devices list --only unapproved",
    no_args_is_help=True,
)

ID_FORM: Final = re.compile(r"dev_[a-z2-7]{20}")
LOOK_FORM: Final = re.compile(r"[0-9a-f]{32}")
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The device's id, such as dev_w5k2xlcris2uirba4wl3.")]


class State(StrEnum):
    """Of which state."""

    NEW = "new"
    CONFIRMED = "confirmed"
    UNAPPROVED = "unapproved"
    APPROVED = "approved"
    REVOKED = "revoked"


@app.command(name="list")
def list_devices(
    only: Annotated[
        State | None,
        typer.Option("--only", help="Those in this state; `unapproved` is `new` and `confirmed`."),
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Of this owner alone (`sub`).")] = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", help="Of this one alone: a name under `issuers`, or tokens' `iss`.")
    ] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """List devices, the oldest first.

    Example: lockgate devices list --only unapproved

    Example: lockgate devices list --subject ann@example.com
    """
    asked = only.value if only is not None else None
    with asking(state) as admin:
        rows = list(admin.pages("/v1/devices", state=asked, subject=subject, issuer=issuer))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("There are no such devices.")
    else:
        _table(rows)


@app.command()
def show(device_id: IdArgument, state: StateDir = None, as_json: Json = False) -> None:
    """Show a device.

    Example: lockgate devices show dev_w5k2xlcris2uirba4wl3
    """
    with asking(state) as admin:
        row = admin.get(_path(device_id))
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    for title, value in (
        ("Name", row["name"]),
        ("Whose", f"{row['subject']} ({row['issuer']})"),
        ("Known by", row["kind"]),
        ("Is", row["agent"]),
        ("State", row["state"]),
        ("First seen", _when(row["first_ms"])),
        ("Last used", _when(row["last_ms"])),
        ("From", ", ".join(filter(None, (row["address"], row["country"], row["network"])))),
        ("Confirmed", _when(row["confirmed_ms"])),
        ("Approved", _by(row["approved_ms"], row["approved_by"])),
        ("Revoked", _by(row["revoked_ms"], row["revoked_by"])),
        ("Otherwise since", _when(row["changed_ms"])),
        ("Far away at", _when(row["travel_ms"])),
    ):
        typer.echo(f"{title:<17}{printable(str(value or '-'))}")
    if row["looks"]:
        typer.echo("\nLooks that no operator has approved:")
        _looks(row["looks"])


@app.command()
def name(
    device_id: IdArgument,
    called: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 characters.")],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Name a device.

    Example: lockgate devices name dev_w5k2xlcris2uirba4wl3 "Ann's laptop"
    """
    with asking(state) as admin:
        row = admin.patch(_path(device_id), {"name": called})
    typer.echo(json.dumps(row, indent=2) if as_json else f"It is called {printable(row['name'])}.")


@app.command()
def approve(
    device_id: IdArgument,
    look: Annotated[
        str | None,
        typer.Option("--look", metavar="NAME", help="The look that is meant, by its name in `lockgate devices show`."),
    ] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Vouch for a device, as it is in one look. Make sure whose it is: so it looks from now on.

    Without --look it has to have one look alone, of which nothing speaks against it; else its looks are listed, and
    nothing is approved.

    Example: lockgate devices approve dev_w5k2xlcris2uirba4wl3

    Example: lockgate devices approve dev_w5k2xlcris2uirba4wl3 --look 3f0c5a9d1b7248e6a05cd1937be8f264
    """
    if look is not None and not LOOK_FORM.fullmatch(look):
        leave("That is no name of a look; they have 32 digits and letters, and are in `lockgate devices show`.")
    with asking(state) as admin:
        try:
            row = admin.post(f"{_path(device_id)}/approve", {"look": look})
        except RefusedError as refused:
            if refused.problem.get("code") != "device-look":
                raise
            there = admin.get(_path(device_id))["looks"]
            if not there:
                raise
            _looks(there)
            leave(f"Nothing was approved. Say which look is meant: `lockgate devices approve {device_id} --look NAME`.")
    meant = f", as it looks in {look}" if look is not None else ""
    words = f"Approved {printable(row['name'])} of {printable(row['subject'])}{meant}. Gates let it in within seconds."
    typer.echo(json.dumps(row, indent=2) if as_json else words)


@app.command()
def revoke(
    device_id: IdArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; stands in the audit event.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Revoke a device for good: every gate refuses its sessions, and tokens bound to it, before this returns.

    Its owner enrols another by signing in anew: lock the account first where a password was lost. Exits with 0 if
    every gate knows; 1 if one may not know yet, and then says which.

    Example: lockgate devices revoke dev_w5k2xlcris2uirba4wl3 --reason "lost on a train"
    """
    with asking(state) as admin:
        row = admin.post(f"{_path(device_id)}/revoke", {"reason": reason})
    if as_json:
        typer.echo(json.dumps(row, indent=2))
    else:
        typer.echo(f"Revoked {printable(row['name'])} of {printable(row['subject'])}. {gate_words(row)}")
    if row["gate"] == "pending":
        raise typer.Exit(1)


def _path(device_id: str) -> str:
    if not ID_FORM.fullmatch(device_id):
        leave("That is no id of a device; they begin with dev_ and are in `lockgate devices list`.")
    return f"/v1/devices/{device_id}"


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Id", no_wrap=True, min_width=len(rows[0]["id"]))  # What is copied must be whole.
    for title in ("Whose", "Name", "State", "Last used", "From"):
        table.add_column(title, overflow="fold")
    for row in rows:
        odd = [word for word, column in (("changed", "changed_ms"), ("far away", "travel_ms")) if row[column]]
        state = ", ".join([row["state"], *odd])
        place = ", ".join(filter(None, (row["address"], row["country"])))
        table.add_row(row["id"], *map(printable, (row["subject"], row["name"], state, _when(row["last_ms"]), place)))
    tables().print(table)


def _looks(looks: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Look", no_wrap=True, min_width=len(looks[0]["name"]))  # What is copied must be whole.
    for title in ("Is", "From", "First seen", "Last seen", "Against it"):
        table.add_column(title, overflow="fold")
    for one in looks:
        place = ", ".join(filter(None, (one["country"], one["network"], one["address"])))
        against = [word for word in ("changed", "travel") if one[word]]
        said = (one["name"], one["agent"] or "-", place or "-", _when(one["first_ms"]), _when(one["last_ms"]))
        table.add_row(*map(printable, said), ", ".join(against) or "-")
    tables().print(table)


def _by(ms: int | None, who: str | None) -> str:
    return f"{_when(ms)} by {who}" if ms is not None else ""


def _when(ms: int | None) -> str:
    if ms is None:
        return ""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
