"""From a document to its operations: what a gate looks requests up in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lockgate.config.openapi.files import Files, wanted_mapping
from lockgate.config.openapi.nodes import Node, mapping
from lockgate.config.openapi.security import Demand, Securities
from lockgate.config.openapi.servers import bases, server_urls
from lockgate.config.problems import Region
from lockgate.scalars import shown

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_OTHER_KEYS: Final = ("$ref", "summary", "description", "servers", "parameters")
_VERSION: Final = re.compile(r"3\.[01]\.\d+(-.+)?")

MAX_OPERATIONS: Final = 50_000
"""Of one document. GitHub's has 1,200."""


@dataclass(frozen=True, slots=True)
class DocumentOperation:
    """One operation."""

    name: str
    method: str
    path: str
    bases: list[str] | None
    """Bases of its own `servers`."""
    security: int | None
    """What it demands, by its place in the document's list; none where it demands nothing."""
    region: Region
    members: dict[str, Node] = field(repr=False, compare=False, default_factory=dict)
    """What the document says of it."""
    beside: dict[str, Node] = field(repr=False, compare=False, default_factory=dict)
    """What it says of its path."""


@dataclass(frozen=True, slots=True)
class ApiDocument:
    """What a gate needs of a document."""

    path: Path
    region: Region
    servers: list[str]
    """URLs of its servers."""
    root: Node = field(repr=False)
    operations: list[DocumentOperation] = field(repr=False)
    security: list[Demand] = field(repr=False, default_factory=list)
    """What operations demand."""

    @property
    def bases(self) -> list[str]:
        """What stands before its paths."""
        return bases(self.servers)


def read_document(files: Files, path: Path, region: Region) -> ApiDocument | None:
    """Read a document that the text at `region` names; `None`, with problems noted, if it is broken."""
    root = files.root(path, region)
    if root is None:
        return None
    before = len(files.problems.errors)
    members = wanted_mapping(root, "an OpenAPI document", files.problems)
    if members is None or not _is_openapi(members, root, files):
        return None
    servers = server_urls(members["servers"][1], files.problems) if "servers" in members else []
    securities = Securities.of(files, path, members)
    general = securities.number(members["security"][1]) if "security" in members else None
    reader = _Reader(files, path, securities)
    operations = list(reader.operations(members["paths"][1])) if "paths" in members else []
    if general is not None:
        operations = [replace(one, security=general) if one.security is None else one for one in operations]
    if len(files.problems.errors) > before or servers is None:
        return None
    if not operations:
        files.problems.add(
            members["paths"][0] if "paths" in members else root.region,
            "openapi-empty",
            "the document has no operation, so every request would be refused",
            hint="add its `paths`, or take `openapi` out",
        )
        return None
    if len(operations) > MAX_OPERATIONS:
        files.problems.add(
            members["paths"][0],
            "openapi-too-large",
            f"the document has {len(operations)} operations",
            allowed=f"at most {MAX_OPERATIONS}",
        )
        return None
    return ApiDocument(path, root.region, servers, root, operations, securities.made)


def _is_openapi(members: dict[str, tuple[Region, Node]], root: Node, files: Files) -> bool:
    if "openapi" not in members:
        if "swagger" in members:
            place, hint = members["swagger"][0], "convert it to OpenAPI 3, for example with swagger2openapi"
            files.problems.add(place, "openapi-version", "Swagger 2.0 is not read", allowed="3.0 and 3.1", hint=hint)
        else:
            message = "this is no OpenAPI document: it has no `openapi`"
            files.problems.add(root.region, "openapi-malformed", message, hint="it begins with `openapi: 3.1.0`")
        return False
    version = members["openapi"][1]
    if not isinstance(version.scalar, str) or not _VERSION.fullmatch(version.scalar):
        message = f"OpenAPI {shown(version.scalar)} is not read"
        quoted = "put the version in quotes" if isinstance(version.scalar, float) else None
        files.problems.add(version.region, "openapi-version", message, allowed="3.0 and 3.1", hint=quoted)
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a document's operations."""

    files: Files
    document: Path
    securities: Securities

    def operations(self, paths: Node) -> Iterator[DocumentOperation]:
        for path, (_, item) in (wanted_mapping(paths, "`paths`", self.files.problems) or {}).items():
            if not path.startswith("x-"):
                yield from self._of_path(path, item)

    def _of_path(self, path: str, item: Node) -> Iterator[DocumentOperation]:
        problems = self.files.problems
        members = wanted_mapping(item, f"the path {shown(path)}", problems)
        if members is None:
            return
        led = self.files.follow(item, self.document.parent) if "$ref" in members else None
        if led is not None:
            # What stands beside a reference is the path's as well (OpenAPI 3.1, Path Item Object).
            further = wanted_mapping(led, f"the path {shown(path)}", problems) or {}
            members = {**further, **{key: value for key, value in members.items() if key != "$ref"}}
        own = server_urls(members["servers"][1], problems) if "servers" in members else None
        beside = {key: value for key, (_, value) in members.items() if key not in METHODS}
        for key, (place, value) in members.items():
            if key in METHODS:
                made = self._operation(path, key, place, value, own)
                if made is not None:
                    yield replace(made, beside=beside)
            elif key not in _OTHER_KEYS and not key.startswith("x-"):
                close = difflib.get_close_matches(key.lower(), METHODS, n=1, cutoff=0.6)
                problems.add(
                    place,
                    "openapi-unknown-key",
                    f"there is no {shown(key)} in a path",
                    severity="warning",
                    hint=f"did you mean `{close[0]}`? Its requests are refused" if close else None,
                )

    def _operation(
        self, path: str, method: str, place: Region, node: Node, servers: list[str] | None
    ) -> DocumentOperation | None:
        problems = self.files.problems
        if wanted_mapping(node, f"the operation `{method}`", problems) is None:
            return None
        members = mapping(node, problems)
        name = f"{method.upper()} {path}"
        if "operationId" in members:
            said = members["operationId"][1]
            if not isinstance(said.scalar, str) or not said.scalar.strip():
                what = f"{shown(said.scalar)} is not an operation's name"
                problems.add(said.region, "openapi-malformed", what, allowed="a text, such as `listProducts`")
                return None
            name, place = said.scalar, members["operationId"][1].region
        if "servers" in members:
            servers = server_urls(members["servers"][1], problems)
        return DocumentOperation(
            name=name,
            method=method.upper(),
            path=path,
            bases=None if servers is None else bases(servers),
            security=self.securities.number(members["security"][1]) if "security" in members else None,
            region=place,
            members={key: value for key, (_, value) in members.items()},
        )
