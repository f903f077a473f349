"""`docs/reference/tests.md` and the JSON Schema for editors, from the models of a table of tests."""

from __future__ import annotations

import json
from pathlib import Path

from lockgate.rehearsal.model import schema
from reference import NOTE
from reference.config_page import fields, walk

INTRODUCTION = """\
# Tables of tests

Every key of `lockgate.tests.yaml`, which `lockgate test` reads; [a guide](../guides/test-your-configuration.md) shows
how to use it. Unknown keys are errors. For editors, [the JSON Schema](lockgate.tests.schema.json) is what
`lockgate test --schema` prints: `# yaml-language-server: $schema=lockgate.tests.schema.json` as the first line.

"""


def files(_root: Path) -> dict[str, str]:
    """The page and the schema."""
    document = schema()
    parts = []
    for heading, node in walk(document):
        words = node.get("description", "")
        parts.append(f"## {heading}\n\n{words}\n\n{fields(node, document, '')}")
    return {
        "docs/reference/tests.md": NOTE + INTRODUCTION + "\n".join(parts),
        "docs/reference/lockgate.tests.schema.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
    }
