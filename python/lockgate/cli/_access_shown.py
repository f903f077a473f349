"""Who may call what, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockgate.cli._report import PIPE_WIDTH, count, tables
from lockgate.printable import printable

if TYPE_CHECKING:
    from lockgate.admin.access import Matrix, Row, Said, Told, WhoMay
    from lockgate.admin.access_of import Answer
    from lockgate.admin.suggest import Suggestions

OWN: Final = "x"
INCLUDED: Final = "(x)"
LEGEND: Final = f"{OWN}: the role opens it. {INCLUDED}: a role that it includes does."
GAP: Final = 2
WORDS: Final = 52
"""Room for what stands beside the roles, in a terminal of 80 columns."""
NO_RULE: Final = "operation-without-rule"


def show_matrix(found: Matrix, console: Console | None = None) -> None:
    """Operations down, roles across; the APIs one after the other."""
    console = console or tables()
    marked = False
    for name, group in groupby(found.rows, key=lambda row: row.called):
        rows = list(group)
        there = {role: True for row in rows for role in row.holders()}
        roles = [role.name for role in found.roles if role.name in there]
        marked = marked or bool(roles)
        scoped = any(row.ways() for row in rows)
        console.print(f"[bold]{escape(printable(name))}[/bold]")
        for some in _fitting(roles, console):
            console.print(_table(rows, some, scoped=scoped))
        console.print()
    if marked:
        console.print(LEGEND)
    if not found.rows:
        console.print("There is nothing here that anybody could call.")


def _fitting(roles: Sequence[str], console: Console) -> Iterable[Sequence[str]]:
    """The roles, as many at once as have room."""
    room = max(console.width - WORDS, 16) if console.width < PIPE_WIDTH else PIPE_WIDTH
    some: list[str] = []
    for role in roles:
        if some and sum(len(one) + GAP for one in [*some, role]) > room:
            yield some
            some = []
        some.append(role)
    yield some


def _table(rows: Sequence[Row], roles: Sequence[str], *, scoped: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Operation", overflow="fold")
    for role in roles:
        table.add_column(escape(printable(role)), no_wrap=True, justify="center")
    if scoped:
        table.add_column("Scopes", overflow="fold")
    table.add_column("Else", overflow="fold")
    for row in rows:
        what = f"{row.method} {row.path}"
        called = what if row.operation in {None, what} else f"{what}\n{row.operation}"
        cells = [called, *(_mark(row, role) for role in roles)]
        if scoped:
            cells.append("\nor ".join(_plain(way.words) for way in row.ways() if way.fits))
        table.add_row(*map(_cell, [*cells, "\n".join(_else(row, ruled=bool(roles)))]))
    return table


def _mark(row: Row, role: str) -> str:
    holder = row.holders().get(role)
    if holder is None or row.who in {"anyone", "nobody"}:
        return ""
    return OWN if holder.through is None else INCLUDED


def _else(row: Row, *, ruled: bool) -> list[str]:
    """What roles and scopes do not say."""
    lines = []
    if row.who == "anyone" and row.waiver is not None:
        lines.append(f"anyone, until {_day(row.waiver.until_ms)}")
    elif row.who == "known":
        lines.append("everyone who is known")
    elif row.who == "nobody":
        lines.append("nobody: no rule" if row.reason == NO_RULE else f"nobody: {row.reason}")
    elif row.who == "unreached":
        lines.append("not asked: no request for it could be made up")
    elif ruled and not row.holders():
        lines.append("of any role")
    silent = (said for said in row.rules if said.mode == "enforce" and not (said.roles or said.ways or said.free))
    # What decides by more than roles and scopes has no column of its own.
    lines += [f"whom {said.policy} lets in" for said in silent if row.who == "entitled"]
    if not row.proved and row.who != "anyone":
        lines.append("not even that is enforced")
    lines += [f"{said.policy}: {said.mode}" for said in row.rules if said.mode != "enforce"]
    return lines + [f"then {behind.policy}" for behind in row.behind]


def show_who(found: WhoMay) -> None:
    """Of each operation that was meant, who may call it."""
    console = tables()
    for number, one in enumerate(found.items):
        if number:
            console.print()
        for title, lines in _who(one):
            for index, line in enumerate(lines):
                head = f"{title:<10}" if index == 0 else " " * 10
                console.print(f"{escape(head)}{escape(printable(line))}")


def _who(one: Told) -> Iterable[tuple[str, Sequence[str]]]:
    row = one.row
    what = f"{row.method} {row.path}"
    named = "" if row.operation in {None, what} else f"  {row.operation}"
    yield "Operation", [f"{what}{named}  of {row.called}  {row.file}:{row.line}"]
    yield "Who", [_sentence(row)]
    if row.waiver is not None:
        until = f"until {_day(row.waiver.until_ms)}"
        yield "Public", [f"{until}: {row.waiver.owner}, {row.waiver.reason}  {row.waiver.file}:{row.waiver.line}"]
    for said in row.rules:
        held = "" if said.mode == "enforce" else f"  (`{said.mode}`: it holds nobody back)"
        yield said.policy.title(), [f"{said.file}:{said.line}{held}", *_lines(said, one.who_has)]
    if one.keys_asked:
        yield "Keys", _keys(one)
    if row.behind:
        yield "Then", [f"{each.policy}  {each.file}:{each.line}" for each in row.behind]


def _sentence(row: Row) -> str:
    enforced = [said.policy for said in row.rules if said.mode == "enforce" and not said.free]
    words = {
        "anyone": "anyone at all",
        "known": "everyone who is known",
        "entitled": f"whom {' and '.join(enforced)} let in",
        "nobody": "nobody: no rule speaks of it" if row.reason == NO_RULE else f"nobody: {row.reason}",
        "unreached": "not asked: no request for it could be made up",
    }[row.who]
    unproved = not row.proved and row.who in {"known", "entitled"}
    return f"{words}; and it is not enforced that they prove who they are" if unproved else words


def _lines(said: Said, who_has: Mapping[str, Sequence[str]]) -> list[str]:
    lines = []
    for holder in said.roles:
        through = f", through {holder.through}" if holder.through is not None else ""
        has = who_has.get(holder.role) or ["nobody by itself: only those who have a role that includes it"]
        lines += [f"{holder.role}{through}: {words}" for words in has]
    if said.free:
        lines.append("demands nothing of those who are known")
    return lines + [f"{way.words}{'' if way.fits else '  (the API takes no such credential)'}" for way in said.ways]


def _keys(one: Told) -> list[str]:
    if one.keys is None:
        return ["not listed: no control process answers here"]
    if not one.keys:
        return ["none has such scopes"]
    more = ["and more"] if one.keys_more else []
    return [f"{key.id}  {key.name}, of {key.owner}" for key in one.keys] + more


def show_of(found: Sequence[Answer]) -> None:
    """What is open to somebody, and what is not."""
    console = tables()
    for may, title in ((True, "May call"), (False, "May not call")):
        some = [one for one in found if one.may is may]
        if not some:
            continue
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in (title, "Of", "Because"):
            table.add_column(name, overflow="fold")
        for one in some:
            cells = (f"{one.row.method} {one.row.path}", one.row.called, _because(one))
            table.add_row(*map(_cell, cells))
        console.print(table)
        console.print()
    if not found:
        console.print("There is nothing here that anybody could call.")


def _because(one: Answer) -> str:
    if not one.may:
        return ": ".join(part for part in (one.reason, one.detail) if part)
    if one.grounds:
        return ", ".join(one.grounds)
    return "it is open to anyone" if one.row.who == "anyone" else "who is known may"


def _cell(text: str) -> str:
    return escape("\n".join(map(printable, text.split("\n"))))


def _plain(words: str) -> str:
    return words.replace("`", "")


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"


def show_suggestions(found: Suggestions, notes: Sequence[str]) -> None:
    """The rules, ready to be pasted; what else there is to say goes to standard error."""
    typer.echo(found.yaml, nl=False)
    for one in found.items:
        if one.ruled:
            typer.echo(f"{printable(one.operation)} has a rule already; seen was {printable(one.why)}.", err=True)
    if found.yaml:
        if any(one.against_requests for one in found.items if not one.ruled):
            typer.echo("Look at what speaks against a rule: --json names the requests.", err=True)
    elif found.requests:
        typer.echo(f"Nothing to propose: {count(found.requests, 'request')} told of no rule that is missing.", err=True)
    elif notes:
        typer.echo(f"Nothing was noted yet; {', '.join(notes)} will be, with more requests.", err=True)
    else:
        typer.echo("Nothing is noted: write `suggest: 10%` under `authorize` of an API.", err=True)
