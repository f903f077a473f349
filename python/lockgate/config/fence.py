"""What a configuration may name that comes from elsewhere than the hand on its files.

Whoever may change a limit through the admin API may not thereby have the
control process read `/etc/shadow` and print its lines in a message, nor have
the gate send a key to an upstream of their choice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class OutsideError(Exception):
    """Something is named that may not be; the message says what, and nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Fence:
    """What is open: the configuration's folder, and what the configuration that stands names already."""

    folder: Path
    apart: tuple[Path, ...]
    """Folders within it that are closed all the same, such as the state folder."""
    files: frozenset[Path] = frozenset()
    patterns: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    """References of secrets, as the gate reads them: `env:NAME`, `file:/absolute/path`."""

    def file(self, target: Path) -> None:
        """Let a file be read; raises `OutsideError` for one that may not be."""
        if f"file:{target}" in self.secrets:
            raise OutsideError(f"{self._say(target)} holds a secret, which is for the gate alone")
        if target not in self.files and not self._inside(target):
            raise OutsideError(f"{self._say(target)} is outside the configuration's folder, or hidden in it")

    def secret(self, reference: str) -> None:
        """Let the gate read a secret; raises `OutsideError` for one that may not be named."""
        kind, _, name = reference.partition(":")
        if reference in self.secrets or (kind == "file" and self._inside(Path(name))):
            return
        if kind == "env":
            self.variable(name)
            return
        raise OutsideError(f"{self._say(Path(name))} is outside the configuration's folder, or hidden in it")

    def variable(self, name: str) -> None:
        """Let a variable be read; raises `OutsideError` for one that the configuration does not name already."""
        if name not in self.variables:
            raise OutsideError(f"the variable {name} is not one that the configuration names already")

    def pattern(self, target: str) -> None:
        """Let a folder be looked through; raises `OutsideError` for one outside."""
        if target not in self.patterns and not Path(target).is_relative_to(self.folder):
            raise OutsideError("an include looks for files outside the configuration's folder")

    def _inside(self, target: Path) -> bool:
        # By what a link leads to, and by what it is called.
        real, folder = Path(os.path.realpath(target)), Path(os.path.realpath(self.folder))
        if not real.is_relative_to(folder) or not target.is_relative_to(self.folder):
            return False
        if any(real.is_relative_to(os.path.realpath(closed)) for closed in self.apart):
            return False
        parts = (*real.relative_to(folder).parts, *target.relative_to(self.folder).parts)
        return not any(part.startswith(".") for part in parts)

    def _say(self, target: Path) -> str:
        return os.path.relpath(target, self.folder) if target.is_relative_to(self.folder) else str(target)
