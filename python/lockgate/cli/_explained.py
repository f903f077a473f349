"""An explanation, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockgate.cli._completed import OPTION
from lockgate.cli._report import tables
from lockgate.printable import printable

COLOURS: Final = {
    "allow": "green",
    "identify": "green",
    "deny": "bold red",
    "failed": "bold red",
    "error": "bold red",
    "observe-deny": "yellow",
    "observe-respond": "yellow",
    "not-reached": "dim",
    "off": "dim",
}


def show(
    explained: dict[str, Any],
    bundle: Mapping[str, Any] | None = None,
    *,
    console: Console | None = None,
    before: str = OPTION,
) -> None:
    """Print it: the request, the route, each policy, and what decided; with the bundle, more of rules that matched.

    `before` stands before what says it otherwise: it is an option, or of a table's case its field.
    """
    console = console or tables()
    for line in _head(explained, f"{before}listener"):
        console.print(line)
    steps = explained["steps"]
    if steps:
        console.print()
        console.print(_steps(steps))
    console.print()
    if explained.get("device") is not None:
        taken = escape(printable(", ".join(explained["device"])))
        console.print(f"Device    is taken for one that is {taken}; `{before}device` takes it for another")
    if explained["id"] is None and any((one["policy"], one["verdict"]) == ("users", "allow") for one in steps):
        console.print(f"Users     are taken to be none but this one, or as many as `{before}others` says")
    for line in _inspected(explained, bundle):
        console.print(line)
    for line in _end(explained):
        console.print(line)


def _inspected(explained: dict[str, Any], bundle: Mapping[str, Any] | None) -> list[str]:
    """What looked for attacks, what it found, and what it left alone."""
    told: list[str] = []
    if explained.get("waf") is not None:
        from lockgate.cli._waf_looked import placed_of
        from lockgate.cli._waf_shown import lines
        from lockgate.rehearsal.waf.found import Inspected, about
        from lockgate.rehearsal.waf.setup import cures

        inspected = Inspected.read(explained["waf"])
        known, settings = {}, {}
        if bundle is not None:
            placed, rules = placed_of(explained, bundle), [one.rule for one in inspected.found]
            known = about(bundle, placed, rules)
            settings = cures(inspected.findings, known, explained["request"], placed)
        told += [*lines(inspected, known, settings), ""]
    for one in explained.get("scans") or ():
        told.append(
            f"Scan      {escape(printable(one['at']))}, {one['bytes']} bytes, would be asked about at clamd, "
            f"{escape(one['clamd'])}; here nobody was asked"
        )
    looked = explained.get("looked")
    if looked is not None:
        nothing = "" if told else ", and found nothing"
        told.append(f"Looked    by {escape(' and '.join(looked['by']))}{nothing}")
        told += [f"Not at    {escape(printable(each))}" for each in looked["not_at"]]
        told.append("")
    return told


def _head(explained: dict[str, Any], other: str) -> list[str]:
    request, route = explained["request"], explained["route"]
    query = f"?{request['query']}" if request.get("query") else ""
    # What is refused before routing has no normal form: then it is shown as it was typed.
    path = request["path"] + query if request["path"] else request.get("target") or ""
    asked = printable(f"{request['method']} {request['host']}{path}")
    lines = [f"[bold]{escape(asked)}[/bold]"]
    if explained["id"] is not None:
        when = datetime.fromtimestamp(explained["at_ms"] / 1000, UTC).isoformat(timespec="milliseconds")
        lines.append(f"Request   {explained['id']} at {when}")
    lines.append(f"From      {explained['client']}{_located(explained.get('place'))}")
    lines += _arrives(explained.get("listener"), other)
    if route is None:
        lines += _no_route(explained)
    else:
        name = route["api"] if route.get("route") is None else f"{route['api']} / {route['route']}"
        lines.append(f"Route     {escape(name)}  {escape(route['pattern'] or '')}  {_place(route['span'])}")
        if route.get("conditions"):
            lines.append(f"Because   {escape(route['conditions'])}")
        lines += _version(route["version"])
        lines += _operation(route["operation"])
    if explained["bundle"] is not None:
        lines.append(f"Bundle    {explained['bundle']}")
    return lines


def _located(place: dict[str, Any] | None) -> str:
    """Where that is, by the databases of `geo`."""
    if place is None:
        return ""
    network = f"AS{place['network']}" if place["network"] is not None else None
    named = " ".join(printable(each) for each in (network, place["organization"]) if each is not None)
    said = [each for each in (place["country"], named) if each]
    return f"  {escape(', '.join(said))}" if said else ""


def _version(version: dict[str, Any] | None) -> list[str]:
    if version is None:
        return []
    said = [
        f"{word} {datetime.fromtimestamp(version[key] / 1000, UTC):%Y-%m-%d}"
        for word, key in (("deprecated", "deprecated_ms"), ("sunset", "sunset_ms"))
        if version[key] is not None
    ]
    ends = f"  [yellow]{', '.join(said)}[/]" if said else ""
    return [f"Version   {escape(version['name'])}{ends}  {_place(version['span'])}"]


def _operation(operation: dict[str, Any] | None) -> list[str]:
    if operation is None:
        return []
    what = f"{operation['method']} {operation['path']}" if operation["path"] is not None else ""
    # A name that was made is what it stands for.
    what = "" if what == operation["name"] else f"  {what}"
    return [f"Operation {escape(printable(operation['name'] + what))}  {_place(operation['span'])}"]


def _no_route(explained: dict[str, Any]) -> list[str]:
    """Why there is no route: what is refused before has not come to one."""
    reason, others = explained["reason"], explained.get("other_methods")
    if explained["verdict"] == "passthrough":
        return ["Route     none: the connection is carried on unread, and no policy sees it"]
    if reason is None:
        return ["Route     none: the gate answers itself"]
    if reason["room"] != "route":
        return ["Route     not reached"]
    if others:
        apis = ", ".join(sorted(set(others.values())))
        return [
            f"Route     {escape(apis)}, which does not take {escape(explained['request']['method'])}",
            f"Allow     {escape(', '.join(others))}",
        ]
    what = "takes this method" if explained["status"] == 405 else "answers to this host, path and method"
    return [f"Route     none: no API {what}"]


def _arrives(listener: dict[str, Any] | None, other: str) -> list[str]:
    """Where it arrives; an event does not tell."""
    if listener is None:
        return []
    line = f"At        listener {escape(listener['name'])}, {listener['address']}"
    if not listener["assumed"]:
        return [line]
    return [f"{line}  [yellow](assumed: none listens on the URL's port; {other} names another)[/]"]


def _steps(steps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Policy", "Verdict", "Reason", "Said in"):
        table.add_column(title, overflow="fold")
    for step in steps:
        word = step["verdict"]
        verdict = f"[{COLOURS.get(word, 'default')}]{word.replace('-', ' ')}[/]"
        policy = " ".join(filter(None, (step["policy"], step.get("part"))))
        if step.get("names"):
            policy = f"{policy}: {escape(', '.join(step['names']))}"
        # What entitles, or was added up, is what its reader wants to know, also where it was let through.
        told = "\n".join(escape(printable(one)) for one in (step["reason"], *step.get("grounds", ())) if one)
        table.add_row(policy, verdict, told, _place(step["span"]))
    return table


def _end(explained: dict[str, Any]) -> list[str]:
    identity, upstream, reason = explained["identity"], explained["upstream"], explained["reason"]
    lines = []
    if identity is not None:
        lines.append(f"Caller    {escape(str(identity['credential']))}, of {escape(str(identity['owner']))}")
    lines += [f"Error     {escape(error)}" for error in explained.get("errors", [])]
    if explained["verdict"] == "allow":
        status = f"  (answered {explained['status']})" if explained["status"] else ""
        to = f" to {escape(_goes_to(upstream))}" if upstream is not None else ""
        return [*lines, *_changes(explained), f"[bold green]Let through[/]{to}{status}"]
    if explained["verdict"] == "passthrough":
        return [*lines, f"[bold green]Carried on[/] to {escape(_goes_to(upstream))}"]
    if explained["verdict"] == "respond":
        # A redirect or a preflight: the gate answers by itself, and it is no refusal.
        to = f": {escape(explained['location'])}" if explained.get("location") else ""
        return [*lines, *_changes(explained), f"[bold green]Answered[/] with {explained['status']}{to}"]
    lines += _changes(explained)
    word = "Failed" if explained["verdict"] == "failed" else "Refused"
    if reason is None:
        return [*lines, f"[bold red]{word}[/] with {explained['status']}"]
    if upstream is not None and explained["verdict"] == "failed":
        lines.append(f"Upstream  {escape(_goes_to(upstream))}")
    decided = _place(reason["span"])
    where = f"  [bold]{decided}[/bold]" if decided else ""
    own = f" ({escape(reason['own'])})" if reason.get("own") else ""
    lines.append(f"[bold red]{word}[/] with {explained['status']}: {reason['code']}{own}{where}")
    if explained.get("location"):
        lines.append(f"          leads to {escape(printable(explained['location']))}")
    lines += [f"          {escape(reason[part])}" for part in ("title", "detail", "advice") if reason.get(part)]
    return lines


def _changes(explained: dict[str, Any]) -> list[str]:
    """What is changed of header fields; an event does not tell."""
    lines = []
    for way, changes in (explained.get("changes") or {}).items():
        for index, change in enumerate(changes):
            value = "" if change["value"] is None else f": {printable(change['value'])}"
            head = f"{way.title():<10}" if index == 0 else " " * 10
            lines.append(f"{head}{change['change']} {escape(change['header'] + value)}")
    return lines


def _goes_to(upstream: dict[str, Any]) -> str:
    if "name" not in upstream:
        return f"{upstream['upstream']}, {upstream['target']}" if "upstream" in upstream else str(upstream["target"])
    shares = [f"{share['upstream']} {share['weight']}" for share in upstream["shares"]]
    by = {"when": "by what the request carries", "weight": "one by weight"}.get(upstream["chosen_by"])
    why = f", {by} of {', '.join(shares)}" if by is not None else ""
    if (mirror := upstream["mirror"]) is not None:
        why += f"; a copy goes to {mirror['upstream']}"
        why += f", of {mirror['weight']}% of the requests" if mirror["weight"] < 100 else ""
    return f"{upstream['name']} ({', '.join(upstream['targets'])}) as {upstream['target']}{why}"


def _place(span: dict[str, Any] | None) -> str:
    return escape(f"{span['file']}:{span['line']}") if span is not None and span["file"] else ""
