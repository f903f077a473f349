"""The columns of the history, from the event's own schema: a field that an event gains is a column at once."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, Final

from lockgate._native import event_schema

_INTEGERS: Final = {"uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT"}

Schema = Mapping[str, Any]


@functools.cache
def columns() -> dict[str, str]:
    """DuckDB's type of each field of an event's JSON form."""
    document = json.loads(event_schema())
    found: dict[str, str] = {}
    for node in (document, *document["oneOf"]):
        for name, field in _fields(node, document).items():
            found.setdefault(name, _type(field, document))
    return found


def as_struct() -> str:
    """The columns, as `read_json` wants them."""
    return "{" + ", ".join(f"{quoted(name)}: '{kind}'" for name, kind in columns().items()) + "}"


def quoted(name: str) -> str:
    """A name, as SQL takes any."""
    return '"' + name.replace('"', '""') + '"'


def _fields(node: Schema, document: Schema) -> dict[str, Schema]:
    own = dict(node.get("properties", {}))
    return {**_fields(_named(node["$ref"], document), document), **own} if "$ref" in node else own


def _named(reference: str, document: Schema) -> Schema:
    found: Schema = document["$defs"][reference.rsplit("/", 1)[1]]
    return found


def _type(node: Schema, document: Schema) -> str:
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _type(choice, document)
    if "$ref" in node:
        return _type(_named(node["$ref"], document), document)
    kinds = node.get("type")
    kind = next((one for one in kinds if one != "null"), None) if isinstance(kinds, list) else kinds
    if kind is None and {choice.get("type") for choice in node.get("oneOf", ())} == {"string"}:
        kind = "string"
    if kind is None and isinstance(node.get("const"), str):
        kind = "string"
    if kind == "string":
        return "VARCHAR"
    if kind == "integer":
        return _INTEGERS.get(str(node.get("format")), "BIGINT")
    if kind == "array":
        return f"{_type(node['items'], document)}[]"
    if kind == "object" and node.get("properties"):
        # In one order, whatever the schema's: what was written before has it.
        named = sorted(node["properties"].items())
        fields = (f"{quoted(name)} {_type(field, document)}" for name, field in named)
        return f"STRUCT({', '.join(fields)})"
    return {"boolean": "BOOLEAN", "number": "DOUBLE"}.get(str(kind), "JSON")
