"""What an operation's path, query and body hold, as far as its document says it in kinds that policies can compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from lockgate.config import bundle_types as types
from lockgate.config.openapi.files import Files
from lockgate.config.openapi.nodes import Node
from lockgate.config.openapi.operations import ApiDocument, DocumentOperation

MAX_DEPTH: Final = 6
"""Objects within objects that are looked into."""
MAX_FIELDS: Final = 200
"""Of one object."""
_NAMED: Final = re.compile(r"\{([^{}]+)\}")
_JSON: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_SCALARS: Final[Mapping[str, types.Scalar]] = {"string": "text", "integer": "whole", "boolean": "truth"}

Members = dict[str, Node]


class OperationShapes(NamedTuple):
    """What one operation is asked for with."""

    name: str
    method: str
    paths: list[str]
    """Its path templates, each with a base of the document before it."""
    path: list[types.Field]
    query: list[types.Field]
    body: list[types.Field] | None
    """What a JSON object in its body holds; none where there is no such body."""
    body_required: bool


def shapes(files: Files, document: ApiDocument) -> list[OperationShapes]:
    """Those of a document's operations."""
    reader = _Reader(files, document)
    return [reader.operation(one) for one in document.operations]


def merged(found: Iterable[OperationShapes]) -> list[OperationShapes]:
    """One for each name: what versions of an API say differently of an operation is said of neither."""
    made: dict[str, OperationShapes] = {}
    for one in found:
        before = made.get(one.name)
        if before is None:
            made[one.name] = one
            continue
        both = before.body is not None and one.body is not None
        made[one.name] = OperationShapes(
            one.name,
            one.method,
            list(dict.fromkeys([*before.paths, *one.paths])),
            _common(before.path, one.path),
            _common(before.query, one.query),
            _common(before.body or [], one.body or []) if both else None,
            before.body_required and one.body_required,
        )
    return list(made.values())


def _common(some: list[types.Field], others: list[types.Field]) -> list[types.Field]:
    known = {one["name"]: one for one in others}
    return [
        {**one, "required": one["required"] and known[one["name"]]["required"]}
        for one in some
        if one["name"] in known and known[one["name"]]["shape"] == one["shape"]
    ]


class _Reader:
    def __init__(self, files: Files, document: ApiDocument) -> None:
        self.files = files
        self.within = document.path.parent
        self.bases = document.bases

    def operation(self, one: DocumentOperation) -> OperationShapes:
        parameters = {**self._parameters(one.beside), **self._parameters(one.members)}
        body, required = self._body(one.members.get("requestBody"))
        query = [
            field
            for (where, name), members in parameters.items()
            if where == "query" and (field := self._parameter(name, members)) is not None
        ]
        paths = [base + one.path for base in (self.bases if one.bases is None else one.bases)]
        return OperationShapes(one.name, one.method, paths, self._path(one, parameters), query, body, required)

    def _path(self, one: DocumentOperation, parameters: Mapping[tuple[str, str], Members]) -> list[types.Field]:
        fields: list[types.Field] = []
        for segment in one.path.split("/"):
            names = _NAMED.findall(segment)
            # A segment with several names tells none of them.
            if len(names) != 1:
                continue
            shape = self._shape(parameters.get(("path", names[0]), {}).get("schema"), MAX_DEPTH)
            scalar: types.Shape = shape if shape is not None and "one" in shape else {"one": "text"}
            fields.append({"name": names[0], "shape": scalar, "required": True})
        return list({field["name"]: field for field in fields}.values())

    def _parameters(self, members: Members) -> dict[tuple[str, str], Members]:
        node = members.get("parameters")
        found: dict[tuple[str, str], Members] = {}
        for entry in node.entries() if node is not None and node.kind == "list" else ():
            said = self._members(entry)
            where, name = _text(said, "in"), _text(said, "name")
            if where and name and len(found) < MAX_FIELDS:
                found[where, name] = said
        return found

    def _parameter(self, name: str, members: Members) -> types.Field | None:
        shape = self._shape(members.get("schema"), MAX_DEPTH)
        if shape is None or "record" in shape:
            return None
        exploded = members["explode"].scalar is not False if "explode" in members else True
        if "many" in shape and (not exploded or _text(members, "style") not in {"", "form"}):
            shape = {"one": "text"}  # Its entries stand in one text.
        required = "required" in members and members["required"].scalar is True
        return {"name": name, "shape": shape, "required": required}

    def _body(self, node: Node | None) -> tuple[list[types.Field] | None, bool]:
        members = self._members(node)
        content = self._members(members.get("content"))
        kinds = [kind for kind in content if _JSON.fullmatch(kind.partition(";")[0].strip())]
        if not kinds:
            return None, False
        shape = self._shape(self._members(content[kinds[0]]).get("schema"), MAX_DEPTH)
        required = "required" in members and members["required"].scalar is True
        # Where other kinds are taken, it need not be JSON; policies that look at it refuse what is not.
        return (list(shape["record"]), required) if shape is not None and "record" in shape else (None, False)

    def _shape(self, node: Node | None, depth: int) -> Any:
        members = self._members(node)
        if not members or depth == 0:
            return None
        kind = _kind(members)
        if kind in _SCALARS:
            return {"one": _SCALARS[kind]}
        if kind == "array":
            inner = self._shape(members.get("items"), depth - 1)
            return {"many": inner["one"]} if inner is not None and "one" in inner else None
        parts = self._all_of(members, depth)
        if kind == "object" or "properties" in members or parts:
            own = self._object(members, depth)
            fields = {field["name"]: field for field in (*parts, *own)}
            return {"record": list(fields.values())[:MAX_FIELDS]} if fields else None
        return None

    def _all_of(self, members: Members, depth: int) -> list[types.Field]:
        node = members.get("allOf")
        entries = list(node.entries()) if node is not None and node.kind == "list" else []
        made: list[types.Field] = []
        for entry in entries[:MAX_FIELDS]:
            shape = self._shape(entry, depth - 1)
            made += shape["record"] if shape is not None and "record" in shape else []
        return made

    def _object(self, members: Members, depth: int) -> list[types.Field]:
        node = members.get("required")
        listed = node.entries() if node is not None and node.kind == "list" else ()
        required = {entry.scalar for entry in listed}
        made: list[types.Field] = []
        for name, value in list(self._members(members.get("properties")).items())[:MAX_FIELDS]:
            shape = self._shape(value, depth - 1)
            if shape is not None:
                made.append({"name": name, "shape": shape, "required": name in required})
        return made

    def _members(self, node: Node | None) -> Members:
        led = self.files.follow(node, self.within) if node is not None else None
        if led is None or led.kind != "mapping":
            return {}
        return {key: value for key, _, value in led.members()}


def _text(members: Members, key: str) -> str:
    found = members[key].scalar if key in members else None
    return found if isinstance(found, str) else ""


def _kind(members: Members) -> str:
    node = members.get("type")
    if node is None:
        return "string" if "enum" in members and _all_texts(members["enum"]) else ""
    if node.kind != "list":
        return node.scalar if isinstance(node.scalar, str) else ""
    # `[string, "null"]` of OpenAPI 3.1: what is null is taken for not there.
    kinds = [entry.scalar for entry in node.entries() if entry.scalar != "null"]
    return str(kinds[0]) if len(kinds) == 1 else ""


def _all_texts(node: Node) -> bool:
    return node.kind == "list" and all(isinstance(entry.scalar, str) for entry in node.entries())
