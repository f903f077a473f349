"""`lockgate apps`: programs of others: what they were given, what they use of it, and stopping them."""

from __future__ import annotations

import json
import re
import time
from typing import Annotated, Any, Final

import typer

from lockgate.cli._admin import asking
from lockgate.cli._app_lines import lines, reached, table, usage_lines
from lockgate.cli._report import Json, leave
from lockgate.cli._state import StateDir
from lockgate.cli._two_ways import gate_words
from lockgate.printable import printable

app = typer.Typer(
    help="Register programs of others, see what they use of what they were given, and stop them.\n\n"
    "Example: lockgate apps list",
    no_args_is_help=True,
)

ALL: Final = "all"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
AppName = Annotated[str, typer.Argument(metavar="APP", help="The program's name.")]
Days = Annotated[int, typer.Option("--days", min=1, max=3_660, help="What counts as used: within so many days.")]
Owner = Annotated[str | None, typer.Option("--owner", help="Who answers for it.")]
Purpose = Annotated[str | None, typer.Option("--purpose", help="What it is for.")]
Contact = Annotated[str | None, typer.Option("--contact", help="Whom to tell when something is wrong with it.")]
Tier = Annotated[str | None, typer.Option("--tier", help="How far it is trusted: unreviewed, reviewed or trusted.")]
Api = Annotated[list[str] | None, typer.Option("--api", help="An API that it is given; `all` for all.")]
Scope = Annotated[list[str] | None, typer.Option("--scope", help="A scope that it is given; `all` for all.")]
Client = Annotated[
    list[str] | None,
    typer.Option("--client", metavar="ISSUER:CLIENT", help="What an issuer calls it, such as company:0oa1f2."),
]
Operation = Annotated[
    list[str] | None,
    typer.Option("--operation", metavar="API:OPERATION", help="An operation that it is given, where not all."),
]
Redirect = Annotated[
    list[str] | None, typer.Option("--redirect-uri", help="Where people come back to, exactly as it will be asked for.")
]
Until = Annotated[
    str | None, typer.Option("--until", help="When its time is over: `90d`, or a day such as 2027-01-01.")
]
Review = Annotated[str | None, typer.Option("--review", help="By when somebody looks at it again, in the same words.")]
TIERS: Final = ("unreviewed", "reviewed", "trusted")


@app.command(name="list")
def list_apps(state: StateDir = None, as_json: Json = False) -> None:
    """List the programs: those of the configuration, and those that are registered.

    Example: lockgate apps list
    """
    with asking(state) as admin:
        rows = admin.get("/v1/apps")["items"]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        table(rows)
    else:
        typer.echo("There are no programs. `lockgate apps register NAME --owner … --api …` registers one.")


@app.command()
def show(name: AppName, state: StateDir = None, as_json: Json = False) -> None:
    """Show a program.

    Example: lockgate apps show crm-sync
    """
    with asking(state) as admin:
        row = admin.get(_path(name))
    typer.echo(json.dumps(row, indent=2) if as_json else "\n".join(lines(row)))


