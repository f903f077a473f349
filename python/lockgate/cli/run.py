"""`lockgate run`: the gate and the control process, kept running."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lockgate.cli._output import unread_is_fine
from lockgate.cli._report import leave, load_or_exit
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from lockgate.supervisor import Role


REFUSED: Final = 2
"""The exit code of `lockgate check` for a configuration that cannot be served."""

AGAIN: Final = "Nothing runs now. Put this right, then start `lockgate run` again."


class RoleName(StrEnum):
    """Which processes to run."""

    ALL = "all"
    GATE = "gate"
    CONTROL = "control"


def run(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")] = Path(
        "lockgate.yaml"
    ),
    state: StateDir = None,
    role: Annotated[RoleName, typer.Option("--role", help="Both processes, or one of them.")] = RoleName.ALL,
    drain_timeout: Annotated[
        str, typer.Option("--drain-timeout", help="At the end, how long requests under way may take.")
    ] = "30s",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=1024, help="The gate's threads; one per core by default.")
    ] = None,
    stop_with_stdin: Annotated[
        bool, typer.Option("--stop-with-stdin", help="Stop when standard input ends: for a program that starts this.")
    ] = False,
) -> None:
    """Serve the configuration: start the gate and the control process, and keep both running.

    Either may die and is started again alone. Ctrl-C or SIGTERM finishes the
    requests under way and stops; SIGHUP reads the configuration again, which
    also happens by itself when a file of it changes.

    Exits with 0 when stopped, 2 if it could not start.

    Example: lockgate run --config lockgate.yaml
    """
    from lockgate import log
    from lockgate.state import StateError, StateFolder
    from lockgate.supervisor import Options, Supervisor

    timeout = _seconds(drain_timeout)
    if role is not RoleName.GATE and not config.is_file():
        leave(f"There is no {config}. `lockgate init` writes one; --config names another.")
    log.configure("supervisor")
    chosen: Role = role.value
    path = state_path(state, config=config)
    if role is not RoleName.GATE and not _has_served(StateFolder(path.absolute()).database):
        _check_first(config)
    try:
        folder = StateFolder.open(path)
        options = Options(
            state=folder,
            config=config.absolute(),
            role=chosen,
            drain_timeout=timeout,
            workers=workers,
            end_with=sys.stdin.fileno() if stop_with_stdin else None,
        )
        supervisor = Supervisor(options, say=_say)
        with unread_is_fine():
            status = supervisor.run()
    except StateError as error:
        leave(str(error))
    if supervisor.failure is not None:
        # Last of all, behind what the log says of stopping.
        leave(f"{_failure(supervisor.failure)}\n{AGAIN}", code=status)
    raise typer.Exit(status)


def _has_served(database: Path) -> bool:
    """Whether there may be a last good configuration, which a refused one leaves serving."""
    import sqlite3

    if not database.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT 1 FROM bundles WHERE refused IS NULL LIMIT 1").fetchone()
    except sqlite3.Error:
        return True  # The control process says better what is wrong with it.
    return row is not None


def _check_first(config: Path) -> None:
    """Refuse a first configuration before anything is started, with every error as `lockgate check` shows it.

    In a process of its own: what a check takes in memory, the supervisor would keep for as long as it runs.
    """
    checked = subprocess.run(  # noqa: S603 -- Our own interpreter and module.
        [sys.executable, "-m", "lockgate", "check", "--", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if checked.returncode != REFUSED:
        return  # Also where the check itself has failed: the control process says why.
    try:
        load_or_exit(config)
    except typer.Exit:
        leave("Nothing was started. Put this right, then start `lockgate run` again.")


def _failure(message: str) -> str:
    """One line is a cause; several are a configuration's errors, which say themselves what they are."""
    return message if "\n" in message else f"Lockgate could not start: {message}."


def _say(line: str) -> None:
    """To standard output, at once: somebody may wait for it at the end of a pipe.

    That it cannot be written is no reason to stop serving.
    """
    with contextlib.suppress(OSError):
        typer.echo(line)
        sys.stdout.flush()


def _seconds(text: str) -> float:
    from pydantic_core import PydanticCustomError

    from lockgate.scalars import parse_duration

    try:
        return parse_duration(text) / 1000
    except PydanticCustomError as error:
        leave(f"--drain-timeout: {error.message()}; write it like `30s`.")
