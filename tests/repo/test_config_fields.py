"""Every key of the configuration says what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lockgate.config.models import schema


def fields(schema_: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, node in {"": schema_, **schema_["$defs"]}.items():
        for key, field in node.get("properties", {}).items():
            # pydantic leaves the words to the definition where both say the same.
            meant = schema_["$defs"][field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else {}
            yield f"{name}.{key}", {**meant, **field}


FIELDS = dict(fields(schema()))


def test_there_are_fields() -> None:
    assert len(FIELDS) > 40


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_is_described(name: str) -> None:
    field = FIELDS[name]
    assert field.get("description", "").rstrip().endswith("."), "a description is a sentence"
    assert field.get("examples"), "an example tells more than a type"


def test_unknown_keys_are_refused_everywhere() -> None:
    document = schema()
    open_ones = [
        name
        for name, node in {"the document": document, **document["$defs"]}.items()
        if "properties" in node and node.get("additionalProperties") is not False
    ]
    assert not open_ones
