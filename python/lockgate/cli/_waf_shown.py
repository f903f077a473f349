"""What looked for attacks and what it found, as a person reads it: for `waf why`, `explain` and `test` alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from lockgate.printable import printable

if TYPE_CHECKING:
    from lockgate.rehearsal.waf.found import About, Found, Inspected

_SETTING: Final = re.compile(r"what `tx\.([a-z][a-z_]*)` says")
"""What a rule holds a value against, where that can be set."""
SHAPE_MOST: Final = 72
"""Letters of a value's shape that are shown; `--json` has all."""


def lines(inspected: Inspected, known: Mapping[str, About] | None = None) -> Iterator[str]:
    """Each finding, and how they add up."""
    known = known or {}
    for one in inspected.findings:
        yield f"[bold]{escape(one.rule)}[/]  {escape(printable(one.message))}"
        yield from _found(one, known.get(one.rule), decides=one.rule == inspected.by)
    if inspected.left_out:
        yield f"and {inspected.left_out} more findings, of which the event tells nothing"
    above = "≥" in (sum_ := inspected.arithmetic())
    yield f"[bold]Score[/]  {'[bold red]' if above else ''}{escape(sum_)}{'[/]' if above else ''}{_decided(inspected)}"


def _found(one: Found, about: About | None, *, decides: bool) -> Iterator[str]:
    from lockgate.rehearsal.waf.found import named

    for place in one.places:
        yield f"    in     {escape(printable(named(place)))}  [dim](at: {escape(printable(place))})[/]"
    if not one.places:
        yield f"    in     {escape(printable(one.variable)) or 'nothing that stands in the request'}"
    shape = printable(one.masked)
    if shape:
        more = "…" if len(shape) > SHAPE_MOST else ""
        yield f"    shape  {escape(shape[:SHAPE_MOST])}{more}  [dim](letters are a, digits 0)[/]"
    if about is not None:
        if not one.detector:  # A detector's message says it.
            yield f"    looks  {escape(printable(about.looks_for))}"
        for name in _SETTING.findall(about.looks_for):
            yield f"    setup  `setup: {{{escape(name)}: …}}` of the API's `waf` says what that is"
        if about.file is not None:
            tags = f"  [dim]{escape(', '.join(about.attacks))}[/]" if about.attacks else ""
            yield f"    rule   {escape(about.file)}:{about.line}{tags}"
    yield f"    score  {_scored(one)}{', and refuses by itself' if decides else ''}"


def _scored(one: Found) -> str:
    level = f"  (paranoia level {one.level})" if one.level else ""
    if not one.counts:
        return f"0: level {one.level} is above `paranoia`, so its {one.score} counts nothing"
    if one.overruled:
        return f"0: overruled, so its {one.score} counts nothing: detectors read the same, and found nothing"
    return f"{one.score}{level}"


def _decided(inspected: Inspected) -> str:
    if (decider := inspected.decider) is not None:
        return f", and rule {escape(decider.rule)} refuses by itself"
    return ""
