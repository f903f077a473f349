"""Which fields an operation's answers have, as its document describes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from lockgate.config.openapi.files import Files
from lockgate.config.openapi.nodes import Node
from lockgate.config.openapi.operations import ApiDocument, DocumentOperation

MAX_DEPTH: Final = 8
MAX_FIELDS: Final = 500
"""Of one operation."""
_JSON: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_GOOD: Final = re.compile(r"2\d\d|2XX|default", re.IGNORECASE)
_CHOICES: Final = ("allOf", "anyOf", "oneOf")


def fields(files: Files, document: ApiDocument) -> dict[str, list[str]]:
    """The fields of each operation's answers as JSON Pointers; `*` stands for every entry of a list."""
    reader = _Reader(files, document)
    return {one.name: reader.of(one) for one in document.operations}


class _Reader:
    def __init__(self, files: Files, document: ApiDocument) -> None:
        self._files = files
        self._within = document.path.parent

    def of(self, one: DocumentOperation) -> list[str]:
        found: dict[str, None] = {}
        for status, answer in self._members(one.members.get("responses")).items():
            if not _GOOD.fullmatch(status):
                continue
            for kind, content in self._members(self._members(answer).get("content")).items():
                if _JSON.fullmatch(kind.partition(";")[0].strip()):
                    for pointer in self._walk(self._members(content).get("schema"), "", MAX_DEPTH):
                        found[pointer] = None
                        if len(found) == MAX_FIELDS:
                            return list(found)
        return list(found)

    def _walk(self, node: Node | None, pointer: str, depth: int) -> Iterator[str]:
        members = self._members(node)
        if not members or depth == 0:
            return
        for choice in _CHOICES:
            for entry in self._entries(members.get(choice)):
                yield from self._walk(entry, pointer, depth - 1)
        if "items" in members:
            yield from self._walk(members["items"], f"{pointer}/*", depth - 1)
        for name, value in self._members(members.get("properties")).items():
            here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            inner = list(self._walk(value, here, depth - 1))
            yield from inner or [here]

    def _entries(self, node: Node | None) -> Sequence[Node]:
        return list(node.entries()) if node is not None and node.kind == "list" else ()

    def _members(self, node: Node | None) -> dict[str, Node]:
        led = self._files.follow(node, self._within) if node is not None else None
        if led is None or led.kind != "mapping":
            return {}
        return {key: value for key, _, value in led.members()}
