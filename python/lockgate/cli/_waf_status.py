"""What `lockgate waf status` shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lockgate.cli._report import count, load_or_exit
from lockgate.cli._waf_rules import installed
from lockgate.rules.layout import SETUP
from lockgate.rules.read import ReadRules, proved
from lockgate.rules.store import RuleStore

if TYPE_CHECKING:
    from lockgate.policies.waf import Scan

LEVELS = range(1, 5)


def status(config: Path) -> dict[str, Any]:
    """The rules beside a configuration, and what its APIs have of them."""
    from lockgate._native import Engine

    store = RuleStore(config)
    found = store.installed()
    read = proved(store.core) if found is not None else None
    apis: list[dict[str, Any]] = []
    if config.is_file():
        loaded = load_or_exit(config)
        said = {api.name: api.waf.policy for api in loaded.apis if api.waf is not None}
        bundle = json.dumps(loaded.compile(0, 0)).encode()
        for guard in Engine(bundle).guards():
            policy = said[guard["api"]]
            apis.append(
                {
                    **guard,
                    "from": [*policy.rules, *policy.files],
                    "paranoia": guard["paranoia"] if policy.reads_rules else None,
                    "paranoia_said": policy.paranoia if "core" in policy.rules else None,
                    "scanner": None if policy.scan is None else _scanner(policy.scan),
                }
            )
    return {
        "core": None if found is None or read is None else {**installed(found), **_counted(read)},
        "previous": None if not store.previous.is_dir() else _version(store),
        "apis": apis,
    }


def exit_code(told: dict[str, Any]) -> int:
    """1 where something is wrong that a person should see to."""
    missed = any(not each["meant"] for api in told["apis"] if api["enforced"] for each in api["passed"])
    silent = any(api["scanner"] is not None and api["scanner"]["failed"] for api in told["apis"])
    changed = set((told["core"] or {}).get("changed", ())) - {SETUP}
    return 1 if missed or silent or changed else 0


def tell(told: dict[str, Any]) -> None:
    """Say it."""
    from lockgate.printable import printable

    for line in _lines(told):
        typer.echo(printable(line))


def _lines(told: dict[str, Any]) -> list[str]:
    core = told["core"]
    if core is None:
        lines = ["Core       is not installed; `lockgate waf install` does it. `rules: native` needs none."]
    else:
        levels = ", ".join(f"level {level}: {core['levels'][str(level)]}" for level in LEVELS)
        lines = [
            f"Core       {core['version'] or 'of an unknown version'}, {count(core['rules'], 'rule')} ({levels})",
            f"Folder     {core['folder']}",
        ]
        if core["source"] is None:
            lines.append("From       somebody put it there by hand")
        else:
            when = datetime.fromtimestamp(core["installed_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
            held = f", {core['checksum']}" if core["checksum"] else ""
            lines.append(f"From       {core['source']}, {when}{held}")
        lines += [f"Plugin     {name}" for name in core["plugins"]]
        lines += [
            f"Settings   {SETUP} is your own: it goes along with updates"
            if name == SETUP
            else f"Changed    {name} is not as it was installed; `lockgate waf install` puts it back"
            for name in core["changed"]
        ]
        lines += [f"Told       {notice}" for notice in core["notices"]]
    if told["previous"] is not None:
        lines.append(f"Previous   {told['previous']}; `lockgate waf install --previous` goes back")
    for api in told["apis"]:
        lines += _api(api)
    return lines


def _api(api: dict[str, Any]) -> list[str]:
    name = api["api"] if api["route"] is None else f"{api['api']}, route {api['route']}"
    level = "" if api["paranoia"] is None else f" at paranoia {api['paranoia']}"
    if level and api["paranoia_said"] not in {None, api["paranoia"]}:
        level += f" (a rule file sets that, whatever `paranoia: {api['paranoia_said']}` says)"
    rules = f", {count(api['rules'], 'rule')}, {api['running']} of them asked{' at this level' * bool(level)}"
    rules *= bool(api["rules"])
    mode = "" if api["enforced"] else ", observed: it refuses nothing"
    lines = [f"API        {name}: {', '.join(api['from'])}{level}{rules}{mode}"]
    if not api["passed"]:
        lines.append("Tried      every attack that it was tried with was found")
    if (scanner := api["scanner"]) is not None:
        said = scanner["version"] or f"does not answer: {scanner['failed']}"
        lines.append(f"Scanner    clamd at {scanner['clamd']}: {said}")
    for each in api["passed"]:
        sort = "Lets pass" if each["meant"] else "Misses"
        lines.append(f"{sort:<10} {each['canary']} in the {each['place']}: {each['why']}")
    return lines


def _scanner(scan: Scan) -> dict[str, Any]:
    from lockgate.clamd import ClamdError, version

    told: dict[str, Any] = {"clamd": scan.clamd, "on_error": scan.on_error, "version": None, "failed": None}
    try:
        return {**told, "version": version(scan.clamd)}
    except ClamdError as failed:
        return {**told, "failed": str(failed)}


def _counted(read: ReadRules) -> dict[str, Any]:
    levels = {str(level): read.up_to(level) for level in LEVELS}
    return {"rules": len(read.rules), "levels": levels, "notices": read.notices}


def _version(store: RuleStore) -> str:
    found = store.installed(store.previous)
    said = found.manifest if found is not None else None
    return (said.version if said is not None else None) or "of an unknown version"
