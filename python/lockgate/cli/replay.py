"""`lockgate replay`: past requests through a proposed configuration."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli._report import Json, leave, load_or_exit
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from lockgate._native import Replay
    from lockgate.cli._progress import Progress
    from lockgate.state import StateFolder


def replay(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The proposed configuration.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The same; lockgate.yaml by default.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="From then: 24h, or 2027-01-31T09:30; `all` for everything.")
    ] = "24h",
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Up to then.")] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Events of elsewhere: a folder of segments, or a file of `lockgate logs --json`.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, max=10_000, metavar="N", help="Rows of each table.")] = 20,
    allow_refusals: Annotated[
        bool, typer.Option("--allow-refusals", help="Exit with 0 even if requests would be newly refused.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 also for what would be newly let through, or cannot be told.")
    ] = False,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Judge past requests by a proposed configuration, and say whose would change.

    The gate's own engine judges, at the time that each request had; nothing runs,
    and nothing is sent. Who called is taken from the event, since the gate had
    verified it. Events hold no headers and no bodies: what would depend on them is
    undecidable, and counted with why. A state folder of the gate is read as it is,
    also beside a running gate.

    Exits with 0 if nobody would be newly refused, 1 if somebody would, 2 if a file
    is wrong or there is nothing to judge.

    Example: lockgate replay new.yaml --since 7d
    """
    from lockgate._native import LockgateError
    from lockgate.cli._events import BadFilterError
    from lockgate.cli._progress import Progress
    from lockgate.rehearsal.replay import told

    try:
        wanted = _wanted(since, until)
    except BadFilterError as wrong:
        leave(str(wrong))
    if file is not None and config is not None:
        leave("The configuration is given twice: as FILE and with --config.")
    proposed = file or config or Path("lockgate.yaml")
    bundle = json.dumps(load_or_exit(proposed).compile(0, 0)).encode()
    folder = state_path(state, config=proposed)
    with contextlib.ExitStack() as stack:
        judge = _judge(bundle, folder, stack)
        progress = stack.enter_context(Progress(None, "requests", shown=not as_json))
        try:
            if source is not None:
                bad = _from(judge, source, wanted, progress)
            else:
                bad = _kept(judge, folder, wanted, progress)
        except LockgateError as error:
            leave(f"The events cannot be read: {error}")
    summary = {**told(judge.summary()), "since": since, "until": until, "unreadable_lines": bad}
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        from lockgate.cli._replayed import show

        show(summary, top)
    if not summary["requests"]:
        raise typer.Exit(2)
    newly = summary["newly_refused"] if not allow_refusals else 0
    loose = summary["newly_allowed"] + summary["undecidable"] if strict else 0
    raise typer.Exit(1 if newly or loose else 0)


def _wanted(since: str, until: str | None) -> dict[str, Any]:
    from lockgate.cli._events import moment_ms

    wanted: dict[str, Any] = {"classes": ["access", "security"]}
    if since != "all":
        wanted["since_ms"] = moment_ms(since)
    if until is not None:
        wanted["until_ms"] = moment_ms(until)
    return wanted


def _judge(bundle: bytes, folder: Path, stack: contextlib.ExitStack) -> Replay:
    """With what the state folder knows of earlier bundles and of keys, where there is one."""
    from lockgate._native import Replay
    from lockgate.admin.bundles import texts
    from lockgate.admin.keys import KnownKeys
    from lockgate.admin.store import Store
    from lockgate.state import StateError, StateFolder

    if not folder.is_dir():
        return Replay(bundle)
    try:
        store = Store.beside(StateFolder.existing(folder).database)
    except StateError as error:
        leave(str(error))
    if store is None:
        return Replay(bundle)
    stack.callback(store.close)
    return Replay(bundle, before=texts(store), grants=KnownKeys(store).grants())


def _kept(judge: Replay, folder: Path, wanted: dict[str, Any], progress: Progress) -> int:
    """The history's files first, then of the log's segments what those do not hold yet."""
    from lockgate.history.manifest import HistoryError, Manifest
    from lockgate.rehearsal.replay import NEEDLESS, judge_folder, judge_lines
    from lockgate.state import StateError, StateFolder

    try:
        state: StateFolder = StateFolder.existing(folder)
        manifest = Manifest.read(state.history)
        bad = 0
        if manifest.parts:
            from lockgate.history.reader import History

            with History.open(state, sources=("gate",), tail=False) as history:
                manifest = history.manifest
                lines = history.request_lines(
                    since_ms=wanted.get("since_ms"), until_ms=wanted.get("until_ms"), without=NEEDLESS
                )
                bad = judge_lines(judge, lines, progress.advance)
    except (StateError, HistoryError) as error:
        leave(f"{error}. Events of elsewhere are named with --from.")
    if state.gate_events.is_dir():
        judge_folder(judge, state.gate_events, wanted, progress.advance, after=manifest.cursors.get("gate"))
    return bad


def _from(judge: Replay, source: Path, wanted: dict[str, Any], progress: Progress) -> int:
    from lockgate.rehearsal.replay import judge_folder, judge_lines

    if source.is_dir():
        judge_folder(judge, source, wanted, progress.advance)
        return 0
    try:
        with source.open("rb") as file:
            return judge_lines(judge, _within(file, wanted), progress.advance)
    except OSError as error:
        leave(f"--from: {source} cannot be read: {error.strerror}")


def _within(lines: Iterator[bytes] | Any, wanted: dict[str, Any]) -> Iterator[bytes]:
    """The lines of the time that is asked for; one that is no event is handed on, to be counted as such."""
    since, until = wanted.get("since_ms"), wanted.get("until_ms")
    for line in lines:
        if since is None and until is None:
            yield line
            continue
        try:
            at = int(json.loads(line)["at_ms"])
        except (ValueError, KeyError, TypeError):
            yield line
            continue
        if (since is None or at >= since) and (until is None or at <= until):
            yield line
