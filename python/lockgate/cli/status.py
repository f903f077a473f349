"""`lockgate status`: how the gate and the control process are."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from lockgate.cli._admin import NotRunningError, running
from lockgate.cli._certificates import tried_again
from lockgate.cli._refusals import why_refused
from lockgate.cli._report import Json, count, leave
from lockgate.cli._state import StateDir
from lockgate.printable import printable

WELL = frozenset({"healthy", "unknown"})
MAX_ILL = 5
"""Targets that a line names."""


def status(state: StateDir = None, as_json: Json = False) -> None:
    """Show how the gate and the control process are.

    Exits with 0 if the configuration is served as it stands, 1 if something is
    wrong, a change needs a restart or the control process is only just being
    started, 2 if nothing runs.

    Example: lockgate status
    """
    try:
        told = running(state).get("/v1/status")
    except NotRunningError as error:
        leave(str(error), code=error.exit_code)
    wrong = _wrong(told)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in [*_lines(told), *(f"Wrong:     {line}" for line in wrong)]:
            typer.echo(printable(line))  # Much of it is said by gates.
    raise typer.Exit(1 if wrong else 0)


def _lines(told: dict[str, Any]) -> list[str]:
    gate, control = told["gate"], told["control"]
    bundle = gate["bundle"]
    secure = {*gate.get("tls", ()), *(name for each in told["certificates"] for name in each["listeners"])}
    lines = [f"The gate   {_listens(gate, secure)}" if gate["up"] else "The gate   is not connected"]
    lines += [f"Of all     {_one_of(each)}" for each in _several(told)]
    if bundle is not None:
        lines.append(f"Serves     bundle {bundle['sequence']} ({bundle['hash']}) of {control['config']}")
    if gate["stats"] is not None:
        stats = gate["stats"]
        known = [count(stats[f"{what}s"], what) for what in ("connection", "request", "key") if f"{what}s" in stats]
        lines.append(f"Has        {', '.join(known)} (also revoked ones)")
        lines += [_upstream(upstream) for upstream in stats.get("upstreams", [])]
        if stats.get("observed"):
            would = ", ".join(f"{policy} {number}" for policy, number in stats["observed"].items())
            lines.append(f"Observes   would have refused, were it enforced: {would}")
        lines += [f"Lenient    {words}" for words in stats.get("lenient", ())]
        lines += [_cost(plugin) for plugin in stats.get("plugins", []) if plugin["calls"]]
    lines.append(f"Control    process {control['pid']}, version {control['version']}, up {control['uptime_s']} s")
    lines += _history(told["history"])
    lines += [f"Issuer     {_issuer(issuer)}" for issuer in told["issuers"]]
    lines += [f"Shows      {line}" for line in _certificates(told)]
    for name, process in told["supervisor"].get("processes", {}).items():
        if process["restarts"]:
            lines.append(f"Restarts   {name}: {process['restarts']}")
    return lines


def _history(history: dict[str, Any]) -> list[str]:
    """What is kept of events for longer; nothing before there is any."""
    if not history["events"]:
        return []
    from lockgate.scalars import say_size

    since = datetime.fromtimestamp(history["first_ms"] / 1000, UTC).strftime("%Y-%m-%d")
    room = f" of {say_size(history['cap'])}" if history["cap"] else ""
    gone = f"; {count(history['dropped_events'], 'older event')} dropped" if history["dropped_events"] else ""
    return [
        f"History    {count(history['events'], 'event')} since {since}, {history['bytes'] / 2**20:.1f}MiB{room}{gone}"
    ]


def _upstream(upstream: dict[str, Any]) -> str:
    """How many of its targets are well, and which are not."""
    targets = upstream["targets"]
    ill = [target for target in targets if target["state"] not in WELL]
    line = f"Upstream   {upstream['name']}: {len(targets) - len(ill)} of {count(len(targets), 'target')} available"
    if upstream["waiting"]:
        line += f", {upstream['waiting']} waiting"
    told = [f"{target['target']} {target['state']}" for target in ill[:MAX_ILL]]
    if len(ill) > MAX_ILL:
        told.append(f"and {len(ill) - MAX_ILL} more")
    return f"{line} ({', '.join(told)})" if told else line


def _cost(plugin: dict[str, Any]) -> str:
    """What a plugin has cost its API's callers."""
    mean, own, longest = (plugin[key] / 1000 for key in ("mean_us", "own_us", "longest_us"))
    ended = "".join(f", {plugin[key]} {key}" for key in ("denied", "failed") if plugin[key])
    return (
        f"Plugin     {plugin['name']}: {count(plugin['calls'], 'call')}{ended}; "
        f"{mean:.2f} ms each, of which its own code {own:.2f} ms, and {longest:.1f} ms at most"
    )


