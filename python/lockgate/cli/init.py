"""`lockgate init`: a first configuration, safe as it stands, and a first key."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import PydanticCustomError

from lockgate.addresses import is_loopback, parse_target
from lockgate.cli._first_config import Answers, Waived, first_config
from lockgate.cli._report import Json, count, leave, load_or_exit
from lockgate.cli._state import NAME, StateDir, state_path
from lockgate.scalars import parse_date, parse_text, refusal

T = TypeVar("T")

CONFIG = "lockgate.yaml"
DEFAULT_UPSTREAM = "http://127.0.0.1:9000"


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
        leave(f"Say where your API is: lockgate init --upstream {DEFAULT_UPSTREAM} --yes")
    if not asking and not yes:
        leave("Nobody sits at this terminal to be asked: add --yes.")
    answers = dataclasses.replace(_answers(given, ask=asking), document=document)
    _check(folder, answers)
    _write(folder, answers)
    place = state_path(state, config=folder / CONFIG)
    key = None if answers.public is not None else _first_key(folder, place, given.owner or _user(), answers.name)
    if as_json:
        typer.echo(json.dumps({"config": str(folder / CONFIG), "state": str(place), **(key or {})}, indent=2))
    else:
        _say(folder, state, answers, key)


@dataclass(slots=True)
class Given:
    """What the options say; questions fill in the rest."""

    upstream: str | None
    owner: str | None
    reason: str | None
    until: str | None
    public: bool
    insecure: bool


def _answers(given: Given, *, ask: bool) -> Answers:
    if ask and given.upstream is None:
        given.upstream = _asked("Where is your API?", DEFAULT_UPSTREAM, parse_target)
    target = _parsed("--upstream", parse_target, given.upstream)
    local = is_loopback(target.removeprefix("http://").rpartition(":")[0])
    if ask and not given.public:
        given.public = not typer.confirm("Shall callers need a key?", default=True)
    if ask and not local and not given.insecure:
        given.insecure = typer.confirm(f"{target} is plain HTTP to another machine. Take the risk?", default=False)
    if not local and not given.insecure:
        leave(
            f"{target} is plain HTTP to another machine, where anyone on the way can read it.\n"
            "Name an address on this one, or add --insecure --owner NAME --reason TEXT --until YYYY-MM-DD."
        )
    exception = _exception(given, ask=ask) if given.public or not local else None
    if exception is None and given.owner is not None:
        _parsed("--owner", _plain_text, given.owner)
    return Answers(upstream=target, public=exception if given.public else None, insecure=None if local else exception)


def _exception(given: Given, *, ask: bool) -> Waived:
    if ask:
        given.owner = given.owner or _asked("Who answers for it?", _user(), _plain_text)
        given.reason = given.reason or _asked("Why is it needed?", None, _plain_text)
        soon = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=90)).isoformat()
        given.until = given.until or _asked("Until when?", soon, _end)
    missing = [
        option
        for option, value in (("--owner", given.owner), ("--reason", given.reason), ("--until", given.until))
        if value is None
    ]
    if missing:
        leave(f"An exception wants somebody who answers for it, a reason and an end: add {', '.join(missing)}.")
    end = _parsed("--until", _end, given.until)
    return Waived(_parsed("--owner", _plain_text, given.owner), _parsed("--reason", _plain_text, given.reason), end)


def _end(value: object) -> dt.date:
    end = parse_date(value)
    if end <= dt.datetime.now(dt.UTC).date():
        raise refusal("date-past", f"{end} is not in the future, so the exception would be closed from the start")
    return end


def _plain_text(value: object) -> str:
    text = parse_text(value)
    if "${" in text:
        raise refusal("reference-within-text", "`${` would begin a reference", hint="say it in other words")
    return text


def _asked(question: str, default: str | None, parse: Callable[[object], object]) -> str:
    """A question, asked again until its answer can be read."""
    while True:
        answer: str = typer.prompt(question, default=default)
        try:
            parse(answer)
        except PydanticCustomError as error:
            typer.echo(_words(error), err=True)
            # Of an address, the scheme is what people leave out: a return then takes the right value.
            if parse is parse_target and _is_target(f"http://{answer}"):
                default = f"http://{answer}"
        else:
            return answer


def _is_target(text: str) -> bool:
    try:
        parse_target(text)
    except PydanticCustomError:
        return False
    return True


def _parsed(option: str, parse: Callable[[object], T], value: object) -> T:
    try:
        return parse(value)
    except PydanticCustomError as error:
        leave(f"{option}: {_words(error)}")


def _words(error: PydanticCustomError) -> str:
    context: dict[str, Any] = error.context or {}
    parts = [error.message(), f"allowed: {context['allowed']}" if "allowed" in context else None, context.get("hint")]
    return "; ".join(filter(None, parts))


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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user need not have a name.
        return f"uid {os.getuid()}"


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
    path = "/" if answers.document is None else answers.document.paths[0]
    if state is not None:
        run = f"lockgate run --config {shlex.quote(str(folder / CONFIG))} --state {shlex.quote(str(state))}"
    else:
        run = "lockgate run" if folder == Path() else f"cd {shlex.quote(str(folder))} && lockgate run"
    typer.echo(f"\nNext:\n\n  {run}\n  curl {header}http://127.0.0.1:8080{path}")
    if answers.public is not None:
        typer.echo(f"\nAnyone may call until {answers.public.until}; after that the API is closed.")