@app.command()
def register(
    name: AppName,
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")],
    api: Annotated[list[str], typer.Option("--api", help="An API that it is given; `all` for all.")],
    scope: Scope = None,
    tier: Tier = None,
    client: Client = None,
    operation: Operation = None,
    redirect_uri: Redirect = None,
    purpose: Purpose = None,
    contact: Contact = None,
    until: Until = None,
    review: Review = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Register a program. It does no more than it is given here, whatever its credentials say.

    The configuration has to say that it holds programs to anything: `apps: {}` is enough.

    Example: lockgate apps register crm-sync --owner sales@example.com --api orders --scope orders:read
    --client company:0oa1f2 --review 180d

    Example: lockgate apps register export --owner data@example.com --tier reviewed --api all --scope all
    """
    said = _said(
        owner=owner,
        api=api,
        scope=scope,
        tier=tier,
        client=client,
        operation=operation,
        redirect_uri=redirect_uri,
        purpose=purpose,
        contact=contact,
        until=until,
        review=review,
    )
    _path(name)
    with asking(state) as admin:
        row = admin.post("/v1/apps", {"id": name, **said})
    _done(f"Registered {name}.", row, as_json)


@app.command()
def change(
    name: AppName,
    owner: Owner = None,
    api: Api = None,
    scope: Scope = None,
    tier: Tier = None,
    client: Client = None,
    operation: Operation = None,
    redirect_uri: Redirect = None,
    purpose: Purpose = None,
    contact: Contact = None,
    until: Until = None,
    review: Review = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Change what a registered program was given. What is not named stays; a list takes the place of the one before.

    Example: lockgate apps change crm-sync --tier reviewed --review 365d

    Example: lockgate apps change crm-sync --scope orders:read --scope customers:read
    """
    said = _said(
        owner=owner,
        api=api,
        scope=scope,
        tier=tier,
        client=client,
        operation=operation,
        redirect_uri=redirect_uri,
        purpose=purpose,
        contact=contact,
        until=until,
        review=review,
    )
    if not said:
        leave("Say what is to be changed: --scope, --api, --tier, …; `lockgate apps change --help` lists them.")
    with asking(state) as admin:
        row = admin.patch(_path(name), said)
    _done(f"Changed {name}.", row, as_json)


@app.command()
def stop(
    name: AppName,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; stands in the audit event.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Stop a program everywhere, now: its keys, its tokens and its running streams. Nothing of it is forgotten.

    Exits with 0 if every gate acts on it; 1 if one may not know yet, and then says which.

    Example: lockgate apps stop crm-sync --reason "its vendor was broken into"
    """
    with asking(state) as admin:
        row = admin.post(f"{_path(name)}/stop", {"reason": reason})
    _done(f"Stopped {name}.", row, as_json)


@app.command()
def start(name: AppName, state: StateDir = None, as_json: Json = False) -> None:
    """Let a program in again that was stopped.

    Example: lockgate apps start crm-sync
    """
    with asking(state) as admin:
        row = admin.post(f"{_path(name)}/start")
    _done(f"Started {name}.", row, as_json)


@app.command()
def remove(name: AppName, state: StateDir = None, as_json: Json = False) -> None:
    """Forget a registered program: it is nobody's from then on, and its keys are revoked.

    Example: lockgate apps remove crm-sync
    """
    with asking(state) as admin:
        row = admin.delete(_path(name))
    _done(f"Removed {name}; its keys are revoked.", row, as_json)


@app.command()
def usage(
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="The program's name; left out, all.")] = None,
    days: Days = 90,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show what programs were given against what they used of it, and how much that is too much.

    Example: lockgate apps usage crm-sync --days 30

    Example: lockgate apps usage
    """
    with asking(state) as admin:
        names = [name] if name is not None else [row["id"] for row in admin.get("/v1/apps")["items"]]
        found = [admin.get(f"{_path(one)}/usage", days=days) for one in names]
    if as_json:
        typer.echo(json.dumps(found[0] if name is not None else found, indent=2))
    elif not found:
        typer.echo("There are no programs.")
    else:
        typer.echo("\n\n".join("\n".join(usage_lines(one)) for one in found))


@app.command()
def trim(
    name: AppName,
    days: Days = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would have, and change nothing.")] = False,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Give a program no more than it used: scopes, APIs and operations.

    Of a program of the configuration it prints what to write there, and exits with 1.

    Example: lockgate apps trim crm-sync --days 30 --dry-run

    Example: lockgate apps trim crm-sync
    """
    from lockgate.cli._app_lines import taken, trimmed

    with asking(state) as admin:
        found = admin.get(f"{_path(name)}/usage", days=days)
        named = found["app"]["source"] == "configuration"
        if not dry_run and not named:
            done = admin.post(f"{_path(name)}/trim", {"days": days})
            said = f"Trimmed {name} to what it used. {taken(found)}{gate_words(done)}"
            typer.echo(json.dumps(done, indent=2) if as_json else said)
            raise typer.Exit(1 if done["gate"] == "pending" else 0)
    if as_json:
        typer.echo(json.dumps(found["trimmed"], indent=2))
    else:
        typer.echo("\n".join(trimmed(found)))
    if named and not dry_run:
        leave(f"Write that under `apps.{name}` of the configuration: it names the program.", code=1)


@app.command()
def reach(
    name: AppName,
    days: Annotated[int, typer.Option("--days", min=1, max=3_660, help="How far to look back.")] = 90,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show what a program has read and done, for whom and from where: how far a leak of its reaches.

    Example: lockgate apps reach crm-sync --days 7
    """
    with asking(state) as admin:
        found = admin.get(f"{_path(name)}/reach", days=days)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        reached(found)


@app.command()
def secret(
    name: AppName,
    grace: Annotated[str, typer.Option("--grace", help="How long the secret before it is good, such as 24h.")] = "24h",
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Make a secret that a program proves itself by when it gets tokens (`issuers.NAME.grants`). It is shown once.

    Programs without one are public, as those on people's own machines are.

    Example: lockgate apps secret crm-sync

    Example: lockgate apps secret crm-sync --grace 7d
    """
    path = _path(name)
    with asking(state) as admin:
        made = admin.post(f"{path}/secret", {"grace_ms": _length("--grace", grace)})
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["secret"])
    typer.echo("This is the secret; it cannot be shown again.", err=True)


@app.command()
def grants(
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="The program's name; left out, all.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="One person's alone, by their `sub`.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show what people have allowed programs: scopes, since when, and when it was last used.

    Example: lockgate apps grants crm-sync

    Example: lockgate apps grants --subject ada
    """
    from lockgate.cli._app_lines import grants_table

    if name is not None:
        _path(name)
    with asking(state) as admin:
        rows, after = [], None
        while True:
            page = admin.get("/v1/app-grants", app=name, subject=subject, after=after, limit=1000)
            rows += page["items"]
            if (after := page["next"]) is None:
                break
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        grants_table(rows)
    else:
        typer.echo("Nobody has allowed that.")


@app.command(name="take-back")
def take_back(
    grant: Annotated[str, typer.Argument(metavar="GRANT", help="Its id, as `lockgate apps grants` shows it.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why; stands in the audit event.")] = None,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Take back what somebody allowed a program: no token that came of it opens anything any more.

    Exits with 0 if every gate acts on it; 1 if one may not know yet, and then says which.

    Example: lockgate apps take-back 3f2a8c0d9e1b4c5d8f7a6b5c4d3e2f10 --reason "she asked for it"
    """
    if not re.fullmatch(r"[0-9a-f]{32}", grant):
        leave("That is no grant; `lockgate apps grants` shows those that there are.")
    with asking(state) as admin:
        row = admin.post(f"/v1/app-grants/{grant}/end", {"reason": reason})
    _done(f"Taken back from {row['app']}.", row, as_json)


@app.command()
def invite(state: StateDir = None, as_json: Json = False) -> None:
    """Make a token that one program registers itself with (RFC 7591), within seven days. It is shown once.

    Example: lockgate apps invite
    """
    with asking(state) as admin:
        made = admin.post("/v1/app-invitations")
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["token"])
    typer.echo("This is the invitation, for one program, within seven days; it cannot be shown again.", err=True)


def _length(option: str, given: str) -> int:
    from pydantic_core import PydanticCustomError

    from lockgate.scalars import parse_duration

    try:
        return parse_duration(given)
    except PydanticCustomError:
        leave(f"{option}: {printable(given)[:60]!r} is no time such as 24h.")


def _path(name: str) -> str:
    if not _NAME.fullmatch(name):
        leave("That is no name of a program; `lockgate apps list` shows those that there are.")
    return f"/v1/apps/{name}"


def _said(**given: Any) -> dict[str, Any]:
    """What was said, as the admin API wants it."""
    said = {name: given[name] for name in ("owner", "purpose", "contact") if given[name] is not None}
    if (tier := given["tier"]) is not None:
        if tier not in TIERS:
            leave(f"--tier: {printable(tier)!r} is none of {', '.join(TIERS)}.")
        said["tier"] = tier
    for option, name in (("api", "apis"), ("scope", "scopes")):
        if given[option]:
            said[name] = None if given[option] == [ALL] else given[option]
    if given["client"]:
        pairs = [_pair("--client", one, "company:0oa1f2") for one in given["client"]]
        said["clients"] = [{"issuer": issuer, "client": client} for issuer, client in pairs]
    if given["operation"]:
        said["operations"] = {}
        for one in given["operation"]:
            api, name = _pair("--operation", one, "orders:listOrders")
            said["operations"].setdefault(api, []).append(name)
    if given["redirect_uri"]:
        said["redirect_uris"] = given["redirect_uri"]
    for option in ("until", "review"):
        if given[option] is not None:
            said[f"{option}_ms"] = _instant(f"--{option}", given[option])
    return said


def _pair(option: str, given: str, example: str) -> tuple[str, str]:
    one, colon, other = given.partition(":")
    if not (one and colon and other):
        leave(f"{option}: {printable(given)[:60]!r} is not two names with `:` between them, such as {example}.")
    return one, other


def _instant(option: str, given: str) -> int:
    """A point in time, given as a day or as how long from now."""
    import datetime as dt

    from pydantic_core import PydanticCustomError

    from lockgate.scalars import parse_date, parse_duration

    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
            day = dt.datetime.combine(parse_date(given), dt.time(), tzinfo=dt.UTC)
            return int(day.timestamp() * 1_000)
        return int(time.time() * 1_000) + parse_duration(given)
    except PydanticCustomError:
        leave(f"{option}: {printable(given)[:60]!r} is neither a day such as 2027-01-01 nor a time such as 90d.")


def _done(said: str, row: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(row, indent=2) if as_json else f"{said} {gate_words(row)}")
    if row["gate"] == "pending":
        raise typer.Exit(1)
