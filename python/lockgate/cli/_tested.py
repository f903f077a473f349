"""A case that came out otherwise, as a person reads it: its line, then what the engine said."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lockgate.cli._completed import FIELD, completed
from lockgate.cli._explained import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockgate.config.render import Renderer
    from lockgate.rehearsal.run import Result


def told(result: Result, bundle: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the engine said of it, as `lockgate explain` says it; nothing of what could not be run."""
    from lockgate.rehearsal.run import body_of

    if result.explained is None:
        return None
    case = result.read.case
    return completed(result.explained, bundle, body_of(case), case.device, FIELD)


def failure(result: Result, renderer: Renderer, bundle: Mapping[str, Any]) -> str:
    """All of it; `bundle` is the configuration."""
    from lockgate.rehearsal.read import problem

    read = result.read
    head = f"{renderer.paint('FAILED', 'error')} {read.case.name}\n"
    if result.broken is not None:
        return head + renderer.problem(problem(read, "case-broken", result.broken, *result.broken_at))
    said = "".join(
        renderer.problem(problem(read, f"other-{miss.field}", miss.words, "expect", miss.field))
        for miss in result.misses
    )
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=renderer.colour,
        no_color=not renderer.colour,
        highlight=False,
        width=200,
        soft_wrap=True,
    )
    if (explained := told(result, bundle)) is not None:
        show(explained, bundle, console=console, before=FIELD)
    lines = "".join(f"    {line.rstrip()}\n" if line.strip() else "\n" for line in out.getvalue().splitlines())
    return f"{head}{said}\n{lines}"
