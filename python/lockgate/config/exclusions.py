"""Adds an exclusion to an API's `waf`, and leaves every other character of the file as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lockgate.config.document import Document
from lockgate.config.splice import SpliceError, end_of
from lockgate.config.tree import Item

Entry = Mapping[str, object]
KEY: Final = "exclude"


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it would be."""

    path: Path
    before: str
    after: str


def written(document: Document, api: str, entries: Sequence[Entry], inherited: Sequence[Entry]) -> Written:
    """The file that says the API, with these exclusions in it.

    `inherited` are those of `defaults`, which the API's own list replaces: they are said again in it.
    Raises `SpliceError` where the file's form does not allow it.
    """
    item = document.item("apis", api)
    if item is None:
        raise SpliceError(f"no file says the API `{api}`")
    source = document.problems.sources[item.file]
    text = source.text
    newline = "\r\n" if "\r\n" in text else "\n"
    _not_elsewhere(item.key, item.node, api)
    after = _in_api(text, item, entries, inherited).replace("\r\n", "\n").replace("\n", newline)
    return Written(source.path, text, after)


def line(entry: Entry) -> str:
    """An exclusion on one line."""
    return yaml.safe_dump(
        dict(entry), default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    ).strip()


def _in_api(text: str, api: Item, entries: Sequence[Entry], inherited: Sequence[Entry]) -> str:
    node = api.node
    if not isinstance(node, yaml.MappingNode):
        raise SpliceError("the API is written in a form that nothing can be added to")
    key, waf = _child(node, "waf")
    if waf is None or _empty(waf):
        every = [*inherited, *entries]
        if node.flow_style:
            return _into_braces(text, node, f"waf: {{{KEY}: [{', '.join(map(line, every))}]}}")
        indent = _indent(node)
        items = "".join(f"{' ' * (indent + 4)}- {line(one)}\n" for one in every)
        block = f"{' ' * indent}waf:\n{' ' * (indent + 2)}{KEY}:\n{items}"
        if key is not None and waf is not None:
            begin = text.rfind("\n", 0, key.start_mark.index) + 1
            return text[:begin] + block + text[_line_end(text, key.end_mark.index) :]
        return _behind(text, node, block)
    _not_elsewhere(key, waf, "waf")
    if not isinstance(waf, yaml.MappingNode):
        raise SpliceError("`waf` is written in a form that nothing can be added to")
    list_key, found = _child(waf, KEY)
    if found is None or _empty(found):
        every = [*inherited, *entries]
        if waf.flow_style:
            if list_key is not None:
                raise SpliceError(f"`{KEY}` says nothing; take it out first")
            return _into_braces(text, waf, f"{KEY}: [{', '.join(map(line, every))}]")
        indent = _indent(waf)
        block = f"{' ' * indent}{KEY}:\n" + "".join(f"{' ' * (indent + 2)}- {line(one)}\n" for one in every)
        if list_key is not None:
            begin = text.rfind("\n", 0, list_key.start_mark.index) + 1
            return text[:begin] + block + text[_line_end(text, list_key.end_mark.index) :]
        return _behind(text, waf, block)
    _not_elsewhere(list_key, found, KEY)
    if not isinstance(found, yaml.SequenceNode):
        raise SpliceError(f"`{KEY}` is no list")
    if found.flow_style:
        return _into_braces(text, found, ", ".join(map(line, entries)))
    indent = found.start_mark.column
    return _behind(text, found, "".join(f"{' ' * indent}- {line(one)}\n" for one in entries))


def _child(node: yaml.MappingNode, name: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    pairs: Any = node.value
    return next(((key, value) for key, value in pairs if key.value == name), (None, None))


def _empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.start_mark.index == node.end_mark.index


def _indent(node: yaml.MappingNode) -> int:
    """Where the keys of a block stand."""
    return int(node.value[0][0].start_mark.column)


def _not_elsewhere(key: yaml.Node | None, value: yaml.Node, name: str) -> None:
    """What an alias stands for is written before it, and others may have it as well."""
    if key is not None and value.start_mark.index < key.end_mark.index:
        raise SpliceError(
            f"`{name}` is an alias (`*name`) of what stands in line {value.start_mark.line + 1}, "
            "and others may have it too"
        )


def _behind(text: str, node: yaml.Node, block: str) -> str:
    end = end_of(text, node)
    before = text[:end]
    return before + ("" if not before or before.endswith("\n") else "\n") + block + text[end:]


def _into_braces(text: str, node: yaml.CollectionNode, more: str) -> str:
    """Before the closing brace, behind what stands there."""
    end = node.end_mark.index - 1
    inside = text[node.start_mark.index + 1 : end]
    if "#" in inside:
        raise SpliceError("comments stand between the braces")
    kept = inside.rstrip()
    between = ", " if kept.strip() and not kept.endswith(",") else " " if kept.endswith(",") else ""
    return (
        text[: node.start_mark.index + 1]
        + kept
        + between
        + more
        + text[len(inside.rstrip()) + node.start_mark.index + 1 :]
    )


def _line_end(text: str, index: int) -> int:
    newline = text.find("\n", index)
    return len(text) if newline < 0 else newline + 1
