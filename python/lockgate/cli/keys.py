"""`lockgate keys`: make, list, show, revoke and import API keys.

Where something runs on the state folder its admin API is asked, and the gate
acts at once; else the change is made in the folder itself, and the gate learns
of it when it starts.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.cli._keys import key_ring
from lockgate.cli._report import Json, count, leave, tables
from lockgate.cli._state import StateDir
from lockgate.cli._two_ways import gate_words
from lockgate.printable import printable

app = typer.Typer(
    help="Make, list, show, revoke and import API keys.\n\nExample: lockgate keys list", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The key's public id, such as key_w5k2xlcris2uirba4wl3.")]

ID_FORM = re.compile(r"key_[a-z2-7]{20}")

WORDS_FORM = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
ENVIRONMENT_FORM = re.compile(r"[a-z]{1,16}")
ENVIRONMENT_RULE = "an environment is 1 to 16 lower-case letters, such as live or test"

IMPORT_FORM = '{"digest": "64 hex digits", "name": "nightly export", "owner": "sales"}'

IMPORT_BATCH = 5_000
"""As many as the admin API takes at once."""


@app.command()
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")],
    api: Annotated[list[str] | None, typer.Option("--api", help="An API that it opens; none means all.")] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends: `90d`, `12h`, or a day such as 2027-01-01.")
    ] = None,
    environment: Annotated[
        str,
        typer.Option(
            "--environment",
            help="A label that stands in the key: 1 to 16 lower-case letters, such as live or test. It opens and "
            "closes nothing.",
        ),
    ] = "live",
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it: this once, and never again.

    The key alone goes to standard output, the rest to standard error.

    Example: lockgate keys create --name "nightly export" --owner sales --api orders --expires 90d
    """
    _must_be_words("--name", name)
    _must_be_words("--owner", owner)
    if not ENVIRONMENT_FORM.fullmatch(environment):
        leave(f"--environment: {ENVIRONMENT_RULE}.")
    wanted = {
        "name": name,
        "owner": owner,
        "apis": api or None,
        "expires_ms": _end(expires) if expires is not None else None,
        "environment": environment,
    }
    with key_ring(state) as keys:
        made = keys.create(wanted)
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["key"])
    for line in ["", "Keep it now: it is not kept here, and cannot be shown again.", *_lines(made)]:
        typer.echo(line, err=True)
    typer.echo(f"  {gate_words(made)}", err=True)


@app.command(name="list")
def list_keys(state: StateDir = None, as_json: Json = False) -> None:
    """List the keys, oldest first.

    Example: lockgate keys list --json
    """
    with key_ring(state) as keys:
        rows = list(keys.every())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("There are no keys. `lockgate keys create --name … --owner …` makes one.")
    else:
        _table(rows)


@app.command()
def show(key_id: Id, state: StateDir = None, as_json: Json = False) -> None:
    """Show what is known of a key. The key itself is known to nobody but its holder.

    Example: lockgate keys show key_w5k2xlcris2uirba4wl3
    """
    _must_be_id(key_id)
    with key_ring(state) as keys:
        row = keys.one(key_id)
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    for line in _lines(row):
        typer.echo(line)


