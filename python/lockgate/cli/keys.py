"""`lockgate keys`: the life of API keys, from making them to closing them.

Where something runs on the state folder its admin API is asked, and the gate
acts at once; else the change is made in the folder itself, and the gate learns
of it when it starts.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from lockgate.cli import _key_import
from lockgate.cli._key_lines import lines, reported, table, when
from lockgate.cli._keys import LEAKS, key_ring
from lockgate.cli._report import Json, count, leave
from lockgate.cli._rows import imported
from lockgate.cli._state import StateDir
from lockgate.cli._two_ways import Row, gate_words
from lockgate.environments import ENVIRONMENT, ENVIRONMENT_RULE
from lockgate.printable import printable

T = TypeVar("T")

app = typer.Typer(
    help="Make API keys, hand out new secrets, find the unused, and close what has leaked.\n\n"
    "Example: lockgate keys list",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The key's public id, such as key_w5k2xlcris2uirba4wl3.")]

ID_FORM = re.compile(r"key_[a-z2-7]{20}")
FOUND_FORM = re.compile(r"(?<![0-9A-Za-z_])lg_[a-z]{1,16}_[0-9A-Za-z]{38}(?![0-9A-Za-z_])")
"""A key of ours within a text; its checksum says whether it is one."""

FOUND_BYTES = 16 * 2**20
"""The longest text that is looked through at once."""

Api = Annotated[list[str] | None, typer.Option("--api", help="An API that it opens; none means all.")]
Scope = Annotated[
    list[str] | None, typer.Option("--scope", help="What its holder may do, as a token's `scope` says it.")
]
Method = Annotated[
    list[str] | None, typer.Option("--method", help="A method that it may be used with; GET brings HEAD. None: all.")
]
From = Annotated[
    list[str] | None,
    typer.Option("--from", help="A network that it may be used from, such as 10.0.0.0/8; none means all."),
]

Limit = Annotated[
    str | None,
    typer.Option("--limit", help="How much may come by it at each gate, such as 100/s, besides what limits allow."),
]
Burst = Annotated[
    int | None, typer.Option("--burst", min=1, max=10**9, help="How much of that at once; by default, all of it.")
]


@app.command()
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it: a person or a team, by name or address.")],
    api: Api = None,
    scope: Scope = None,
    method: Method = None,
    network: From = None,
    limit: Limit = None,
    burst: Burst = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            help="When it ends: `90d`, `12h`, or a day such as 2027-01-01. Left out, as `api_keys` of the "
            "configuration says, or never.",
        ),
    ] = None,
    environment: Annotated[
        str,
        typer.Option(
            "--environment",
            help="What stands in the key: 1 to 16 lower-case letters, such as live or test. An API can ask for some "
            "(`environments`).",
        ),
    ] = "live",
    of_app: Annotated[
        str | None,
        typer.Option("--app", help="The program that has it, by its name: it does no more than that was given."),
    ] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it: this once, and never again.

    The key alone goes to standard output, the rest to standard error.

    Example: lockgate keys create --name "nightly export" --owner sales --api orders --scope orders:read --expires 90d

    Example: lockgate keys create --name ci --owner ann@example.com --environment test --from 10.0.0.0/8 --limit 10/s
    """
    _must_be_words("--name", name)
    _must_be_words("--owner", owner)
    if not ENVIRONMENT.fullmatch(environment):
        leave(f"--environment: an environment is {ENVIRONMENT_RULE}.")
    wanted = {
        "name": name,
        "owner": owner,
        "apis": api or None,
        **_rules(scope, method, network),
        "rate": _rate(limit, burst),
        "expires_ms": _end(expires) if expires is not None else None,
        "environment": environment,
        "app": of_app,
    }
    with key_ring(state) as keys:
        made = keys.create(wanted)
    _made(made, as_json)


