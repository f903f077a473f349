"""`security`: what operations demand of who calls (OpenAPI 3.1.1, "Security Requirement Object")."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from lockgate.config.openapi.files import Files, wanted_mapping
from lockgate.config.openapi.nodes import Node, mapping
from lockgate.config.problems import Region
from lockgate.scalars import shown

Kind = Literal["api_key", "cookie", "basic", "token", "mutual_tls", "signature", "other"]

_OF_TYPE: Final[dict[str, Kind]] = {"oauth2": "token", "openIdConnect": "token", "mutualTLS": "mutual_tls"}
_OF_HTTP: Final[dict[str, Kind]] = {
    "basic": "basic",
    "bearer": "token",
    "dpop": "token",
    "signature": "signature",
}
"""By the scheme of IANA's registry, in lower case."""
MAX_ALTERNATIVES: Final = 64
"""Of one operation; and schemes of one alternative, and scopes of one scheme."""


class Scheme(NamedTuple):
    """One scheme that must be satisfied."""

    name: str
    kind: Kind
    scopes: tuple[str, ...]


Demand = tuple[tuple[Scheme, ...], ...]
"""Any one of these, of which all."""


@dataclass(slots=True)
class Securities:
    """Reads what a document's operations demand, each kind of demand once."""

    files: Files
    document: Path
    kinds: dict[str, Kind]
    """The document's schemes."""
    made: list[Demand] = field(default_factory=list)

    @classmethod
    def of(cls, files: Files, document: Path, root: dict[str, tuple[Region, Node]]) -> Securities:
        """Those of the document with this root."""
        return cls(files, document, dict(_kinds(files, document, root)))

    def number(self, node: Node) -> int | None:
        """The place of a demand among those that were made; `None`, with a problem noted, for what is none."""
        demand = self._demand(node)
        if demand is None:
            return None
        if demand not in self.made:
            self.made.append(demand)
        return self.made.index(demand)

    def _demand(self, node: Node) -> Demand | None:
        problems = self.files.problems
        if node.kind != "list":
            problems.add(node.region, "openapi-security", "`security` must be a list", hint="begin it with `-`")
            return None
        entries = list(node.entries())
        if len(entries) > MAX_ALTERNATIVES:
            _too_many(self.files, node.region)
            return None
        read = [self._alternative(entry) for entry in entries]
        if any(one is None for one in read):
            return None
        return tuple(one for one in read if one is not None)

    def _alternative(self, node: Node) -> tuple[Scheme, ...] | None:
        members = wanted_mapping(node, "an entry of `security`", self.files.problems)
        if members is None:
            return None
        if len(members) > MAX_ALTERNATIVES:
            _too_many(self.files, node.region)
            return None
        read = [self._scheme(name, place, scopes) for name, (place, scopes) in members.items()]
        if any(one is None for one in read):
            return None
        return tuple(one for one in read if one is not None)

    def _scheme(self, name: str, place: Region, node: Node) -> Scheme | None:
        problems = self.files.problems
        if name not in self.kinds:
            close = difflib.get_close_matches(name, self.kinds, n=1)
            problems.add(
                place,
                "openapi-security",
                f"the document has no security scheme {shown(name)}",
                allowed=", ".join(map(shown, self.kinds)) or "schemes under `components.securitySchemes`",
                hint=f"did you mean {shown(close[0])}?" if close else None,
            )
            return None
        scopes = [entry.scalar for entry in node.entries()] if node.kind == "list" else [None]
        if len(scopes) > MAX_ALTERNATIVES:
            _too_many(self.files, node.region)
            return None
        texts = tuple(scope for scope in scopes if isinstance(scope, str) and scope)
        if len(texts) != len(scopes):
            problems.add(node.region, "openapi-security", f"the scopes of {shown(name)} must be a list of texts")
            return None
        return Scheme(name, self.kinds[name], texts)


def _too_many(files: Files, region: Region) -> None:
    allowed = f"{MAX_ALTERNATIVES} alternatives, schemes in each, scopes in each of these"
    files.problems.add(region, "openapi-security", "this demands too much at once", allowed=allowed)


def _kinds(files: Files, document: Path, root: dict[str, tuple[Region, Node]]) -> Iterator[tuple[str, Kind]]:
    components = mapping(root["components"][1], files.problems) if _is_mapping(root, "components") else {}
    schemes = (
        mapping(components["securitySchemes"][1], files.problems) if _is_mapping(components, "securitySchemes") else {}
    )
    for name, (_, node) in schemes.items():
        led = files.follow(node, document.parent)
        members = wanted_mapping(led, f"the security scheme {shown(name)}", files.problems) if led is not None else None
        if members is not None:
            yield name, _kind(members)


def _is_mapping(members: dict[str, tuple[Region, Node]], key: str) -> bool:
    return key in members and members[key][1].kind == "mapping"


def _kind(members: dict[str, tuple[Region, Node]]) -> Kind:
    def said(key: str) -> str:
        return str(members[key][1].scalar) if key in members else ""

    match said("type"):
        case "apiKey":
            return "cookie" if said("in") == "cookie" else "api_key"
        case "http":
            return _OF_HTTP.get(said("scheme").lower(), "other")
        case kind:
            return _OF_TYPE.get(kind, "other")
