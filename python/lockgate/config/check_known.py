"""Rules about what no way to authenticate tells of a caller: they would refuse everyone, or take all for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lockgate.config.check_callers import listed
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.placed import Path
from lockgate.policies import ApiKey, Authentication, Basic, Introspection, Jwt, Signature, Webhook
from lockgate.scalars import shown

TELL: Final[Mapping[type[Authentication], frozenset[str]]] = {
    ApiKey: frozenset({"scope"}),
    Signature: frozenset({"alg", "covered", "keyid", "tag"}),
    Webhook: frozenset({"id", "timestamp"}),
}
"""Ways whose callers have these claims and no others."""

OF_PROGRAMS: Final = (ApiKey, Basic, Introspection, Jwt)
"""Ways that name the program which calls."""


def check_known(document: Document, apis: list[EffectiveApi]) -> None:
    """Note caps on users and rules of `objects` that go by what is known of nobody at their API."""
    for api in apis:
        for path, claim, what in (*_users(api), *_objects(api)):
            _check(document, api, path, claim, what)
        _scopes(document, api)


def _users(api: EffectiveApi) -> Iterator[tuple[Path, str | None, str]]:
    placed = api.users
    for index, cap in enumerate(placed.policy.caps if placed is not None else ()):
        if placed is not None and cap.by.kind != "api":
            yield (*placed.path, "caps", index, "by"), cap.by.name, "users"


def _objects(api: EffectiveApi) -> Iterator[tuple[Path, str | None, str]]:
    placed = api.objects
    for index, rule in enumerate(placed.policy.rules if placed is not None else ()):
        for field in ("must_equal", "must_be_in"):
            known = getattr(rule, field)
            if placed is None or known is None:
                continue
            path = (*placed.path, "rules", index, field)
            if known.path:
                yield path, known.path[0], "objects"
            elif known.said() == "app":
                yield path, None, "objects"


def _scopes(document: Document, api: EffectiveApi) -> None:
    """Scopes that no token has: this installation alone issues those that the API takes."""
    issuers = [
        document.issuers.get(one.policy.issuer) if isinstance(one.policy, Jwt) else None for one in api.authenticate
    ]
    grants = [issuer.grants for issuer in issuers if issuer is not None and issuer.grants is not None]
    if api.scopes is None or not grants or len(grants) < len(issuers):
        return
    offered = {scope for one in grants for scope in one.scopes}
    for name in api.scopes.policy.opens:
        if name not in offered:
            path = (*api.scopes.path, "opens", name)
            document.problems.add(
                document.region(*path),
                "scope-unoffered",
                f"nobody can be asked for the scope {shown(name)}, so what it opens is shut",
                severity="warning",
                allowed=", ".join(map(shown, sorted(offered)[:20])),
                hint="add it to `grants.scopes` of the issuer, with the words that people read",
                path=path,
            )


def _check(document: Document, api: EffectiveApi, path: Path, claim: str | None, room: str) -> None:
    # Of ways that must hold together the first says who calls.
    besides = {first + further for first, many in api.together for further in range(1, many)}
    ways = [type(one.policy) for number, one in enumerate(api.authenticate) if number not in besides]
    told = frozenset().union(*(TELL.get(way, frozenset()) for way in ways))
    so = "all would share one count" if room == "users" else "this would refuse everyone"
    takes = f"the API {shown(api.name)} takes {listed(api)} alone" if ways else ""
    if claim is None:
        if ways and not any(issubclass(way, OF_PROGRAMS) for way in ways):
            message = f"{takes}, which names no program, so {so}"
            _note(document, path, f"{room}-nobody", message, "add a way that does: `api_key`, `jwt` or `introspection`")
    elif ways and all(way in TELL for way in ways) and claim not in told:
        message = f"{takes}, which has no claim {shown(claim)}, so {so}"
        has = f"`{'`, `'.join(sorted(told))}`" if told else None
        hint = "add a way whose callers have claims, such as `jwt`, or go by `app`, `owner` or `credential`"
        if room == "users":
            hint = "add a way whose callers have claims, such as `jwt`, or count `by: app`"
        _note(document, path, f"{room}-nobody", message, hint, has)


def _note(document: Document, path: Path, code: str, message: str, hint: str, allowed: str | None = None) -> None:
    region = document.value_region(*path) if isinstance(path[-2], int) else document.region(*path)
    document.problems.add(region, code, message, allowed=allowed, hint=hint, path=path)
