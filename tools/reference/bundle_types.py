"""`python/lockgate/config/bundle_types.py`, from the bundle's JSON Schema, which Rust declares."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from lockgate import _native

Schema = dict[str, Any]
HEAD = '''\
"""The bundle's types. Written by `make docs` from `crates/lockgate-proxy/src/bundle.rs`; changes here are lost."""

from __future__ import annotations

from typing import Literal, TypedDict
'''
PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, object]",
}


def files(_root: Path) -> dict[str, str]:
    """The module."""
    schema = json.loads(_native.bundle_schema())
    schema = renamed(schema, better_names(schema))
    definitions = {**schema.get("$defs", {}), schema["title"]: schema}
    made = [definition(name, node) for name, node in sorted(definitions.items())]
    source = HEAD + "".join(f"\n\n{each}" for each in made) + "\n"
    return {"python/lockgate/config/bundle_types.py": formatted(source)}


def better_names(schema: Schema) -> dict[str, str]:
    """Names for what is generic in Rust: `Placed2` around `Config2` is what stands under one policy's name."""
    names: dict[str, str] = {}
    for node in schema["$defs"].values():
        for variant in [node, *node.get("oneOf", [])]:
            for key, field in variant.get("properties", {}).items():
                for mentioned in set(re.findall(r"#/\$defs/(Placed\d*)\b", json.dumps(field))):
                    room = "".join(part.title() for part in key.split("_"))
                    names[mentioned] = f"Placed{room}"
                    config = schema["$defs"][mentioned]["properties"]["config"]["$ref"].rsplit("/", 1)[1]
                    names[config] = f"{room}Config"
    return names


def renamed(schema: Schema, names: dict[str, str]) -> Schema:
    """The schema with other names for its definitions."""
    mention = re.compile(r'"#/\$defs/(\w+)"')
    text = mention.sub(lambda found: f'"#/$defs/{names.get(found[1], found[1])}"', json.dumps(schema))
    better: Schema = json.loads(text)
    better["$defs"] = {names.get(name, name): node for name, node in better["$defs"].items()}
    return better


def formatted(source: str) -> str:
    """The source as ruff formats it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "bundle_types.py", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def definition(name: str, node: Schema) -> str:
    """A class, or a name for a union."""
    if "properties" in node:
        return mapping(name, node)
    variants = node.get("oneOf") or node.get("anyOf")
    if variants is None:
        return f'{name} = {kind(node)}\n"""{words(node)}"""'
    if all("const" in each or "enum" in each for each in variants):
        values = [value for each in variants for value in each.get("enum", [each.get("const")])]
        return f'{name} = Literal[{", ".join(json.dumps(value) for value in values)}]\n"""{words(node)}"""'
    # serde writes an enum's variant with content as a mapping of one key: its name.
    classes, names = [], []
    for each in variants:
        (key,) = each["properties"]
        names.append(name + "".join(part.title() for part in key.split("_")))
        classes.append(mapping(names[-1], each))
    return "\n\n\n".join([*classes, f'{name} = {" | ".join(names)}\n"""{words(node)}"""'])


def mapping(name: str, node: Schema) -> str:
    """A `TypedDict`."""
    lines = [f"class {name}(TypedDict):", f'    """{words(node)}"""', ""]
    required = set(node.get("required", []))
    for key, field in node["properties"].items():
        lines.append(f"    {key}: {kind(field, nullable=key not in required)}")
        if "description" in field:
            lines.append(f'    """{words(field)}"""')
    return "\n".join(lines)


def kind(node: Schema, *, nullable: bool = False) -> str:
    """A field's type. What Rust may leave out is always written, as null."""
    text = plain_kind(node)
    return f"{text} | None" if nullable and "None" not in text and "default" not in node else text


def plain_kind(node: Schema) -> str:
    """A field's type, as the schema has it."""
    if "$ref" in node:
        return str(node["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in node:
        return " | ".join(plain_kind(each) for each in node["anyOf"])
    if "const" in node:
        return f"Literal[{json.dumps(node['const'])}]"
    if isinstance(node.get("type"), list):
        return " | ".join(plain_kind({**node, "type": each}) for each in node["type"])
    if node.get("type") == "array":
        return f"list[{plain_kind(node['items'])}]"
    if isinstance(node.get("additionalProperties"), dict):
        return f"dict[str, {plain_kind(node['additionalProperties'])}]"
    return PLAIN[node["type"]]


def words(node: Schema) -> str:
    """A description as a docstring has it: one line, with a full stop."""
    text = " ".join(str(node.get("description", "See the Rust type.")).split())
    text = text.replace("[`", "`").replace("`]", "`").replace("\\", "\\\\")
    return text if text.endswith((".", "!", "?")) else text + "."
