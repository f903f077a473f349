"""The models' own words: every example is taken, and the schema tells editors what the loader does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from lockgate.config import Loaded, load, schema
from lockgate.config.models import Config
from lockgate.policies import ApiKey, BodyLimit, IpFilter, Settings

from .conftest import Write
from .test_load import EVERYTHING


def models(kind: type[BaseModel] = Settings) -> Iterator[type[BaseModel]]:
    for below in kind.__subclasses__():
        if below.__module__.startswith("lockgate."):
            yield below
        yield from models(below)


FIELDS = [(model, name) for model in dict.fromkeys(models()) for name in model.model_fields]


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_example_is_taken(model: type[BaseModel], name: str) -> None:
    field = model.model_fields[name]
    kind: Any = field.annotation
    for mark in field.metadata:
        kind = Annotated[kind, mark]
    assert field.examples
    for example in field.examples:
        TypeAdapter(kind, config=None).validate_python(example)


def test_the_schema_is_json_and_has_no_null() -> None:
    text = json.dumps(schema())
    assert '"null"' not in text, "an empty value is refused, so editors must not offer it"


def test_the_schema_offers_the_short_forms() -> None:
    defs = schema()["$defs"]
    way = defs["Api"]["properties"]["authenticate"]["items"]
    assert {"enum": ["api_key", "mtls"]} in way["anyOf"]
    entry = defs["IpFilter"]["properties"]["deny"]["items"]
    assert any(form.get("type") == "string" for form in entry["anyOf"])
    path = defs["Api"]["properties"]["path"]
    one, several = path["anyOf"]
    assert any(form.get("type") == "string" for form in one["anyOf"])
    assert several["type"] == "array"


def test_defaults_are_in_the_files_spelling() -> None:
    defs = schema()["$defs"]
    assert defs["BodyLimit"]["properties"]["bytes"]["default"] == "10MiB"
    assert defs["Timeouts"]["properties"]["first_byte"]["default"] == "30s"
    assert defs["Limits"]["properties"]["body_rate_min"]["default"] == "1KiB/s"


@pytest.mark.parametrize("policy", [ApiKey, BodyLimit, IpFilter])
def test_a_policy_has_what_every_policy_has(policy: type[BaseModel]) -> None:
    assert {"mode", "on_error", "waiver"} <= set(policy.model_fields)


def test_authentication_cannot_be_offered_to_fail_open() -> None:
    assert schema()["$defs"]["ApiKey"]["properties"]["on_error"]["enum"] == ["deny"]


def test_every_key_of_the_document_can_be_said(write: Write) -> None:
    """EVERYTHING says every section; what it leaves out is named here."""
    loaded: Loaded = load(write(EVERYTHING), environment={"TOKEN": "t"})
    said = {name for name in Config.model_fields if loaded.document.says(name)}
    left_out = {"include", "defaults", "issuers", "outgoing", "api_keys", "assertions", "sign_in", "geo", "roles"}
    left_out |= {"apps", "third_party", "relations"}
    assert set(Config.model_fields) - said == left_out
    assert Path(loaded.sources[0].path).name == "lockgate.yaml"
