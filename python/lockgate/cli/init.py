"""`lockgate init`: a first configuration, safe as it stands, and a first key."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli._first_config import first_config
from lockgate.cli._report import Json, count, leave, load_or_exit
from lockgate.cli._state import NAME, StateDir, state_path

if TYPE_CHECKING:
    from lockgate.cli._first_config import Answers

CONFIG = "lockgate.yaml"


def init(
    upstream: Annotated[str | None, typer.Option("--upstream", metavar="URL", help="Your API's server.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let anyone call; wants --owner, --reason, --until.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Plain HTTP to another machine; wants --owner, --reason, --until.")
    ] = False,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who answers for it.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why the exception is needed.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="When it ends: YYYY-MM-DD.")] = None,
    openapi: Annotated[
        Path | None, typer.Option("--openapi", metavar="FILE", help="An OpenAPI document that the API is held to.")
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where to write.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a configuration that is there; keys are kept.")
    ] = False,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Write a short configuration that is safe as it stands, and make the first key.

    Without --public, callers need a key, and the first one is printed: this once only.
    Where keys were made before (--force), they go on opening the API, and no other is made.
    Where nobody sits at it, say all with options and --yes.

    With --openapi, the API is held to the document: its name, its paths, its server (unless --upstream
    names another) and the header of its keys come from there.

    Example: lockgate init --upstream http://127.0.0.1:9000 --yes
    """
    from lockgate.cli._first_answers import DEFAULT_UPSTREAM, Given, answers, user

    if (folder / CONFIG).exists() and not force:
        leave(f"{folder / CONFIG} is there already. Edit it, or overwrite it with --force.")
    document = None
    if openapi is not None:
        from lockgate.cli._init_openapi import described

        document = described(openapi, folder)
        upstream = upstream or document.server
    given = Given(upstream, owner, reason, until, public=public, insecure=insecure)
    asking = not yes and sys.stdin.isatty()
    if not asking and upstream is None:
        leave(
            f"Say where your API is: lockgate init --upstream {DEFAULT_UPSTREAM} --yes, or "
            "--upstream unix:/path/to/socket where it listens at a Unix socket."
        )
    if not asking and not yes:
        leave("Nobody sits at this terminal to be asked: add --yes.")
    said = dataclasses.replace(answers(given, ask=asking), document=document)
    _check(folder, said)
    _write(folder, said)
    place = state_path(state, config=folder / CONFIG)
    key = None if said.public is not None else _first_key(folder, place, given.owner or user(), said.name)
    if as_json:
        typer.echo(json.dumps({"config": str(folder / CONFIG), "state": str(place), **(key or {})}, indent=2))
    else:
        _say(folder, state, said, key)


def _write(folder: Path, answers: Answers) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(first_config(answers), encoding="utf-8")
        _ignore(folder / ".gitignore")
    except OSError as error:
        leave(f"{error.filename or folder} cannot be written: {error.strerror}")


def _check(folder: Path, answers: Answers) -> None:
    """What a document says may only as a whole be seen to be wrong: then nothing is written."""
    if answers.document is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".yaml") as trial:
            trial.write(first_config(answers))
            trial.flush()
            load_or_exit(Path(trial.name))
    except OSError as error:
        leave(f"{error.filename or folder} cannot be written: {error.strerror}")


def _ignore(file: Path) -> None:
    """Keep the state folder, which holds secrets, out of version control."""
    there = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    if not {f"{NAME}/", NAME, f"/{NAME}/", f"/{NAME}"} & {line.strip() for line in there.splitlines()}:
        gap = "\n" if there and not there.endswith("\n") else ""
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{gap}{NAME}/\n")


def _first_key(folder: Path, state: Path, owner: str, api: str) -> dict[str, Any]:
    """A key, or how many there are already: who has one must not be given a second one unseen."""
    from lockgate.cli._keys import key_ring
    from lockgate.state import StateError, StateFolder

    try:
        StateFolder.open(state)
    except StateError as error:
        leave(f"{folder / CONFIG} is written, but no key could be made: {error}", code=1)
    with key_ring(state) as keys:
        kept = sum(1 for row in keys.every() if row["status"] == "active" and _opens(row, api))
        if kept:
            return {"keys_kept": kept}
        made = keys.create({"name": "first", "owner": owner})
    return {"key": made["key"], "key_id": made["id"]}


def _opens(row: dict[str, Any], api: str) -> bool:
    """Whether a key opens the API that is written here."""
    return row["apis"] is None or api in row["apis"]


def _say(folder: Path, state: Path | None, answers: Answers, made: dict[str, Any] | None) -> None:
    typer.echo(f"Wrote {folder / CONFIG}.")
    if answers.document is not None:
        typer.echo(
            f"The document has {count(answers.document.operations, 'operation')}; `lockgate routes --operations`."
        )
        for one in answers.document.left:
            typer.echo(f"It also names {one}, which is not asked for by the gate.")
    key = made.get("key", "…") if made is not None else None
    if made is not None and "key" in made:
        typer.echo(f"\nThe first key. It is shown this once and kept nowhere:\n\n  {key}")
    elif made is not None:
        kept = f"{count(made['keys_kept'], 'key')} made before"
        typer.echo(f"\nNo new key: {kept} still {'opens' if made['keys_kept'] == 1 else 'open'} it.")
        typer.echo("`lockgate keys list` shows which; `lockgate keys create` makes another.")
    header = f"-H '{answers.header}: {key}' " if key is not None else ""
    path = "/" if answers.document is None else answers.document.first
    if state is not None:
        run = f"lockgate run --config {shlex.quote(str(folder / CONFIG))} --state {shlex.quote(str(state))}"
    else:
        run = "lockgate run" if folder == Path() else f"cd {shlex.quote(str(folder))} && lockgate run"
    typer.echo(f"\nNext:\n\n  {run}\n  curl {header}http://127.0.0.1:8080{path}")
    if answers.public is not None:
        typer.echo(f"\nAnyone may call until {answers.public.until}; after that the API is closed.")
