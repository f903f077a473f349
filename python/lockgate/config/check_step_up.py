"""`step_up`: rules that would never ask anybody. A slip in a name must not leave open what it should close."""

from __future__ import annotations

import difflib
from typing import Final

from lockgate.config.check_callers import check_callers
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.config.placed import Path
from lockgate.policies import Introspection, Jwt, Session
from lockgate.scalars import shown

PEOPLE: Final = (Introspection, Jwt, Session)
"""Ways by which the caller may be a person."""


def check_step_up(document: Document, apis: list[EffectiveApi], documents: Documents) -> None:
    """Run the rules that look at an API's documents as well."""
    for api in apis:
        placed = api.step_up
        if placed is None:
            continue
        if placed.inherited:
            continue
        check_callers(
            document,
            api,
            placed.path,
            PEOPLE,
            unknown="who could prove more",
            others="whoever calls by that can prove no more",
            add="that people can prove more by: `session`, `jwt` or `introspection`",
        )
        read = [documents.named.get(path) for path, _ in places(api.name, api.api)]
        if None in read:
            continue  # What is wrong with a document is told already.
        names = [operation.name for one in read if one is not None for operation in one.operations]
        for number, rule in enumerate(placed.policy.rules):
            for index, name in enumerate(rule.operations):
                if name not in names:
                    place = (*placed.path, "rules", number, "operations", index)
                    unknown_operation(document, place, name, names, "so nobody would be asked for more")


def unknown_operation(document: Document, path: Path, name: str, names: list[str], so: str) -> None:
    """Note an operation that no document of the API has; `so` says what comes of it."""
    close = difflib.get_close_matches(name, names, n=1)
    document.problems.add(
        document.value_region(*path),
        "operation-unknown",
        f"no document of the API has an operation {shown(name)}, {so}",
        allowed=", ".join(map(shown, names[:20])) if names else "operations of a document that `openapi` names",
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )
