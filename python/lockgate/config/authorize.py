"""What an API's rules open, as the bundle writes it: names found among operations and permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.policies import Part, operations


@dataclass(frozen=True, slots=True)
class Names:
    """The names that rules of an API may use."""

    operations: frozenset[str]
    permissions: Mapping[str, Sequence[Part]]

    @classmethod
    def of(cls, api: EffectiveApi, documents: Documents) -> Names:
        """Those of its documents, and those that it gives itself."""
        read = [documents.named.get(path) for path, _ in places(api.name, api.api)]
        names = frozenset(one.name for document in read if document is not None for one in document.operations)
        return cls(names, api.api.authorize.permissions if api.api.authorize is not None else {})

    def only(self, parts: Sequence[Part]) -> list[types.Only]:
        """What the parts mean, as the bundle writes it."""
        made: list[dict[str, Any]] = []
        named: list[str] = []
        for part in parts:
            if part.text in self.operations:
                named.append(part.text)
            elif part.is_name and part.text in self.permissions:
                # A permission holds none of its own kind, so this ends.
                plain = Names(self.operations, {})
                made += cast("list[dict[str, Any]]", plain.only(self.permissions[part.text]))
            elif part.is_name:
                named.append(part.text)
            else:
                made.append(part.only())
        if named:
            made.insert(0, operations(list(dict.fromkeys(named))))
        return cast("list[types.Only]", made)


def opens(names: Names, opens: Mapping[str, Sequence[Part]], key: str) -> list[Any]:
    """What each name opens; `key` is what the bundle calls the name."""
    return [{key: name, "what": names.only(parts)} for name, parts in opens.items()]


def roles(document: Document) -> list[types.Role]:
    """The document's roles, as the bundle writes them."""
    return [
        {
            "name": name,
            "who": cast("list[list[types.Who]]", [who.everything() for who in role.who]),
            "includes": role.includes,
            "span": document.region("roles", name).span,
        }
        for name, role in document.roles.items()
    ]
