"""A case that came out otherwise, as a person reads it: its line, then what the engine said."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from lockgate.cli._explained import show

if TYPE_CHECKING:
    from lockgate.config.render import Renderer
    from lockgate.rehearsal.run import Result


def failure(result: Result, renderer: Renderer) -> str:
    """All of it."""
    from lockgate.rehearsal.read import problem

    read = result.read
    head = f"{renderer.paint('FAILED', 'error')} {read.case.name}\n"
    if result.broken is not None:
        return head + renderer.problem(problem(read, "case-broken", result.broken, result.broken_at))
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
    if result.explained is not None:
        show({**result.explained, "bundle": None}, console=console)
    told = "".join(f"    {line.rstrip()}\n" if line.strip() else "\n" for line in out.getvalue().splitlines())
    return f"{head}{said}\n{told}"
