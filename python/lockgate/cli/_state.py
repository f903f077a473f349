"""Where the state folder is: one answer for every command that wants it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lockgate.cli._report import leave

if TYPE_CHECKING:
    from lockgate.state import StateFolder

NAME: Final = ".lockgate"
CONFIG: Final = Path("lockgate.yaml")
"""The configuration of a command that is not told of one: it stands in this folder."""

StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        envvar="LOCKGATE_STATE",
        help="The state folder; by default .lockgate beside the configuration.",
    ),
]


def state_path(given: Path | None, *, config: Path = CONFIG) -> Path:
    """The folder that `--state` or LOCKGATE_STATE names, or the one beside the configuration."""
    return given if given is not None else config.parent / NAME


def state_or_exit(given: Path | None, *, config: Path = CONFIG) -> StateFolder:
    """The state folder of something that was started before."""
    from lockgate.state import StateError, StateFolder

    try:
        return StateFolder.existing(state_path(given, config=config))
    except StateError as error:
        leave(str(error))
