"""Installing: what is had is proved, and only then put in the place of what is there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockgate.rules.archive import Files
from lockgate.rules.checksums import sha256
from lockgate.rules.layout import SETUP, RuleFolder, belongs, names
from lockgate.rules.problems import RulesError
from lockgate.rules.read import ReadRules, faults_with, proved
from lockgate.rules.sources import Had
from lockgate.rules.store import Installed, Manifest, RuleStore


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule set that was proved, and can be put in place."""

    folder: Path
    manifest: Manifest
    rules: ReadRules
    kept: list[str]
    """Files of one's own that go along."""
    left: list[str]
    """Files that somebody changed in the one that is there, and that do not."""

    def into(self, store: RuleStore) -> None:
        """Put it in place."""
        store.switch(self.folder, self.manifest)


@contextmanager
def prepared(store: RuleStore, config: Path, core: RuleFolder, had: Had) -> Iterator[Ready]:
    """Another rule set, with the plugins and the settings of the one that is there; raises `RulesError`."""
    before = store.installed()
    files, kept, left = dict(core.files), [], []
    plugins: dict[str, Mapping[str, Any]] = {name: _from(had) for name in core.plugins}
    if before is not None:
        own = {name for name in before.files if name.startswith("plugins/")} - set(files)
        kept = sorted(own)
        changed = before.changed if before.manifest is not None else []
        if SETUP in changed and SETUP in before.files and core.setup_before is None:
            kept.append(SETUP)
        left = [name for name in changed if name not in kept and name in before.files]
        files |= {name: before.files[name] for name in kept}
        if before.manifest is not None:
            plugins = {**before.manifest.plugins, **plugins}
    manifest = _manifest(core.version, had, files, plugins)
    if SETUP in kept or core.setup_before is not None:
        # It stays known as changed, so that the next version leaves it alone too.
        original = core.setup_before or core.files.get(SETUP, b"")
        manifest = replace(manifest, files={**manifest.files, SETUP: sha256(original)})
    with _tried(store, config, files, manifest) as (folder, rules):
        yield Ready(folder, manifest, rules, kept, left)


@contextmanager
def with_plugin(store: RuleStore, config: Path, had: Had) -> Iterator[Ready]:
    """The rule set that is there with a plugin more, or with another version of it."""
    before = _there(store)
    added = names(had.files)
    rest = {name: content for name, content in before.files.items() if not any(belongs(name, one) for one in added)}
    plugins = {name: _from(had) for name in added}
    with _changed(store, config, before, {**rest, **had.files}, plugins, ()) as ready:
        yield ready


@contextmanager
def without_plugin(store: RuleStore, config: Path, plugin: str) -> Iterator[Ready]:
    """The rule set that is there without one of its plugins."""
    before = _there(store)
    there = names(name for name in before.files if name.startswith("plugins/"))
    if plugin not in there:
        raise RulesError(f"there is no plugin `{plugin}`; there is {', '.join(there) or 'none'}")
    rest = {name: content for name, content in before.files.items() if not belongs(name, plugin)}
    with _changed(store, config, before, rest, {}, (plugin,)) as ready:
        yield ready


@contextmanager
def _changed(
    store: RuleStore,
    config: Path,
    before: Installed,
    files: Files,
    added: Mapping[str, Mapping[str, Any]],
    gone: tuple[str, ...],
) -> Iterator[Ready]:
    old = before.manifest or Manifest(None, str(before.folder), None, 0)
    known = {name: digest for name, digest in old.files.items() if name in files}
    fresh = {name: sha256(content) for name, content in files.items() if before.files.get(name) != content}
    plugins = {name: said for name, said in {**old.plugins, **added}.items() if name not in gone}
    manifest = replace(old, installed_ms=_now_ms(), files={**known, **fresh}, plugins=plugins)
    with _tried(store, config, files, manifest) as (folder, rules):
        yield Ready(folder, manifest, rules, [], [])


@contextmanager
def _tried(store: RuleStore, config: Path, files: Files, manifest: Manifest) -> Iterator[tuple[Path, ReadRules]]:
    with store.staged(files) as folder:
        rules = proved(folder)
        if config.is_file():
            faults = faults_with(config, folder)
            if faults is not None and faults_with(config, store.core) is None:
                raise RulesError(f"{config} would be refused with {manifest.version or 'these rules'}:\n{faults}")
        yield folder, rules


def _there(store: RuleStore) -> Installed:
    before = store.installed()
    if before is None:
        raise RulesError(f"there is no rule set in {store.core} yet: `lockgate waf install` first")
    return before


def _manifest(version: str | None, had: Had, files: Files, plugins: Mapping[str, Mapping[str, Any]]) -> Manifest:
    digests = {name: sha256(content) for name, content in files.items()}
    return Manifest(version, had.name, had.checksum, _now_ms(), digests, dict(plugins))


def _from(had: Had) -> Mapping[str, Any]:
    return {"source": had.name, "checksum": had.checksum, "installed_ms": _now_ms()}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
