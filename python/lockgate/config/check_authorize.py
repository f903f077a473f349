"""`authorize`: rules that name what there is not. A slip must neither open nor close anything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from lockgate.config import bundle_types as types
from lockgate.config.authorize import Names
from lockgate.config.check_step_up import unknown_operation
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.model_authorize import Authorize
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.config.openapi.operations import ApiDocument, DocumentOperation
from lockgate.config.openapi.security import Kind, Scheme
from lockgate.config.placed import Path
from lockgate.config.relations import check_looked_up
from lockgate.policies import Objects, Part
from lockgate.policies._openings import OWN
from lockgate.scalars import shown

SAFE: Final = frozenset({"GET", "HEAD"})
SATISFY: dict[Kind, frozenset[str]] = {
    "api_key": frozenset({"api_key"}),
    "cookie": frozenset({"session"}),
    "basic": frozenset({"basic"}),
    "token": frozenset({"jwt", "introspection", "session"}),
    "mutual_tls": frozenset({"mtls"}),
    "signature": frozenset({"signature"}),
    "other": frozenset(),
}


def check_roles(document: Document) -> None:
    """What is wrong with the document's roles."""
    for name, role in document.roles.items():
        if name in OWN:
            message = f"{shown(name)} cannot be a role's name: it has a meaning beside roles"
            document.problems.add(document.region("roles", name), "role-name", message, path=("roles", name))
        for index, included in enumerate(role.includes):
            if included not in document.roles:
                unknown_role(document, ("roles", name, "includes", index), included)
        for index, who in enumerate(role.who):
            for one in (who, *(who.all or ())):
                for issuer in one.issuer or ():
                    if issuer not in document.issuers:
                        _unknown_issuer(document, ("roles", name, "who", index, "issuer"), issuer)
        if cycle := _cycle(document, name):
            document.problems.add(
                document.region("roles", name, "includes"),
                "role-cycle",
                f"the role {shown(name)} includes itself: {' → '.join(cycle)}",
                hint="take one of these `includes` out; roles that are the same are one role",
                path=("roles", name, "includes"),
            )


def _cycle(document: Document, name: str) -> list[str]:
    """The way from a role back to it, told once for all that are on it."""
    before: dict[str, str | None] = {name: None}
    waiting = [name]
    while waiting:
        here = waiting.pop(0)
        for one in document.roles[here].includes if here in document.roles else ():
            if one == name:
                way = [name]
                at: str | None = here
                while at is not None:
                    way.insert(0, at)
                    at = before[at]
                return way if name == min(way) else []
            if one not in before:
                before[one] = here
                waiting.append(one)
    return []


def check_authorize(document: Document, apis: list[EffectiveApi], documents: Documents) -> None:
    """Run the rules that look at an API's documents as well."""
    check_roles(document)
    for api in apis:
        said = api.api.authorize
        if said is None:
            continue
        path: Path = ("apis", api.name, "authorize")
        read = [documents.named.get(place) for place, _ in places(api.name, api.api)]
        known = [one for one in read if one is not None]
        if len(known) == len(read):  # What is wrong with a document is told already.
            names = Names.of(api, documents)
            _permissions(document, path, names)
            for room in ("scopes", "roles"):
                for name, parts in getattr(said, room).opens.items() if getattr(said, room) is not None else ():
                    check_parts(document, (*path, room, "opens", name), parts, names)
            if said.apps is not None:
                check_parts(document, (*path, "apps", "bulk"), said.apps.bulk, names)
            for index, part in enumerate(said.public):
                check_parts(document, (*path, "public", index, "what"), part.what, names)
            _from_openapi(document, api, known)
            if said.suggest is not None and not names.operations:
                document.problems.add(
                    document.region(*path, "suggest"),
                    "suggest-unheld",
                    "the API has no document, so requests are no operations, and nothing could be proposed for them",
                    hint="give it one with `openapi`",
                    path=(*path, "suggest"),
                )
            if said.objects is not None:
                _objects(document, api, said.objects, names, known)
        _roles(document, path, said)


def _roles(document: Document, path: Path, said: Authorize) -> None:
    for index, cap in enumerate(said.users.caps if said.users is not None else ()):
        if cap.role is not None and cap.role not in document.roles:
            unknown_role(document, (*path, "users", "caps", index, "role"), cap.role)
    for name in said.roles.opens if said.roles is not None else ():
        if name not in document.roles:
            unknown_role(document, (*path, "roles", "opens", name), name)


