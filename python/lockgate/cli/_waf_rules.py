"""Putting rule sets in place, for `lockgate waf install` and `update`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from lockgate.cli._progress import Progress
from lockgate.cli._report import count
from lockgate.rules.install import Ready, prepared, with_plugin, without_plugin
from lockgate.rules.layout import SETUP, names
from lockgate.rules.read import proved
from lockgate.rules.sources import core
from lockgate.rules.sources import plugin as plugin_of
from lockgate.rules.store import Installed, RuleStore

LISTED = 5
"""Files that are named one by one."""


@contextmanager
def ready(config: Path, source: str | None, checksum: str | None) -> Iterator[tuple[RuleStore, Ready]]:
    """A rule set from there, proved; held for whoever asks, until it is put in place or left."""
    store = RuleStore(config)
    with store.alone():
        with Progress(None, "bytes") as progress:
            folder, had = core(source, checksum, progress.advance)
        with prepared(store, config, folder, had) as found:
            yield store, found


def put(config: Path, source: str | None, checksum: str | None) -> dict[str, Any]:
    """Install a rule set."""
    with ready(config, source, checksum) as (store, found):
        found.into(store)
        return _told(store, found, "installed")


def add_plugin(config: Path, source: str, checksum: str | None) -> dict[str, Any]:
    """Install a plugin."""
    store = RuleStore(config)
    with store.alone():
        with Progress(None, "bytes") as progress:
            had = plugin_of(source, checksum, progress.advance)
        with with_plugin(store, config, had) as found:
            found.into(store)
            return _told(store, found, "added")


def remove_plugin(config: Path, plugin: str) -> dict[str, Any]:
    """Take a plugin away."""
    store = RuleStore(config)
    with store.alone(), without_plugin(store, config, plugin) as found:
        found.into(store)
        return _told(store, found, "taken-away")


def go_back(config: Path) -> dict[str, Any]:
    """Put the rule set before in place."""
    store = RuleStore(config)
    with store.alone():
        rules = proved(store.previous) if store.previous.is_dir() else None
        found = store.back()
        return {**installed(found), "done": "gone-back", "rules": len(rules.rules) if rules else None}


def installed(found: Installed) -> dict[str, Any]:
    """What is known of a rule set that is in place."""
    said = found.manifest
    return {
        "folder": str(found.folder),
        "version": None if said is None else said.version,
        "source": None if said is None else said.source,
        "checksum": None if said is None else said.checksum,
        "installed_ms": None if said is None else said.installed_ms,
        "plugins": names(name for name in found.files if name.startswith("plugins/")),
        "changed": found.changed,
    }


def tell(told: dict[str, Any]) -> None:
    """Say what was done."""
    from lockgate.printable import printable

    version = told["version"] or "of a version that they do not tell"
    what = {
        "installed": f"The Core Rule Set {version} is in {told['folder']}",
        "added": f"The plugin is in {told['folder']}",
        "taken-away": f"The plugin is gone from {told['folder']}",
        "gone-back": f"The Core Rule Set {version} is in {told['folder']} again",
    }[told["done"]]
    rules = "" if told["rules"] is None else f": {count(told['rules'], 'rule')}, all of which can be run"
    typer.echo(printable(f"{what}{rules}."))
    if told["plugins"]:
        typer.echo(printable(f"Plugins: {', '.join(told['plugins'])}."))
    if SETUP in told.get("kept", ()):
        typer.echo(f"Your own {SETUP} goes along.")
    if told.get("left"):
        typer.echo(
            printable(
                f"Changed by hand before, and not any more: {_some(told['left'])}. They are in the previous rules; "
                "put rules of your own into `files` of the policy, settings into `setup`, exceptions into `exclude`."
            )
        )
    if told["done"] == "installed":
        typer.echo("`waf: {rules: core}` uses them; a gate that runs takes them up by itself.")


def _told(store: RuleStore, found: Ready, done: str) -> dict[str, Any]:
    now = store.installed()
    return {
        **(installed(now) if now is not None else {}),
        "done": done,
        "rules": len(found.rules.rules),
        "notices": found.rules.notices,
        "kept": found.kept,
        "left": found.left,
    }


def _some(files: list[str]) -> str:
    more = len(files) - LISTED
    return ", ".join([*files[:LISTED], *([f"and {more} more"] if more > 0 else [])])
