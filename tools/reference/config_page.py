"""`docs/reference/config.md` and the JSON Schema for editors, from the configuration's models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lockgate.config.models import schema
from reference import NOTE
from reference.markdown import anchor, flow, table

Schema = dict[str, Any]
ROOMS = {
    "IpFilter": "ip_filter",
    "ApiKey": "api_key",
    "Apps": "apps",
    "Basic": "basic",
    "Introspection": "introspection",
    "Jwt": "jwt",
    "Mtls": "mtls",
    "Objects": "objects",
    "Enumeration": "enumeration",
    "Properties": "properties",
    "Minimise": "minimise",
    "BodyLimit": "body_limit",
    "Cedar": "cedar",
    "Compress": "compress",
    "Cors": "cors",
    "Opa": "decide",
    "ExtAuthz": "decide",
    "Device": "device",
    "Grpc": "grpc",
    "Headers": "headers",
    "Inflate": "inflate",
    "Limit": "limits",
    "Plugin": "plugins",
    "Redirect": "redirect",
    "Rewrite": "rewrite",
    "Risk": "risk",
    "Roles": "roles",
    "Scopes": "scopes",
    "Session": "session",
    "Signature": "signature",
    "StepUp": "step_up",
    "Users": "users",
    "Waf": "waf",
    "Webhook": "webhook",
    "WebSocket": "websocket",
}

INTRODUCTION = """\
# Configuration

Every key of `lockgate.yaml`. Unknown keys are errors; `lockgate check` reports mistakes with their places, as many
together as can be seen: only what cannot be read at all (a slip of syntax, a value of the wrong kind) may hide a
mistake of meaning until it is mended.
For editors, [the JSON Schema](lockgate.schema.json) is what `lockgate config schema` prints.

- An API that says who is known (`authenticate`) must say with `authorize` what they may do.
- Sizes: `10MiB`, `32KiB` (1024), `1GB` (1000), or plain bytes. Durations: `500ms`, `10s`, `5m`, `24h`, `7d`. Rates:
  `1KiB/s`. Days: `2027-01-01`, which ends the exception at 00:00 UTC of that day.
- `${env:NAME}` and `${file:path}` stand for a whole value, and are resolved after the file was parsed.

"""


def files(_root: Path) -> dict[str, str]:
    """The page and the schema."""
    document = schema()
    sections = [section(heading, node, document) for heading, node in walk(document)]
    return {
        "docs/reference/config.md": NOTE + INTRODUCTION + "\n".join(sections),
        "docs/reference/lockgate.schema.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
    }


def walk(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Each mapping of the document once, in the order in which a reader meets it."""
    yield "The document", document
    for name in met(document, document, set()):
        yield heading_of(name, document), document["$defs"][name]


def met(node: Any, document: Schema, seen: set[str]) -> Iterator[str]:
    """Names of definitions in the order of their first mention; those mentioned by one follow it."""
    properties = node.get("properties", {})
    direct = [name for field in properties.values() for name in references(field) if name not in seen]
    for name in dict.fromkeys(direct):
        if name not in seen:
            seen.add(name)
            yield name
            yield from met(document["$defs"][name], document, seen)


def references(node: Any) -> Iterator[str]:
    """Definitions that a field's schema mentions."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rsplit("/", 1)[1]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def heading_of(name: str, document: Schema) -> str:
    """Where a definition stands in a file: `listeners.*.limits`, or a policy's name."""
    if name in ROOMS:
        return ROOMS[name]
    places = list(dict.fromkeys(".".join(place) for place in places_of(name, document, document, (), ())))
    return places[0] if len(places) == 1 else name.lower()


def places_of(
    name: str, node: Schema, document: Schema, path: tuple[str, ...], inside: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """Every path from the document to a definition."""
    for key, field in node.get("properties", {}).items():
        step = (*path, key, "*") if "additionalProperties" in field else (*path, key)
        for mentioned in references(field):
            if mentioned == name:
                yield step
            elif mentioned not in inside:
                yield from places_of(name, document["$defs"][mentioned], document, step, (*inside, mentioned))


def section(heading: str, node: Schema, document: Schema) -> str:
    """A mapping's heading, words and table."""
    room = heading if heading in ROOMS.values() else None
    title = f"## {heading}" if heading == "The document" else f"## `{heading}`"
    more = f" See [its page](../policies/{room}.md)." if room else ""
    return f"{title}\n\n{node.get('description', '')}{more}\n\n{fields(node, document, '')}"


def fields(node: Schema, document: Schema, page: str) -> str:
    """The table of a mapping's fields. `page` is where the other sections are, if not on the same page."""
    required = set(node.get("required", []))
    rows = []
    for key, field in node["properties"].items():
        headings = [heading_of(name, document) for name in dict.fromkeys(references(field))]
        links = ", ".join(f"[{heading}]({page}#{anchor(heading)})" for heading in headings)
        words = description(field, document) + (f" → {links}" if links else "")
        rows.append([f"`{key}`", default(key, field, required), words, example(field)])
    return table(["Field", "Default", "What it says", "Example"], rows)


def description(field: Schema, document: Schema) -> str:
    """A field's words; pydantic leaves them to the definition where both say the same."""
    mentioned = next(references(field), None)
    return str(field.get("description") or (document["$defs"][mentioned].get("description", "") if mentioned else ""))


def default(key: str, field: Schema, required: set[str]) -> str:
    """What holds when the field is left out."""
    if key in required:
        return "must be given"
    value = field.get("default")
    if "$ref" in field and "default" in field:
        return "its own defaults"
    return "none" if value in (None, [], {}) else f"`{flow(value)}`"


def example(field: Schema) -> str:
    """The first example."""
    examples = field.get("examples", [])
    return f"`{flow(examples[0])}`" if examples else ""
