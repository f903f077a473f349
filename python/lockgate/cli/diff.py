"""`lockgate diff`: what a configuration changes, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli._report import ConfigFile, Json, count, leave, load_or_exit, output
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockgate.rehearsal.differences import Difference

MARKS = {"opens": "!", "closes": "-", "changes": "~"}
"""What stands before a line: `!` is what somebody should look at."""

COLOURS = {"opens": "error", "closes": "info", "changes": "dim"}


def diff(
    file: ConfigFile = Path("lockgate.yaml"),
    newer: Annotated[
        Path | None, typer.Argument(metavar="[NEWER]", help="With two files: what this one changes against the first.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            "-a",
            metavar="FILE",
            help="Another configuration; by default the last good one, which is what is served.",
        ),
    ] = None,
    previous: Annotated[
        bool,
        typer.Option(
            "--previous", help="Against what was served before the last change: a gate takes a saved file up by itself."
        ),
    ] = False,
    opens: Annotated[bool, typer.Option("--opens", help="Only what opens something.")] = False,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Say what a configuration changes against what is served, or against another file.

    Meaning is compared, not text: what was only moved or written otherwise is no
    difference. What is served is the last good configuration: where a gate runs on
    the same file, it has taken that up by itself, and --previous says what this
    changed. A line with ! lets something through that was refused, or may;
    with - it refuses more; with ~ it does neither, or that cannot be told.

    Exits with 0 if nothing changes, 1 if something does, 2 if a file is refused.

    Example: lockgate diff old.yaml new.yaml
    """
    from lockgate.rehearsal.differences import differences

    if newer is not None:
        if against is not None:
            leave("What to compare with is given twice: as the first file and with --against.")
        against, file = file, newer
    if previous and against is not None:
        leave("What to compare with is given twice: --previous, and another file.")
    after = load_or_exit(file).compile(0, 0)
    if against is not None:
        before, name = load_or_exit(against).compile(0, 0), str(against)
    else:
        before, name = _served(state_path(state, config=file), previous=previous)
    found = differences(before, after)
    wanted = [one for one in found if one.effect == "opens"] if opens else found
    if as_json:
        told = {"before": name, "after": str(file), "differences": [one.as_json() for one in wanted]}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(wanted, name, others=len(found) - len(wanted))
        if not found and against is None and not previous:
            typer.echo(
                "If it is the file that a gate runs on, that has taken it up already: `lockgate diff --previous` says "
                "what the last change did."
            )
    raise typer.Exit(1 if wanted else 0)


def _print(found: Sequence[Difference], name: str, *, others: int) -> None:
    renderer = output()
    for one in found:
        mark = renderer.paint(MARKS[one.effect], COLOURS[one.effect])
        place = f"  {renderer.paint(one.place, 'dim')}" if one.place else ""
        typer.echo(f"{mark} {renderer.paint(one.object, 'bold')}: {one.message}{place}")
    if not found:
        besides = f"; {count(others, 'difference')} that open{'s' * (others == 1)} nothing" if others else ""
        typer.echo(f"Nothing {'opens' if others else 'changes'} against {name}{besides}.")
        return
    opening = sum(one.effect == "opens" for one in found)
    more = f", of which {opening} open{'s' * (opening == 1)} something (!)" if opening else ""
    typer.echo(f"{count(len(found), 'difference')} against {name}{more}.")


def _served(folder: Path, *, previous: bool) -> tuple[dict[str, Any], str]:
    """The last good bundle: what a gate serves, or would after a start."""
    from lockgate.admin.bundles import before, latest
    from lockgate.admin.store import Store
    from lockgate.state import StateError, StateFolder

    try:
        store = Store.beside(StateFolder.existing(folder).database)
    except StateError as error:
        leave(f"{error}. To compare two files, name the other with --against.")
    if store is None:
        leave(f"{folder} holds no configuration yet: `lockgate run` serves one, or name a file with --against.")
    try:
        bundle = latest(store)
        older = before(store, bundle.sequence) if bundle is not None and previous else None
    finally:
        store.close()
    if bundle is None:
        leave("No configuration has been served yet: name a file with --against.")
    if previous and older is None:
        leave(f"Bundle {bundle.sequence} is the first that was served, or the one before it is not kept any more.")
    shown, which = (bundle, "is served") if older is None else (older, "was served before")
    document: dict[str, Any] = json.loads(shown.text)
    return document, f"bundle {shown.sequence}, which {which}"
