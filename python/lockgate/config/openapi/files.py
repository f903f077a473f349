"""The files of a document: the one that is named, and those that its references lead to.

Nothing is fetched: a reference leads to a file beside the document, or within
the configuration's folder, and no further.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from lockgate.config.openapi.nodes import Node, mapping, parsed
from lockgate.config.problems import Problems, Region, Source
from lockgate.config.references import References
from lockgate.scalars import shown

MAX_FILE: Final = 32 * 2**20
"""GitHub's document, the largest that is in wide use, has 13 MiB."""
MAX_TOTAL: Final = 128 * 2**20
MAX_FILES: Final = 2_000
"""One file for each path and each schema is a fair layout."""
MAX_HOPS: Final = 32
"""References that lead to references."""


@dataclass(slots=True)
class Files:
    """Reads each file once."""

    problems: Problems
    references: References
    total: int = 0
    roots: dict[Path, Node | None] = field(default_factory=dict)
    paths: dict[int, Path] = field(default_factory=dict)
    """The path of each file, by its index in the problems' sources."""

    def root(self, path: Path, region: Region) -> Node | None:
        """The root of a file that the text at `region` names."""
        if path not in self.roots:
            self.roots[path] = None
            self.roots[path] = self._read(path, region)
        return self.roots[path]

    def follow(self, node: Node, within: Path) -> Node | None:
        """What a node stands for: itself, or what its `$ref` leads to. `within` is the document's folder."""
        seen: set[tuple[int, int, int]] = set()
        while node.kind == "mapping":
            reference = next(((value, place) for key, place, value in node.members() if key == "$ref"), None)
            if reference is None:
                return node
            target, region = reference[0].scalar, reference[0].region
            if not isinstance(target, str):
                self.problems.add(region, "openapi-ref", f"`$ref` must be a text, not {shown(target)}")
                return None
            place = (region.file, region.line, region.column)
            if place in seen or len(seen) >= MAX_HOPS:
                allowed = f"at most {MAX_HOPS} references that lead to references"
                self.problems.add(region, "openapi-ref-cycle", "this reference leads back to itself", allowed=allowed)
                return None
            seen.add(place)
            found = self._at(target, region, within)
            if found is None:
                return None
            node = found
        return node

    def _at(self, target: str, region: Region, within: Path) -> Node | None:
        name, _, pointer = target.partition("#")
        here = self.paths[region.file]
        if urlsplit(name).scheme or name.startswith("//"):
            self.problems.add(
                region,
                "openapi-ref-remote",
                f"{shown(target)} leads into the network, and nothing is fetched",
                hint="keep a copy beside the document, and name that",
            )
            return None
        path = Path(os.path.normpath(here.parent / unquote(name))) if name else here
        main = self.problems.sources[0].path.parent
        if not (path.is_relative_to(within) or path.is_relative_to(main)):
            self.problems.add(
                region,
                "openapi-ref-outside",
                f"{shown(target)} leads out of the document's folder",
                allowed="files below the document's folder or below the configuration's",
            )
            return None
        root = self.root(path, region)
        return None if root is None else self._pointed(root, pointer, target, region)

    def _pointed(self, root: Node, pointer: str, target: str, region: Region) -> Node | None:
        node = root
        for step in unquote(pointer).split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            below: Node | None = None
            if node.kind == "mapping":
                below = next((value for name, _, value in node.members() if name == key), None)
            elif node.kind == "list" and key.isdecimal():
                below = next((value for index, value in enumerate(node.entries()) if index == int(key)), None)
            if below is None:
                source = self.problems.sources[root.file].name
                self.problems.add(
                    region, "openapi-ref-dangling", f"{shown(target)} leads nowhere: {source} has no {shown(key)} there"
                )
                return None
            node = below
        return node

    def _read(self, path: Path, region: Region) -> Node | None:
        self.references.name(path)
        what = self.references.say(path)
        if len(self.roots) > MAX_FILES:
            self.problems.add(
                region, "too-many-files", "documents are spread over too many files", allowed=f"{MAX_FILES} files"
            )
            return None
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                self.problems.add(region, "file-unreadable", f"{what} is not a regular file")
                return None
            with path.open("rb") as stream:
                content = stream.read(MAX_FILE + 1)
            self.total += len(content)
            if len(content) > MAX_FILE or self.total > MAX_TOTAL:
                allowed = f"{MAX_FILE >> 20}MiB for a file, {MAX_TOTAL >> 20}MiB for all documents together"
                self.problems.add(region, "file-too-large", f"{what} is too large", allowed=allowed)
                return None
            text = content.decode("utf-8-sig")
        except FileNotFoundError:
            self.problems.add(region, "file-missing", f"there is no file {what}")
            return None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            self.problems.add(region, "file-unreadable", f"{what} cannot be read: {why}")
            return None
        main = self.problems.sources[0].path.parent
        name = str(path.relative_to(main)) if path.is_relative_to(main) else str(path)
        source, index = Source(path, name, text), len(self.problems.sources)
        self.problems.sources.append(source)
        self.paths[index] = path
        root = parsed(source, index, self.problems)
        source.broken = root is None
        return root


def wanted_mapping(node: Node, what: str, problems: Problems) -> dict[str, tuple[Region, Node]] | None:
    """The members of what must be a mapping."""
    if node.kind == "mapping":
        return mapping(node, problems)
    problems.add(node.region, "openapi-malformed", f"{what} must be a mapping, not {shown(_said(node))}")
    return None


def _said(node: Node) -> object:
    return [] if node.kind == "list" else node.scalar
