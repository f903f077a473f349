"""The documents that a configuration names, each read once, and put into the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.model_apis import Api
from lockgate.config.model_openapi import Openapi
from lockgate.config.openapi.files import Files
from lockgate.config.openapi.operations import ApiDocument, read_document
from lockgate.config.openapi.security import Demand
from lockgate.config.problems import Problems
from lockgate.config.references import References


@dataclass(slots=True)
class Documents:
    """Reads documents, and remembers what each place of the configuration names."""

    files: Files
    read: dict[Path, ApiDocument | None] = field(default_factory=dict)
    named: dict[tuple[str, ...], ApiDocument] = field(default_factory=dict)
    """By the path of the configuration that names it."""

    @classmethod
    def of(cls, problems: Problems, references: References) -> Documents:
        """None read yet."""
        return cls(Files(problems, references))

    def resolve(self, document: Document) -> None:
        """Read every document that an API names."""
        for name, api in document.apis.items():
            for path, openapi in places(name, api):
                item = document.item(*path)
                file = item.file if item is not None else 0
                target = self.files.references.absolute(openapi.file, file)
                if target not in self.read:
                    short = document.says(*path, "file")
                    region = document.value_region(*path, "file") if short else document.value_region(*path)
                    self.read[target] = read_document(self.files, target, region)
                found = self.read[target]
                if found is not None:
                    self.named[path] = found


def places(name: str, api: Api) -> Iterator[tuple[tuple[str, ...], Openapi]]:
    """Where an API names documents, and as what."""
    if api.openapi is not None:
        yield ("apis", name, "openapi"), api.openapi
    for called, version in (api.versions or {}).items():
        if version.openapi is not None:
            yield ("apis", name, "versions", called, "openapi"), version.openapi


@dataclass(slots=True)
class Attaching:
    """The bundle's documents as they are attached: one for each document and its bases."""

    documents: Documents
    made: list[types.ApiDocument] = field(default_factory=list)
    numbers: dict[tuple[Path, tuple[str, ...] | None, frozenset[str]], int] = field(default_factory=dict)

    def attach(
        self, path: tuple[str, ...], openapi: Openapi, stripped: frozenset[str], span: types.Span
    ) -> types.Attached:
        """A document as one API has it, which takes `stripped` off before its paths."""
        document = self.documents.named[path]
        key = (document.path, None if openapi.base is None else tuple(openapi.base), stripped)
        if key not in self.numbers:
            self.numbers[key] = len(self.made)
            self.made.append(_bundled(document, openapi.base, stripped))
        return {"document": self.numbers[key], "mode": openapi.mode, "span": span}


def _bundled(document: ApiDocument, base: list[str] | None, stripped: frozenset[str]) -> types.ApiDocument:
    def effective(said: list[str]) -> list[str]:
        # What is taken off before the API gets it does not stand before its paths any more.
        return list(dict.fromkeys("" if one in stripped else one for one in (said if base is None else base)))

    return {
        "bases": effective(document.bases),
        "operations": [
            {
                "name": operation.name,
                "method": operation.method,
                "path": operation.path,
                "bases": None if operation.bases is None or base is not None else effective(operation.bases),
                "span": operation.region.span,
                "security": operation.security,
            }
            for operation in document.operations
        ],
        "span": document.region.span,
        "security": [_demand(one) for one in document.security],
    }


def _demand(demand: Demand) -> types.Security:
    return {
        "any": [
            [{"name": one.name, "kind": one.kind, "scopes": list(one.scopes)} for one in alternative]
            for alternative in demand
        ]
    }
