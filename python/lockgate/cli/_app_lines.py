"""How programs of others are shown to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from lockgate.cli._key_lines import when
from lockgate.cli._report import count, tables
from lockgate.printable import printable

Row = dict[str, Any]
SHOWN = 20
"""Lines of each part of a report."""


def lines(row: Row) -> list[str]:
    """All that is known of a program."""
    clients = ", ".join(f"{one['client']} ({one['issuer']})" for one in row["clients"])
    operations = ", ".join(f"{api}: {' '.join(names)}" for api, names in row["operations"].items())
    told = [
        ("name", row["id"] if row["name"] is None else f"{row['id']} ({row['name']})"),
        ("owner", row["owner"]),
        ("purpose", row["purpose"]),
        ("contact", row["contact"]),
        ("tier", row["tier"]),
        ("clients", clients),
        ("apis", _listed(row["apis"])),
        ("only", operations),
        ("scopes", _listed(row["scopes"])),
        ("returns to", " ".join(row["redirect_uris"])),
        ("from", {"configuration": "the configuration", "operator": "an operator"}.get(row["source"], row["source"])),
        ("made", when(row["created_ms"]) if row["created_ms"] else None),
        ("until", when(row["until_ms"]) if row["until_ms"] else None),
        ("review", when(row["review_ms"])[:10] if row["review_ms"] else None),
    ]
    if row["stopped_ms"]:
        why = f": {row['stopped_reason']}" if row["stopped_reason"] else ""
        told.append(("stopped", f"{when(row['stopped_ms'])}, by {row['stopped_by']}{why}"))
    return [f"{name:<11}{printable(str(text))}" for name, text in told if text]


def _listed(names: list[str] | None) -> str:
    return "all" if names is None else ", ".join(names) or "none"


def table(rows: list[Row]) -> None:
    """Many programs, one a line."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("Name", no_wrap=True)
    for title in ("Owner", "Tier", "APIs", "Scopes", "State", "Review"):
        shown.add_column(title, overflow="fold")
    for row in rows:
        state = "stopped" if row["stopped_ms"] else "let in"
        review = when(row["review_ms"])[:10] if row["review_ms"] else "-"
        cells = (row["id"], row["owner"], row["tier"], _listed(row["apis"]), _listed(row["scopes"]), state, review)
        shown.add_row(*map(printable, cells))
    tables().print(shown)


def grants_table(rows: list[Row]) -> None:
    """What people have allowed, one a line."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("Grant", no_wrap=True)
    for title in ("App", "Person", "Scopes", "Since", "Last used", "State"):
        shown.add_column(title, overflow="fold")
    for row in rows:
        state = f"ended: {row['ended_reason']}" if row["ended_ms"] else f"until {when(row['until_ms'])[:10]}"
        used = when(row["used_ms"])[:10] if row["used_ms"] else "-"
        cells = (
            row["id"],
            row["app"],
            row["subject"],
            " ".join(row["scopes"]),
            when(row["created_ms"])[:10],
            used,
            state,
        )
        shown.add_row(*map(printable, cells))
    tables().print(shown)


def usage_lines(found: Row) -> Iterator[str]:
    """What a program was given against what it used."""
    app = found["app"]
    yield f"{printable(app['id'])} ({app['tier']}, of {printable(app['owner'])}), the last {found['days']} days"
    yield f"  {found['over']} % of what it was given it did not use."
    if found["unlimited"]:
        yield f"  Nothing bounds its {' and '.join(found['unlimited'])}."
    for kind, title in (("scope", "Scopes"), ("api", "APIs"), ("operation", "Operations")):
        of_kind = [one for one in found["given"] if one["kind"] == kind]
        if not of_kind:
            continue
        used = [one for one in of_kind if one["used"]]
        yield f"  {title}: {len(used)} of {len(of_kind)} used"
        for one in sorted(of_kind, key=lambda one: not one["used"])[:SHOWN]:
            mark = "used  " if one["used"] else "unused"
            last = f"last {when(one['last_ms'])}" if one["last_ms"] else "never"
            danger = ", dangerous" if one["dangerous"] else ""
            yield f"    {mark}  {printable(one['what'])}  ({last}{danger})"
        if len(of_kind) > SHOWN:
            yield f"    and {len(of_kind) - SHOWN} more; --json lists them all"


def trimmed(found: Row) -> Iterator[str]:
    """What a program would be given, as the configuration says it."""
    left = found["trimmed"]
    yield f"{found['app']['id']}:"
    for name in ("apis", "scopes"):
        yield f"  {name}: [{', '.join(left[name])}]"
    if left["operations"]:
        yield "  operations:"
        yield from (f"    {api}: [{', '.join(names)}]" for api, names in left["operations"].items())


def taken(found: Row) -> str:
    """What trimming takes from a program, as a sentence; nothing where that is nothing."""
    had, left = found["app"], found["trimmed"]
    gone = {
        kind: "all others" if had[kind] is None else ", ".join(one for one in had[kind] if one not in left[kind])
        for kind in ("apis", "scopes")
    }
    words = "; ".join(f"{kind} {names}" for kind, names in gone.items() if names)
    if not left["apis"]:
        return (
            f"It used nothing, so it may do nothing now (`lockgate apps change {found['app']['id']}` gives it more). "
        )
    return f"Taken from it: {words}. " if words else ""


def reached(found: Row) -> None:
    """What a program has read and done."""
    from rich.table import Table

    echo = typer.echo
    if not found["requests"]:
        echo(f"No request of {found['app']} is kept from that time.")
        return
    echo(
        f"{found['app']}: {count(found['requests'], 'request')} from {when(found['first_ms'])} to "
        f"{when(found['last_ms'])}, {found['refused']} of them refused; {found['bytes_out']} bytes were answered."
    )
    for title, key, columns in (
        ("What", "operations", ("api", "operation", "method", "requests", "bytes_out")),
        (f"Whose ({found['people_count']})", "people", ("person", "requests")),
        (f"Which ({found['objects_count']})", "objects", ("api", "path", "requests")),
        (f"From ({found['addresses_count']})", "addresses", ("address", "country", "requests")),
    ):
        rows = found[key]
        if not rows:
            continue
        echo(f"\n{title}")
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            shown.add_column(column.replace("_", " ").capitalize(), overflow="fold")
        for row in rows[:SHOWN]:
            shown.add_row(*(printable(str(row[column] if row[column] is not None else "-")) for column in columns))
        tables().print(shown)
        if len(rows) > SHOWN:
            echo(f"and {len(rows) - SHOWN} more; --json lists them")
    for operation, fields in found["fields"].items():
        more = f", and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
        echo(f"\nFields of {printable(operation)}, by its document: {printable(', '.join(fields[:SHOWN]))}{more}")
