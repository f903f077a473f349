"""Programs of others: checked against the rest of the document, and as the bundle writes them."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from typing import Any, cast, get_args

from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.model_apps import ALL, App, AppClient, Tier, bound, withheld
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.config.placed import Path
from lockgate.scalars import shown


def clients(document: Document, name: str, app: App) -> list[AppClient]:
    """What issuers call a program."""
    if app.clients is not None:
        return app.clients
    others = _others(document)
    return [AppClient(issuer=others[0], client=name)] if len(others) == 1 else []


def _others(document: Document) -> list[str]:
    """Issuers that have names of their own for programs; this installation itself calls each by its name."""
    return [name for name, issuer in document.issuers.items() if issuer.grants is None]


def registry(document: Document) -> types.AppRegistry | None:
    """The programs that the document names, and what bounds each tier; none where it holds none to anything."""
    if not document.holds_apps:
        return None
    made = {
        "named": [
            {
                "name": name,
                "clients": [one.model_dump() for one in clients(document, name, app)],
                "tier": app.tier,
                "scopes": None if app.scopes == ALL else app.scopes,
                "apis": None if app.apis == ALL else app.apis,
                "operations": [{"api": api, "names": names} for api, names in app.operations.items()],
                "until_ms": _ms(app.until),
                "span": document.region("apps", name).span,
            }
            for name, app in document.apps.items()
        ],
        "tiers": {tier: bound(document.third_party.tiers.of(tier)) for tier in get_args(Tier)},
        "own": [name for name, issuer in document.issuers.items() if issuer.grants is not None],
    }
    return cast("types.AppRegistry", made)


def setup(document: Document) -> dict[str, Any] | None:
    """What the control process wants to know of it."""
    if not document.holds_apps:
        return None
    return {
        "named": {
            name: {
                **app.model_dump(include={"owner", "purpose", "contact", "tier", "operations", "redirect_uris"}),
                "name": app.title,
                "clients": [one.model_dump() for one in clients(document, name, app)],
                "scopes": None if app.scopes == ALL else app.scopes,
                "apis": None if app.apis == ALL else app.apis,
                "until_ms": _ms(app.until),
                "review_ms": _ms(app.review),
            }
            for name, app in document.apps.items()
        },
        "never": {tier: document.third_party.tiers.of(tier).never or [] for tier in get_args(Tier)},
        "dangerous": document.third_party.dangerous,
        "unused_ms": document.third_party.unused,
    }


def _ms(day: dt.date | None) -> int | None:
    return None if day is None else int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp() * 1_000)


def check_apps(document: Document, apis: Sequence[EffectiveApi], documents: Documents) -> None:
    """What is wrong with programs that each alone does not tell."""
    for api in apis:
        said = api.api.authorize
        if said is not None and said.apps is not None and not document.holds_apps:
            path: Path = ("apis", api.name, "authorize", "apps")
            document.problems.add(
                document.region(*path),
                "apps-off",
                "the document has no `apps`, so no program is held to what it was given",
                hint="add `apps: {}` to the document, or take this out",
                path=path,
            )
    taken: dict[tuple[str, str], str] = {}
    for name, app in document.apps.items():
        _clients(document, name, app, taken)
        _scopes(document, name, app)
        _apis(document, name, app, apis, documents)
        _review(document, name, app)


def _clients(document: Document, name: str, app: App, taken: dict[tuple[str, str], str]) -> None:
    path: Path = ("apps", name, "clients")
    others = _others(document)
    if app.clients is None and len(others) > 1:
        document.problems.add(
            document.region("apps", name),
            "app-clients",
            f"there are {len(others)} issuers, and which of them calls the program {shown(name)} what is not said",
            allowed=", ".join(map(shown, others)),
            hint=f"add `clients: [{{issuer: {others[0]}, client: {name}}}]`, or `clients: []` where it has keys alone",
            path=("apps", name),
        )
    for index, one in enumerate(app.clients or ()):
        place: Path = (*path, index, "issuer")
        if one.issuer not in others and document.says("issuers", one.issuer) and one.issuer in document.issuers:
            document.problems.add(
                document.value_region(*place),
                "app-client-own",
                f"the issuer {shown(one.issuer)} is this installation itself, and calls the program {shown(name)}",
                hint="take it out",
                path=place,
            )
        elif one.issuer not in document.issuers:
            _unknown(document, place, "issuer-unknown", "issuer", one.issuer, document.issuers)
    for index, one in enumerate(clients(document, name, app)):
        if other := taken.get((one.issuer, one.client)):
            place = (*path, index) if app.clients else ("apps", name)
            document.problems.add(
                document.region(*place),
                "app-client-twice",
                f"the client {shown(one.client)} of {shown(one.issuer)} is the program {shown(other)} already",
                hint="a client is one program: take it out of one of them",
                path=place,
            )
        taken.setdefault((one.issuer, one.client), name)


def _scopes(document: Document, name: str, app: App) -> None:
    rules = document.third_party.tiers.of(app.tier)
    for index, scope in enumerate(app.scopes if isinstance(app.scopes, list) else ()):
        if withheld(rules, scope):
            place: Path = ("apps", name, "scopes", index)
            document.problems.add(
                document.value_region(*place),
                "app-scope-never",
                f"programs of the tier {shown(app.tier)} never have the scope {shown(scope)}",
                hint="take it out; or, for a program of one's own, write `tier: trusted`",
                path=place,
            )


def _apis(document: Document, name: str, app: App, apis: Sequence[EffectiveApi], documents: Documents) -> None:
    known = {api.name: api for api in apis}
    for index, api in enumerate(app.apis if isinstance(app.apis, list) else ()):
        if not document.says("apis", api):
            _unknown(document, ("apps", name, "apis", index), "api-unknown", "API", api, document.apis)
    for api, names in app.operations.items():
        path: Path = ("apps", name, "operations", api)
        if not document.says("apis", api):
            _unknown(document, path, "api-unknown", "API", api, document.apis)
            continue
        if app.apis != ALL and api not in app.apis:
            document.problems.add(
                document.region(*path),
                "app-operations",
                f"the program {shown(name)} was not given the API {shown(api)}",
                hint=f"add {shown(api)} to its `apis`, or take this out",
                path=path,
            )
        if api not in known:
            continue
        read = [documents.named.get(place) for place, _ in places(api, known[api].api)]
        operations = {one.name for each in read if each is not None for one in each.operations}
        if None not in read:
            for index, operation in enumerate(names):
                if operation not in operations:
                    _unknown(document, (*path, index), "operation-unknown", "operation", operation, operations)


def _review(document: Document, name: str, app: App) -> None:
    if app.review is not None and app.review <= dt.datetime.now(dt.UTC).date():
        path: Path = ("apps", name, "review")
        document.problems.add(
            document.region(*path),
            "app-review-due",
            f"the program {shown(name)} was to be looked at again by {app.review}",
            severity="warning",
            hint=f"`lockgate apps usage {name}` shows what it was given and what it used; then write another day",
            path=path,
        )


def _unknown(document: Document, path: Path, code: str, kind: str, name: str, known: Iterator[str] | Any) -> None:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    document.problems.add(
        document.value_region(*path) if isinstance(path[-1], int) or path[-1] == "issuer" else document.region(*path),
        code,
        f"there is no {kind} {shown(name)}",
        allowed=", ".join(map(shown, known[:20])) or None,
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )
