"""`lockgate access`: who can call what, and why."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lockgate.cli._report import Json, count, leave, load_or_exit
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from lockgate.admin.access_of import Answer
    from lockgate.cli._admin import Admin
    from lockgate.config import Loaded

app = typer.Typer(
    help="Show who can call what, and why: by role, by scope, or for one caller.\n\nExample: lockgate access matrix",
    no_args_is_help=True,
)

MAX_TOKEN: Final = 64 * 1024
"""Longer than what a header may be."""

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")]
OfApi = Annotated[str | None, typer.Option("--api", metavar="NAME", help="Of this API alone.")]


@app.command()
def matrix(
    api: OfApi = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where no rule says who may call an operation.")
    ] = False,
    tests: Annotated[
        Path | None,
        typer.Option("--tests", metavar="FILE", help="Write it as a table for `lockgate test`, too."),
    ] = None,
    config: Config = Path("lockgate.yaml"),
    as_json: Json = False,
) -> None:
    """Show which role may call which operation, what scopes that takes, and what is open or closed to all.

    The policies themselves are asked, about a request for each operation; where an
    API has no document, for each method and path that rules name. Nothing needs to run.

    With --tests each role and operation becomes a case with today's verdict, so that
    `lockgate test` fails when the matrix changes. FILE is written over if it is such a table.

    Example: lockgate access matrix --api orders

    Example: lockgate access matrix --tests tests/access.yaml
    """
    from lockgate.admin.access import UnknownPartError
    from lockgate.admin.access import matrix as made

    loaded = load_or_exit(config)
    bundle = json.dumps(loaded.compile(0, 0))
    try:
        found = made(bundle, api)
    except UnknownPartError as error:
        leave(_sentence(str(error)))
    if as_json:
        typer.echo(json.dumps(found.model_dump(), indent=2, ensure_ascii=False))
    else:
        from lockgate.cli._access_shown import show_matrix

        show_matrix(found)
    if tests is not None:
        _write_tests(loaded, json.loads(bundle), api, tests)
    silent = sum(row.without_rule for row in found.rows)
    if strict and silent:
        leave(f"No rule says who may call {count(silent, 'operation')}.", code=1)


@app.command()
def who(
    what: Annotated[
        str,
        typer.Argument(metavar="OPERATION", help='An operation, or "METHOD PATH" such as "GET /orders/7".'),
    ],
    api: OfApi = None,
    config: Config = Path("lockgate.yaml"),
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Say who may call an operation, and why.

    Told are the roles and who has them, the scopes and, where a control process
    answers, the keys that have them; until when it is open to anyone, where it is;
    and what may yet refuse those who may call.

    Exits with 0 if somebody may call it, 1 if nobody may, 2 if there is no such operation.

    Example: lockgate access who getOrder

    Example: lockgate access who "DELETE /orders/{id}" --api orders
    """
    from lockgate.admin.access import UnknownPartError, told
    from lockgate.cli._admin import NotRunningError, RefusedError

    bundle = json.dumps(load_or_exit(config).compile(0, 0))
    try:
        try:
            admin = _admin(state_path(state, config=config))
            found = told(bundle, what, lambda: admin.pages("/v1/keys"), api)
        except (NotRunningError, RefusedError):
            found = told(bundle, what, None, api)
    except UnknownPartError as error:
        leave(_sentence(str(error)))
    if as_json:
        typer.echo(json.dumps(found.model_dump(), indent=2, ensure_ascii=False))
    else:
        from lockgate.cli._access_shown import show_who

        show_who(found)
    if all(one.row.who in {"nobody", "unreached"} for one in found.items):
        raise typer.Exit(1)


