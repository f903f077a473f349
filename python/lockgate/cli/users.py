"""`lockgate users`: people of this installation, who sign in with a password."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from lockgate.cli._admin import Admin, asking
from lockgate.cli._report import Json, count, leave, tables
from lockgate.cli._rows import Cells, imported, unknown
from lockgate.cli._state import StateDir
from lockgate.cli._two_ways import Row
from lockgate.printable import printable

app = typer.Typer(
    help="Add people who sign in with a password, invite them, and let them in no more.\n\n"
    "Example: lockgate users add ann --email ann@example.com",
    no_args_is_help=True,
)

FORM: Final = '{"name": "ann", "email": "ann@example.com", "groups": ["staff"]}'
MEMBERS: Final = ("name", "display", "email", "groups", "hash")
PASSWORD_BYTES: Final = 1_024

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What the person is called when they sign in.")]
IssuerOption = Annotated[
    str | None, typer.Option("--issuer", help="Whose person it is, where more than one issuer has `users`.")
]
SignInOption = Annotated[
    str | None, typer.Option("--sign-in", help="Whose pages the link leads to, where there is more than one.")
]


@app.command()
def add(
    name: NameArgument,
    email: Annotated[str | None, typer.Option("--email", help="Where links are sent.")] = None,
    display: Annotated[str | None, typer.Option("--display", help="Their name, for people to read.")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="A group that they are in; again for more.")
    ] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Set a password: asked for, or a line of standard input.")
    ] = False,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Add a person. Without --password they set one themselves, by an invitation.

    Example: lockgate users add ann --email ann@example.com --group staff
    """
    if email is not None and not 0 < email.find("@") < len(email) - 1:
        leave("--email: write a mailbox, as ann@example.com.")
    secret = _typed() if password else None
    said = {
        "name": name,
        "issuer": issuer,
        "email": email,
        "display": display,
        "groups": group or [],
        "password": secret,
    }
    with asking(state) as admin:
        row = admin.post("/v1/users", {key: value for key, value in said.items() if value is not None})
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    typer.echo(f"Added {printable(row['name'])}.")
    if secret is None:
        typer.echo(f"They have no password yet: lockgate users invite {printable(row['name'])}")


@app.command(name="list")
def list_users(issuer: IssuerOption = None, state: StateDir = None, as_json: Json = False) -> None:
    """List people.

    Example: lockgate users list
    """
    with asking(state) as admin:
        rows = list(admin.pages("/v1/users", issuer=issuer))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("There is nobody.")
    else:
        _table(rows)


@app.command()
def show(name: NameArgument, issuer: IssuerOption = None, state: StateDir = None, as_json: Json = False) -> None:
    """Show a person.

    Example: lockgate users show ann
    """
    with asking(state) as admin:
        row = admin.get(_path(admin, issuer, name))
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    for title, value in (
        ("Name", row["name"]),
        ("Whose", row["issuer"]),
        ("State", row["state"]),
        ("Called", row["display"]),
        ("Mailbox", row["email"]),
        ("Groups", ", ".join(row["groups"])),
        ("Added", _day(row["created_ms"])),
        ("Password set", _day(row["changed_ms"])),
        ("Signed in", _day(row["signed_in_ms"])),
    ):
        typer.echo(f"{title:<14}{printable(str(value or '-'))}")


