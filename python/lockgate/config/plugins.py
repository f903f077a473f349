"""Plugins are loaded once when the configuration is: what cannot be imported is an error of its line.

They are loaded as the gate loads them, in a process of their own without
secrets: the operator's code never runs in the control process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lockgate.config.bundle_types import PluginSet
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi, Placed
from lockgate.plugin import wire
from lockgate.policies import Plugin
from lockgate.scalars import printable, shown

COMMAND: Final = (sys.executable, "-I", "-m", "lockgate.plugin.worker")
START_SECONDS: Final = 20.0
"""As the gate waits: importing a large library takes seconds on a small machine."""
MEMORY_BYTES: Final = 512 * 2**20
"""Of address space, for one process: an interpreter takes 30 MiB, a data library a few hundred."""


@dataclass(frozen=True, slots=True)
class LoadedPlugins:
    """What loading them told."""

    set: PluginSet
    hooks: list[list[str]]
    """By the plugin's place in the set."""
    files: list[Path]
    """The operator's files: a change of one is a change of the plugin."""

    def config(self, plugin: Plugin) -> dict[str, Any]:
        """What the bundle says of one use."""
        place = next(index for index, known in enumerate(self.set["plugins"]) if known == source(plugin))
        hooks = self.hooks[place]
        return {"plugin": place, "request": "request" in hooks, "response": "response" in hooks}


def source(plugin: Plugin) -> Any:
    """A plugin as the set names it: one class with other options is another."""
    return {"name": plugin.use, "options": plugin.made_with}


def load_plugins(document: Document, apis: list[EffectiveApi]) -> LoadedPlugins | None:
    """Load every plugin that an API names; what is wrong is noted at its line."""
    placed = [each for api in apis for each in api.plugins]
    if not placed:
        return None
    wanted: list[Any] = []
    for each in placed:
        if source(each.policy) not in wanted:
            wanted.append(source(each.policy))
    folder = Path(os.path.realpath(document.problems.sources[0].path)).parent
    told = _asked(folder, placed, wanted)
    for wrong in told.get("wrong", []):
        for each in placed:
            if source(each.policy) == wanted[wrong["index"]]:
                _refuse(document, each, folder, wrong)
                break
    files = [Path(file) for file in told.get("files", [])]
    empty: PluginSet = {
        "folder": str(folder),
        "digest": str(told.get("digest", "")),
        "memory_bytes": MEMORY_BYTES,
        "plugins": wanted,
    }
    return LoadedPlugins(empty, told.get("hooks", []), files)


def _refuse(document: Document, placed: Placed[Plugin], folder: Path, wrong: dict[str, Any]) -> None:
    where = ""
    if wrong["file"] is not None:
        file = Path(wrong["file"])
        where = f", in {file.relative_to(folder) if file.is_relative_to(folder) else file}, line {wrong['line']}"
    document.problems.add(
        document.value_region(*placed.path, "use") if document.says(*placed.path, "use") else _entry(document, placed),
        "plugin-import",
        f"the plugin {shown(placed.policy.use)} cannot be loaded: {printable(wrong['error'])}{where}",
        allowed="a class made from `lockgate.plugin.Plugin`, in a module beside the configuration or installed",
        path=placed.path,
    )


def _entry(document: Document, placed: Placed[Plugin]) -> Any:
    return document.value_region(*placed.path)


def _asked(folder: Path, placed: list[Placed[Plugin]], wanted: list[Any]) -> dict[str, Any]:
    """What a process says that loads them; one that says nothing is at fault for the first."""
    options = {id(each.policy): each.policy.options for each in placed}
    by_source = {(each.policy.use, each.policy.made_with): options[id(each.policy)] for each in placed}
    hello = {
        "folder": str(folder),
        "memory": MEMORY_BYTES,
        "state": None,
        "plugins": [{"use": one["name"], "options": by_source[one["name"], one["options"]]} for one in wanted],
    }
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            COMMAND,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            start_new_session=True,
        )
        theirs.close()
        ours.settimeout(START_SECONDS)
        try:
            wire.send(ours, hello)
            told = wire.receive(ours)
            why = "its process ended while it was imported"
        except (OSError, ValueError) as error:
            told, why = None, f"it was not imported within {START_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return told or {"wrong": [{"index": 0, "file": None, "line": None, "error": why}]}
