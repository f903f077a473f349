"""What commands share: options, and how a refused configuration is shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from lockgate.config import Loaded
    from lockgate.config.render import Renderer

ConfigFile = Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.", show_default=True)]
PIPE_WIDTH = 1 << 20
"""Where nobody says how wide it is: a row is a line, for other programs."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def output(*, err: bool = False) -> Renderer:
    """What renders for standard output, or for standard error."""
    from lockgate.config.render import Renderer, colour_wanted

    return Renderer(colour=colour_wanted((sys.stderr if err else sys.stdout).isatty()))


def tables() -> Console:
    """What prints tables: as wide as the terminal, and never broken where none reads."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def load_or_exit(file: Path) -> Loaded:
    """The configuration; where it is refused, its errors on standard error and exit code 2."""
    from lockgate.config import ConfigErrors, load

    try:
        return load(file)
    except ConfigErrors as refused:
        renderer = output(err=True)
        for text in renderer.problems(refused.errors):
            typer.echo(text, err=True)
        leave(f"{renderer.path(refused.errors[0].source)} is refused: {count(len(refused.errors), 'error')}.")


def count(number: int, what: str) -> str:
    """A number of things, as one says it: `1 key`, `2 keys`, `no keys`."""
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def leave(message: str, *, code: int = 2) -> NoReturn:
    """Say what is wrong, and exit."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