@app.command()
def invite(
    name: NameArgument,
    sign_in: SignInOption = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make the link by which a person sets the first password, and send it where there is a way.

    It is good once, until its time is over or another is made. What is printed opens the account: hand it to nobody
    else.

    Example: lockgate users invite ann
    """
    _link("invitation", name, sign_in, issuer, state, as_json=as_json)


@app.command()
def reset(
    name: NameArgument,
    sign_in: SignInOption = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make the link by which a person sets another password, and send it where there is a way.

    When it is set, their sessions end. Make sure who asks.

    Example: lockgate users reset ann
    """
    _link("reset", name, sign_in, issuer, state, as_json=as_json)


@app.command()
def suspend(name: NameArgument, issuer: IssuerOption = None, state: StateDir = None, as_json: Json = False) -> None:
    """Let a person in no more. Their sessions end on every gate, and their password opens nothing.

    Example: lockgate users suspend ann
    """
    _changed(name, issuer, state, {"suspended": True}, "Suspended", as_json=as_json)


@app.command()
def resume(name: NameArgument, issuer: IssuerOption = None, state: StateDir = None, as_json: Json = False) -> None:
    """Let a suspended person in again, with the password that they had.

    Example: lockgate users resume ann
    """
    _changed(name, issuer, state, {"suspended": False}, "Let in again:", as_json=as_json)


@app.command()
def groups(
    name: NameArgument,
    group: Annotated[list[str] | None, typer.Argument(metavar="GROUP", help="All that they are in.")] = None,
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Say which groups a person is in; none where none is named. Their sessions end: groups stand in them.

    Example: lockgate users groups ann staff admins
    """
    _changed(name, issuer, state, {"groups": group or []}, "Changed", as_json=as_json)


@app.command()
def remove(name: NameArgument, issuer: IssuerOption = None, state: StateDir = None, as_json: Json = False) -> None:
    """Remove a person, with their sessions, second factors and devices. The name is given to nobody else.

    Example: lockgate users remove ann
    """
    with asking(state) as admin:
        row = admin.delete(_path(admin, issuer, name))
    typer.echo(json.dumps(row, indent=2) if as_json else f"Removed {printable(row['name'])}.")


@app.command(name="import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="JSON lines, or CSV (.csv): name; maybe display, email, groups, hash (Argon2id).",
        ),
    ],
    issuer: IssuerOption = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Add people of another system. Those that there are already stay as they are, so it may be repeated.

    Example: lockgate users import people.csv
    """
    with asking(state) as admin:

        def take(_: str, rows: list[Row]) -> Row:
            return admin.post("/v1/users/import", {"users": rows, **({"issuer": issuer} if issuer else {})})

        done = imported(file, _read, take, form=FORM, done="added")
    were = f"; {done['known']} {'was' if done['known'] == 1 else 'were'} known already" if done["known"] else ""
    people = "1 person" if done["added"] == 1 else f"{done['added'] or 'no'} people"
    typer.echo(json.dumps(done) if as_json else f"Added {people}{were}.")


def _read(row: object) -> Row | str:
    if not isinstance(row, dict):
        return "is not a JSON object"
    said = {key: value for key, value in row.items() if value is not None}
    if isinstance(row, Cells) and isinstance(said.get("groups"), str):
        said["groups"] = said["groups"].replace(",", " ").split()
    if wrong := unknown(said, MEMBERS):
        return wrong
    if not isinstance(said.get("name"), str):
        return "has no name"
    return said


def _link(kind: str, name: str, sign_in: str | None, issuer: str | None, state: Path | None, *, as_json: bool) -> None:
    with asking(state) as admin:
        made = admin.post(f"{_path(admin, issuer, name)}/{kind}", {"sign_in": sign_in} if sign_in else {})
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    until = dt.datetime.fromtimestamp(made["until_ms"] / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if made["sent_to"] is not None:
        typer.echo(f"Sent to {printable(made['sent_to'])}; good until {until}.")
        return
    typer.echo(made["link"])
    typer.echo(f"Hand it to {printable(name)} alone; it is good once, until {until}.", err=True)


def _changed(
    name: str, issuer: str | None, state: Path | None, said: dict[str, Any], done: str, *, as_json: bool
) -> None:
    with asking(state) as admin:
        row = admin.patch(_path(admin, issuer, name), said)
    typer.echo(json.dumps(row, indent=2) if as_json else f"{done} {printable(row['name'])}.")


def _path(admin: Admin, issuer: str | None, name: str) -> str:
    if issuer is None:
        # Found by the name alone where only one issuer has such a person.
        rows = [row for row in admin.pages("/v1/users") if row["name"] == name.lower()]
        if len(rows) > 1:
            leave(f"There is more than one {printable(name)[:64]!r}: say which with --issuer.")
        if not rows:
            leave(f"There is nobody called {printable(name)[:64]!r}; `lockgate users list` shows who there is.")
        issuer = str(rows[0]["issuer"])
    return f"/v1/users/{quote(issuer, safe='')}/{quote(name, safe='')}"


def _typed() -> str:
    """A password, which never stands in an argument: others on the machine see those."""
    if sys.stdin.isatty():
        import getpass

        first = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != first:
            leave("The two are not the same.")
        return first
    line = sys.stdin.readline(PASSWORD_BYTES + 2)
    secret = line.removesuffix("\n").removesuffix("\r")
    if not secret or len(secret) > PASSWORD_BYTES:
        leave("Standard input has no line with a password of at most 1024 characters.")
    return secret


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Name", no_wrap=True)
    for title in ("Whose", "State", "Mailbox", "Groups", "Signed in"):
        table.add_column(title, overflow="fold")
    for row in rows:
        texts = (row["issuer"], row["state"], row["email"] or "", ", ".join(row["groups"]), _day(row["signed_in_ms"]))
        table.add_row(printable(row["name"]), *map(printable, texts))
    tables().print(table)
    typer.echo(f"{count(len(rows), 'person').replace('persons', 'people')}.", err=True)


def _day(ms: int | None) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d") if ms is not None else "never"
