"""`lockgate certs`: the certificates of listeners: list, show, renew, import, ask for by hand."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lockgate.cli._certificates import Row, certificate_store, tried_again
from lockgate.cli._report import Json, leave, tables
from lockgate.cli._state import StateDir

app = typer.Typer(
    help="List, show, renew and import the certificates of listeners.\n\nExample: lockgate certs list",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The certificate's name, or a host that it is for.")]

RENEW_SECONDS: Final = 900.0
"""An order may take twelve minutes where DNS records have to spread."""
LOOK_SECONDS: Final = 0.25
PEM_BYTES: Final = 256 * 1024


@app.command(name="list")
def list_certificates(state: StateDir = None, as_json: Json = False) -> None:
    """List the certificates, how long each is good, and when it is renewed.

    Those of listeners' own files are among them. Without a control process, those that the state folder holds.

    Exits with 0 if all are well, 1 if one is missing, has expired, ends soon or could not be renewed, 2 if there is
    no state folder.

    Example: lockgate certs list
    """
    with certificate_store(state) as store:
        rows = store.every()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("There are no certificates. `tls: {acme: …}` in a listener has one made; docs/guides/https.md.")
    else:
        _table(rows)
        for row in rows:
            if row["last_error"] is not None:
                typer.echo(f"{row['name']}: {row['last_error']}{tried_again(row)}")
    raise typer.Exit(1 if any(_is_wrong(row) for row in rows) else 0)


@app.command()
def show(name: Name, state: StateDir = None, as_json: Json = False) -> None:
    """Show a certificate with its chain, PEM.

    The chain alone goes to standard output, the rest to standard error. The key is shown to nobody.

    Exits with 0 if it is well, 1 if it is not, 2 if there is none of that name.

    Example: lockgate certs show api.example.com | openssl x509 -noout -text
    """
    with certificate_store(state) as store:
        row = store.one(name)
    if as_json:
        typer.echo(json.dumps(row, indent=2))
    else:
        for line in _lines(row):
            typer.echo(line, err=True)
        if row["chain"] is not None:
            typer.echo(row["chain"], nl=False)
    raise typer.Exit(1 if _is_wrong(row) else 0)


@app.command()
def renew(
    name: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Also where it is not due yet; authorities bound how often.")
    ] = False,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Renew a certificate now, if it is due, and wait for the outcome. A wait after failures is passed over.

    Certificates are renewed by themselves: this is for when one was revoked, or a fault was mended just now.

    Exits with 0 if it was renewed or is not due, 1 if that failed, 2 if there is none of that name.

    Example: lockgate certs renew api.example.com --force
    """
    with certificate_store(state) as store:
        before = store.one(name)
        row = store.renew(name, force=force)
        until = time.monotonic() + RENEW_SECONDS
        while row["working"] and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            row = store.one(row["name"])
    failed = row["last_error"] is not None or row["ends_ms"] is None
    if as_json:
        typer.echo(json.dumps(row, indent=2))
    elif row["working"]:
        leave(f"Not done within {RENEW_SECONDS:.0f} s: `lockgate certs show {row['name']}` tells.", code=1)
    elif failed:
        typer.echo(f"Not renewed: {row['last_error'] or 'its log says why'}", err=True)
    elif row["fingerprint"] != before["fingerprint"]:
        typer.echo(f"Renewed: {row['name']}, until {_when(row['ends_ms'])}. Gates show it already.")
    else:
        typer.echo(
            f"Not due: {row['name']} is good until {_when(row['ends_ms'])}, and renewed on {_when(row['renews_ms'])} "
            f"({row['renews_why']}). --force renews it all the same."
        )
    raise typer.Exit(1 if failed else 0)