@app.command(name="of")
def of_caller(
    claims: Annotated[
        str | None, typer.Option("--claims", metavar="JSON", help="Somebody of whom an issuer says this.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", metavar="FILE", help="A file that holds a token; `-` for standard input.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="ID", help="A key, by its id.")] = None,
    api: OfApi = None,
    config: Config = Path("lockgate.yaml"),
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show everything that a caller may call and why, and everything that they may not and why not.

    The engine judges a request of theirs for each operation; nothing is sent. With
    --claims each API is shown a token, a session or a password that says this, as it
    takes them. A --token is verified by the keys of its issuer, as they are known here;
    no issuer is asked about it.

    Exits with 0 if something is open to them, 1 if nothing is.

    Example: lockgate access of --claims '{"groups": ["support"], "scope": "orders:read"}'

    Example: lockgate access of --key key_w5k2xlcris2uirba4wl3
    """
    if sum(one is not None for one in (claims, token, key)) != 1:
        leave("Say whose access is meant: with --claims, --token or --key, one of them.")
    loaded = load_or_exit(config)
    bundle: dict[str, Any] = {**loaded.compile(0, 0)}
    if api is not None and api not in {one["name"] for one in bundle["apis"]}:
        leave(f"There is no API `{api}`.")
    folder = state_path(state, config=config)
    if claims is not None:
        found = _of_claims(loaded, bundle, claims, api)
    elif token is not None:
        found = _of_token(loaded, bundle, token, folder, api)
    else:
        found = _of_key(loaded, bundle, str(key), folder, api)
    if as_json:
        typer.echo(json.dumps([one.model_dump() for one in found], indent=2, ensure_ascii=False))
    else:
        from lockgate.cli._access_shown import show_of

        show_of(found)
    if not any(one.may for one in found):
        raise typer.Exit(1)


@app.command()
def suggest(
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="From then: 24h, or 2027-01-31T09:30.")] = "7d",
    api: OfApi = None,
    config: Config = Path("lockgate.yaml"),
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Propose rules of `objects`, whose is what, from the traffic that was seen.

    Told is what an API's `authorize.suggest` has noted: where requests and answers say
    what is verified of their callers. Each rule has its evidence: in how many requests
    it was so, of how many callers, and whose requests speak against it. What is printed
    can be pasted into the configuration. Look at what speaks against a rule first: that
    is an attack, somebody who helps (`unless`), or a rule that is wrong.

    Exits with 0 if there is something to propose, 1 if there is not.

    Example: lockgate access suggest --since 30d
    """
    from lockgate.admin.suggest import suggestions
    from lockgate.cli._events import moment_ms
    from lockgate.history.manifest import HistoryError
    from lockgate.state import StateError, StateFolder

    try:
        since_ms = moment_ms(since)
    except ValueError as error:
        leave(f"--since: {error}")
    bundle: dict[str, Any] = {**load_or_exit(config).compile(0, 0)}
    named = {one["name"]: one.get("suggest") for one in bundle["apis"]}
    if api is not None and api not in named:
        leave(f"There is no API `{api}`.")
    try:
        found = suggestions(StateFolder.existing(state_path(state, config=config)), bundle, since_ms, api)
    except (StateError, HistoryError) as error:
        leave(str(error))
    if as_json:
        typer.echo(json.dumps(found.model_dump(), indent=2, ensure_ascii=False))
    else:
        from lockgate.cli._access_shown import show_suggestions

        notes = [name for name, said in named.items() if said is not None and api in {None, name}]
        show_suggestions(found, notes)
    if not found.yaml:
        raise typer.Exit(1)


def _write_tests(loaded: Loaded, bundle: dict[str, Any], api: str | None, file: Path) -> None:
    from lockgate.rehearsal.role_table import HEAD, RoleTable, TooManyCasesError

    first = HEAD.partition("\n")[0]
    try:
        if file.exists() and not file.read_text(encoding="utf-8").startswith(first):
            leave(f"--tests: {file} is there already and was not written by this command: it stays as it is.")
        table = RoleTable(bundle, loaded.document.sign_in, api)
        file.write_text(table.text(), encoding="utf-8")
    except TooManyCasesError as error:
        leave(f"--tests: {error}.")
    except UnicodeDecodeError:
        leave(f"--tests: {file} is there already and is no table: it stays as it is.")
    except OSError as error:
        leave(f"--tests: {file} cannot be written: {error.strerror}")
    # Standard output may be JSON.
    typer.echo(f"Wrote {count(table.count, 'case')} to {file}; `lockgate test` runs them.", err=True)
    for words in dict.fromkeys(table.missing):
        typer.echo(f"No case: {words}", err=True)


def _of_claims(loaded: Loaded, bundle: dict[str, Any], text: str, api: str | None) -> list[Answer]:
    from lockgate.admin.access_of import of_claims

    try:
        claims = json.loads(text)
    except ValueError as error:
        leave(f"--claims is no JSON: {error}")
    if not isinstance(claims, dict) or not isinstance(claims.get("sub", ""), str):
        leave('--claims is an object such as \'{"sub": "ann", "groups": ["support"]}\'.')
    return of_claims(bundle, claims, api, loaded.document.sign_in)


def _of_token(loaded: Loaded, bundle: dict[str, Any], file: str, folder: Path, api: str | None) -> list[Answer]:
    from lockgate.admin.access_of import of_token
    from lockgate.cli._known import known
    from lockgate.state import StateError

    try:
        text = sys.stdin.read(MAX_TOKEN + 1) if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        leave(f"--token: {file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}")
    token = text.strip()
    if not token or len(token) > MAX_TOKEN or not token.isascii() or len(token.split()) != 1:
        leave("--token: that is no token; it is one word, without `Bearer` before it.")
    try:
        with contextlib.ExitStack() as stack:
            return of_token(bundle, token, known(loaded, folder, stack), api)
    except StateError as error:
        leave(str(error))


def _of_key(loaded: Loaded, bundle: dict[str, Any], key_id: str, folder: Path, api: str | None) -> list[Answer]:
    from lockgate.admin.access_of import of_key
    from lockgate.cli._keys import key_ring
    from lockgate.cli._known import known

    with key_ring(folder) as keys:
        row = keys.one(key_id)
    with contextlib.ExitStack() as stack:
        return of_key(bundle, row, known(loaded, folder, stack), api)


def _admin(folder: Path) -> Admin:
    """The admin API; raises `NotRunningError` where none answers."""
    from lockgate.cli._admin import Admin, NotRunningError
    from lockgate.state import StateError, StateFolder

    try:
        return Admin.of(StateFolder.existing(folder))
    except StateError as error:
        raise NotRunningError(str(error)) from error


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith("?") else ".")
