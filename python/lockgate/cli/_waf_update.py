"""`lockgate waf update`: what another version of the rules changes, before it is put in place."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lockgate.cli._output import unread_is_fine
from lockgate.cli._report import Json, count, leave
from lockgate.cli._state import CONFIG, StateDir, state_path
from lockgate.printable import printable

if TYPE_CHECKING:
    from lockgate.rules.difference import Difference, Recorded
    from lockgate.rules.read import Rule

LISTED: Final = 30
"""Rules of each kind that are shown; `--json` has all."""


def update(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="As of `lockgate waf install`.", show_default=False)
    ] = None,
    checksum: Annotated[
        str | None, typer.Option("--checksum", metavar="SUM", help="As of `lockgate waf install`.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="Look at recorded requests from then on, such as 24h.")
    ] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show everything, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Put it in place without asking.")] = False,
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")] = CONFIG,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show what another version of the Core Rule Set changes, and put it in place if that is wanted.

    Rules are compared by what they do. Of rules that go or change, recorded requests
    tell what they found. What new rules would have found in these cannot be told:
    values are not recorded. Before anything is exchanged all rules are compiled, and
    the configuration is checked with them; `lockgate waf install --previous` goes back.

    Exits with 0 if the version is in place or nothing differs, 1 if something does
    and nothing was changed, 2 if it cannot be had or run.

    Example: lockgate waf update 4.25.0 --dry-run
    """
    from lockgate.cli._waf_rules import ready
    from lockgate.rules import RulesError
    from lockgate.rules.difference import difference, recorded
    from lockgate.rules.read import proved

    # What is to be put in place is put there, also where nobody reads all that it changes.
    try:
        with unread_is_fine(yes and not dry_run), ready(config, source, checksum) as (store, found):
            before = store.installed()
            if before is None:
                leave(f"There is no rule set in {store.core} yet: `lockgate waf install` puts one there.")
            said = before.manifest.version if before.manifest is not None else None
            differs = difference(proved(store.core), found.rules)
            tells = recorded(_requests(state_path(state, config=config), since), differs.before)
            told = {"from": said, "to": found.manifest.version, **differs.as_json(), "recorded": tells.as_json()}
            if not as_json:
                for line in _lines(told, differs, tells, since):
                    typer.echo(printable(line))
            put = not dry_run and (not differs or yes or (not as_json and _confirmed()))
            if put:
                found.into(store)
    except RulesError as error:
        leave(f"Nothing was changed: {error}")
    if as_json:
        typer.echo(json.dumps({**told, "installed": put}, indent=2, ensure_ascii=False))
    else:
        typer.echo("It is in place; a gate that runs takes it up by itself." if put else "Nothing was changed.")
    raise typer.Exit(0 if put or not differs else 1)


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        typer.echo("Add --yes to have it put in place.")
        return False
    return typer.confirm("Put it in place?", default=False)


def _requests(folder: Path, since: str) -> Iterable[Mapping[str, Any]]:
    """Events of requests; none, where nothing ran yet."""
    from lockgate.cli._events import Events, moment_ms
    from lockgate.state import StateError, StateFolder

    try:
        begin = moment_ms(since)
    except ValueError as error:
        leave(f"--since: {error}")
    try:
        known = StateFolder.existing(folder)
    except StateError:
        return ()
    return Events((known.gate_events,), {"since_ms": begin}).all()


def _lines(told: Mapping[str, Any], differs: Difference, tells: Recorded, since: str) -> Iterator[str]:
    versions = f"{told['from'] or 'what is there'} to {told['to'] or 'another'}"
    if not differs:
        yield f"From {versions}: every rule does the same."
        return
    yield (
        f"From {versions}: {count(len(differs.added), 'new rule')}, {len(differs.removed)} gone, "
        f"{len(differs.changed)} that do something else."
    )
    for word, rules in (("new", differs.added), ("gone", differs.removed), ("other", differs.changed)):
        yield from (f"  {word:5}  {_line(rule)}" for rule in rules[:LISTED])
        if len(rules) > LISTED:
            yield f"  {word:5}  … and {len(rules) - LISTED} more; --json lists them all"
    yield f"Recorded requests of the last {since}, by what their events say was found:"
    if not tells.requests:
        yield "  none in which a rule found something that goes or changes"
        return
    yield f"  {count(tells.requests, 'request')} in which such rules found something, {tells.refused} of them refused"
    yield from (f"  {rule}  in {count(times, 'request')}" for rule, times in list(tells.by.items())[:LISTED])


def _line(rule: Rule) -> str:
    level = f"level {rule.level}" if rule.level is not None else "each level"
    return f"{rule.id}  {level}  {rule.severity or '-':8}  {rule.message}"
