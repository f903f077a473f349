"""Files to one tree: the main file, what it includes, and their sections put together."""

from __future__ import annotations

import glob
import itertools
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lockgate.config.compose import compose
from lockgate.config.fence import Fence
from lockgate.config.patterns import matches, matching
from lockgate.config.problems import Problems, Region, Source
from lockgate.config.references import References
from lockgate.config.tree import Item, Reading
from lockgate.scalars import shown

MAX_FILE: Final = 16 * 2**20
"""Ten thousand APIs take 3 MiB."""
MAX_TOTAL: Final = 64 * 2**20
INCLUDE_HINT: Final = "the path begins in the folder of the file that says it: correct it, or take the entry out"
MAX_FILES: Final = 20_000
"""One file for each of ten thousand APIs is a fair layout."""
MAX_INCLUDE_DEPTH: Final = 8


@dataclass(slots=True)
class Reader:
    """Reads a configuration's files, each once, in the order in which they are named."""

    main: Path
    problems: Problems
    references: References
    sections: dict[str, Item] = field(default_factory=dict)
    """The document as if all of it stood in one file."""
    total: int = 0
    seen: set[Path] = field(default_factory=set)
    patterns: list[str] = field(default_factory=list)
    """Patterns that were included, absolute."""
    instead: Mapping[Path, bytes | None] = field(default_factory=dict)
    """Contents that stand in the place of what is on disk; `None` for a file that is to be gone."""

    @classmethod
    def read(
        cls,
        main: Path,
        environment: Mapping[str, str],
        instead: Mapping[Path, bytes | None] | None = None,
        fence: Fence | None = None,
    ) -> Reader:
        """Read the main file and all that it includes; raises `OutsideError` for what is behind the fence."""
        problems = Problems()
        references = References(problems, environment, fence=fence)
        reader = cls(Path(os.path.normpath(Path.cwd() / main)), problems, references, instead=instead or {})
        reader._file(reader.main, None, ())
        return reader

    @property
    def watched(self) -> list[Path]:
        """Every file whose change may change the configuration."""
        return list(dict.fromkeys([*(source.path for source in self.problems.sources), *self.references.files]))

    def _file(self, path: Path, named: Item | None, chain: tuple[Path, ...]) -> None:
        index = len(self.problems.sources)
        source = Source(path, os.path.relpath(path, self.main.parent))
        self.problems.sources.append(source)
        self.seen.add(path)
        if self.references.fence is not None and path != self.main:
            self.references.fence.file(path)
        content = self._bytes(source, Region(index, 1, 1, 1, 1) if named is None else named.region)
        if content is None or (text := self._text(content, index)) is None:
            return
        source.text = text
        root, nodes = compose(source, index, self.problems)
        source.broken = root is None
        if root is None:
            self._refuse_nothing(index, named)
            return
        reading = Reading(index, nodes, self.problems, self.references)
        item = reading.item(None, root, ())
        if reading.too_many:
            return
        if not isinstance(item.children, dict):
            if item.whole:
                self.problems.add(
                    item.value_region,
                    "not-a-mapping",
                    "a configuration is a mapping",
                    hint="begin it with `version: 1`",
                )
            return
        self._merge(item.children)
        include = item.children.get("include")
        if include is not None and include.whole:
            self._includes(include, (*chain, path))

    def _bytes(self, source: Source, region: Region) -> bytes | None:
        """The file's content; only regular files are opened, since a pipe or a device may never end."""
        main = len(self.problems.sources) == 1
        what = shown(source.path if main else source.name)
        if source.path in self.instead:
            return self._bounded(self.instead[source.path], what, region, main=main)
        try:
            mode = source.path.stat().st_mode
            if not stat.S_ISREG(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                hint = "name the file in it, such as lockgate.yaml" if stat.S_ISDIR(mode) else None
                self.problems.add(region, "file-unreadable", f"{what} is {kind}", hint=hint)
                return None
            with source.path.open("rb") as stream:
                content = stream.read(MAX_FILE + 1)
        except FileNotFoundError:
            content = None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self.problems.add(region, "file-unreadable", f"{what} cannot be read: {why}")
            return None
        return self._bounded(content, what, region, main=main)

    def _bounded(self, content: bytes | None, what: str, region: Region, *, main: bool) -> bytes | None:
        if content is None:
            hint = "`lockgate init` writes a first one" if main else INCLUDE_HINT
            self.problems.add(region, "file-missing", f"there is no file {what}", hint=hint)
            return None
        self.total += len(content)
        if len(content) > MAX_FILE or self.total > MAX_TOTAL:
            allowed = "16MiB for a file, 64MiB for all together"
            self.problems.add(region, "file-too-large", f"{what} is too large", allowed=allowed)
            return None
        return content

    def _text(self, content: bytes, index: int) -> str | None:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start].decode("utf-8", "replace")
            line = before.count("\n") + 1
            column = len(before) - (before.rfind("\n") + 1) + 1
            self.problems.sources[index].text = content.decode("utf-8", "replace")
            self.problems.add(
                Region(index, line, column, line, column + 1),
                "not-utf-8",
                f"the byte 0x{content[error.start]:02X} is not text in UTF-8",
                hint="save the file as UTF-8",
            )
            return None

    def _refuse_nothing(self, index: int, named: Item | None) -> None:
        """An empty file is a mistake, unless it is one of many that were included."""
        broken = any(problem.region.file == index for problem in self.problems.errors)
        if named is None and not broken:
            self.problems.add(
                Region(index, 1, 1, 1, 1),
                "empty-file",
                "the configuration is empty",
                hint="`lockgate init` writes a first one; or begin it with `version: 1`",
            )

    def _merge(self, sections: dict[str, Item]) -> None:
        """Add a file's sections; a section's keys may be spread over files, but each is said once."""
        for name, item in sections.items():
            if name == "include":
                continue
            first = self.sections.get(name)
            if first is None:
                self.sections[name] = item
            elif isinstance(first.children, dict) and isinstance(item.children, dict):
                self._merge_section(name, first, item.children)
            elif name != "version" or first.data != item.data:
                self._refuse_repeated(item, first, name)

    def _merge_section(self, section: str, first: Item, children: dict[str, Item]) -> None:
        merged = first.children
        if not isinstance(merged, dict):
            return
        for name, child in children.items():
            if name in merged:
                self._refuse_repeated(child, merged[name], f"{section}.{name}")
                continue
            merged[name] = child
            if child.whole:
                first.data[name] = child.data

    def _refuse_repeated(self, item: Item, first: Item, name: str) -> None:
        where = f"{self.problems.sources[first.file].name}:{first.key_region.line}"
        self.problems.add(
            item.key_region,
            "duplicate-key",
            f"{shown(name)} is said twice; first at {where}",
            hint="keep one of them",
            path=(name,),
        )

    def _includes(self, include: Item, chain: tuple[Path, ...]) -> None:
        patterns = include.children if isinstance(include.children, list) else [include]
        for pattern in patterns:
            if not pattern.whole:
                continue
            if not isinstance(pattern.data, str):
                self.problems.add(
                    pattern.region,
                    "include-malformed",
                    f"{shown(pattern.data)} names no file",
                    allowed="a path or a pattern such as `apis/*.yaml`, or a list of them",
                    path=("include",),
                )
                continue
            self._included(pattern, chain)

    def _matching(self, target: str) -> list[str]:
        """Files that match, on disk and among those that stand in the place of it."""
        paths = set(itertools.islice(matching(target), MAX_FILES + 1))
        for path, content in self.instead.items():
            if content is None:
                paths.discard(str(path))
            elif matches(str(path), target):
                paths.add(str(path))
        return sorted(paths)

    def _included(self, pattern: Item, chain: tuple[Path, ...]) -> None:
        target = str(self.references.absolute(pattern.data, pattern.file))
        if glob.has_magic(pattern.data):
            if self.references.fence is not None:
                self.references.fence.pattern(target)
            self.patterns.append(target)
            paths = self._matching(target)
            if not paths:
                self.problems.add(
                    pattern.region, "include-empty", f"no file matches {shown(pattern.data)}", severity="warning"
                )
        else:
            paths = [target]
        for name in paths:
            path = Path(name)
            if path in chain:
                cycle = " → ".join(
                    os.path.relpath(step, self.main.parent) for step in (*chain[chain.index(path) :], path)
                )
                self.problems.add(pattern.region, "include-cycle", f"this file includes itself: {cycle}")
            elif len(chain) >= MAX_INCLUDE_DEPTH:
                self.problems.add(
                    pattern.region,
                    "include-too-deep",
                    "includes are nested too deeply",
                    allowed=f"{MAX_INCLUDE_DEPTH} levels",
                )
            elif len(self.problems.sources) >= MAX_FILES:
                self.problems.add(
                    pattern.region, "too-many-files", "too many files are included", allowed=f"{MAX_FILES} files"
                )
                return
            elif path not in self.seen:
                self._file(path, pattern, chain)