@app.command()
def revoke(
    key_id: Id,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; stands in the audit event.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Close a key for good. Every gate refuses it before this returns.

    Exits with 0 if that is so, or no gate is there; 1 if a gate may still take it, and
    then says which; 2 if there is no such key or no state folder.

    Example: lockgate keys revoke key_w5k2xlcris2uirba4wl3 --reason "left the company"
    """
    _must_be_id(key_id)
    if reason is not None and not re.fullmatch(r"[^\x00-\x1f\x7f]{0,500}", reason):
        leave("--reason: write at most 500 characters, on one line.")
    with key_ring(state) as keys:
        before = keys.one(key_id)["revoked_ms"]
        row = keys.revoke(key_id, reason)
    status = 1 if row["gate"] == "pending" else 0
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        raise typer.Exit(status)
    which = f"{row['id']} ({row['name']}, of {row['owner']})"
    typer.echo(f"Revoked: {which}." if before is None else f"Revoked already, on {_when(before)}: {which}.")
    typer.echo(gate_words(row))
    raise typer.Exit(status)


@app.command(name="import")
def import_keys(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="JSON lines: digest, name, owner; maybe environment, apis, expires_ms.",
        ),
    ],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Add keys by their digests (HMAC-SHA256 under this installation's pepper), one JSON object a line.

    Digests that are known already are left alone, so an import may be repeated.

    Example: lockgate keys import keys.jsonl
    """
    done = {"added": 0, "known": 0}
    with key_ring(state) as keys, file.open("rb") as lines:
        rows = _rows(lines)
        while batch := list(islice(rows, IMPORT_BATCH)):
            result = keys.add(file.name, batch)
            done = {name: done[name] + result[name] for name in done}
    typer.echo(json.dumps(done) if as_json else _added(**done))


def _added(added: int, known: int) -> str:
    """What an import did, in words."""
    were = f"{known} {'was' if known == 1 else 'were'} known already"
    return f"Added {count(added, 'key')}{f'; {were}' if known else ''}."


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            wrong: str | None = "is not JSON"
            row = {}
        else:
            wrong = _wrong(row)
        if wrong is not None:
            before = "Lines before it may have been added" if number > IMPORT_BATCH else "Nothing was added"
            leave(
                f"Line {number} {wrong}. {before}.\nEach line is one JSON object, such as {IMPORT_FORM}; "
                "maybe with environment, apis, expires_ms."
            )
        yield row


def _wrong(row: object) -> str | None:
    """What is wrong with a line of an import; it is not repeated, since it may be a key."""
    if not isinstance(row, dict):
        return "is not a JSON object"
    unknown = sorted(set(row) - {"digest", "name", "owner", "environment", "apis", "expires_ms"})
    if unknown:
        return f"says {printable(unknown[0])[:60]!r}, which is not known"
    if not re.fullmatch(r"[0-9a-f]{64}", str(row.get("digest"))):
        return "has no digest of 64 hex digits in lower case"
    for field in ("name", "owner"):
        if not isinstance(row.get(field), str) or not WORDS_FORM.fullmatch(row[field]):
            return f"has no {field} of 1 to 200 characters"
    if not ENVIRONMENT_FORM.fullmatch(str(row.get("environment", "live"))):
        return f"has another environment than can be: {ENVIRONMENT_RULE}"
    apis, end = row.get("apis"), row.get("expires_ms")
    if apis is not None and not (isinstance(apis, list) and apis and all(isinstance(api, str) for api in apis)):
        return "has apis that are not a list of names; left out, the key opens every API"
    if end is not None and (type(end) is not int or not 0 < end < 2**53):
        return "has an expires_ms that is not a number of milliseconds since 1970"
    return None


def _must_be_words(option: str, text: str) -> None:
    if not text.strip() or not WORDS_FORM.fullmatch(text):
        leave(f"{option}: write 1 to 200 characters, on one line.")


def _must_be_id(text: str) -> None:
    """Refuse a name, or a key itself, which must stand in no message."""
    if not ID_FORM.fullmatch(text):
        leave("That is a name or a key, not an id; ids begin with key_ and are in `lockgate keys list`.")


def _end(text: str) -> int:
    """When a key ends, from a duration or a day, in milliseconds since the epoch."""
    from pydantic_core import PydanticCustomError

    from lockgate.scalars import parse_date, parse_duration

    now = time.time_ns() // 1_000_000
    try:
        if text.count("-") == 2:
            day = parse_date(text)
            end = int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp() * 1000)
        else:
            end = now + parse_duration(text)
    except PydanticCustomError as error:
        leave(f"--expires: {error.message()}; write it like `90d` or `2027-01-01`.")
    if end <= now:
        leave(f"--expires: {text} is over already.")
    return end


def _when(at_ms: int | None) -> str:
    if at_ms is None:
        return "never"
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _lines(row: dict[str, Any]) -> list[str]:
    lines = [
        f"  id       {row['id']}",
        f"  name     {row['name']}",
        f"  owner    {row['owner']}",
        f"  env      {row['environment']}",
        f"  opens    {', '.join(row['apis']) if row['apis'] is not None else 'every API'}",
        f"  made     {_when(row['created_ms'])}",
        f"  expires  {_when(row['expires_ms'])}",
        f"  status   {row['status']}",
    ]
    if row["revoked_ms"] is not None:
        why = f": {row['revoked_reason']}" if row["revoked_reason"] else ""
        lines.append(f"  revoked  {_when(row['revoked_ms'])}{why}")
    return lines


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Id", no_wrap=True, min_width=len(rows[0]["id"]))  # What is copied must be whole.
    for title in ("Name", "Owner", "Environment", "Opens", "Expires", "Status"):
        table.add_column(title, overflow="fold")
    for row in rows:
        opens = ", ".join(row["apis"]) if row["apis"] is not None else "every API"
        said = (row["name"], row["owner"], row["environment"], opens, _when(row["expires_ms"]), row["status"])
        table.add_row(row["id"], *said)
    tables().print(table)
