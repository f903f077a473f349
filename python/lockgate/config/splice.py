"""Replaces one section of a configuration's text, and leaves every other character as it stands.

A person's comments and order survive that way, which no writer of whole
documents could promise. What comes out is checked as any configuration is:
nothing here needs to know what a section means.
"""

from __future__ import annotations

from typing import Final

import yaml

MAX_DEPTH: Final = 2
"""A section (`events`), or one thing by its name in it (`apis.shop`)."""


class SpliceError(ValueError):
    """The text does not allow it; the message says why."""


def splice(text: str, path: tuple[str, ...], value: str | None) -> str:
    """The text with `value` (YAML) at the path; `None` takes it out."""
    if not 0 < len(path) <= MAX_DEPTH or not all(path):
        raise SpliceError("a section is a name, or a name and one below it")
    mapping = _mapping(text)
    where = _find(mapping, path[0])
    if len(path) == 1:
        return _put(text, path[0], where, value, indent=0)
    if where is None:
        if value is None:
            raise SpliceError(f"there is no {path[0]}")
        return _appended(text, 0, path[0], f"{path[1]}:\n{_indented(value, 2)}")
    key, section = where
    if not isinstance(section, yaml.MappingNode) or section.flow_style:
        if isinstance(section, yaml.ScalarNode) and section.value == "" and value is not None:
            return _put(text, path[0], where, f"{path[1]}:\n{_indented(value, 2)}", indent=0)
        raise SpliceError(f"`{path[0]}` is written on one line, in braces: change the whole section, or the file")
    indent = section.start_mark.column
    found = _find(section, path[1])
    if found is not None or value is None:
        if value is None and found is not None and len(section.value) == 1:
            return _put(text, path[0], (key, section), "{}", indent=0)
        return _put(text, path[1], found, value, indent=indent)
    end = end_of(text, section)
    return _appended(text[:end], indent, path[1], value) + text[end:]


def value_of(text: str, path: tuple[str, ...]) -> str | None:
    """The text of the section, as it stands; `None` where there is none."""
    node: yaml.Node | None = _mapping(text)
    in_braces = False
    for name in path:
        mapping = node if isinstance(node, yaml.MappingNode) else None
        in_braces = mapping is not None and bool(mapping.flow_style)
        found = _find(mapping, name) if mapping is not None else None
        node = found[1] if found is not None else None
    if node is None:
        return None
    if in_braces:  # What follows on the line is its neighbours'.
        return text[node.start_mark.index : node.end_mark.index] + "\n"
    lines = text[_line_start(text, node.start_mark.index) : end_of(text, node)]
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return "".join(line[node.start_mark.column :] if line.strip() else line for line in lines.splitlines(True))
    return text[node.start_mark.index : end_of(text, node)].rstrip("\n") + "\n"


def end_of(text: str, node: yaml.Node) -> int:
    """Where the entry ends: behind its last line.

    A block's end mark stands at what comes after it; empty lines and comments between the two are left to that.
    """
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        newline = text.find("\n", node.end_mark.index)
        block_scalar = node.end_mark.column == 0 and node.end_mark.index > node.start_mark.index
        if block_scalar:
            return node.end_mark.index
        return len(text) if newline < 0 else newline + 1
    if not node.value:
        return len(text)
    last = node.value[-1]
    if isinstance(last, tuple) and last[1].start_mark.index < last[0].end_mark.index:
        # An alias: what it stands for is written before.
        newline = text.find("\n", last[0].end_mark.index)
        return len(text) if newline < 0 else newline + 1
    if not isinstance(last, tuple) and last.start_mark.index < node.start_mark.index:
        raise SpliceError("a list ends with an alias (`- *name`): where that is written cannot be told")
    return end_of(text, last[1] if isinstance(last, tuple) else last)


def _mapping(text: str) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SpliceError("the file as it stands is not YAML: change it as a whole") from error
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise SpliceError("the file as it stands is not a block of sections: change it as a whole")
    return root


def _find(mapping: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((key, value) for key, value in mapping.value if key.value == name), None)


def _put(
    text: str,
    name: str,
    where: tuple[yaml.Node, yaml.Node] | None,
    value: str | None,
    *,
    indent: int,
) -> str:
    """Replace the entry, or take it out, or add it at the end of the text."""
    if where is None:
        if value is None:
            raise SpliceError(f"there is no {name}")
        return _appended(text, indent, name, value)
    key, node = where
    begin, end = _line_start(text, key.start_mark.index), end_of(text, node)
    if text[begin : key.start_mark.index].strip():
        raise SpliceError(f"`{name}` does not begin a line: change the section around it")
    return text[:begin] + ("" if value is None else _entry(indent, name, value)) + text[end:]


def _entry(indent: int, name: str, value: str) -> str:
    try:
        node = yaml.compose(value, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SpliceError(f"the new value is not YAML: {' '.join(str(error).split())[:200]}") from error
    spaces = " " * indent
    if node is None or isinstance(node, yaml.ScalarNode) or (isinstance(node, yaml.CollectionNode) and node.flow_style):
        if "\n" in value.strip("\n"):
            raise SpliceError("a value on several lines is a block: write it as a mapping or a list")
        return f"{spaces}{name}: {value.strip() or '{}'}\n"
    return f"{spaces}{name}:\n{_indented(value, indent + 2)}"


def _appended(text: str, indent: int, name: str, value: str) -> str:
    return text + ("" if not text or text.endswith("\n") else "\n") + _entry(indent, name, value)


def _indented(value: str, by: int) -> str:
    lines = value.rstrip("\n").splitlines()
    return "".join(f"{' ' * by}{line}\n" if line.strip() else "\n" for line in lines)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1
