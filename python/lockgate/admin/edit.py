"""Changing the configuration's files: checked whole before anything is written, undone where a gate refuses.

What is written is exactly what was sent. Nothing outside the configuration's
folder is ever read or written for a request, and which code of the user's own
runs (`plugins`, `acme.dns`) cannot be changed from here: whoever may set a limit may not
thereby run a program.
"""

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.admin.reload import Outcome, Reloader
from lockgate.config import ConfigErrors, Loaded, load
from lockgate.config.fence import Fence, OutsideError
from lockgate.state import StateFolder, write_private

SUFFIXES = (".yaml", ".yml")

GOOD_BYTES = 64 * 2**20
"""As much as a configuration may have in all."""

CLOSED_KEYS = frozenset({"plugins"})
"""Keys that name code to be run; only a hand on the file itself changes them."""

Changes = Mapping[str, str | None]
"""New texts of files by name; `None` takes a file away."""


class EditError(Exception):
    """A change that is not made; `code` is one of the admin API's."""

    def __init__(self, code: str, message: str) -> None:
        """The message says what to do instead."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class File:
    """A file of the configuration."""

    name: str
    """Relative to the main file's folder."""
    text: str
    etag: str


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of a change that was not refused."""

    etag: str
    changed: list[str]
    warnings: list[dict[str, Any]]
    outcome: Outcome | None
    """What the reload did; nothing for a dry run."""
    loaded: Loaded
    """The configuration with the change."""


class Editor:
    """The configuration's files, as the admin API sees them."""

    def __init__(self, reloader: Reloader, state: StateFolder) -> None:
        """One change at a time, and each is a reload."""
        self._reloader = reloader
        self._state = state
        self._kept = state.control / "config-good.json"
        self._before = state.control / "config-before.json"
        self._one = asyncio.Lock()
        reloader.on_good = self.keep

    @property
    def folder(self) -> Path:
        """The main file's folder."""
        return self._reloader.path.parent

    def files(self) -> list[File]:
        """Every file of the configuration as it stands on disk, the main one first."""
        main = self._reloader.path
        try:
            paths = [source.path for source in load(main, native=False).sources]
        except ConfigErrors as refused:
            listed = [path for path in refused.files if path.suffix in SUFFIXES or path == main]
            paths = listed or [main]
        return [self._file(path) for path in dict.fromkeys(paths) if path == main or path.is_file()]

    def etag(self, files: list[File] | None = None) -> str:
        """Changes with any byte of any file of the configuration."""
        files = self.files() if files is None else files
        return _etag(json.dumps([[file.name, file.etag] for file in files]))

    def file(self, name: str) -> File:
        """One of the files."""
        path = self._path(name)
        for file in self.files():
            if self._path(file.name) == path:
                return file
        raise EditError("config-file-unknown", f"The configuration has no file {name}; `GET /v1/config` lists them.")

    async def change(self, changes: Changes, *, unless: str, dry_run: bool) -> Edited:
        """Check and, unless it is a dry run, make a change.

        `unless` is the tag of the whole configuration that the change was made for. Raises `EditError`,
        and `ConfigErrors` with every error of what it would be.
        """
        async with self._one:
            files, before = await asyncio.to_thread(self._check_tag, unless)
            instead = {self._path(name): None if text is None else text.encode() for name, text in changes.items()}
            loaded = await asyncio.to_thread(self._checked, instead, before)
            warnings = [problem.as_json() for problem in loaded.warnings]
            held = {self._path(file.name): file.text for file in files}
            changed = [name for name, text in changes.items() if held.get(self._path(name)) != text]
            if dry_run:
                return Edited(unless, changed, warnings, None, loaded)
            return await self._write(instead, unless, changed, loaded)

    async def roll_back(self) -> Edited:
        """Put the files back as they were when they were last good."""
        good = await asyncio.to_thread(self._read_kept)
        files = await asyncio.to_thread(self.files)
        good = {**{file.name: None for file in files}, **good}  # What was not there goes, and is kept aside.
        return await self.change(good, unless=self.etag(files), dry_run=False)

    def keep(self, loaded: Loaded) -> None:
        """Remember the sources of a configuration that is good."""
        main = self._reloader.path
        texts = {os.path.relpath(source.path, main.parent): source.text for source in loaded.sources}
        text = json.dumps(texts, ensure_ascii=False)
        if len(text) <= GOOD_BYTES:
            with suppress(OSError):  # A full disk must not stop a reload.
                write_private(self._kept, text + "\n")

    def _check_tag(self, unless: str) -> tuple[list[File], list[str]]:
        files = self.files()
        if self.etag(files) != unless:
            raise EditError(
                "config-etag-stale", "The configuration has changed since you read it: read it again, then decide."
            )
        return files, _closed(self._reloader.path, {})

    def _checked(self, instead: Mapping[Path, bytes | None], closed: list[str]) -> Loaded:
        for path in instead:
            self._writable(path)
        try:
            fence = self._fence()
            # First of all: loading a configuration imports its plugins.
            if _closed(self._reloader.path, instead, fence) != closed:
                raise EditError(
                    "config-plugins-closed",
                    "Which plugins and programs run, where and with what options is not changed through the API: "
                    "edit the file itself.",
                )
            loaded = load(self._reloader.path, instead=instead, fence=fence)
            _ = loaded.outgoing  # Certificates to be trusted are read when they are wanted.
        except OutsideError as error:
            words = f"Through the API this cannot be named: {error}."
            raise EditError("config-file-outside", words) from error
        known = {path for path, content in instead.items() if content is not None}
        outside = [source.name for source in loaded.sources if not self._inside(source.path)]
        before = self._reloader.watched()
        outside += [str(path) for path in loaded.files if path not in before and not self._inside(path)]
        if outside:
            raise EditError(
                "config-file-outside",
                f"{outside[0]} is outside the configuration's folder; through the API it may name no such file.",
            )
        unread = known - {source.path for source in loaded.sources}
        if unread:
            name = os.path.relpath(min(unread), self.folder)
            raise EditError("config-file-not-included", f"Nothing includes {name}: add it to `include` first.")
        return loaded

    def _fence(self) -> Fence:
        """What a change may name: what is in the folder, and what is named already."""
        from lockgate.config.read import Reader

        reader = Reader.read(self._reloader.path, os.environ)
        return Fence(
            self.folder,
            (self._state.root,),
            files=frozenset([*reader.watched, *self._reloader.watched()]),
            patterns=frozenset(reader.patterns),
            variables=frozenset(reader.references.variables)
            | {name.removeprefix("env:") for name in reader.references.secrets if name.startswith("env:")},
            secrets=frozenset(reader.references.secrets),
        )

    async def _write(
        self, instead: Mapping[Path, bytes | None], unless: str, changed: list[str], loaded: Loaded
    ) -> Edited:
        held = {path: path.read_bytes() if path.is_file() else None for path in instead}
        await asyncio.to_thread(self._check_tag, unless)
        try:
            await asyncio.to_thread(self._keep_before, held)
            for path, content in instead.items():
                await asyncio.to_thread(put_in_place, path, content)
        except OSError as error:
            await asyncio.to_thread(_restore, held)
            raise EditError("config-file-unwritable", f"The files cannot be written: {error.strerror}.") from error
        outcome = await self._reloader.reload("api")
        if outcome.result == "refused":
            # A gate could not do what the files ask for (a port that is taken): back to what serves.
            await asyncio.to_thread(_restore, held)
            await self._reloader.reload("api")
            return Edited(unless, [], outcome.warnings, outcome, loaded)
        return Edited(await asyncio.to_thread(self.etag), changed, outcome.warnings, outcome, loaded)

    def _keep_before(self, held: Mapping[Path, bytes | None]) -> None:
        """What a change replaces or takes away can be had back by hand: the last one's is kept."""
        texts = {
            os.path.relpath(path, self.folder): (content or b"").decode("utf-8", "replace")
            for path, content in held.items()
        }
        write_private(self._before, json.dumps(texts, ensure_ascii=False) + "\n")

    def _read_kept(self) -> dict[str, str | None]:
        try:
            good: dict[str, str | None] = json.loads(self._kept.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EditError("config-rollback-absent", "No good configuration is kept yet.") from error
        return good

    def _file(self, path: Path) -> File:
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        return File(os.path.relpath(path, self.folder), content.decode("utf-8", "replace"), _etag(content))

    def _path(self, name: str) -> Path:
        """The file of that name; refuses one that is not in the configuration's folder, whatever it is spelt as."""
        path = Path(os.path.normpath(self.folder / name))
        if "\0" in name or not name or not path.is_relative_to(self.folder) or path == self.folder:
            raise EditError("config-file-outside", "Name a file in the configuration's folder.")
        if not self._inside(path):
            raise EditError("config-file-outside", f"{name} leads out of the configuration's folder by a link.")
        return path

    def _inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.folder))

    def _writable(self, path: Path) -> None:
        name = os.path.relpath(path, self.folder)
        if path != self._reloader.path and path.suffix not in SUFFIXES:
            raise EditError("config-file-outside", f"{name} is no configuration: they end in .yaml or .yml.")
        if any(part.startswith(".") for part in Path(name).parts) and path != self._reloader.path:
            raise EditError("config-file-outside", f"{name} is hidden, or in a hidden folder.")
        if path.is_symlink():
            raise EditError("config-file-unwritable", f"{name} is a link: change what it points to where that is kept.")
        if not path.parent.is_dir():
            raise EditError("config-file-unwritable", f"The folder of {name} is not there.")


def _closed(main: Path, instead: Mapping[Path, bytes | None], fence: Fence | None = None) -> list[str]:
    """All that the configuration says under a closed key, and where."""
    from lockgate.config.read import Reader

    reader = Reader.read(main, os.environ, instead, fence)
    return sorted(_said({name: item.data for name, item in reader.sections.items()}, ()))


def _said(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            # With its place: a check that is moved leaves what it stood before.
            if key in CLOSED_KEYS or (key == "dns" and path[-1:] == ("acme",)):
                yield json.dumps([*path, below], sort_keys=True, default=str)
            yield from _said(below, (*path, str(key)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _said(below, (*path, str(index)))


def _etag(content: bytes | str) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:32]


def _restore(held: Mapping[Path, bytes | None]) -> None:
    for path, content in held.items():
        with suppress(OSError):
            put_in_place(path, content)


def put_in_place(path: Path, content: bytes | None) -> None:
    """Put the new content in the file's place at once, with the mode that the file had."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    # Of a name that no include takes.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
