"""`lockgate tokens`: revoke tokens before their time, list what was revoked, take it back, import many.

Where something runs on the state folder its admin API is asked, and every gate acts within a second; else the change
is made in the folder itself, and the gate learns of it when it starts.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.cli._report import Json, count, leave, tables
from lockgate.cli._rows import Cells, imported, is_time, number, unknown
from lockgate.cli._state import StateDir
from lockgate.cli._tokens import revoking
from lockgate.cli._two_ways import gate_words
from lockgate.printable import printable

app = typer.Typer(
    help="Revoke tokens before their time.\n\n"
    "Example: lockgate tokens revoke --issuer company --subject ann@example.com",
    no_args_is_help=True,
)

ID_FORM = re.compile(r"rev_[a-z2-7]{20}")
REASON_FORM = re.compile(r"[^\x00-\x1f\x7f]{0,500}")

TOKEN_BYTES = 64 * 2**10
"""The longest that any issuer's `token_bytes` may allow."""

IMPORT_FORM = '{"issuer": "company", "by": "subject", "value": "ann@example.com"}'
TIMES = ("before_ms", "until_ms")
MEMBERS = frozenset({"issuer", "by", "value", "before_ms", "until_ms", "reason"})

TOLD_BY = {
    "token": "the token with `jti`",
    "subject": "tokens with `sub`",
    "client": "tokens of the client",
    "session": "tokens with `sid`",
    "device": "what is bound to the device",
    "issuer": "all tokens",
}


