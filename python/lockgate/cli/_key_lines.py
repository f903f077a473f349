"""How keys are shown to people."""

from __future__ import annotations

import datetime as dt

from lockgate.cli._report import count, tables
from lockgate.cli._two_ways import Row
from lockgate.printable import printable

HOUR_MS = 3_600_000
SHOWN = 10
"""Keys that are named for each reason of the report."""


def when(at_ms: int | None) -> str:
    """A point in time."""
    if at_ms is None:
        return "never"
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def last_used(row: Row) -> int | None:
    """When either of its secrets was last used."""
    return max(row["used_ms"] or 0, row["previous_used_ms"] or 0) or None


def used(at_ms: int | None) -> str:
    """The hour of a use."""
    return "never" if at_ms is None else f"{when(at_ms)[:-10]} {when(at_ms)[-9:-7]}h UTC"


def opens(row: Row) -> str:
    """The APIs that it opens."""
    return ", ".join(row["apis"]) if row["apis"] is not None else "every API"


def _rate(rate: Row) -> str:
    from lockgate.policies.limits import Rate

    return f"{Rate(rate['allow'], rate['per_ms'])}, {rate['burst']} at once"


def lines(row: Row) -> list[str]:
    """All that is known of a key."""
    told = [
        ("id", row["id"]),
        ("name", row["name"]),
        ("owner", row["owner"]),
        ("env", row["environment"]),
        ("app", row["app"] or ""),
        ("opens", opens(row)),
        ("scopes", " ".join(row["scopes"] or ())),
        ("methods", ", ".join(row["methods"] or ())),
        ("from", ", ".join(row["networks"] or ())),
        ("limit", _rate(row["rate"]) if row["rate"] else ""),
        ("made", when(row["created_ms"])),
        ("expires", when(row["expires_ms"])),
        ("used", used(last_used(row))),
        ("status", row["status"]),
    ]
    if row["rerolled_ms"] is not None:
        told.append(("secret", f"since {when(row['rerolled_ms'])}, last used {used(row['used_ms'])}"))
        before = f"until {when(row['previous_until_ms'])}, last used {used(row['previous_used_ms'])}"
        told.append(("before", before))
    if row["suspended_ms"] is not None:
        told.append(("since", when(row["suspended_ms"])))
    if row["revoked_ms"] is not None:
        why = f": {row['revoked_reason']}" if row["revoked_reason"] else ""
        told.append(("revoked", when(row["revoked_ms"]) + why))
    return [f"  {name:<8} {printable(str(text))}" for name, text in told if text]


def table(rows: list[Row]) -> None:
    """Many keys, one a line."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("Id", no_wrap=True, min_width=len(rows[0]["id"]))  # What is copied must be whole.
    for title in ("Name", "Owner", "Environment", "Opens", "Expires", "Last used", "Status"):
        shown.add_column(title, overflow="fold")
    for row in rows:
        ends = (when(row["expires_ms"]), used(last_used(row)), row["status"])
        said = (row["name"], row["owner"], row["environment"], opens(row), *ends)
        shown.add_row(row["id"], *map(printable, said))
    tables().print(shown)


def reported(items: list[Row]) -> list[str]:
    """The report: each reason with the first of its keys."""
    told: list[str] = []
    for item in items:
        if not item["count"]:
            continue
        told.append(f"{count(item['count'], 'key')} that {item['words']}:")
        for row in item["keys"][:SHOWN]:
            ends = f"expires {when(row['expires_ms'])}, last used {used(last_used(row))}"
            told.append(f"  {row['id']}  {printable(row['name'])}, of {printable(row['owner'])}; {ends}")
        if item["count"] > SHOWN:
            told.append(f"  and {item['count'] - SHOWN} more: --json has the first hundred")
    return told
