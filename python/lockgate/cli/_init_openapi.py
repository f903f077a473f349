"""What an OpenAPI document tells of the configuration that is to be written for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import typer
from pydantic_core import PydanticCustomError

from lockgate.addresses import is_local, parse_target
from lockgate.cli._report import count, leave, output
from lockgate.headers import parse_header
from lockgate.printable import printable

if TYPE_CHECKING:
    from lockgate.config.openapi import ApiDocument
    from lockgate.config.openapi.files import Files
    from lockgate.config.openapi.nodes import Node

MAX_NAME: Final = 40
"""Characters of a title that a name is made of."""
DEFAULT_HEADER: Final = "X-API-Key"
MAX_SCHEMES: Final = 50
"""Ways to authenticate that are told of."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is taken from a document."""

    name: str
    file: str
    """The document, as the configuration names it."""
    paths: tuple[str, ...]
    server: str | None
    """Which of its servers becomes the upstream."""
    header: str
    """Where it says that a key is sent."""
    left: tuple[str, ...]
    """What else it wants of callers, which cannot be asked for yet."""
    operations: int
    first: str
    """A path to try: of an operation that needs nothing filled in, where there is one."""


def described(file: Path, folder: Path) -> Described:
    """Read a document for a configuration in `folder`; a broken one is told of, and ends the command."""
    from lockgate.config.openapi.files import Files
    from lockgate.config.openapi.operations import read_document
    from lockgate.config.problems import Problems, Region, Source
    from lockgate.config.references import References

    if not file.is_file():
        leave(f"--openapi: there is no file {file}")
    problems = Problems()
    # References may lead anywhere below the configuration's folder, which is not there yet.
    problems.sources.append(Source(Path(os.path.normpath(folder.absolute())) / "lockgate.yaml", "lockgate.yaml"))
    files = Files(problems, References(problems, {}))
    path = Path(os.path.normpath(file.absolute()))
    document = read_document(files, path, Region(0, 1, 1, 1, 1))
    if document is None:
        for text in output(err=True).problems(problems.errors):
            typer.echo(text, err=True)
        leave(f"{file} is refused: {count(len(problems.errors), 'error')}.")
    return _of(document, files, os.path.relpath(path, folder.absolute()))


def _of(document: ApiDocument, files: Files, file: str) -> Described:
    members = _members(document.root)
    header, left = DEFAULT_HEADER, []
    for name, scheme in _schemes(document, files):
        kind, place = _text(scheme, "type"), _text(scheme, "in")
        said = _text(scheme, "name")
        if kind == "apiKey" and place == "header" and _is_header(said):
            header = said
        else:
            where = f" in {place}" if place else ""
            left.append(printable(f"{name}: {_text(scheme, 'scheme') or kind}{where}"))
    title = _text(members.get("info"), "title")
    return Described(
        name=_name(title),
        file=file,
        paths=tuple(base or "/" for base in document.bases),
        server=_server(document.servers),
        header=header,
        left=tuple(left),
        operations=len(document.operations),
        first=_first(document),
    )


def _server(urls: Sequence[str]) -> str | None:
    """One on this machine before others: a public name is likely the one that callers will find the gate at."""
    targets = list(filter(None, map(_target, urls)))
    return next(filter(is_local, targets), targets[0] if targets else None)


def _first(document: ApiDocument) -> str:
    plain = (one for one in document.operations if one.method == "GET" and "{" not in one.path)
    for one in plain:
        base = (one.bases or document.bases or [""])[0]
        return base.rstrip("/") + one.path
    return next(iter(document.bases), "") or "/"


def _schemes(document: ApiDocument, files: Files) -> Iterator[tuple[str, Node]]:
    components = _members(document.root).get("components")
    schemes = _members(components).get("securitySchemes") if components is not None else None
    for name, scheme in list(_members(schemes).items())[:MAX_SCHEMES] if schemes is not None else ():
        found = files.follow(scheme, document.path.parent)
        if found is not None:
            yield name, found


def _members(node: Node | None) -> dict[str, Node]:
    if node is None or node.kind != "mapping":
        return {}
    return {key: value for key, _, value in node.members()}


def _text(node: Node | None, key: str) -> str:
    found = _members(node).get(key)
    return found.scalar if found is not None and isinstance(found.scalar, str) else ""


def _name(title: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:MAX_NAME].strip("-")
    return name or "api"


def _is_header(name: str) -> bool:
    try:
        parse_header(name)
    except PydanticCustomError:
        return False
    return True


def _target(url: str) -> str | None:
    parts = urlsplit(url)
    try:
        return parse_target(f"{parts.scheme}://{parts.netloc}")
    except PydanticCustomError:
        return None
