"""Plugins are loaded once when the configuration is: what cannot be imported is an error of its line.

They are loaded as the gate loads them, in a process of their own without
secrets: the operator's code never runs in the control process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.placed import Placed
from lockgate.plugin import wire
from lockgate.plugin.launch import COMMAND
from lockgate.policies import Plugin
from lockgate.printable import printable
from lockgate.scalars import shown

START_SECONDS: Final = 20.0
"""As the gate waits: importing a large library takes seconds on a small machine."""
MEMORY_BYTES: Final = 512 * 2**20
"""Of address space, for one process: an interpreter takes 30 MiB, a data library a few hundred."""


@dataclass(frozen=True, slots=True)
class LoadedPlugins:
    """What loading them told."""

    set: types.PluginSet
    hooks: list[list[str]]
    """By the plugin's place in the set."""
    files: list[Path]
    """The operator's files: a change of one is a change of the plugin."""

    def config(self, plugin: Plugin) -> dict[str, Any]:
        """What the bundle says of one use."""
        place = self.set["plugins"].index(source(plugin))
        hooks = self.hooks[place]
        return {
            "plugin": place,
            "digest": self.set["digest"],
            "request": "request" in hooks,
            "response": "response" in hooks,
        }


def source(plugin: Plugin) -> types.PluginSource:
    """A plugin as the set names it: one class with other options is another."""
    return {"name": plugin.use, "options": plugin.made_with}


def load_plugins(document: Document, apis: Sequence[EffectiveApi]) -> LoadedPlugins | None:
    """Load every plugin that an API names; what is wrong is noted at its line."""
    placed = [each for api in apis for each in api.plugins]
    if not placed:
        return None
    wanted: list[types.PluginSource] = []
    for each in placed:
        if source(each.policy) not in wanted:
            wanted.append(source(each.policy))
    folder = Path(os.path.realpath(document.problems.sources[0].path)).parent
    told = _asked(folder, wanted)
    for wrong in told.get("wrong", []):
        for each in placed:
            if source(each.policy) == wanted[wrong["index"]]:
                _refuse(document, each, folder, wrong)
                break
    loaded: types.PluginSet = {
        "folder": str(folder),
        "digest": str(told.get("digest", "")),
        "memory_bytes": MEMORY_BYTES,
        "plugins": wanted,
    }
    files = [*(Path(file) for file in told.get("files", [])), *_sought(folder, wanted)]
    return LoadedPlugins(loaded, told.get("hooks", []), list(dict.fromkeys(files)))


def _sought(folder: Path, wanted: list[types.PluginSource]) -> Iterator[Path]:
    """Where modules would be, also such as there are none yet: writing one is a change too."""
    for each in wanted:
        module = folder.joinpath(*each["name"].partition(":")[0].split("."))
        found = [path for path in (module.with_suffix(".py"), module / "__init__.py") if path.exists()]
        yield found[0] if found else module.with_suffix(".py")


def _refuse(document: Document, placed: Placed[Plugin], folder: Path, wrong: dict[str, Any]) -> None:
    where = ""
    if wrong["file"] is not None:
        file = Path(wrong["file"])
        where = f", in {file.relative_to(folder) if file.is_relative_to(folder) else file}, line {wrong['line']}"
    path = (*placed.path, "use") if document.says(*placed.path, "use") else placed.path
    document.problems.add(
        document.value_region(*path),
        "plugin-import",
        f"the plugin {shown(placed.policy.use)} cannot be loaded: {printable(wrong['error'])}{where}",
        allowed="a class made from `lockgate.plugin.Plugin`, in a module beside the configuration or installed",
        path=placed.path,
    )


def _asked(folder: Path, wanted: list[types.PluginSource]) -> dict[str, Any]:
    """What a process says that loads them; one that says nothing is at fault for the first."""
    hello = {
        "folder": str(folder),
        "memory": MEMORY_BYTES,
        "state": None,
        "plugins": [{"use": one["name"], "options": json.loads(one["options"])} for one in wanted],
    }
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(  # noqa: S603 -- Our own interpreter and module.
            COMMAND,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            cwd=folder,
            process_group=0,
        )
        theirs.close()
        ours.settimeout(START_SECONDS)
        told, why = None, "its process ended while it was imported"
        try:
            wire.send(ours, hello)
            told = wire.receive(ours)
        except TimeoutError:
            why = f"it was not imported within {START_SECONDS:.0f} s"
        except (OSError, ValueError) as error:
            why = str(error)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return told or {"wrong": [{"index": 0, "file": None, "line": None, "error": why}]}