def _objects(
    document: Document, api: EffectiveApi, objects: Objects, names: Names, read: Sequence[ApiDocument]
) -> None:
    path: Path = ("apis", api.name, "authorize", "objects", "rules")
    operations = {one.name: one for each in read for one in each.operations}
    for index, rule in enumerate(objects.rules):
        check_parts(document, (*path, index, "operations"), rule.operations, names)
        for number, role in enumerate(rule.unless):
            if role not in document.roles:
                unknown_role(document, (*path, index, "unless", number), role)
        meant = names.only(rule.operations)
        if any(only["operations"] for only in meant):
            check_held(document, api, (*path, index, "operations"), "objects-unheld")
            _opened(document, api, (*path, index, "operations"), names, meant)
        named = [operations[name] for only in meant for name in only["operations"] if name in operations]
        if rule.response is not None:
            _answers(document, (*path, index), meant, named)
        for one in named if rule.path is not None else ():
            if f"{{{rule.path}}}" not in one.path:
                place: Path = (*path, index, "path")
                document.problems.add(
                    document.value_region(*place),
                    "objects-path",
                    f"the path of {shown(one.name)}, {shown(one.path)}, has no {shown(rule.path)}",
                    allowed=", ".join(map(shown, re.findall(r"\{([^{}]+)\}", one.path))) or None,
                    path=place,
                )
        if rule.path is not None and len(named) != sum(len(only["operations"]) for only in meant) + sum(
            not only["operations"] for only in meant
        ):
            place = (*path, index, "path")
            document.problems.add(
                document.value_region(*place),
                "objects-path",
                "names in braces are those of operations of a document, and this is for something else as well",
                hint="name operations that `openapi` tells, or write a rule for `query`, `body` or `response`",
                path=place,
            )
    _nested(document, path, objects)
    check_looked_up(document, path, objects)


def check_held(document: Document, api: EffectiveApi, path: Path, code: str) -> None:
    """A rule for operations is for nothing where no document says which operation it is."""
    lacking = [name for name, version in (api.api.versions or {}).items() if version.openapi is None]
    lenient = [openapi.file for _, openapi in places(api.name, api.api) if openapi.mode != "enforce"]
    if lacking:
        what, hint = f"the version {shown(lacking[0])} has no document", "give it one with `openapi`"
    elif lenient:
        what = f"the document {shown(lenient[0])} is not enforced"
        hint = "take its `mode` out: else a path that it does not know (`/orders/7/`) has no rule, and may be served"
    else:
        return
    document.problems.add(
        document.value_region(*path, 0),
        code,
        f"{what}, so requests there are no operations, and this rule is not for them",
        hint=hint,
        path=path,
    )


def _opened(document: Document, api: EffectiveApi, path: Path, names: Names, meant: Sequence[types.Only]) -> None:
    """What is open to anyone belongs to nobody."""
    said = api.api.authorize
    mine = {name for only in meant for name in only["operations"]}
    for index, part in enumerate(said.public if said is not None else ()):
        opened = {name for only in names.only(part.what) for name in only["operations"]}
        if both := sorted(mine & opened):
            document.problems.add(
                document.value_region(*path, 0),
                "objects-public",
                f"{shown(both[0])} is open to anyone by `public` ({index + 1}), so nobody is asked whose it is",
                hint="take it out of one of the two",
                path=path,
            )


def _answers(document: Document, path: Path, meant: Sequence[types.Only], named: Sequence[DocumentOperation]) -> None:
    """Answers tell whose something is where nothing has been done by then (RFC 9110 section 9.2.1)."""
    others = [f"{one.method} ({one.name})" for one in named if one.method not in SAFE]
    for only in meant:
        if not only["operations"]:
            others += [method for method in only["methods"] if method not in SAFE] or (
                [] if only["methods"] else ["any method"]
            )
    if others:
        place: Path = (*path, "response")
        document.problems.add(
            document.region(*place),
            "objects-too-late",
            f"once the API answers {others[0]}, it is done, whoever's it was",
            allowed="`response` for GET and HEAD",
            hint="say it by `path`, `query` or `body`, which are judged before the API is asked",
            path=place,
        )


def _nested(document: Document, path: Path, objects: Objects) -> None:
    """Lists within lists of which both are filtered: what is left of the outer one is not what was looked at."""
    filtered = [
        (index, rule.response.rpartition("*")[0])
        for index, rule in enumerate(objects.rules)
        if rule.filter and rule.response is not None
    ]
    for index, inner in filtered:
        for other, outer in filtered:
            if inner != outer and inner.startswith(outer):
                place: Path = (*path, index, "filter")
                document.problems.add(
                    document.region(*place),
                    "objects-nested",
                    f"this filters a list within the list that rule {other + 1} filters",
                    hint="filter the outer list alone, and let the inner one refuse",
                    path=place,
                )


def _permissions(document: Document, path: Path, names: Names) -> None:
    for name, parts in names.permissions.items():
        if name in names.operations:
            message = f"{shown(name)} is an operation of the document, and cannot be a permission as well"
            place: Path = (*path, "permissions", name)
            document.problems.add(document.region(*place), "permission-taken", message, hint="rename it", path=place)
        check_parts(document, (*path, "permissions", name), parts, Names(names.operations, {}))


def check_parts(document: Document, path: Path, parts: Sequence[Part], names: Names) -> None:
    """Note parts that are neither operations nor permissions."""
    for index, part in enumerate(parts):
        if part.is_name and part.text not in names.operations and part.text not in names.permissions:
            known = [*names.permissions, *sorted(names.operations)]
            unknown_operation(document, (*path, index), part.text, known, "so this is for nothing")


