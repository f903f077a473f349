"""What looked for attacks and what it found, as a person reads it: for `waf why`, `explain` and `test` alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from lockgate.printable import printable

if TYPE_CHECKING:
    from lockgate.rehearsal.waf.found import About, Found, Inspected
    from lockgate.rehearsal.waf.setup import Cure

SHAPE_MOST: Final = 72
"""Letters of a value's shape that are shown; `--json` has all."""


def lines(
    inspected: Inspected, known: Mapping[str, About] | None = None, cures: Mapping[str, Cure] | None = None
) -> Iterator[str]:
    """Each finding, and how they add up."""
    known, cures = known or {}, cures or {}
    for one in inspected.findings:
        yield f"[bold]{escape(one.rule)}[/]  {escape(printable(one.message))}"
        yield from _found(one, known.get(one.rule), cures.get(one.rule), decides=one.rule == inspected.by)
    if inspected.left_out:
        yield f"and {inspected.left_out} more findings, of which the event tells nothing"
    above = "≥" in (sum_ := inspected.arithmetic())
    yield f"[bold]Score[/]  {'[bold red]' if above else ''}{escape(sum_)}{'[/]' if above else ''}{_decided(inspected)}"


def setting_lines(cure: Cure) -> Iterator[str]:
    """What to write where, and what that does."""
    if cure.set_in is not None:
        yield f"{escape(cure.set_in)} sets `tx.{escape(cure.setting)}`: it {escape(cure.does)}"
        if cure.value is not None:
            yield f"[dim]there, in place of it:[/] setvar:'tx.{escape(cure.setting)}={escape(cure.value)}'"
        return
    now = "" if cure.value is not None or cure.now is None else f"; now it is {escape(cure.now)}"
    yield f"[bold]{escape(cure.line)}[/]"
    yield f"[dim]in the API's `waf`: it then {escape(cure.does)}{now}[/]"


def _found(one: Found, about: About | None, cure: Cure | None, *, decides: bool) -> Iterator[str]:
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
        if about.file is not None:
            tags = f"  [dim]{escape(', '.join(about.attacks))}[/]" if about.attacks else ""
            yield f"    rule   {escape(about.file)}:{about.line}{tags}"
    if cure is not None:
        for number, line in enumerate(setting_lines(cure)):
            yield f"    {'setup' if number == 0 else '     '}  {line}"
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
