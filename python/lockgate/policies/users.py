"""`users`: how many may use an API."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import Name, Scalar, ShortForm, count, duration, refusal, shown

MAX_USERS: Final = 1_000_000
"""That are counted by one cap; the core says the same."""
MAX_CAPS: Final = 16
DAY_MS: Final = 86_400_000

_BY_ALLOWED: Final = "`api`, `app`, or `{claim: NAME}`"


class Of(NamedTuple):
    """Of what there may be so many users."""

    kind: str
    name: str | None = None

    def __str__(self) -> str:
        """As the file says it."""
        return self.kind if self.name is None else f"{{{self.kind}: {self.name}}}"

    def said(self) -> object:
        """As the bundle has it."""
        return self.kind if self.name is None else {self.kind: self.name}


def parse_of(value: object) -> Of:
    """Of what there may be so many."""
    if isinstance(value, Of):
        return value
    if value in ("api", "app"):
        return Of(str(value))
    if isinstance(value, dict) and list(value) == ["claim"]:
        name = value["claim"]
        if isinstance(name, str) and name and name.isprintable() and len(name) <= 200:
            return Of("claim", name)
        raise refusal("by-malformed", f"{shown(name)} is not the name of a claim", allowed="a text such as `tenant`")
    if isinstance(value, str) and value.startswith("claim:"):
        hint = f"write `{{claim: {value.removeprefix('claim:').strip() or 'NAME'}}}`"
        raise refusal("by-malformed", f"{shown(value)} does not say which claim", allowed=_BY_ALLOWED, hint=hint)
    meant = {"application": "app", "program": "app", "client": "app"}.get(value) if isinstance(value, str) else None
    close = (
        [meant]
        if meant
        else difflib.get_close_matches(value, ("api", "app"), n=1, cutoff=0.5)
        if isinstance(value, str)
        else []
    )
    guess = f"did you mean `{close[0]}`?" if close else None
    raise refusal("by-unknown", f"users are not counted by {shown(value)}", allowed=_BY_ALLOWED, hint=guess)


_OF_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": ["api", "app"]},
        {
            "type": "object",
            "properties": {"claim": {"type": "string", "minLength": 1}},
            "required": ["claim"],
            "additionalProperties": False,
        },
    ]
}


class UserCap(Settings):
    """How many there may be."""

    distinct_per_day: Annotated[int, count(1, MAX_USERS)] | None = Field(
        default=None,
        description="Most different users in a day, which begins at midnight (UTC). Who came today already goes on.",
        examples=[5000],
    )
    concurrent: Annotated[int, count(1, MAX_USERS)] | None = Field(
        default=None,
        description="Most users at once: who has a request or a stream under way, or had one `idle` ago.",
        examples=[200],
    )
    idle: Annotated[int, duration(1_000, DAY_MS)] = Field(
        default=300_000,
        description="For how long who is done keeps a place of `concurrent`.",
        examples=["15m"],
        json_schema_extra={"default": "5m"},
    )
    by: Annotated[Of, Scalar(parse_of, _OF_SCHEMA)] = Field(
        default=Of("api"),
        description="Of what there may be so many: of the `api`, of each `app` that uses it, or of each value of a "
        "claim, `{claim: NAME}`. Who has no such program or claim is of one that all of those share.",
        examples=["app", {"claim": "tenant"}],
        json_schema_extra={"default": "api"},
    )
    role: Name | None = Field(
        default=None,
        description="Only those are counted who have this role, such as a plan; left out, all are.",
        examples=["free"],
    )

    @model_validator(mode="after")
    def _caps_something(self) -> Self:
        if self.distinct_per_day is None and self.concurrent is None:
            raise refusal(
                "users-uncapped",
                "this does not say how many there may be",
                allowed="`distinct_per_day`, `concurrent`, or both",
            )
        return self


class Users(Policy):
    """How many may use an API: callers who are known, each once whatever they send."""

    room: ClassVar[str] = "users"

    caps: list[UserCap] = Field(
        min_length=1,
        max_length=MAX_CAPS,
        description="How many there may be; all of these hold. One may stand beside `mode`, without `caps`.",
        examples=[[{"distinct_per_day": 5000}, {"by": "app", "concurrent": 50}]],
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        said = [(one.by, one.role) for one in self.caps]
        for of in said:
            if said.count(of) > 1:
                role = f" of the role {shown(of[1])}" if of[1] is not None else ""
                raise refusal(
                    "users-twice",
                    f"two of these are for users{role} by {of[0]}",
                    hint="write `distinct_per_day` and `concurrent` in one",
                )
        return self

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part."""
        return {
            "caps": [
                {
                    "distinct": one.distinct_per_day or 0,
                    "concurrent": one.concurrent or 0,
                    "idle_ms": one.idle,
                    "by": one.by.said(),
                    "role": one.role,
                }
                for one in self.caps
            ]
        }


def _long(value: object) -> object:
    if isinstance(value, list):
        return {"caps": value}
    if isinstance(value, dict) and "caps" not in value:
        own = {name: said for name, said in value.items() if name in Policy.model_fields}
        return {**own, "caps": [{name: said for name, said in value.items() if name not in own}]}
    return value


USERS: Final = (BeforeValidator(_long), ShortForm({"type": ["array", "object"]}))
