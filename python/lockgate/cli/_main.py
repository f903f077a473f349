"""Finds the subcommands, and runs the one that is asked for.

A subcommand is a module of this package: a function of the module's name, or a
`typer.Typer` named `app` where it has commands below it. Nothing else has to
be said; `ORDER` only says where it stands in `lockgate --help`. Only the module
that is asked for is imported, and it imports what is heavy in its functions.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from lockgate.cli._command import Command, Group, with_config
from lockgate.cli._output import watched

ORDER: Final = ("init", "run", "demo", "check", "config", "explain", "test", "diff", "replay", "keys", "logs")
"""The order of `lockgate --help`: as one meets them. What is not named comes after, by name."""

EXIT_INTERNAL: Final = 70
"""A fault of Lockgate's own (sysexits.h: EX_SOFTWARE), apart from 1 (findings) and 2 (usage, configuration)."""


OBJECTS: Final = 1_000_000
"""So many more there are before garbage is looked for."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and leave the process with its exit code."""
    if arguments is None:
        # A command's own process: what it loads stays, and looking through that for garbage took a tenth of its time.
        gc.set_threshold(OBJECTS, 2, 2)
    with watched():
        _run(arguments)


def _run(arguments: Sequence[str] | None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not _is_text(given):
        typer.echo("lockgate: an argument is not UTF-8 text; paths that are not go by another name.", err=True)
        sys.exit(2)
    if given[:1] == ["help"]:
        given = [*given[1:], "--help"]
    try:
        application(given)(args=given, prog_name="lockgate")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("LOCKGATE_DEBUG"):
            raise
        if isinstance(error, ImportError) and "_native" in str(error):
            words = "`make run` builds it and starts the demonstration, `make build` builds it alone"
            typer.echo(f"lockgate: the core is not built here yet: {words}.", err=True)
            sys.exit(EXIT_INTERNAL)
        what = " ".join(str(error).split())[:500]
        typer.echo(f"lockgate: internal error: {type(error).__name__}: {what}", err=True)
        typer.echo("This is a fault of Lockgate's. LOCKGATE_DEBUG=1 shows where; please report it.", err=True)
        sys.exit(EXIT_INTERNAL)


def _is_text(arguments: Sequence[str]) -> bool:
    """Bytes that are no UTF-8 are halves of surrogate pairs to Python (PEP 383), which nothing can write."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        return False
    return True


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line with the subcommand that the arguments name; with all where they name none."""
    app = typer.Typer(
        name="lockgate",
        help="An API security gateway: lets in who holds a key, refuses the rest, and says why.",
        epilog="Begin with `lockgate demo`, or with `lockgate init --upstream http://127.0.0.1:9000`.",
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # Rich costs every `--help` as much as all the rest of it.
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    known = names()
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name in [asked] if asked in known else known:
        _add(app, name)
    return app


def names() -> list[str]:
    """The subcommands that there are, in the order of the help."""
    found = [module.name for module in pkgutil.iter_modules([os.path.dirname(__file__)])]  # noqa: PTH120
    commands = [name for name in found if not name.startswith("_")]
    return sorted(commands, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def _add(app: typer.Typer, name: str) -> None:
    module = importlib.import_module(f"lockgate.cli.{name}")
    below = getattr(module, "app", None)
    if isinstance(below, typer.Typer):
        app.add_typer(_below(below), name=name, cls=Group)
        return
    app.command(name, cls=Command)(with_config(getattr(module, name)))


def _below(app: typer.Typer) -> typer.Typer:
    """The commands below a word, made as those beside it."""
    made = typer.Typer(help=app.info.help, no_args_is_help=app.info.no_args_is_help, rich_markup_mode=None)
    for info in app.registered_commands:
        if info.callback is not None:
            made.command(info.name or info.callback.__name__, cls=Command)(with_config(info.callback))
    return made


def _version(wanted: bool) -> None:
    if wanted:
        import lockgate

        typer.echo(f"lockgate {lockgate.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
