"""`enumeration`, `properties` and `minimise`: rules that name what there is not, or that never hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockgate.config.authorize import Names
from lockgate.config.check_authorize import check_held, check_parts, unknown_role
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.config.placed import Path
from lockgate.policies import Part
from lockgate.policies._fields import roles_of
from lockgate.policies._parts import EVERYTHING
from lockgate.scalars import shown


def check_fields(document: Document, apis: list[EffectiveApi], documents: Documents) -> None:
    """Look at the rules of every API."""
    for api in apis:
        names = Names.of(api, documents)
        known = all(documents.named.get(place) is not None for place, _ in places(api.name, api.api))
        if api.properties is not None:
            path: Path = (*api.properties.path, "rules")
            said = [(rule.operations, rule.write) for rule in api.properties.policy.rules]
            _check(document, (api, path, "write"), said, names if known else None)
        if api.enumeration is not None and known:
            at: Path = (*api.enumeration.path, "operations")
            parts = api.enumeration.policy.operations
            check_parts(document, at, parts, names)
            if any(only["operations"] for only in names.only(parts)):
                check_held(document, api, at, "fields-unheld")
        if api.minimise is not None:
            path = (*api.minimise.path, "fields")
            read = [(rule.operations, rule.read) for rule in api.minimise.policy.fields]
            _check(document, (api, path, "read"), read, names if known else None)


def _check(
    document: Document,
    place: tuple[EffectiveApi, Path, str],
    rules: Sequence[tuple[Sequence[Part], Mapping[str, object]]],
    names: Names | None,
) -> None:
    api, path, key = place
    before: dict[str, int] = {}
    for index, (parts, opened) in enumerate(rules):
        for who, role in roles_of(opened):
            if role not in document.roles:
                unknown_role(document, (*path, index, key, who), role)
        if names is None:  # What is wrong with a document is told already.
            continue
        at: Path = (*path, index, "operations")
        check_parts(document, at, parts, names)
        meant = names.only(parts)
        if any(only["operations"] for only in meant):
            check_held(document, api, at, "fields-unheld")
        _shadowed(document, at, parts, before, index)


def _shadowed(document: Document, path: Path, parts: Sequence[Part], before: dict[str, int], index: int) -> None:
    """What an earlier rule is for already: the first holds, so that this one would not."""
    for number, part in enumerate(parts):
        other = before.get(EVERYTHING, before.get(part.text, index))
        if other < index:
            document.problems.add(
                document.value_region(*path, number),
                "fields-shadowed",
                f"the first rule that is for a request holds, and rule {other + 1} is for {shown(part.text)} already",
                hint="put what is for more behind what is for less, or take one out",
                path=(*path, number),
            )
    for part in parts:
        before.setdefault(part.text, index)