@app.command(name="list")
def list_keys(
    unused: Annotated[
        str | None,
        typer.Option("--unused", help="Only those that open something and were not used for so long, such as 90d."),
    ] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """List the keys, oldest first.

    Example: lockgate keys list --json

    Example: lockgate keys list --unused 90d
    """
    unused_ms = _duration("--unused", unused) if unused is not None else None
    with key_ring(state) as keys:
        rows = list(keys.every(unused_ms))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        table(rows)
    elif unused is not None:
        typer.echo(f"There are no keys that were not used for {unused}.")
    else:
        typer.echo("There are no keys. `lockgate keys create --name … --owner …` makes one.")


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
    for line in lines(row):
        typer.echo(line)


@app.command()
def edit(
    key_id: Id,
    name: Annotated[str | None, typer.Option("--name", help="What the key is for.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it.")] = None,
    api: Api = None,
    scope: Scope = None,
    method: Method = None,
    network: From = None,
    limit: Limit = None,
    burst: Burst = None,
    expires: Annotated[str | None, typer.Option("--expires", help="When it ends.")] = None,
    lift: Annotated[
        list[str] | None,
        typer.Option(
            "--lift", help="What it is not to be bound by any more: apis, scopes, methods, networks, limit, expires."
        ),
    ] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Change what a key is for, without a new secret. A list that is given takes the place of the one before.

    Exits with 0 if every gate goes by it, 1 if one may not yet, 2 if nothing was changed.

    Example: lockgate keys edit key_w5k2xlcris2uirba4wl3 --owner ann@example.com --from 10.0.0.0/8

    Example: lockgate keys edit key_w5k2xlcris2uirba4wl3 --scope orders:read --lift expires
    """
    _must_be_id(key_id)
    given = {"name": name, "owner": owner, "apis": api or None, **_rules(scope, method, network)}
    given["rate"] = _rate(limit, burst)
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    for option, text in (("--name", name), ("--owner", owner)):
        if text is not None:
            _must_be_words(option, text)
    if expires is not None:
        changes["expires_ms"] = _end(expires)
    for rule in lift or ():
        field = {"expires": "expires_ms", "limit": "rate"}.get(rule, rule)
        if field not in (*_key_import.LISTS, "expires_ms", "rate"):
            leave(f"--lift: one of {', '.join(_key_import.LISTS)}, limit and expires.")
        if field in changes:
            leave(f"--lift: {rule} is given as well; say one of both.")
        changes[field] = None
    if not changes:
        leave("Say what to change: --name, --owner, --api, --scope, --method, --from, --limit, --expires or --lift.")
    with key_ring(state) as keys:
        row = keys.edit(key_id, changes)
    _done("Changed", row, as_json)


@app.command()
def reroll(
    key_id: Id,
    grace: Annotated[
        str,
        typer.Option("--grace", help="How long the secret that it has still opens; 0s ends it at once, 90d at most."),
    ] = "24h",
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Give a key a new secret and print it: this once, and never again.

    Both secrets are the same key: its id, its owner, its rules, its counters. `keys show` says when the old one was
    last used, and `keys end-grace` ends it before its time.

    Example: lockgate keys reroll key_w5k2xlcris2uirba4wl3 --grace 24h
    """
    _must_be_id(key_id)
    grace_ms = _duration("--grace", grace)
    if grace_ms > 90 * 86_400_000:
        leave("--grace: 90d at most; for longer, make a second key.")
    with key_ring(state) as keys:
        made = keys.reroll(key_id, grace_ms)
    _made(made, as_json)


@app.command(name="end-grace")
def end_grace(key_id: Id, state: StateDir = None, as_json: Json = False) -> None:
    """End a key's old secret before its grace is over. Every gate refuses it before this returns.

    Example: lockgate keys end-grace key_w5k2xlcris2uirba4wl3
    """
    _turn("end-grace", "Ended the old secret", key_id, state, as_json)


@app.command()
def suspend(key_id: Id, state: StateDir = None, as_json: Json = False) -> None:
    """Close a key until it is resumed. Every gate refuses it before this returns.

    Example: lockgate keys suspend key_w5k2xlcris2uirba4wl3
    """
    _turn("suspend", "Suspended", key_id, state, as_json)


@app.command()
def resume(key_id: Id, state: StateDir = None, as_json: Json = False) -> None:
    """Open a suspended key again, as it was.

    Example: lockgate keys resume key_w5k2xlcris2uirba4wl3
    """
    _turn("resume", "Resumed", key_id, state, as_json)


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
    _done("Revoked" if before is None else f"Revoked already, on {when(before)}", row, as_json)


@app.command()
def leaked(
    text: Annotated[
        str, typer.Argument(metavar="-", help="`-`: what was found, from standard input; it is in no argument.")
    ],
    url: Annotated[str | None, typer.Option("--url", help="Where it was found; stands in the audit event.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="What it was found in, such as a log.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Close keys that were found where none should be, at once.

    Takes a JSON list of `{token, url, source}`, as GitHub's secret scanning sends it, or any text: keys of Lockgate's
    form are found in it, and a line of one word is looked up whatever its form. No key is printed or written down.

    Exits with 1 if a key was found that still opened something, 0 if none was.

    Example: lockgate keys leaked - --url https://paste.example.com/8231 < found.txt

    Example: grep -rhoE 'lg_[a-z]{1,16}_[0-9A-Za-z]{38}' logs/ | lockgate keys leaked - --source log
    """
    if text != "-":
        # An argument stands in the list of processes and in the shell's history.
        leave("Write `-`, and give what was found on standard input.")
    found = _found(sys.stdin.buffer.read(FOUND_BYTES + 1), {"url": url, "source": source})
    with key_ring(state) as keys:
        told = [leak for at in range(0, len(found), LEAKS) for leak in keys.leaked(found[at : at + LEAKS])]
    closed = [leak for leak in told if leak["done"] != "nothing"]
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in _leaks(told):
            typer.echo(line)
    raise typer.Exit(1 if closed else 0)


@app.command()
def report(
    unused: Annotated[str, typer.Option("--unused", help="How long without a use counts as unused.")] = "90d",
    soon: Annotated[str, typer.Option("--soon", help="How near an end counts as soon.")] = "30d",
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Tell which keys somebody should look at: unused, ending soon, without owner or end, open to everything.

    Exits with 1 if there are any, 0 if there are none.

    Example: lockgate keys report --unused 30d
    """
    wanted = (_duration("--unused", unused), _duration("--soon", soon))
    with key_ring(state) as keys:
        items = keys.report(*wanted)
    if as_json:
        typer.echo(json.dumps(items, indent=2))
    else:
        for line in reported(items) or ["There is no key that somebody should look at."]:
            typer.echo(line)
    raise typer.Exit(1 if any(item["count"] for item in items) else 0)


@app.command()
def export(as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False, state: StateDir = None) -> None:
    """Print what is known of every key, one JSON object a line; no secret and no hash is among it.

    Example: lockgate keys export > keys.jsonl
    """
    import csv

    with key_ring(state) as keys:
        rows = keys.every()
        if not as_csv:
            for row in rows:
                typer.echo(json.dumps(row))
            return
        writer = csv.writer(sys.stdout, lineterminator="\n")
        for number, row in enumerate(rows):
            if number == 0:
                writer.writerow(row)
            writer.writerow([" ".join(value) if isinstance(value, list) else value for value in row.values()])


@app.command(name="import")
def import_keys(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="JSON lines, or CSV (.csv): digest, sha256 or key; name; maybe owner, environment, apis, scopes, "
            "methods, networks, expires_ms.",
        ),
    ],
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for those that name nobody.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Add keys by their hashes; no key needs to be known, and none is sent anywhere.

    `digest` is of another Lockgate with the same pepper (HMAC-SHA256); `sha256`, in hex or Base64, is of another
    gateway, and so is `key`, the key itself, which is hashed here. Those that are known already are left alone, so
    an import may be repeated.

    Example: lockgate keys import keys.jsonl

    Example: lockgate keys import --owner partners other-gateway.csv
    """
    if owner is not None:
        _must_be_words("--owner", owner)
    with key_ring(state) as keys:
        done = imported(file, lambda row: _key_import.read(row, owner), keys.add, form=_key_import.FORM, done="added")
    typer.echo(json.dumps(done) if as_json else _added(**done))


def _added(added: int, known: int) -> str:
    """What an import did, in words."""
    were = f"{known} {'was' if known == 1 else 'were'} known already"
    if known and not added:
        return f"Nothing to add: {were}."
    return f"Added {count(added, 'key')}{f'; {were}' if known else ''}."


def _rules(scope: list[str] | None, method: list[str] | None, network: list[str] | None) -> dict[str, Any]:
    methods = [each.upper() for each in method] if method else None
    for option, given, form, wanted in (
        (
            "--scope",
            scope,
            r"[\x21\x23-\x5b\x5d-\x7e]{1,128}",
            "a scope, without blanks and quotes; say it once for each",
        ),
        ("--method", methods, r"[A-Z][A-Z-]{0,31}", "a method, as GET"),
        ("--from", network, r"[0-9A-Fa-f.:/]{1,64}", "an address or a network, as 192.0.2.0/24"),
    ):
        if wrong := [each for each in given or () if not re.fullmatch(form, each)]:
            leave(f"{option}: {printable(wrong[0])[:60]!r} is not {wanted}.")
    return {"scopes": scope or None, "methods": methods, "networks": network or None}


def _rate(limit: str | None, burst: int | None) -> dict[str, int] | None:
    """How much may come by a key."""
    from lockgate.policies.limits import parse_allow

    if limit is None:
        if burst is not None:
            leave("--burst: say --limit as well.")
        return None
    rate = _parsed("--limit", parse_allow, limit, "`100/s` or `1000/h`")
    return {"allow": rate.number, "per_ms": rate.per_ms, "burst": burst or rate.number}


def _turn(what: str, said: str, key_id: str, state: Path | None, as_json: bool) -> NoReturn:
    _must_be_id(key_id)
    with key_ring(state) as keys:
        row = keys.turn(key_id, what)
    _done(said, row, as_json)


def _made(made: Row, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["key"])
    for line in ["", "Keep it now: it is not kept here, and cannot be shown again.", *lines(made)]:
        typer.echo(line, err=True)
    typer.echo(f"  {gate_words(made)}", err=True)


def _done(said: str, row: Row, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps(row, indent=2))
    else:
        typer.echo(f"{said}: {row['id']} ({printable(row['name'])}, of {printable(row['owner'])}).")
        typer.echo(gate_words(row))
    raise typer.Exit(1 if row["gate"] == "pending" else 0)


def _found(given: bytes, where: dict[str, str | None]) -> list[Row]:
    """Texts that may be keys, each once, with where they were found."""
    if len(given) > FOUND_BYTES:
        leave(f"That is more than {FOUND_BYTES // 2**20} MiB; give the lines with keys alone.")
    text = given.decode(errors="replace")
    try:
        listed = json.loads(text) if text.lstrip().startswith(("[", "{")) else None
    except (ValueError, RecursionError):
        listed = None
    if listed is not None:
        return [_told(one, where) for one in (listed if isinstance(listed, list) else [listed])]
    words: dict[str, None] = {}
    for line in text.splitlines():
        there = FOUND_FORM.findall(line)
        alone = line.split()
        if not there and len(alone) == 1 and len(alone[0]) <= 512:
            there = alone
        words |= dict.fromkeys(there)
    if not words:
        leave("There is nothing in it that may be a key.")
    return [{"token": word, **where} for word in words]


def _told(one: object, where: dict[str, str | None]) -> Row:
    if not isinstance(one, dict) or not isinstance(token := one.get("token"), str) or not 0 < len(token) <= 1000:
        leave('A list has objects such as {"token": "…", "url": "…", "source": "…"}.')
    told = {name: text if isinstance(text := one.get(name), str) else None for name in ("url", "source", "type")}
    limits = {"url": 4000, "source": 100, "type": 100}
    said = {name: text or where.get(name) for name, text in told.items()}
    return {"token": token, **{name: text[: limits[name]] if text else None for name, text in said.items()}}


def _leaks(told: list[Row]) -> list[str]:
    words = {
        "revoked": "revoked now",
        "grace-ended": "an old secret of it, which is over now; the key itself stays open",
        "nothing": "it opened nothing any more",
    }
    known = [leak for leak in told if leak["label"] == "true_positive"]
    said = [
        f"{leak['key_id']} ({printable(leak['name'])}, of {printable(leak['owner'])}): {words[leak['done']]}."
        for leak in known
    ]
    others = len(told) - len(known)
    if others:
        said.append(f"{count(others, 'text')} that {'is' if others == 1 else 'are'} no key of this installation.")
    return said


def _must_be_words(option: str, text: str) -> None:
    if not text.strip() or not _key_import.WORDS_FORM.fullmatch(text):
        leave(f"{option}: write 1 to 200 characters, on one line.")


def _must_be_id(text: str) -> None:
    """Refuse a name, or a key itself, which must stand in no message."""
    if not ID_FORM.fullmatch(text):
        leave("That is a name or a key, not an id; ids begin with key_ and are in `lockgate keys list`.")


def _parsed(option: str, parse: Callable[[object], T], text: str, form: str) -> T:
    """What is written as in the configuration."""
    from pydantic_core import PydanticCustomError

    try:
        return parse(text)
    except PydanticCustomError as error:
        leave(f"{option}: {error.message()}; write it like {form}.")


def _duration(option: str, text: str) -> int:
    """A duration, in milliseconds."""
    from lockgate.scalars import parse_duration

    return _parsed(option, parse_duration, text, "`90d` or `12h`")


def _end(text: str) -> int:
    """When a key ends, from a duration or a day, in milliseconds since the epoch."""
    from lockgate.scalars import parse_date, parse_duration

    now = time.time_ns() // 1_000_000
    form = "`90d` or `2027-01-01`"
    if text.count("-") == 2:
        day = _parsed("--expires", parse_date, text, form)
        end = int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp() * 1000)
    else:
        end = now + _parsed("--expires", parse_duration, text, form)
    if end <= now:
        leave(f"--expires: {text} is over already.")
    return end
