"""`cedar`: files of policies, and what they are about, put into the bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lockgate.config import bundle_types as types
from lockgate.config.authorize import Names
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.issuers import of_api
from lockgate.config.model_issuers import Claims
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.config.openapi.shapes import OperationShapes, merged, shapes
from lockgate.config.problems import Problems, Region, Source
from lockgate.config.references import References
from lockgate.config.text_files import read_text
from lockgate.policies import Part
from lockgate.policies._parts import EVERYTHING
from lockgate.scalars import shown

MAX_FILE: Final = 4 * 2**20
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
"""What may be asked for where no document tells. A HEAD is a GET."""


@dataclass(slots=True)
class CedarFiles:
    """Reads files of policies, each once, and remembers which API has which."""

    problems: Problems
    references: References
    read: dict[Path, types.CedarSource | None] = field(default_factory=dict)
    of: dict[str, list[types.CedarSource]] = field(default_factory=dict)
    """By the API's name."""
    shapes: dict[str, list[OperationShapes]] = field(default_factory=dict)
    """What the documents of an API say of its operations."""

    def resolve(self, document: Document, apis: list[EffectiveApi], documents: Documents) -> None:
        """Read what every API's `cedar` names."""
        for api in apis:
            if api.cedar is None:
                continue
            path = (*api.cedar.path, "policies")
            item = document.item(*path) or document.item(*api.cedar.path)
            file = item.file if item is not None else 0
            found: list[types.CedarSource] = []
            for index, pattern in enumerate(api.cedar.policy.policies):
                region = document.value_region(*path, index)
                found += [one for target in self._targets(pattern, file, region) if (one := self._file(target, region))]
            self.of[api.name] = found
            read = [documents.named[place] for place, _ in places(api.name, api.api) if place in documents.named]
            self.shapes[api.name] = merged(one for each in read for one in shapes(documents.files, each))

    def _targets(self, pattern: str, file: int, region: Region) -> list[Path]:
        target = self.references.absolute(pattern, file)
        if not set(target.name) & set("*?["):
            return [target]
        self.references.patterns.append(str(target))
        found = sorted(target.parent.glob(target.name))
        if not found:
            self.problems.add(region, "file-missing", f"no file matches {shown(pattern)}")
        return found

    def _file(self, target: Path, region: Region) -> types.CedarSource | None:
        if target not in self.read:
            text = read_text(self.problems, self.references, target, region, MAX_FILE)
            self.read[target] = None
            if text is not None:
                main = self.problems.sources[0].path.parent
                name = str(target.relative_to(main)) if target.is_relative_to(main) else str(target)
                self.read[target] = {"file": len(self.problems.sources), "name": name, "text": text}
                self.problems.sources.append(Source(target, name, text))
        return self.read[target]


def operations(known: list[OperationShapes], names: Names) -> list[types.CedarOperation]:
    """What may be asked for: the document's operations, or methods; each with the permissions that it belongs to."""
    if not known:
        known = [OperationShapes(method, method, [], [], [], None, body_required=False) for method in METHODS]
    taken = {one.name for one in known}
    made: list[types.CedarOperation] = []
    for one in known:
        of = [name for name, parts in names.permissions.items() if any(belongs(one, part) for part in parts)]
        made.append(
            {
                "name": one.name,
                "groups": [group for group in (one.method, *of) if group not in taken],
                "path": one.path,
                "query": one.query,
                "body": one.body,
                "body_required": one.body_required,
            }
        )
    return made


def belongs(one: OperationShapes, part: Part) -> bool:
    """Whether an operation is, or is within, a part of the API."""
    if part.text in {one.name, EVERYTHING}:
        return True
    if part.is_name or (part.method is not None and part.method != one.method):
        return False
    if part.path is None:
        return True
    kind, path = part.path
    below = path.rstrip("/") + "/"
    return any(said == path or (kind == "prefix" and said.startswith(below)) for said in one.paths)


def check_permissions(document: Document, apis: list[EffectiveApi], cedar: CedarFiles) -> None:
    """Parts of permissions that no operation is: to a policy in Cedar they would be nothing."""
    for api in apis:
        said = api.api.authorize
        known = cedar.shapes.get(api.name)
        if api.cedar is None or said is None or not known:
            continue
        for name, parts in said.permissions.items():
            for index, part in enumerate(parts):
                path = ("apis", api.name, "authorize", "permissions", name, index)
                if not part.is_name and not any(belongs(one, part) for one in known):
                    document.problems.add(
                        document.value_region(*path),
                        "cedar-permission",
                        f"no operation of the document is {shown(part.text)}, so no policy would be for it",
                        hint="name an operation, or its path letter by letter as the document writes it",
                        path=path,
                    )


def claims(document: Document, api: EffectiveApi) -> list[types.Field]:
    """Claims that callers of the API may have, as their issuers' `claims` say."""
    found: Claims = {}
    for name in of_api(document, api):
        found |= document.issuers[name].claims
    return fields(found)


def fields(said: Claims) -> list[types.Field]:
    """Claims as the bundle writes them. None is certain to be there: not every way to call has all of them."""
    return [{"name": name, "shape": _shape(kind), "required": False} for name, kind in said.items()]


def _shape(kind: object) -> types.Shape:
    if isinstance(kind, dict):
        return {"record": fields(kind)}
    scalars: dict[str, types.Scalar] = {"text": "text", "number": "whole", "truth": "truth"}
    if isinstance(kind, list):
        return {"many": scalars[kind[0]]}
    return {"one": scalars[str(kind)]}


def check_claims(document: Document, apis: list[EffectiveApi]) -> None:
    """Issuers of one API that say different things of one claim."""
    for api in apis:
        if api.cedar is None:
            continue
        seen: dict[str, tuple[str, object]] = {}
        for name in of_api(document, api):
            for claim, kind in document.issuers[name].claims.items():
                first, before = seen.setdefault(claim, (name, kind))
                if before != kind:
                    path = ("issuers", name, "claims", claim)
                    document.problems.add(
                        document.region(*path),
                        "claims-differ",
                        f"the claim {shown(claim)} is of another kind than that of {shown(first)}, and the API "
                        f"{shown(api.name)} takes both",
                        hint="say the same of both, or leave out one",
                        path=path,
                    )
