"""From nodes to plain data, each value keeping its place in the file.

Here, after parsing, references are resolved and what YAML allows but a
configuration does not is refused: tags, merge keys, empty values, keys said
twice, aliases that multiply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from lockgate.config.problems import Problems, Region
from lockgate.config.references import References, may_be_secret
from lockgate.scalars import REFERENCE, shown

MAX_PATH: Final = 64
"""Deeper than any document that `compose` lets through; only an alias within its own anchor leads there."""

MAX_ALIASED: Final = 20_000
"""Values that aliases may add. PyYAML and ruamel.yaml have no bound; nine lines can then make 10^9 values."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_STARTS: Final = frozenset("0123456789+-.")
_INT: Final = re.compile(r"[-+]?[0-9]{1,400}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_TAG: Final = re.compile(r"(?:&\S+\s+)?(!\S*)")


EMPTY = "write one (indent what belongs to it further than its name), or take the line out to have the default"


class Item:
    """A value with its place: what pydantic reads, and where a problem of it is shown."""

    __slots__ = ("children", "data", "file", "key", "node", "whole")

    def __init__(self, file: int, key: yaml.Node | None, node: yaml.Node) -> None:
        self.file = file
        self.key = key
        self.node = node
        self.data: Any = None
        self.children: dict[str, Item] | list[Item] | None = None
        self.whole = True
        """Whether the value could be read; a broken one is left out of its parent's data."""

    @property
    def region(self) -> Region:
        """The value itself where it is one token; else the key that holds it; else its first character."""
        if isinstance(self.node, yaml.ScalarNode):
            # An empty value has no width, and its key is what a reader looks for.
            return self.key_region if self.node.value == "" and not self.node.style else self.value_region
        return self.key_region

    @property
    def key_region(self) -> Region:
        """The key, or what there is instead."""
        return _region(self.file, self.key) if self.key is not None else self.value_region

    @property
    def value_region(self) -> Region:
        """The value; of a collection, its first character."""
        if isinstance(self.node, yaml.ScalarNode):
            return _region(self.file, self.node)
        start = self.node.start_mark
        return Region(self.file, start.line + 1, start.column + 1, start.line + 1, start.column + 2)

    def find(self, path: Sequence[object]) -> tuple[Item, int]:
        """The item that lies deepest along the path, and how many steps of it were found."""
        item, depth, _ = self._walk(path)
        return item, depth

    def standing(self, path: Sequence[object]) -> list[object]:
        """The path without the steps that a short form leaves out."""
        _, depth, walked = self._walk(path)
        return [*walked, *path[depth:]]

    def _walk(self, path: Sequence[object]) -> tuple[Item, int, list[object]]:
        item, walked = self, list[object]()
        for depth, step in enumerate(path):
            children = item.children
            below: Item | None = None
            if isinstance(children, dict) and isinstance(step, str):
                below = children.get(step)
            elif isinstance(children, list) and isinstance(step, int) and step < len(children):
                below = children[step]
            if below is None and step in LEFT_OUT and isinstance(children, dict | list):
                continue
            if below is None and step == 0 and not isinstance(children, list):
                continue  # One thing, in place of a list of them.
            if below is None:
                return item, depth, walked
            item = below
            walked.append(step)
        return item, len(path), walked


LEFT_OUT: Final = frozenset({"caps", "opens", "rules"})
"""Keys that short forms leave out: what is below one stands beside its neighbours, or in its place."""


class Reading:
    """One file's nodes becoming items."""

    def __init__(self, file: int, nodes: int, problems: Problems, references: References) -> None:
        self.file = file
        self.left = nodes + MAX_ALIASED
        self.problems = problems
        self.references = references
        self.too_many = False

    def item(self, key: yaml.Node | None, node: yaml.Node, path: tuple[str | int, ...]) -> Item:
        """The node, and all below it."""
        item = Item(self.file, key, node)
        self.left -= 1
        if self.left < 0 or len(path) > MAX_PATH:
            self._refuse_aliases(item, node)
        elif node.tag:
            self._refuse_tag(item, path)
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(item, node, path)
        elif isinstance(node, yaml.MappingNode):
            self._mapping(item, node, path)
        else:
            self._sequence(item, node, path)
        return item

    def _scalar(self, item: Item, node: yaml.ScalarNode, path: tuple[str | int, ...]) -> None:
        text: str = node.value
        if "${" in text:
            found = self.references.resolve(text, item, path)
            item.whole = found is not None
            item.data = found
        elif node.style:
            item.data = text
        elif text in _NULL:
            item.whole = False
            self._refuse_empty(item, path)
        else:
            item.data = plain(text)
        if may_be_secret(path) and not REFERENCE.fullmatch(text):
            self.problems.sources[self.file].conceal(item.value_region)

    def _mapping(self, item: Item, node: yaml.MappingNode, path: tuple[str | int, ...]) -> None:
        children: dict[str, Item] = {}
        data: dict[str, Any] = {}
        item.children, item.data = children, data
        for key, value in node.value:
            name = self._key(key, path)
            if name is None:
                continue
            child = self.item(key, value, (*path, name))
            if name in children:
                self._refuse_repeated(child, children[name], name, path)
                continue
            children[name] = child
            if child.whole:
                data[name] = child.data

    def _sequence(self, item: Item, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        children = [self.item(None, value, (*path, index)) for index, value in enumerate(node.value)]
        item.children = children
        # A broken entry keeps its place, so that the others' positions still fit;
        # what the models say of it is left out, since it was already told.
        item.data = [child.data for child in children]

    def _key(self, key: yaml.Node, path: tuple[str | int, ...]) -> str | None:
        if not isinstance(key, yaml.ScalarNode) or key.tag:
            self.problems.add(_region(self.file, key), "yaml-key", "a key must be a plain word", path=path)
            return None
        name: str = key.value
        if name == "<<":
            self.problems.add(
                _region(self.file, key),
                "yaml-merge-key",
                "merge keys (`<<`) are not taken",
                hint="policies that APIs share, such as `ip_filter`, go under `defaults`; write the rest out, or give "
                "a value a name: `authenticate: &who [api_key]`, then `authenticate: *who`",
                path=path,
            )
            return None
        if not name or "${" in name:
            what = "a key is empty" if not name else "a key cannot be a reference"
            self.problems.add(_region(self.file, key), "yaml-key", what, hint="write the name itself", path=path)
            return None
        return name

    def _refuse_repeated(self, item: Item, first: Item, name: str, path: tuple[str | int, ...]) -> None:
        self.problems.add(
            item.key_region,
            "duplicate-key",
            f"{shown(name)} is said twice; first on line {first.key_region.line}",
            hint="keep one of them",
            path=(*path, name),
        )

    def _refuse_empty(self, item: Item, path: tuple[str | int, ...]) -> None:
        what = f"{shown(path[-1])} has no value" if path and isinstance(path[-1], str) else "this entry is empty"
        self.problems.add(item.region, "empty-value", what, hint=EMPTY, path=path)

    def _refuse_tag(self, item: Item, path: tuple[str | int, ...]) -> None:
        start = item.node.start_mark
        line = self.problems.sources[self.file].line(start.line + 1)
        found = _TAG.match(line, start.column)
        width = len(found[0]) if found else 1
        item.whole = False
        self.problems.add(
            Region(self.file, start.line + 1, start.column + 1, start.line + 1, start.column + 1 + width),
            "yaml-tag",
            f"tags such as {shown(found[1] if found else '!')} are not taken",
            hint="take it out; if it is part of a text, put the text in quotes",
            path=path,
        )

    def _refuse_aliases(self, item: Item, node: yaml.Node) -> None:
        item.whole = False
        if not self.too_many:
            self.too_many = True
            self.problems.add(
                _region(self.file, node),
                "too-many-aliases",
                "aliases (`*name`) make this document far larger than it is written",
                allowed=f"{MAX_ALIASED} values by aliases, and none that holds itself",
            )


def plain(text: str) -> str | int | float | bool:
    """What a plain scalar means by YAML 1.2's core schema (without its hexadecimal, octal and infinite numbers)."""
    if text[0] in _NUMBER_STARTS:
        if _INT.fullmatch(text):
            return int(text)
        # What is beyond every number stays the text that was written, for the message that refuses it.
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        return text
    return _BOOL.get(text, text)


def _region(file: int, node: yaml.Node) -> Region:
    start, end = node.start_mark, node.end_mark
    return Region(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
