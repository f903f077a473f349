"""What every command has without saying so: `--config`, and help that reads like other tools'."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from lockgate.cli._report import leave
from lockgate.cli._state import CONFIG as DEFAULT
from lockgate.cli._state import state_path

CONFIG: Final = "config"

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")]

NAMES: Final = {"int": "NUMBER", "float": "NUMBER", "path": "PATH", "file": "FILE"}
"""How help names a kind of value; what is not listed is TEXT."""


_COMMANDS: Final = re.compile(r"\w+: +lockgate ")


class _Shown:
    """Shows no type of a flag or an argument, and names the others as other tools do."""

    def __init__(self, *arguments: Any, help: str | None = None, **settings: Any) -> None:  # noqa: A002 -- The base's.
        # Commands are to be copied: a line of them stays a line.
        paragraphs = inspect.cleandoc(help).split("\n\n") if help is not None else []
        kept = ["\b\n" + each if _COMMANDS.match(each) else each for each in paragraphs]
        text = "\n\n".join(kept) if help is not None else None
        super().__init__(*arguments, help=text, **settings)  # type: ignore[call-arg]  # A mixin: see below.

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # A mixin: the command beside it has it.
        for each in params:
            if each.param_type_name == "argument":
                vars(each)["display_type_rich"] = _nothing  # There is no setting for it: the metavar is its name.
            elif each.metavar is None:
                each.metavar = "" if each.is_flag else _kind(each.display_type(ctx))
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            left: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]  # As above.
        except typer.BadParameter as error:
            error.message = _in_words(error)
            raise
        return left

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]  # As above.
        return [piece.replace("{", "").replace("}", "") for piece in pieces]


class Command(_Shown, TyperCommand):
    """A command."""


class Group(_Shown, TyperGroup):
    """Commands below a word."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each with the whole first sentence of its help."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _sentence(command.help or "")) for name, command in found if command and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def with_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command with `--config FILE`, where it reads a configuration or a state folder and has none of its own.

    The state folder follows from it; a command that takes a configuration as its FILE may be given it either way. With
    both, FILE is another configuration than the one beside which the state folder lies.
    """
    parameters = inspect.signature(function, eval_str=True).parameters
    follows = "state" if "state" in parameters else "file"
    # `init` writes a configuration, and is told where by --dir.
    if CONFIG in parameters or "upstream" in parameters or follows not in parameters:
        return function

    file = parameters.get("file")
    takes = file is not None and file.default == DEFAULT

    @functools.wraps(function)
    def command(*, config: Path | None, **given: Any) -> Any:
        if config is None:
            return function(**given)
        if takes and given["file"] == DEFAULT:
            given["file"] = config
        elif follows == "file":
            leave("The configuration is given twice: as FILE and with --config.")
        if follows == "state":
            given["state"] = state_path(given["state"], config=config)
        return function(**given)

    own = inspect.Parameter(CONFIG, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigOption)
    every = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters.values()]
    names = [each.name for each in every]
    every.insert(names.index(follows), own)
    vars(command)["__signature__"] = inspect.Signature(every)
    command.__annotations__ = {each.name: each.annotation for each in every}
    return command


def _in_words(error: typer.BadParameter) -> str:
    """What is wrong with a value, in place of the words of what looked at it."""
    from pydantic import ValidationError

    if not isinstance(error.__cause__, ValidationError):
        return error.message
    found = error.__cause__.errors(include_url=False)[0]
    kind, said, context = found["type"], str(found["input"]), found.get("ctx", {})
    if kind == "less_than_equal":
        return f"{said} is too large: at most {context['le']:g} is taken."
    if kind == "greater_than_equal":
        return f"{said} is too small: at least {context['ge']:g} is taken."
    if kind in {"int_parsing", "int_from_float"}:
        return f"{said!r} is no whole number."
    if kind == "float_parsing":
        return f"{said!r} is no number."
    words = [str(each) for each in getattr(getattr(error.param, "type_descriptor", None), "choices", None) or ()]
    if not words:
        return error.message
    close = difflib.get_close_matches(said.lower(), words, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else "."
    return f"{said!r} is none of {', '.join(words)}{hint}"


def _kind(display: str) -> str:
    """`<int range>` is NUMBER, `<all|gate>` stays a choice."""
    bare = display.strip("<>")
    return bare if "|" in bare else NAMES.get(bare.removeprefix("list[").rstrip("]").split()[0], "TEXT")


def _sentence(help_text: str) -> str:
    paragraph = inspect.cleandoc(help_text).split("\n\n")[0]
    return " ".join(paragraph.split())


def _nothing(*_: Any, **__: Any) -> None:
    return None
