"""What `lockgate init` wants to know: from its options, and from whoever sits at the terminal."""

from __future__ import annotations

import datetime as dt
import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import typer
from pydantic_core import PydanticCustomError

from lockgate.addresses import is_local, is_secure, parse_target
from lockgate.cli._first_config import Answers, Waived
from lockgate.cli._report import leave
from lockgate.scalars import parse_date, parse_text, refusal

T = TypeVar("T")

DEFAULT_UPSTREAM = "http://127.0.0.1:9000"


@dataclass(slots=True)
class Given:
    """What the options say; questions fill in the rest."""

    upstream: str | None
    owner: str | None
    reason: str | None
    until: str | None
    public: bool
    insecure: bool


def answers(given: Given, *, ask: bool) -> Answers:
    """All that the configuration needs; leaves where something is missing and nobody is asked."""
    if ask and given.upstream is None:
        given.upstream = _asked("Where is your API?", DEFAULT_UPSTREAM, parse_target)
    target = _parsed("--upstream", parse_target, given.upstream)
    safe = is_secure(target) or is_local(target)
    if ask and not given.public:
        given.public = not typer.confirm("Shall callers need a key?", default=True)
    if ask and not safe and not given.insecure:
        given.insecure = typer.confirm(f"{target} is plain HTTP to another machine. Take the risk?", default=False)
    if not safe and not given.insecure:
        leave(
            f"{target} is plain HTTP to another machine, where anyone on the way can read it.\n"
            "Write https:// if it speaks TLS, name an address on this machine, or add --insecure --owner NAME "
            "--reason TEXT --until YYYY-MM-DD."
        )
    exception = _exception(given, ask=ask) if given.public or not safe else None
    if exception is None and given.owner is not None:
        _parsed("--owner", _plain_text, given.owner)
    return Answers(upstream=target, public=exception if given.public else None, insecure=None if safe else exception)


def waived(owner: str | None, reason: str | None, until: str | None, *, ask: bool) -> Waived:
    """Who answers for an exception, why, and until when; by default for 90 days."""
    given = Given(upstream=None, owner=owner, reason=reason, until=until, public=False, insecure=False)
    if not ask and until is None:
        given.until = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=90)).isoformat()
    return _exception(given, ask=ask)


def waiver_parts(owner: str | None, reason: str | None, until: str | None) -> None:
    """Leave where one that is given cannot be used."""
    for option, parse, value in (
        ("--owner", _plain_text, owner),
        ("--reason", _plain_text, reason),
        ("--until", _end, until),
    ):
        if value is not None:
            _parsed(option, parse, value)


def _exception(given: Given, *, ask: bool) -> Waived:
    if ask:
        given.owner = given.owner or _asked("Who answers for it?", user(), _plain_text)
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


def user() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user need not have a name.
        return f"uid {os.getuid()}"
