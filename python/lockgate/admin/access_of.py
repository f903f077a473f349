"""What somebody may call: the engine is asked about each operation, as somebody with that credential."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from lockgate.admin.access import Row, row_of
from lockgate.admin.explain import facts_of
from lockgate.plugin.launch import COMMAND
from lockgate.rehearsal.callers import Caller, callers
from lockgate.rehearsal.credentials import PEPPER, api_of, key_headers
from lockgate.rehearsal.role_table import Drafted, listener_of, run_drafted

if TYPE_CHECKING:
    from lockgate.admin.explain import Known
    from lockgate.config.model_sign_in import SignIn

Bundle = Mapping[str, Any]
Part = Mapping[str, Any]
ADDED = ("scopes", "methods", "networks", "rate", "app")


class Answer(BaseModel):
    """What becomes of somebody's request for a part."""

    row: Row = Field(description="The part.")
    may: bool = Field(description="Whether it is let through, or answered by the gate itself.")
    grounds: list[str] = Field(description="What entitles them.")
    reason: str | None = Field(description="Why it is refused.")
    detail: str | None = Field(description="More of that.")


def of_claims(
    bundle: Bundle,
    claims: Mapping[str, Any],
    api: str | None = None,
    sign_in: Mapping[str, SignIn] = MappingProxyType({}),
) -> list[Answer]:
    """What somebody may call of whom an issuer says this: with a token, a session or a password, as each API takes it.

    An API that takes nothing of the kind is asked without a credential.
    """
    parts = _parts(bundle, api)
    said = {name: value for name, value in claims.items() if name != "iss"}
    issuers = [one["name"] for one in bundle["issuers"] if claims.get("iss") in {None, one["rules"]["issuer"]}]
    of: dict[tuple[str, str | None], list[Part]] = {}
    for part in parts:
        of.setdefault((part["api"], part["route"]), []).append(part)
    drafted: list[Drafted] = []
    for (name, route), theirs in of.items():
        entry = api_of(bundle, {"api": name, "route": route})
        made = [] if entry is None else _with_claims(entry, said, issuers)
        caller = _first_taken(bundle, made, theirs[0], sign_in)
        drafted += [Drafted("", part, caller, listener_of(bundle, part)) for part in theirs]
    named = [one._replace(name=str(number)) for number, one in enumerate(drafted)]
    results = run_drafted(bundle, named, sign_in)
    return [_answer(one.part, result.explained, result.broken) for one, result in zip(named, results, strict=True)]


def of_key(bundle: Bundle, key: Mapping[str, Any], known: Known, api: str | None = None) -> list[Answer]:
    """What a key may call; `key` is the admin API's row of it. Its secret nobody knows, so another stands for it."""
    from lockgate._native import mint_key

    secret, digest = mint_key(PEPPER, key["environment"])
    record = {name: key[name] for name in ("id", "name", "owner", "environment", "apis", "expires_ms")}
    record |= {"digest": digest, "revoked": key["status"] == "revoked"}
    record |= {name: key[name] for name in ADDED if key.get(name) is not None}
    record |= {"suspended": True} if key["status"] == "suspended" else {}
    facts = facts_of([], [], [], known)
    fact = {"seq": len(facts) + 1, "at_ms": 1, "kind": "key.put", "key": record}

    def headers(entry: Bundle) -> list[tuple[str, str]]:
        return [(name, secret) for name in key_headers(bundle, entry)]

    return list(_each(bundle, api, headers, [*facts, json.dumps(fact).encode()], PEPPER))


def of_token(bundle: Bundle, token: str, known: Known, api: str | None = None) -> list[Answer]:
    """What a token may call, by the keys of its issuer that are known. No issuer is asked about it."""

    def headers(entry: Bundle) -> Iterator[tuple[str, str]]:
        ways = [
            way[room]["config"]["place"] for room in ("jwt", "introspection") for way in _ways(entry) if room in way
        ]
        for place in (dict(items) for items in dict.fromkeys(tuple(place.items()) for place in ways)):
            name, before = ("Cookie", f"{place['cookie']}=") if "cookie" in place else (place["header"], "")
            yield name, f"{'Bearer ' if name.lower() == 'authorization' else before}{token}"

    return list(_each(bundle, api, headers, facts_of([], [token], [], known), known.pepper))


def _each(bundle: Bundle, api: str | None, headers: Any, facts: Sequence[bytes], pepper: bytes) -> Iterator[Answer]:
    from lockgate._native import Engine, Plugins

    plugins = Plugins(list(COMMAND)) if bundle.get("plugins") is not None else None
    engine = Engine(json.dumps(bundle).encode(), facts=list(facts), pepper=pepper, plugins=plugins)
    for part in _parts(bundle, api):
        entry = api_of(bundle, {"api": part["api"], "route": part["route"]})
        carried = list(headers(entry)) if entry is not None else []
        request = {**part["request"], "headers": [*map(tuple, part["request"]["headers"]), *carried]}
        yield _answer(part, engine.evaluate({**request, "peer": "127.0.0.1"}), None)


def _parts(bundle: Bundle, api: str | None) -> list[Part]:
    from lockgate._native import access

    parts = access(json.dumps(bundle).encode())
    return [part for part in parts if api in {None, part["api"]} and part["request"] is not None]


def _ways(entry: Bundle) -> list[Any]:
    return list(entry["policies"]["authenticate"])


def _with_claims(entry: Bundle, claims: Mapping[str, Any], issuers: Sequence[str]) -> list[Caller]:
    """Callers of an API with these claims."""
    made = callers(entry, [{"issuer": list(issuers)}])
    return [Caller(one.way, one.field, {**one.said, "claims": dict(claims)}) for one in made]


def _first_taken(bundle: Bundle, made: Sequence[Caller], part: Part, sign_in: Mapping[str, SignIn]) -> Caller | None:
    """The first whom the API knows; else the first who can come there at all, such as one whose token lacks a claim."""
    drafted = [Drafted(str(number), part, one, listener_of(bundle, part)) for number, one in enumerate(made)]
    results = run_drafted(bundle, drafted, sign_in)
    told = [(one, result.explained) for one, result in zip(made, results, strict=True) if result.explained is not None]
    known = [one for one, explained in told if explained["identity"] is not None]
    return next(iter([*known, *(one for one, _ in told)]), None)


def _answer(part: Part, told: Mapping[str, Any] | None, broken: str | None) -> Answer:
    if told is None:
        return Answer(row=row_of(part), may=False, grounds=[], reason=None, detail=broken)
    reason = told["reason"] or {"code": None, "detail": None, "title": None}
    return Answer(
        row=row_of(part),
        may=told["verdict"] in {"allow", "respond"},
        grounds=[ground for step in told["steps"] if step["policy"] != "risk" for ground in step["grounds"]],
        reason=reason["code"],
        detail=reason["detail"] or reason["title"],
    )