def _listens(gate: dict[str, Any], secure: Container[str] = ()) -> str:
    """Where a gate that is connected listens, or why it does not; `secure` are the listeners with certificates."""
    if (gate["stats"] or {}).get("draining"):
        return "drains: it takes no new connections, finishes the requests under way, and then stops"
    return (
        ", ".join(f"{_place(address, secure=name in secure)} ({name})" for name, address in gate["addresses"].items())
        or "does not listen"
    )


def _place(address: str, *, secure: bool = False) -> str:
    """A listener's URL; a Unix socket has none."""
    return address if address.startswith("unix:") else f"http{'s' if secure else ''}://{address}"


def _several(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The gates, if there are several; without those that were shut out."""
    gates = [gate for gate in told["gates"] if gate["status"] != "revoked"]
    return gates if len(gates) > 1 else []


def _one_of(gate: dict[str, Any]) -> str:
    """One of several gates: where it listens and what it serves, or that it is away."""
    if gate["status"] != "connected":
        return f"{gate['name']}: {gate['status']}"
    serves = f"serves bundle {gate['bundle']['sequence']}" if gate["bundle"] else "serves nothing yet"
    listens = ", ".join(map(_place, gate["addresses"].values())) or "listens nowhere"
    return f"{gate['name']}: {listens}, {serves}"


def _issuer(issuer: dict[str, Any]) -> str:
    if issuer["age_s"] is None:
        return f"{issuer['name']}: no keys yet"
    return f"{issuer['name']}: {count(len(issuer['kids']), 'key')}, confirmed {issuer['age_s']} s ago"


def _certificates(told: dict[str, Any]) -> list[str]:
    """What the gate shows; and what is said of the others, or of all where it cannot be asked."""
    shown = (told["gate"]["stats"] or {}).get("certificates", [])
    names = {each["name"] for each in shown}
    others = [each for each in told["certificates"] if each["listeners"] and each["name"] not in names]
    issuers = {each["fingerprint"]: each["issuer"] for each in told["certificates"]}
    lines = [_shown(each, issuers.get(each["fingerprint"]) or each["issuer"]) for each in shown]
    return [*lines, *map(_certificate, others)]


def _shown(certificate: dict[str, Any], issuer: str) -> str:
    """A certificate as clients get it."""
    hosts = certificate["hosts"][:MAX_ILL]
    more = len(certificate["hosts"]) - len(hosts)
    named = ", ".join([*hosts, *([f"and {more} more"] if more else [])])
    until = datetime.fromtimestamp(certificate["ends_ms"] / 1000, UTC)
    days = certificate["days_left"]
    left = f"{count(days, 'day')} left" if days >= 0 else "which is over"
    line = (
        f"{named}: a certificate of {issuer}, until {until:%Y-%m-%d %H:%M} UTC, {left} "
        f"({', '.join(certificate['listeners'])})"
    )
    if certificate["differs"] is None:
        return line
    return f"{line}; not what is in {certificate['name']} now: {certificate['differs']}"


def _certificate(certificate: dict[str, Any]) -> str:
    """A certificate of a listener: what it is for, and until when it is good."""
    hosts = ", ".join(certificate["hosts"][:MAX_ILL]) or certificate["name"]
    if certificate["ends_ms"] is None:
        state = "being had" if certificate["working"] else "there is none"
        return f"{hosts}: {state}"
    until = datetime.fromtimestamp(certificate["ends_ms"] / 1000, UTC)
    held = "its file holds " if certificate["source"] == "files" and certificate["last_error"] is not None else ""
    return f"{hosts}: {held}a certificate of {certificate['issuer']}, until {until:%Y-%m-%d %H:%M} UTC"


def certificate_wrong(certificate: dict[str, Any]) -> str | None:
    """What is wrong with a certificate that a listener shows."""
    if certificate["state"] == "good" or not certificate["listeners"]:
        return None
    hosts = ", ".join(certificate["hosts"][:MAX_ILL]) or certificate["name"]
    words = {
        "failing": f"the certificate for {hosts} could not be renewed",
        "soon": f"the certificate for {hosts} ends soon, and nothing has renewed it",
        "expired": f"the certificate for {hosts} has expired",
        "missing": f"there is no certificate for {hosts}",
    }[certificate["state"]]
    why = certificate["last_error"]
    if why:
        return f"{words}: {why}{tried_again(certificate)}"
    return f"{words} yet" if certificate["working"] else words


def unfit(told: dict[str, Any]) -> list[str]:
    """What the gate cannot use, each once; what there is to say of certificates that are not there is said of them."""
    absent = {f"the certificate `{each['name']}` has not been issued yet" for each in told["certificates"]}
    words = (told["gate"]["stats"] or {}).get("unfit", [])
    return [each for each in dict.fromkeys(words) if each not in absent]


def _wrong(told: dict[str, Any]) -> list[str]:
    wrong = []
    if not told["gate"]["up"]:
        wrong.append("no gate is connected; the supervisor's log says why")
    elif told["gate"]["bundle"] is None:
        wrong.append("the gate has no configuration to serve")
    if told["gate"]["facts_behind"]:
        wrong.append("the gate does not know the latest keys and revocations yet")
    wrong += _gates_wrong(_several(told))
    last = told["control"]["last_reload"]
    if last is not None and last["result"] == "refused":
        wrong.append(why_refused(last.get("errors", [])))
    wrong += unfit(told)
    wrong += (told["gate"]["stats"] or {}).get("unguarded", [])
    upstreams = (told["gate"]["stats"] or {}).get("upstreams", [])
    down = [upstream["name"] for upstream in upstreams if not upstream["available"]]
    if down:
        more = f", and {len(down) - MAX_ILL} more" if len(down) > MAX_ILL else ""
        wrong.append(f"no target is available of {', '.join(down[:MAX_ILL])}{more}")
    if told["history"]["error"] is not None:
        wrong.append(f"events are not taken into the history: {told['history']['error']}")
    wrong += told["control"]["needs_restart"]
    for issuer in told["issuers"]:
        if issuer["error"] is not None:
            wrong.append(f"the keys of the issuer {issuer['name']} cannot be fetched: {issuer['error']}")
    wrong += filter(None, map(certificate_wrong, told["certificates"]))
    return list(dict.fromkeys(wrong))


def _gates_wrong(gates: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with some of several gates."""
    wrong = []
    for gate in gates:
        if gate["status"] == "away":
            wrong.append(f"the gate {gate['name']} is away: where it still serves, then by what it knew last")
        elif gate["status"] == "connected" and gate["facts_behind"]:
            wrong.append(f"the gate {gate['name']} does not know the latest keys and revocations yet")
        elif gate["status"] == "connected" and gate["bundle_behind"]:
            wrong.append(f"the gate {gate['name']} serves another configuration than the newest; its log says why")
    return wrong