@app.command(name="import")
def import_certificate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="PEM: the host's own certificate, then who issued it."
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", exists=True, dir_okay=False, help="Its key; left out where `certs csr` made it."
        ),
    ] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Bring in a certificate from elsewhere. Listeners that name it under `imported` show it at once.

    A certificate for the same names takes the place of the one before, without a reload.

    Exits with 0 if it was taken, 2 if it cannot be used.

    Example: lockgate certs import api.pem --key api.key
    """
    certificates = _read(file)
    with certificate_store(state) as store:
        row = store.take_in(certificates, None if key is None else _read(key))
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    typer.echo(f"Imported: {', '.join(row['hosts'])}, of {row['issuer']}, until {_when(row['ends_ms'])}.")
    if row["listeners"]:
        typer.echo(f"Shown by {', '.join(row['listeners'])}.")
    else:
        typer.echo(f"No listener shows it yet: add `tls: {{imported: {row['hosts'][0]}}}` to one.")


@app.command()
def csr(
    hosts: Annotated[list[str], typer.Argument(metavar="HOST", help="What the certificate is to be for.")],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make a certificate signing request, for an authority that does not speak ACME.

    The request goes to standard output. Its key stays in the state folder, and is the same until a certificate for
    it was imported: lockgate certs import api.pem

    Exits with 0 if it was made, 2 if there is no state folder, or a host is none that a certificate can be for.

    Example: lockgate certs csr api.example.com > api.csr
    """
    with certificate_store(state) as store:
        made = store.request(hosts)
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["request"], nl=False)
    typer.echo("Bring back what is issued for it: lockgate certs import FILE", err=True)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(PEM_BYTES + 1)
    except OSError as error:
        leave(f"{file} cannot be read: {error.strerror}.")
    if len(content) > PEM_BYTES:
        leave(f"{file} has more than {PEM_BYTES} bytes: it is no certificate.")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        leave(f"{file} is not PEM; `openssl x509 -inform DER -in {file}` turns DER into it.")


def _is_wrong(row: Row) -> bool:
    return bool(row["state"] != "good" and row["listeners"])


def _when(at_ms: int | None) -> str:
    if at_ms is None:
        return "never"
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _left(at_ms: int | None) -> str:
    """How long from now, in the largest unit that says enough."""
    if at_ms is None:
        return "-"
    seconds = at_ms / 1000 - time.time()
    if seconds <= 0:
        return "over"
    for unit, step in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * step:
            return f"{int(seconds // step)}{unit}"
    return "1m"


def _lines(row: Row) -> list[str]:
    lines: list[tuple[str, Any]] = [
        ("name", row["name"]),
        ("hosts", ", ".join(row["hosts"])),
        ("shown by", ", ".join(row["listeners"]) or "no listener"),
        ("from", {"acme": row["directory"], "imported": "an import", "files": "files"}[row["source"]]),
        ("state", row["state"]),
        ("issuer", row["issuer"]),
        ("ends", _when(row["ends_ms"]) if row["ends_ms"] else None),
        ("renews", f"{_when(row['renews_ms'])} ({row['renews_why']})" if row["renews_ms"] else None),
        ("sha256", row["fingerprint"]),
        ("failed", row["last_error"]),
        ("again", _when(row["next_attempt_ms"]) if row["next_attempt_ms"] else None),
    ]
    return [f"  {name:<9}{value}" for name, value in lines if value]


def _table(rows: list[Row]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Name", "Hosts", "From", "Issuer", "State", "Expires in", "Renews in", "Shown by"):
        table.add_column(title, overflow="fold")
    for row in rows:
        more = f" and {len(row['hosts']) - 3} more" if len(row["hosts"]) > 3 else ""
        state = "being had" if row["working"] and row["ends_ms"] is None else row["state"]
        cells = (
            row["name"],
            ", ".join(row["hosts"][:3]) + more,
            row["source"],
            row["issuer"] or "-",
            state,
            _left(row["ends_ms"]),
            _left(row["renews_ms"]),
            ", ".join(row["listeners"]) or "-",
        )
        table.add_row(*map(escape, cells))
    tables().print(table)
