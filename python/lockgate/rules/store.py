"""Where rule sets lie beside the configuration: the one that is used, and the one before."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from lockgate.config.rule_sets import CORE
from lockgate.rules.archive import Files
from lockgate.rules.checksums import sha256
from lockgate.rules.problems import RulesError
from lockgate.state import StateError, private_folder

MANIFEST: Final = "lockgate.json"
PREVIOUS: Final = "core.previous"
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
"""As everything in the state folder."""
MANIFEST_BYTES: Final = 2**20

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of an installed rule set."""

    version: str | None
    source: str
    checksum: str | None
    installed_ms: int
    files: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each file as it was installed."""
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Where each plugin came from."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A rule set in its folder."""

    folder: Path
    manifest: Manifest | None
    """Nothing where somebody put it there by hand."""
    files: Files

    @property
    def changed(self) -> list[str]:
        """Files that are not as they were installed."""
        if self.manifest is None:
            return []
        known = self.manifest.files
        now = {name: sha256(content) for name, content in self.files.items()}
        return sorted(name for name in {*known, *now} if known.get(name) != now.get(name))


class RuleStore:
    """The folder of rule sets beside a configuration."""

    def __init__(self, config: Path) -> None:
        """`config` is the main file; it need not be there."""
        self.core = config.absolute().parent / CORE
        self.root = self.core.parent
        self.previous = self.root / PREVIOUS

    def installed(self, folder: Path | None = None) -> Installed | None:
        """What is there now."""
        folder = folder or self.core
        if not any(folder.glob("rules/*.conf")):
            return None
        kept = {".conf", ".data"}
        paths = [each for each in folder.rglob("*") if each.suffix in kept or each.name == "LICENSE"]
        paths = [each for each in paths if each.is_file()]
        try:
            files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}
            return Installed(folder, _manifest(folder), files)
        except OSError as error:
            raise RulesError(f"{error.filename} cannot be read: {error.strerror}") from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder; raises `RulesError` while another command changes it."""
        try:
            private_folder(self.root.parent)
            private_folder(self.root)
            lock = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except StateError as error:
            raise RulesError(str(error)) from error
        except OSError as error:
            raise RulesError(f"{self.root} cannot be written to: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sweep()
            yield
        except BlockingIOError as error:
            raise RulesError(f"another command is changing {self.root}; wait until it is done") from error
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def staged(self, files: Files) -> Iterator[Path]:
        """A new folder with these files, which is gone again unless it was put in place."""
        folder: Path | None = None
        try:
            folder = Path(tempfile.mkdtemp(prefix=".core-", dir=self.root))
            for name, content in files.items():
                target = folder / name
                target.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
                with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as stream:  # noqa: PTH123 -- The mode counts from the first moment.
                    stream.write(content)
            yield folder
        except OSError as error:
            raise RulesError(f"{self.root} cannot be written to: {error.strerror}") from error
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def switch(self, staged: Path, manifest: Manifest) -> None:
        """Put a staged folder in place, whole; what was there becomes the previous one."""
        text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n"
        with open(os.open(staged / MANIFEST, os.O_WRONLY | os.O_CREAT, FILE_MODE), "w", encoding="utf-8") as stream:  # noqa: PTH123 -- As above.
            stream.write(text)
        for path in (*staged.rglob("*"), staged):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        if not self.core.exists():
            staged.rename(self.core)
            return
        _exchange(staged, self.core)
        shutil.rmtree(self.previous, ignore_errors=True)
        staged.rename(self.previous)

    def back(self) -> Installed:
        """Put the previous one in place of what is there; once more, and it is as before."""
        previous = self.installed(self.previous)
        if previous is None:
            raise RulesError(f"there is no previous rule set in {self.root}")
        try:
            if self.core.exists():
                _exchange(self.previous, self.core)
            else:
                self.previous.rename(self.core)
        except OSError as error:
            raise RulesError(f"{self.root} cannot be written to: {error.strerror}") from error
        return Installed(self.core, previous.manifest, previous.files)

    def _sweep(self) -> None:
        """Take away what a command left that was killed."""
        for left in self.root.glob(".core-*"):
            shutil.rmtree(left, ignore_errors=True)


def _manifest(folder: Path) -> Manifest | None:
    try:
        with (folder / MANIFEST).open("rb") as stream:
            said = json.loads(stream.read(MANIFEST_BYTES))
        return Manifest(**said)
    except (OSError, ValueError, TypeError):
        return None


def _exchange(one: Path, other: Path) -> None:
    """Each takes the other's name at once, so that nobody finds neither; raises `OSError`."""
    with contextlib.suppress(AttributeError):
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
            return
    # Some file systems cannot; for a moment there is none, and a reload in it goes on with what it has.
    aside = Path(tempfile.mkdtemp(prefix=".core-", dir=one.parent)) / "aside"
    other.rename(aside)
    one.rename(other)
    aside.rename(one)
    aside.parent.rmdir()
