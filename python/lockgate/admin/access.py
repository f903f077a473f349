"""Who may call what, and why: told by the policies themselves, in the words of the configuration.

What a row says comes from the core (`lockgate._native.access`), which asks the policies that judge requests. Nothing
is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

HOST_UNSAID: Final = "localhost"
KEYS_MOST: Final = 1_000
"""Keys that are listed of one operation: there may be a million."""


class Shown(BaseModel):
    """A credential that must be shown."""

    scheme: str | None = Field(description="What the API's document calls it; none where a scope alone is asked for.")
    ways: list[str] | None = Field(description="Ways of `authenticate` that satisfy it; none where any does.")
    scopes: list[str] = Field(description="Scopes that it must have, all of them.")


class Way(BaseModel):
    """One of the credentials that are enough."""

    words: str = Field(description="It in words.")
    all: list[Shown] = Field(description="What must be shown together.")
    fits: bool = Field(description="Whether the API takes such credentials at all.")


class Holder(BaseModel):
    """A role that is enough."""

    role: str = Field(description="Its name.")
    through: str | None = Field(description="The role that it includes, and that the rule names; none for itself.")
    given: bool = Field(description="Whether somebody can have it; else it is only included by others.")


class Said(BaseModel):
    """What a rule says of a part."""

    policy: str = Field(description="`scopes` or `roles`.")
    mode: str = Field(description="`enforce`, or `observe` or `off`: then it holds nobody back.")
    free: bool = Field(description="Whether it lets in everyone who is known.")
    ways: list[Way] = Field(description="Credentials of which any one is enough.")
    roles: list[Holder] = Field(description="Roles of which any one is enough, those first that the rule names.")
    file: str
    line: int


class Waived(BaseModel):
    """Who answers for it that a part is open to anyone."""

    owner: str
    reason: str
    until_ms: int = Field(description="From then on it is closed; milliseconds since the epoch.")
    file: str
    line: int


class Behind(BaseModel):
    """A room that may yet refuse those who may call."""

    policy: str = Field(description="`objects`, `properties`, `device`, `risk` or `step_up`.")
    mode: str
    file: str
    line: int


class Row(BaseModel):
    """A part of an API, and who may call it."""

    api: str = Field(description="The API.")
    route: str | None = Field(description="The route of the API; none for the API itself.")
    version: str | None = Field(description="The version of the API.")
    operation: str | None = Field(description="The operation of its document; none where no document has it.")
    method: str = Field(description="Its method; `*` for those that no rule names.")
    path: str = Field(description="Its path, as a pattern.")
    rest: bool = Field(description="Whether it is what nothing else names.")
    who: Literal["anyone", "known", "entitled", "nobody", "unreached"] = Field(
        description="`anyone`; `known`: everyone who is known; `entitled`: whom all of `rules` that are enforced let "
        "in; `nobody`; `unreached`: no request for it could be made up, so nothing was asked."
    )
    reason: str | None = Field(description="Why nobody may: the reason of the refusal.")
    waiver: Waived | None = Field(description="Who answers for it that anyone may, or could until that ended.")
    proved: bool = Field(description="Whether it is enforced that callers prove who they are.")
    rules: list[Said] = Field(description="What speaks of it.")
    behind: list[Behind] = Field(description="What may yet refuse those who may call.")
    file: str = Field(description="Where it is said: in the API's document, or in the configuration.")
    line: int

    @property
    def called(self) -> str:
        """The API, with its route and version."""
        name = self.api if self.route is None else f"{self.api} / {self.route}"
        return name if self.version is None else f"{name} {self.version}"

    @property
    def without_rule(self) -> bool:
        """Whether it is something that somebody named, and that no rule speaks of."""
        return self.reason == "operation-without-rule" and not self.rest

    def holders(self) -> dict[str, Holder]:
        """Roles that open it, by name."""
        return {holder.role: holder for said in self.rules if said.mode != "off" for holder in said.roles}

    def ways(self) -> list[Way]:
        """Credentials of which one is enough."""
        return [way for said in self.rules if said.mode != "off" for way in said.ways]


class KeyRow(BaseModel):
    """A key that is enough."""

    id: str
    name: str
    owner: str
    scopes: list[str]


class Role(BaseModel):
    """What callers can be."""

    name: str
    who: list[str] = Field(description="Who has it, in the configuration's words; any one of these is enough.")
    includes: list[str] = Field(description="Roles whose rights it has as well.")


class Matrix(BaseModel):
    """Who may call what."""

    roles: list[Role]
    rows: list[Row]


class Told(BaseModel):
    """A part, and of whom its rules speak."""

    row: Row
    who_has: dict[str, list[str]] = Field(
        description="Of each role of `row.rules` who has it, in the configuration's words: any one of these. Nobody "
        "has one without words by itself."
    )
    keys_asked: bool = Field(description="Whether a key can be enough for what its scopes demand.")
    keys: list[KeyRow] | None = Field(
        description="Keys that have such scopes, the oldest first; none where they are not known here."
    )
    keys_more: bool = Field(description="Whether there are more than are listed.")


class WhoMay(BaseModel):
    """Who may call what is asked about."""

    items: list[Told] = Field(description="One for each API, route and version that has it.")


class UnknownPartError(LookupError):
    """There is no such API or operation, and no API answers to such a request; the message names close ones."""


def matrix(bundle: str, api: str | None = None, now_ms: int | None = None) -> Matrix:
    """Every operation of a bundle (JSON), or of one API of it, with who may call it.

    Raises `UnknownPartError` where there is no such API.
    """
    from lockgate._native import access

    document = json.loads(bundle)
    if api is not None:
        known = dict.fromkeys(one["name"] for one in document["apis"])
        if api not in known:
            raise UnknownPartError(f"there is no API `{api}`{_close(api, known)}")
    parts = [part for part in access(bundle.encode(), now_ms=now_ms) if api in {None, part["api"]}]
    return Matrix(roles=roles_of(document), rows=[row_of(part) for part in parts])


def who(bundle: str, wanted: str, api: str | None = None, now_ms: int | None = None) -> list[Row]:
    """The rows that `wanted` means: an operation's name, or a method and a path or URL.

    A path is one of the document's templates, or one that a request has. Raises `UnknownPartError` where nothing is
    meant.
    """
    from lockgate._native import access

    made = matrix(bundle, api, now_ms)
    method, _, path = wanted.strip().partition(" ")
    path = path.strip()
    found = [row for row in made.rows if wanted in (row.operation, f"{row.method} {row.path}")]
    found += [
        row for row in made.rows if row not in found and path and (row.method, row.path) == (method.upper(), path)
    ]
    if not found and path.startswith(("/", "http://", "https://")) and "{" not in path:
        host = urlsplit(path).netloc if "://" in path else HOST_UNSAID
        target = path.partition("://")[2][len(host) :] or "/" if "://" in path else path
        request = {"method": method.upper(), "target": target, "headers": [("Host", host)]}
        found = [row_of(part) for part in access(bundle.encode(), request=request, now_ms=now_ms)]
        found = [row for row in found if api in {None, row.api}]
    if not found:
        names = [name for row in made.rows for name in (row.operation, f"{row.method} {row.path}") if name is not None]
        raise UnknownPartError(f"nothing here is `{wanted}`{_close(wanted, names)}; `lockgate access matrix` lists all")
    return found


def told(
    bundle: str, wanted: str, keys: Callable[[], Iterable[Mapping[str, Any]]] | None, api: str | None = None
) -> WhoMay:
    """The same with who has the roles, and which of the keys are enough; `keys` gives rows of the admin API."""
    document = json.loads(bundle)
    roles = {role.name: role.who for role in roles_of(document)}
    made = []
    for row in who(bundle, wanted, api):
        has = {name: roles.get(name, []) for name in row.holders()}
        scopes = scopes_of_keys(row) if _takes_keys(document, row) else []
        listed = list(islice(keys_enough(row, scopes, keys()), KEYS_MOST + 1)) if keys is not None and scopes else None
        more = listed is not None and len(listed) > KEYS_MOST
        listed = listed[:KEYS_MOST] if listed is not None else None
        made.append(Told(row=row, who_has=has, keys_asked=bool(scopes), keys=listed, keys_more=more))
    return WhoMay(items=made)


def row_of(part: Mapping[str, Any]) -> Row:
    """A row of what the core says of a part."""
    return Row.model_validate(_placed(part))


def roles_of(document: Mapping[str, Any]) -> list[Role]:
    """The roles of a bundle, with who has each."""
    return [
        Role(name=role["name"], who=[words_of(every) for every in role["who"]], includes=role["includes"])
        for role in document["roles"]
    ]


def words_of(every: Iterable[Mapping[str, Any]]) -> str:
    """What must hold of somebody, as a configuration says it: `claim: groups, contains: support`."""
    return " and ".join(_one(kind, said) for one in every for kind, said in one.items())


def scopes_of_keys(row: Row) -> list[set[str]]:
    """The scopes of which a key must have all of one set; empty where no key is asked for scopes."""
    return [
        {scope for part in way.all for scope in part.scopes}
        for way in row.ways()
        if way.fits and all(part.ways is None or "api_key" in part.ways for part in way.all)
    ]


def _takes_keys(document: Mapping[str, Any], row: Row) -> bool:
    theirs = [api for api in document["apis"] if (api["name"], api["route"]) == (row.api, row.route)]
    return any("api_key" in way for api in theirs for way in api["policies"]["authenticate"])


def keys_enough(row: Row, wanted: Sequence[set[str]], keys: Iterable[Mapping[str, Any]]) -> Iterator[KeyRow]:
    """The keys that open something, are for the row's API, and have all scopes of one set."""
    for key in keys:
        scopes = set(key["scopes"] or ())
        there = key["status"] == "active" and (key["apis"] is None or row.api in key["apis"])
        if there and any(one <= scopes for one in wanted):
            yield KeyRow(id=key["id"], name=key["name"], owner=key["owner"], scopes=key["scopes"] or [])


def _one(kind: str, said: Any) -> str:
    if kind != "claim":
        return f"{kind}: {_listed(said)}"
    ((test, value),) = said["test"].items()
    steps = said["path"]
    plain = all("." not in step for step in steps) or (len(steps) == 1 and "://" in steps[0])
    path = ".".join(steps) if plain else json.dumps(steps, ensure_ascii=False)
    return f"claim: {path}, {test}: {_listed(value)}"


def _listed(said: Any) -> str:
    values = [_literal(one) for one in said] if isinstance(said, list) else [_literal(said)]
    return values[0] if len(values) == 1 else f"[{', '.join(values)}]"


def _literal(said: Any) -> str:
    value = next(iter(said.values())) if isinstance(said, dict) else said
    return value if isinstance(value, str) else json.dumps(value)


def _placed(told: Any) -> Any:
    """What the core tells, with a file and a line in the place of each span."""
    if isinstance(told, list):
        return [_placed(one) for one in told]
    if not isinstance(told, Mapping):
        return told
    made = {key: _placed(value) for key, value in told.items() if key not in {"span", "request"}}
    if (span := told.get("span")) is not None:
        made |= {"file": span["file"], "line": span["line"]}
    return made


def _close(wanted: str, names: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(wanted, list(names), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
