"""Rules about what no way to authenticate tells of a caller: they would refuse everyone, or take all for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lockgate import _native
from lockgate.config.check_callers import listed
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.people import PERSON
from lockgate.config.placed import Path
from lockgate.policies import ApiKey, Authentication, Basic, Introspection, Jwt
from lockgate.policies.users import UserCap
from lockgate.scalars import shown

OF_PROGRAMS: Final = (ApiKey, Introspection, Jwt)
"""Ways that name the program which calls."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ways of an API tell of who calls."""

    ways: bool
    """Whether there is one at all."""
    rooms: frozenset[str]
    programs: bool
    """Whether one names the program."""
    claims: frozenset[str] | None
    """All claims that there can be; none where there may be any."""

    @classmethod
    def at(cls, document: Document, api: EffectiveApi) -> _Known:
        # Of ways that must hold together the first says who calls.
        besides = {first + further for first, many in api.together for further in range(1, many)}
        every = [one.policy for number, one in enumerate(api.authenticate) if number not in besides]
        told = [_claims(document, one) for one in every]
        named = any(isinstance(one, OF_PROGRAMS) or _client(document, one) for one in every)
        # Any way may be asked for by its name, the further ones of several too.
        rooms = frozenset(one.policy.room for one in api.authenticate)
        closed = frozenset[str]().union(*(one for one in told if one is not None))
        return cls(bool(every), rooms, named, None if None in told else closed)

    def has(self, claim: str) -> bool:
        """Whether somebody may have the claim."""
        return not self.ways or self.claims is None or claim in self.claims

    def may_be(self, said: Mapping[str, Any]) -> bool:
        """Whether what is asked of somebody, as the bundle writes it, may hold of anyone."""
        if not self.ways:
            return True
        if (claim := said.get("claim")) is not None:
            return claim["test"] == {"present": False} or self.has(claim["path"][0])
        if "app" in said:
            return self.programs
        return "way" not in said or not self.rooms.isdisjoint(said["way"])


def check_known(document: Document, apis: list[EffectiveApi]) -> None:
    """Note caps on users and rules of `objects` that go by what is known of nobody at their API."""
    for api in apis:
        known = _Known.at(document, api)
        for path, claim, what in (*_users(api), *_objects(api)):
            _check(document, api, known, path, claim, what)
        _roles(document, api, known)
        _scopes(document, api)


def _claims(document: Document, way: Authentication) -> frozenset[str] | None:
    """The claims that callers may have who come that way; none where it may be any."""
    if isinstance(way, Basic):
        issuer = document.issuers.get(way.issuer)
        return PERSON if issuer is not None and issuer.users is not None else None
    told = _native.claims().get(way.room)
    return frozenset(told) if told is not None else None


def _client(document: Document, way: Authentication) -> bool:
    """Whether people of a directory say which program calls."""
    issuer = document.issuers.get(way.issuer) if isinstance(way, Basic) else None
    return issuer is not None and issuer.ldap is not None and "client_id" in issuer.ldap.claims


def _users(api: EffectiveApi) -> Iterator[tuple[Path, str | None, str]]:
    for path, cap in _caps(api):
        if cap.by.kind != "api":
            yield (*path, "by"), cap.by.name, "users"


def _caps(api: EffectiveApi) -> Iterator[tuple[Path, UserCap]]:
    placed = api.users
    if placed is not None and placed.policy.mode != "off":
        for index, cap in enumerate(placed.policy.caps):
            yield (*placed.path, "caps", index), cap


def _objects(api: EffectiveApi) -> Iterator[tuple[Path, str | None, str]]:
    placed = api.objects
    on = placed is not None and placed.policy.mode != "off"
    for index, rule in enumerate(placed.policy.rules if placed is not None and on else ()):
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


def _roles(document: Document, api: EffectiveApi, known: _Known) -> None:
    """Caps for a role that nobody can have here: they would cap nobody."""
    for place, cap in _caps(api):
        if cap.role is None or cap.role not in document.roles or _held(document, cap.role, known):
            continue
        path = (*place, "role")
        message = f"nobody whom the API {shown(api.name)} takes has the role {shown(cap.role)}, so this caps nobody"
        hint = f"add a way whose callers have what `roles.{cap.role}.who` asks for, such as `jwt`, or leave `role` out"
        _note(document, path, "users-nobody", f"{message}: it takes {listed(api)} alone", hint)


def _held(document: Document, role: str, known: _Known) -> bool:
    """Whether somebody may have a role, by itself or by one that includes it."""
    seen, left = set[str](), [role]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        if any(all(map(known.may_be, who.everything())) for who in document.roles[name].who):
            return True
        left += [other for other, said in document.roles.items() if name in said.includes]
    return False


def _check(document: Document, api: EffectiveApi, known: _Known, path: Path, claim: str | None, room: str) -> None:
    so = "all would share one count" if room == "users" else "this would refuse everyone"
    takes = f"the API {shown(api.name)} takes {listed(api)} alone" if known.ways else ""
    if claim is None:
        if known.ways and not known.programs:
            message = f"{takes}, which names no program, so {so}"
            _note(document, path, f"{room}-nobody", message, "add a way that does: `api_key`, `jwt` or `introspection`")
    elif not known.has(claim):
        message = f"{takes}, which has no claim {shown(claim)}, so {so}"
        has = f"`{'`, `'.join(sorted(known.claims))}`" if known.claims else None
        hint = "add a way whose callers have claims, such as `jwt`, or go by `app`, `owner` or `credential`"
        if room == "users":
            hint = "add a way whose callers have claims, such as `jwt`, or count `by: app`"
        _note(document, path, f"{room}-nobody", message, hint, has)


def _note(document: Document, path: Path, code: str, message: str, hint: str, allowed: str | None = None) -> None:
    region = document.value_region(*path) if isinstance(path[-2], int) else document.region(*path)
    document.problems.add(region, code, message, allowed=allowed, hint=hint, path=path)