def _from_openapi(document: Document, api: EffectiveApi, read: Sequence[ApiDocument]) -> None:
    said = api.api.authorize
    if said is None or said.scopes is None or not said.scopes.from_openapi:
        return
    path: Path = ("apis", api.name, "authorize", "scopes")
    if not read:
        message = f"the API {shown(api.name)} has no document whose `security` could be enforced"
        hint = "add `openapi: FILE`, or say which scope opens what: `scopes: {orders:read: [GET]}`"
        document.problems.add(document.region(*path), "scopes-without-openapi", message, hint=hint, path=path)
        return
    schemes = {scheme for one in read for demand in one.security for all_of in demand for scheme in all_of}
    known = {scheme.name for scheme in schemes}
    for name in said.scopes.schemes:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            place: Path = (*path, "schemes", name)
            document.problems.add(
                document.region(*place),
                "scheme-unknown",
                f"no operation demands a security scheme {shown(name)}",
                allowed=", ".join(map(shown, sorted(known))) or None,
                hint=f"did you mean {shown(close[0])}?" if close else None,
                path=place,
            )
    _unmet(document, api, path, schemes)
    _alike(document, api, path, schemes)
    _silent(document, api, path, read)


def _unmet(document: Document, api: EffectiveApi, path: Path, schemes: Iterable[Scheme]) -> None:
    """Schemes that no way to authenticate satisfies: what demands them is refused to everyone."""
    said = api.api.authorize
    ways = {placed.policy.room for placed in api.authenticate}
    told = said.scopes.schemes if said is not None and said.scopes is not None else {}
    kinds = {scheme.name: scheme.kind for scheme in schemes}
    for name, kind in sorted(kinds.items()):
        satisfy = set(told.get(name, SATISFY[kind]))
        if not satisfy & ways:
            need = " or ".join(f"`{way}`" for way in sorted(satisfy))
            hint = (
                f"add {need} to `authenticate`" if satisfy else f"say what satisfies it: `schemes: {{{name}: [jwt]}}`"
            )
            document.problems.add(
                document.region(*path),
                "scheme-unmet",
                f"no way of `authenticate` satisfies the document's scheme {shown(name)}, so operations that demand it "
                "alone are refused to everyone",
                severity="warning",
                hint=hint,
                path=path,
            )


def _alike(document: Document, api: EffectiveApi, path: Path, schemes: Iterable[Scheme]) -> None:
    """Schemes that one credential satisfies: who may show one may do what the other is demanded for."""
    said = api.api.authorize
    told = said.scopes.schemes if said is not None and said.scopes is not None else {}
    by_ways: dict[frozenset[str], set[str]] = {}
    for scheme in schemes:
        ways = frozenset(told.get(scheme.name, SATISFY[scheme.kind]))
        by_ways.setdefault(ways, set()).add(scheme.name)
    for names in by_ways.values():
        if len(names) > 1:
            one, other, *_ = sorted(names)
            document.problems.add(
                document.region(*path),
                "schemes-alike",
                f"the document's schemes {shown(one)} and {shown(other)} are satisfied by the same credentials here, "
                "so what demands one is open to who shows the other",
                severity="warning",
                hint="where they are not of the same people, say who may by `roles` (`who: {issuer: NAME}`)",
                path=path,
            )


def _silent(document: Document, api: EffectiveApi, path: Path, read: Sequence[ApiDocument]) -> None:
    """Operations of which neither the document nor anything else speaks."""
    said = api.api.authorize
    if said is None or said.allow is not None or said.roles is not None or said.cedar is not None or said.public:
        return
    silent = [one.name for document_ in read for one in document_.operations if one.security is None]
    if silent:
        more = ", …" if len(silent) > 5 else ""
        document.problems.add(
            document.region(*path),
            "operation-without-rule",
            f"the document demands nothing for {', '.join(map(shown, silent[:5]))}{more}, so nobody may call that",
            severity="warning",
            hint="add `security` to it or to the whole document, or open it with `authorize.public`",
            path=path,
        )


def unknown_role(document: Document, path: Path, name: str) -> None:
    """Note a role that there is not."""
    close = difflib.get_close_matches(name, document.roles, n=1)
    document.problems.add(
        document.value_region(*path) if isinstance(path[-1], int) else document.region(*path),
        "role-unknown",
        f"there is no role {shown(name)}",
        allowed=", ".join(map(shown, document.roles)) or None,
        hint=f"did you mean {shown(close[0])}?"
        if close
        else f"say who has it: `roles: {{{name}: {{who: {{claim: groups, contains: {name}}}}}}}`",
        path=path,
    )


def _unknown_issuer(document: Document, path: Path, name: str) -> None:
    close = difflib.get_close_matches(name, document.issuers, n=1)
    document.problems.add(
        document.value_region(*path),
        "issuer-unknown",
        f"there is no issuer {shown(name)}",
        allowed=", ".join(map(shown, document.issuers)) or None,
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )
