"""Callers made up from who has a role: the simplest credential that says so, for each way that an API takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

Who = Sequence[Mapping[str, Any]]
"""What must hold of somebody, all of it, as a bundle writes it."""

FIELDS: Final = {"jwt": "token", "session": "session", "introspection": "token", "basic": "basic", "api_key": "key"}
"""What a case brings, by what takes it; the first that an API has is taken."""
ANYTHING: Final = "any"
"""The value of a claim that only has to be there."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody, as a case of a table says it."""

    way: str
    """What takes the credential."""
    field: str
    """The case's field."""
    said: Mapping[str, Any]

    def with_scopes(self, scopes: Sequence[str]) -> Caller:
        """The same with these scopes besides."""
        if not scopes:
            return self
        said = dict(self.said)
        if self.field == "key":
            said["scopes"] = list(dict.fromkeys([*said.get("scopes", ()), *scopes]))
            return replace(self, said=said)
        claims = dict(said.get("claims", {}))
        there = claims.get("scope", "")
        before = there.split() if isinstance(there, str) else []
        claims["scope"] = " ".join(dict.fromkeys([*before, *scopes]))
        return replace(self, said={**said, "claims": claims})

    def as_case(self) -> dict[str, Any]:
        """The field and what it says."""
        return {self.field: dict(self.said) or True}


@dataclass(slots=True)
class Wants:
    """What a caller must have, gathered from what must hold of them."""

    claims: dict[str, Any] = field(default_factory=dict)
    issuers: list[str] | None = None
    ways: list[str] | None = None
    subject: str | None = None
    app: str | None = None
    scopes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, who: Who) -> Wants | None:
        """From what must hold; nothing where no case can bring it about."""
        wants = cls()
        taken = all(wants._take(kind, said) for one in who for kind, said in one.items())
        return wants if taken else None

    def _take(self, kind: str, said: Any) -> bool:
        if kind == "claim":
            ((test, value),) = said["test"].items()
            absent = test == "present" and value is False
            return absent or _put(self.claims, said["path"], _meeting(test, value))
        if kind == "issuer":
            self.issuers = said if self.issuers is None else [one for one in self.issuers if one in said]
        elif kind == "way":
            self.ways = said if self.ways is None else [one for one in self.ways if one in said]
        elif kind == "scope":
            self.scopes.append(said[0])
        elif kind == "app":
            self.app = said[0]
        elif kind == "owner":
            self.subject = said[0]
        else:
            # That of a key is drawn by lot, and that of a token is its issuer and `sub`.
            return kind == "credential" and self._credential(said)
        return True

    def _credential(self, said: Sequence[str]) -> bool:
        issuer, slash, subject = said[0].partition("/")
        if not slash:
            return False
        self.subject = subject
        return self._take("issuer", [issuer])


def callers(api: Mapping[str, Any], who: Who) -> Iterator[Caller]:
    """Callers of a bundle's API of whom this holds, the simplest first; `who` may be empty, for somebody who is known.

    Whether it holds, the engine says: what a claim is asked for may contradict itself.
    """
    wants = Wants.of(who)
    if wants is None:
        return
    entries = [(room, placed["config"]) for way in _alone(api) for room, placed in way.items()]
    both = {"jwt", "introspection"} <= {room for room, _ in entries}
    for wanted, case_field in FIELDS.items():
        for room, config in entries:
            if room != wanted or (wants.ways is not None and room not in wants.ways):
                continue
            made = _key(wants) if room == "api_key" else _of_issuer(wants, config, room)
            if made is not None:
                opaque = {"opaque": room == "introspection"} if both and case_field == "token" else {}
                yield Caller(room, case_field, {**made, **opaque}).with_scopes(wants.scopes)


def _alone(api: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Ways of an API that are enough by themselves."""
    several = {one["first"] + place for one in api["policies"].get("together", ()) for place in range(one["count"])}
    for number, way in enumerate(api["policies"]["authenticate"]):
        if number not in several:
            yield way


def _key(wants: Wants) -> dict[str, Any] | None:
    # Keys have no claims, and are no issuer's.
    if wants.claims or wants.issuers is not None or wants.app is not None:
        return None
    return {} if wants.subject is None else {"owner": wants.subject}


def _of_issuer(wants: Wants, config: Mapping[str, Any], room: str) -> dict[str, Any] | None:
    there: list[str] = config["issuers"] if room == "session" else [config["issuer"]]
    issuers = [one for one in there if wants.issuers is None or one in wants.issuers]
    if not issuers:
        return None
    said: dict[str, Any] = {"issuer": issuers[0]}
    if room == "session":
        said["sign_in"] = config["sign_in"]
    more = {"sub": wants.subject, "client_id": wants.app}
    claims = {**wants.claims, **{name: value for name, value in more.items() if value is not None}}
    return {**said, "claims": claims} if claims else said


def _meeting(test: str, value: Any) -> Any:
    """A claim that the test takes."""
    if test == "contains":
        return [_plain(value[0])]
    if test == "one_of":
        return _plain(value[0])
    if test == "equals":
        return _plain(value)
    return ANYTHING if test == "present" else value


def _plain(literal: Mapping[str, Any]) -> Any:
    (value,) = literal.values()
    return value


def _put(claims: dict[str, Any], path: Sequence[str], value: Any) -> bool:
    """Put a value where a claim is; false where something else is there that leaves no room for it."""
    here = claims
    for step in path[:-1]:
        below = here.setdefault(step, {})
        if not isinstance(below, dict):
            return False
        here = below
    before = here.get(path[-1])
    if isinstance(before, list) and isinstance(value, list):
        here[path[-1]] = [*before, *value]
    elif before is None or before == ANYTHING:
        here[path[-1]] = value
    # What is there meets one test already; whether it meets this one, too, the engine says.
    return True
