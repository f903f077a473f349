"""What the documents of a configuration describe: operations, and the fields of their answers."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.config.effective import EffectiveApi
from lockgate.config.loaded import Loaded
from lockgate.config.openapi.answers import fields
from lockgate.config.openapi.documents import places
from lockgate.config.openapi.operations import ApiDocument


def described_operations(loaded: Loaded) -> dict[str, list[str]]:
    """The operations of each API, by its name."""
    return {
        api.name: list(dict.fromkeys(one.name for document in _read(loaded, api) for one in document.operations))
        for api in loaded.apis
    }


def described_answers(loaded: Loaded) -> dict[tuple[str, str], list[str]]:
    """The fields of answers as JSON Pointers, by API and operation."""
    described: dict[tuple[str, str], list[str]] = {}
    for api in loaded.apis:
        for document in _read(loaded, api):
            for name, found in fields(loaded.documents.files, document).items():
                described.setdefault((api.name, name), found)
    return described


def _read(loaded: Loaded, api: EffectiveApi) -> Iterator[ApiDocument]:
    read = (loaded.documents.named.get(place) for place, _ in places(api.name, api.api))
    return (document for document in read if document is not None)
