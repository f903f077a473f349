"""A document's values with their places, in JSON and in YAML alike.

A large document has a million values, and of nearly all of them nobody asks
where they stand. So only the levels that are looked at are walked: JSON by
letting the decoder, which is C, skip each value; YAML by the nodes that libyaml
has composed.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined] # Not in the stubs; it is what the decoder itself uses.
from typing import Any, Final, Literal, Protocol

import yaml

from lockgate.config.compose import compose
from lockgate.config.problems import LINE_BREAK, Problems, Region, Source
from lockgate.config.tree import plain
from lockgate.scalars import shown

MAX_DEPTH: Final = 256
"""GitHub's document is 60 levels deep; a parser's stack is not to be a stranger's to fill."""

Kind = Literal["mapping", "list", "scalar"]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


class Node(Protocol):
    """A value and its place."""

    @property
    def file(self) -> int:
        """Index of the file that holds it."""

    @property
    def kind(self) -> Kind:
        """What it is."""

    @property
    def scalar(self) -> Any:
        """Its plain value; `None` for what is no scalar."""

    @property
    def region(self) -> Region:
        """Where it begins."""

    def members(self) -> Iterator[tuple[str, Region, Node]]:
        """A mapping's keys, each with its place and its value."""

    def entries(self) -> Iterator[Node]:
        """A list's values."""


@dataclass(slots=True)
class JsonText:
    """A JSON file."""

    file: int
    text: str
    _lines: list[int] | None = None

    def region(self, at: int, width: int = 1) -> Region:
        """The place of an offset."""
        if self._lines is None:
            self._lines = [0, *(found.end() for found in LINE_BREAK.finditer(self.text))]
        line = bisect.bisect_right(self._lines, at)
        column = at - self._lines[line - 1] + 1
        return Region(self.file, line, column, line, column + width)

    def after_space(self, at: int) -> int:
        """The next offset that is no white space."""
        found = _SPACE.match(self.text, at)
        return found.end() if found is not None else at


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A value of a JSON file, which was decoded once as a whole and so holds no mistakes."""

    text: JsonText
    at: int
    value: Any = field(repr=False)

    @property
    def file(self) -> int:
        """Index of the file that holds it."""
        return self.text.file

    @property
    def kind(self) -> Kind:
        """What it is."""
        return "mapping" if isinstance(self.value, dict) else "list" if isinstance(self.value, list) else "scalar"

    @property
    def scalar(self) -> Any:
        """Its plain value."""
        return self.value if self.kind == "scalar" else None

    @property
    def region(self) -> Region:
        """Where it begins."""
        return self.text.region(self.at)

    def members(self) -> Iterator[tuple[str, Region, Node]]:
        """Its keys and values."""
        at = self.text.after_space(self.at + 1)
        while self.text.text[at] != "}":
            begin = at
            key, end = scanstring(self.text.text, at + 1, True)
            at = self.text.after_space(self.text.after_space(end) + 1)
            value, end = _DECODER.raw_decode(self.text.text, at)
            yield key, self.text.region(begin, len(key) + 2), JsonNode(self.text, at, value)
            at = self._next(end)

    def entries(self) -> Iterator[Node]:
        """Its values."""
        at = self.text.after_space(self.at + 1)
        while self.text.text[at] != "]":
            value, end = _DECODER.raw_decode(self.text.text, at)
            yield JsonNode(self.text, at, value)
            at = self._next(end)

    def _next(self, end: int) -> int:
        at = self.text.after_space(end)
        return self.text.after_space(at + 1) if self.text.text[at] == "," else at


@dataclass(frozen=True)
class YamlNode:
    """A value of a YAML file."""

    file: int
    node: yaml.Node = field(repr=False)
    problems: Problems = field(repr=False)

    @cached_property
    def kind(self) -> Kind:
        """What it is."""
        if isinstance(self.node, yaml.MappingNode):
            return "mapping"
        return "list" if isinstance(self.node, yaml.SequenceNode) else "scalar"

    @property
    def scalar(self) -> Any:
        """Its plain value."""
        if not isinstance(self.node, yaml.ScalarNode):
            return None
        text = str(self.node.value)
        return text if self.node.style else plain(text) if text else None

    @property
    def region(self) -> Region:
        """Where it begins."""
        return _region(self.file, self.node)

    def members(self) -> Iterator[tuple[str, Region, Node]]:
        """Its keys and values."""
        for key, value in self.node.value:
            place = _region(self.file, key)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.add(place, "yaml-key", "a key must be a plain word")
            elif key.value == "<<":
                hint = "write out what it would bring here, or use `$ref`"
                self.problems.add(place, "yaml-merge-key", "merge keys (`<<`) are not taken", hint=hint)
            else:
                yield key.value, place, YamlNode(self.file, value, self.problems)

    def entries(self) -> Iterator[Node]:
        """Its values."""
        for value in self.node.value:
            yield YamlNode(self.file, value, self.problems)


def parsed(source: Source, file: int, problems: Problems) -> Node | None:
    """The file's root; `None`, with a problem noted, where it cannot be read."""
    like_json = source.path.suffix.lower() == ".json"
    if like_json or source.text.lstrip().startswith("{"):
        try:
            return _json(source, file)
        except json.JSONDecodeError as error:
            # A YAML document may begin with a brace, too.
            if like_json:
                region = JsonText(file, source.text).region(error.pos)
                problems.add(region, "json", f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}")
                return None
        except RecursionError:
            place = Region(file, 1, 1, 1, 1)
            problems.add(place, "too-deep", "the document is nested too deeply", allowed=f"{MAX_DEPTH} levels")
            return None
    root, _ = compose(source, file, problems, depth=MAX_DEPTH)
    if root is None:
        if not any(problem.region.file == file for problem in problems.errors):
            problems.add(Region(file, 1, 1, 1, 1), "empty-file", "the document is empty")
        return None
    return YamlNode(file, root, problems)


def _json(source: Source, file: int) -> Node:
    text = JsonText(file, source.text)
    at = text.after_space(0)
    value, end = _DECODER.raw_decode(source.text, at)
    end = text.after_space(end)
    if end != len(source.text):
        raise json.JSONDecodeError("Something follows the document", source.text, end)
    return JsonNode(text, at, value)


def mapping(node: Node, problems: Problems) -> dict[str, tuple[Region, Node]]:
    """A mapping's members by key; a key that is said twice is refused."""
    found: dict[str, tuple[Region, Node]] = {}
    for key, region, value in node.members():
        if key in found:
            first = found[key][0].line
            problems.add(region, "duplicate-key", f"{shown(key)} is said twice; first on line {first}")
        else:
            found[key] = region, value
    return found


def _region(file: int, node: yaml.Node) -> Region:
    start, end = node.start_mark, node.end_mark
    line, column = start.line + 1, start.column + 1
    if isinstance(node, yaml.ScalarNode):
        return Region(file, line, column, end.line + 1, end.column + 1)
    return Region(file, line, column, line, column + 1)