@app.command()
def revoke(
    issuer: Annotated[
        str | None, typer.Option("--issuer", help="Whose tokens: a name under `issuers`, or what their `iss` says.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="What a person or service has: those with this `sub`.")
    ] = None,
    client: Annotated[
        str | None, typer.Option("--client", help="What a program has: those with this `client_id`, else `azp`.")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", help="What was issued within one sign-in: those with this `sid`.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            help="What is bound to a key or certificate, also what will be issued: those with this `cnf.jkt` or "
            "`cnf.x5t#S256`. Devices that are known are revoked by `lockgate devices revoke`.",
        ),
    ] = None,
    jti: Annotated[str | None, typer.Option("--jti", help="The one token with this `jti`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the issuer has issued.")] = False,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", metavar="-", help="`-`: the token itself, from standard input; what it says need not be told."
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            help="Of subjects, clients and issuers those that were issued until then: a day such as 2027-01-01, or a "
            "time such as 2027-01-01T12:30:00Z. Left out, until now.",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; stands in the audit event.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Revoke tokens. Every gate refuses them before this returns; those issued later are good, but for a device's.

    Exits with 0 if that is so, or no gate is there; 1 if a gate may still take them, and then says which; 2 if
    nothing was revoked.

    Example: lockgate tokens revoke --issuer company --subject ann@example.com --reason "left the company"

    Example: pbpaste | lockgate tokens revoke --token - --reason "was in a log"
    """
    if reason is not None and not REASON_FORM.fullmatch(reason):
        leave("--reason: write at most 500 characters, on one line.")
    said = {
        "token": jti,
        "subject": subject,
        "client": client,
        "session": session,
        "device": device,
        "issuer": "" if every else None,
    }
    named = {by: value for by, value in said.items() if value is not None}
    if (token is not None) + len(named) != 1:
        leave("Say which tokens: one of --subject, --client, --session, --device, --jti, --all and --token -.")
    if token is not None:
        wanted = _of_token(token, issuer)
    else:
        (by, value), *_ = named.items()
        if issuer is None:
            leave("--issuer: say whose tokens; `lockgate status` lists the issuers.")
        if by != "issuer" and not (0 < len(value) <= 256 and value.isprintable()):
            leave(f"--{'jti' if by == 'token' else by}: write 1 to 256 characters, on one line.")
        if by == "device" and value.startswith("dev_"):
            leave(f"--device: that is the id of a device that is known: `lockgate devices revoke {value}` revokes it.")
        wanted = {"issuer": issuer, "by": by, "value": value}
    if before is not None:
        if wanted["by"] in ("token", "session", "device"):
            leave("--before: a single token, a session or a device is revoked whenever it was issued; leave it out.")
        wanted["before_ms"] = _instant(before)
    with revoking(state) as tokens:
        row = tokens.revoke({**wanted, "reason": reason})
    _done("Revoked", row, as_json)


@app.command(name="list")
def list_revocations(state: StateDir = None, as_json: Json = False) -> None:
    """List what was revoked and may still be about, oldest first.

    Example: lockgate tokens list --json
    """
    with revoking(state) as tokens:
        rows = list(tokens.every())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("No tokens were revoked. `lockgate tokens revoke --issuer … --subject …` does.")
    else:
        _table(rows)


@app.command()
def restore(
    revocation_id: Annotated[
        str, typer.Argument(metavar="ID", help="The revocation's id, such as rev_w5k2xlcris2uirba4wl3.")
    ],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Take a revocation back: tokens that it is about are good again, as far as they have not expired.

    Example: lockgate tokens restore rev_w5k2xlcris2uirba4wl3
    """
    if not ID_FORM.fullmatch(revocation_id):
        leave("That is no id of a revocation; they begin with rev_ and are in `lockgate tokens list`.")
    with revoking(state) as tokens:
        row = tokens.restore(revocation_id)
    _done("Taken back", row, as_json)


@app.command(name="import")
def import_revocations(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="JSON lines, or CSV (.csv): issuer, by (token, subject, client, session, device or issuer), value; "
            "maybe before_ms, until_ms, reason.",
        ),
    ],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Revoke what a file says, one JSON object a line. What was revoked already is left alone.

    Example: lockgate tokens import revoked.jsonl
    """
    with revoking(state) as tokens:
        done = imported(file, _read, tokens.add, form=IMPORT_FORM, done="revoked")
    known = f"; {done['known']} {'was' if done['known'] == 1 else 'were'} revoked already" if done["known"] else ""
    typer.echo(json.dumps(done) if as_json else f"Added {count(done['added'], 'revocation')}{known}.")


def _of_token(given: str, issuer: str | None) -> dict[str, Any]:
    """What the token on standard input is told by: by its `jti`."""
    from lockgate._native import LockgateError, read_token

    if given != "-":
        # An argument stands in the list of processes and in the shell's history.
        leave("--token: write `-`, and give the token on standard input.")
    text = sys.stdin.buffer.read(TOKEN_BYTES + 1).strip()
    try:
        told = {meant["by"]: meant for meant in read_token(text.removeprefix(b"Bearer ").strip())}
    except LockgateError as error:
        leave(f"--token: {error}.")
    if "token" not in told:
        leave("--token: it has no `iss` and `jti` to tell it by; revoke its --subject, --session or --client.")
    meant = told["token"]
    if issuer is not None and issuer != meant["issuer"]:
        leave(f"--issuer: leave it out; the token says that it is of {printable(meant['issuer'])[:200]}.")
    if not 0 < len(meant["value"]) <= 256:
        leave("--token: its `jti` is longer than 256 characters; revoke its --subject, --session or --client.")
    return {**meant}


def _done(what: str, row: dict[str, Any], as_json: bool) -> None:
    status = 1 if row["gate"] == "pending" else 0
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        raise typer.Exit(status)
    typer.echo(f"{what}: {_words(row)} ({row['id']}).")
    typer.echo(gate_words(row))
    raise typer.Exit(status)


def _words(row: dict[str, Any]) -> str:
    value = f" {printable(row['value'])}" if row["value"] else ""
    before = f", issued until {_when(row['before_ms'])}" if row["before_ms"] is not None else ""
    return f"{TOLD_BY[row['by']]}{value} of {printable(row['issuer'])}{before}"


def _read(row: object) -> dict[str, Any] | str:
    """A line of an import, or what is wrong with it."""
    if not isinstance(row, dict):
        return "is not a JSON object"
    if isinstance(row, Cells):
        row = {name: number(cell) if name in TIMES else cell for name, cell in row.items()}
    return _wrong(row) or row


def _wrong(row: dict[str, Any]) -> str | None:
    if wrong := unknown(row, MEMBERS):
        return wrong
    if not isinstance(row.get("issuer"), str) or not 0 < len(row["issuer"]) <= 2000:
        return "has no issuer"
    if row.get("by") not in TOLD_BY:
        return f"has no `by` of {', '.join(TOLD_BY)}"
    value = row.get("value", "")
    if not isinstance(value, str) or len(value) > 256 or (row["by"] == "issuer") == bool(value):
        return "has no value of 1 to 256 characters, which all but `issuer` have"
    for name in TIMES:
        if row.get(name) is not None and not is_time(row[name]):
            return f"has a {name} that is not a number of milliseconds since 1970"
    reason = row.get("reason")
    if reason is not None and not (isinstance(reason, str) and REASON_FORM.fullmatch(reason)):
        return "has a reason that is not a line of at most 500 characters"
    return None


def _instant(text: str) -> int:
    """A point in time, in milliseconds since the epoch; without a zone it is UTC."""
    try:
        at = dt.datetime.fromisoformat(text)
        at_ms = int((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        at_ms = 0
    if not 0 < at_ms < 2**53:
        leave("--before: write a day such as 2027-01-01, or a time such as 2027-01-01T12:30:00Z.")
    if at_ms > time.time_ns() // 1_000_000:
        typer.echo("Note: that lies ahead; tokens issued until then will be refused as well.", err=True)
    return at_ms


def _when(at_ms: int | None) -> str:
    if at_ms is None:
        return "whenever"
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Id", no_wrap=True, min_width=len(rows[0]["id"]))  # What is copied must be whole.
    for title in ("By", "Value", "Issuer", "Issued until", "Reason"):
        table.add_column(title, overflow="fold")
    for row in rows:
        texts = (row["value"], row["issuer"], _when(row["before_ms"]), row["reason"] or "")
        table.add_row(row["id"], row["by"], *map(printable, texts))
    tables().print(table)
