"""`lockgate waf why`: what was found in a request, and what to do if it was no attack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli._report import Json
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from lockgate.cli._waf_event import Asked
    from lockgate.rehearsal.waf.found import About
    from lockgate.rehearsal.waf.setup import Cure

OUTCOMES = {
    "deny": "refused",
    "observe-deny": "would have been refused (`mode: observe`)",
    "allow": "let through: the score is below the threshold",
}
REFUSED = frozenset({"deny", "observe-deny"})
"""What an exclusion could change."""


def why(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The answer's X-Request-Id.")],
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Say what was found in a request, where, and how the score came about.

    Values are shown by their shape alone. Places are named as `at` of an exclusion
    wants them, so they can be pasted.

    Exits with 0 if something was found, 1 if there is nothing to tell, 2 if it was asked wrongly.

    Example: lockgate waf why 01J9Z0Q4N2W1X8Y7V6T5S4R3Q2
    """
    from lockgate.cli._waf_event import asked
    from lockgate.rehearsal.waf.found import about
    from lockgate.rehearsal.waf.setup import cures

    told = asked(state_path(state), request)
    bundle = told.bundle if told.bundle is not None else {"rule_sets": []}
    known = about(bundle, told.placed, [one.rule for one in told.inspected.found])
    settings = cures(told.inspected.findings, known, told.event, told.placed)
    if as_json:
        typer.echo(json.dumps(_as_json(told, known, settings), indent=2, ensure_ascii=False))
    else:
        _show(told, known, settings)


def _as_json(told: Asked, known: dict[str, About], settings: dict[str, Cure]) -> dict[str, Any]:
    inspected = told.inspected

    def one(found: Any) -> dict[str, Any]:
        about = known.get(found.rule)
        extra = (
            {"looks_for": None, "file": None, "line": None, "tags": []}
            if about is None
            else {
                "looks_for": about.looks_for,
                "file": about.file,
                "line": about.line,
                "tags": list(about.tags),
            }
        )
        cure = settings.get(found.rule)
        return {**found.as_json(), **extra, "setup": cure.as_json() if cure is not None else None}

    return {
        "id": told.event["id"],
        "api": told.event["api"],
        "method": told.event["method"],
        "path": told.event["path"],
        "reason": told.event["reason"],
        "outcome": told.outcome,
        "score": inspected.score,
        "threshold": inspected.threshold,
        "arithmetic": inspected.arithmetic(),
        "refused_by": inspected.by or None,
        "findings": [one(found) for found in inspected.findings],
        "added_up_by": [found.rule for found in inspected.sums],
        "left_out": inspected.left_out,
        "next": f"lockgate waf exclude {told.event['id']}" if _by_findings(told) else None,
    }


def _outcome(told: Asked) -> str:
    inspected = told.inspected
    if told.outcome == "allow" and 0 < inspected.threshold <= inspected.score:
        return "let through, whatever the score: rules said so (`allow`, `ctl:ruleEngine`)"
    return OUTCOMES.get(told.outcome, told.outcome)


def _by_findings(told: Asked) -> bool:
    """Whether what was found refused the request, or would have: else there is nothing to leave alone."""
    from lockgate.cli._waf_event import elsewhere

    return told.outcome in REFUSED and elsewhere(told) is None


def _show(told: Asked, known: dict[str, About], settings: dict[str, Cure]) -> None:
    from rich.markup import escape

    from lockgate.cli._event_lines import moment
    from lockgate.cli._report import tables
    from lockgate.cli._waf_event import elsewhere
    from lockgate.cli._waf_shown import lines
    from lockgate.printable import printable

    console, event = tables(), told.event
    console.print(f"[bold]{escape(event['method'])} {escape(printable(event['host'] + event['path']))}[/]")
    console.print(f"Request  {event['id']} at {moment(event['at_ms'])}, API {escape(event['api'])}")
    decided = elsewhere(told)
    by = f": {told.reason}" if decided is not None or told.reason == "waf-malware" else ""
    console.print(f"Verdict  {escape(_outcome(told))}{by}")
    console.print()
    for line in lines(told.inspected, known, settings):
        console.print(line)
    if told.bundle is None:
        console.print("[dim]The configuration of then is not kept any more, so nothing of the rules' files is told.[/]")
    console.print()
    if decided is not None:
        console.print(escape(decided))
        console.print(f"  lockgate explain --request {event['id']}")
        return
    if not _by_findings(told):
        console.print("Nothing was refused for it, so there is nothing to leave alone.")
        return
    what = "what to set or to leave alone" if settings else "what to leave alone"
    console.print(f"If it was no attack, this proposes {what}, and shows what that lets in:")
    console.print(f"  lockgate waf exclude {event['id']}")
