"""What a replay came to, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockgate.cli._report import count, tables
from lockgate.rehearsal.replay import WHY

HEADS = {
    "newly-refused": ("[bold red]Newly refused[/]", "newly_refused"),
    "newly-allowed": ("[bold yellow]Newly let through[/]", "newly_allowed"),
    "other-reason": ("Refused for another reason", "other_reason"),
    "undecidable": ("[bold]Undecidable[/]", "undecidable"),
}


def show(summary: Mapping[str, Any], top: int) -> None:
    """Print it: the counts, then who is concerned, most frequent first."""
    console = tables()
    if not summary["requests"]:
        console.print("There are no requests of that time: `--since all` takes everything that is kept.")
        return
    span = f"{_moment(summary['first_ms'])} to {_moment(summary['last_ms'])}"
    console.print(f"{count(summary['requests'], 'request')}, {span}: {_same(summary['same'], summary['requests'])}.")
    for change, (title, field) in HEADS.items():
        if summary[field]:
            console.print(f"\n{title}: {count(summary[field], 'request')}")
            for by in ("route", "client"):
                rows = [row for row in summary[f"by_{by}"] if row["change"] == change]
                console.print(f"By {by}:", style="dim")
                console.print(_rows(rows[:top], by, change))
                if len(rows) > top:
                    console.print(f"and {len(rows) - top} more; --top or --json shows them")
    _notes(summary, console)


def _same(same: int, every: int) -> str:
    """For how many all stays as it was."""
    if same == every:
        return "nothing changes for any of them"
    return f"nothing changes for {same} of them" if same else "none of them fares as it did, or that cannot be told"


def _rows(rows: Sequence[Mapping[str, Any]], by: str, change: str) -> Table:
    other = "client" if by == "route" else "route"
    now = ["Not known"] if change == "undecidable" else ["Now", "Said in"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ["Requests", by.capitalize(), f"{other.capitalize()}s", "Before", *now, "Such as"]:
        right = title in {"Requests", "Clients", "Routes"}
        table.add_column(title, overflow="fold", justify="right" if right else "left")
    for row in rows:
        place = row["place"]
        said = f"{place['file']}:{place['line']}" if place is not None and place["file"] else ""
        told = [row["why"]] if change == "undecidable" else [row["after"] or "let through", escape(said)]
        named = escape(row[by])
        such = row["examples"][0] if row["examples"] else ""
        table.add_row(str(row["requests"]), named, str(row[f"{other}s"]), row["before"] or "let through", *told, such)
    return table


def _notes(summary: Mapping[str, Any], console: Console) -> None:
    """What one must know to believe the numbers."""
    if summary["why_undecidable"]:
        console.print("\nWhat is not known of the undecidable ones:")
        for why, number in summary["why_undecidable"].items():
            console.print(f"  {number}  {why}: {escape(WHY.get(why, why))}")
    for other in summary["other_rules"]:
        console.print(_other_rules(other), soft_wrap=True)
    if summary["unknown_bundle"]:
        console.print(
            f"\n{count(summary['unknown_bundle'], 'request')} came under configurations that are not kept any more: "
            "it is taken for granted that their policies were configured as they are now."
        )
    if summary["unreadable_lines"]:
        console.print(f"\n{count(summary['unreadable_lines'], 'line')} could not be read as an event.")
    console.print("\n`lockgate explain --request ID` tells of one request what was decided then.")


def _other_rules(told: Mapping[str, Any]) -> str:
    """Whose rules are others now, and what of that no replay can know."""
    named = {told["before"], told["after"]}
    names = " instead of ".join(escape(name) for name in (told["after"], told["before"])[: len(named)])
    differ = f"{told['added']} more, {told['gone']} gone, {told['changed']} changed"
    return (
        f"\nThe `waf` of `{escape(told['api'])}` has other rules than those that judged "
        f"{count(told['requests'], 'request')} then: {names} ({differ}). What they would find cannot be replayed: "
        "what they look at (query, header fields, body) is not recorded. To know, serve them with `mode: observe`, "
        "and look at `lockgate logs`."
    )


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
