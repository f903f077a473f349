"""What an exclusion would let through: of recorded requests, and of attacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from lockgate.cli._report import count
from lockgate.printable import printable

if TYPE_CHECKING:
    from lockgate.rehearsal.waf.probe import Tried
    from lockgate.rehearsal.waf.proposal import Exclusion, Unblocked

SHOWN: Final = 5
EXAMPLES: Final = 2
STOPPERS: Final = 4


def waf_line(exclusion: Exclusion) -> str:
    """An exclusion on one line."""
    return escape(printable(", ".join(f"{name}: {value}" for name, value in exclusion.as_json().items())))


def recorded_lines(unblocked: Unblocked, since: str) -> Iterator[str]:
    """What events tell: bodies and queries are not kept, so nothing is judged anew."""
    yield f"[bold]Recorded requests[/] (of the last {escape(since)}, by what their events say was found)"
    if not unblocked.refused:
        yield "  none in which the same was found"
        return
    passing = len(unblocked.passing)
    callers = {event.get("key") or event["peer"] for event in unblocked.passing}
    by = f", of {count(len(callers), 'caller')}" if callers else ""
    yield f"  {count(unblocked.refused, 'request')} refused where the same was found; {passing} would have passed{by}"
    kept = unblocked.refused - passing - unblocked.unclear
    if kept:
        yield f"  {kept} would still be refused, for what else was found"
    if unblocked.unclear:
        yield f"  {unblocked.unclear} cannot be told: too much was found for the event to hold"
    for event in unblocked.passing[-SHOWN:]:
        what = escape(printable(f"{event['method']} {event['path']}"))
        yield f"    {event['id']}  {what}  {escape(str(event.get('key') or event['peer']))}"


def attack_lines(tried: Sequence[Tried], looks: tuple[bool, bool]) -> Iterator[str]:
    """Which attacks at the same place would no longer be stopped, class by class."""
    everything = sum(one.all for one in tried)
    yield f"[bold]Attacks tried at the same place[/] ({everything}, made by combination, on the gate's own engine)"
    if not everything:
        yield "  none: nothing of the kind can stand there"
        return
    for one in (each for each in tried if each.passing):
        kept = sum(one.by.values()) > 0
        by = ", ".join(escape(name) for name, _ in one.by.most_common(STOPPERS))
        still = f"; the others are still stopped by {by}" if kept else ""
        yield f"  [yellow]{escape(one.kind)}[/]: {len(one.passing)} of {one.stopped} would pass{still}"
        for text in list(dict.fromkeys(one.passing))[:EXAMPLES]:
            yield f"    [dim]{escape(json.dumps(text, ensure_ascii=True))}[/]"
    untouched = [one for one in tried if not one.passing and one.stopped]
    if untouched:
        names = ", ".join(f"{escape(one.kind)} {one.stopped}" for one in untouched)
        yield f"  [green]all still stopped[/]: {names}"
    before = sum(one.all - one.stopped for one in tried)
    if before:
        rules, detectors = looks
        both = escape("`rules: [core, native]`")
        more = "" if detectors else f"; detectors beside the rules ({both}) stop most of such"
        more = f"; the rules beside the detectors ({both}) stop some of such" if not rules else more
        yield f"  [dim]no change[/]: {before} pass there today as well, with this exclusion or without it{more}"
