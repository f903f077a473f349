"""`apps` and `third_party`: programs of others, what they were given, and what bounds each tier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from lockgate._native import matches_scope
from lockgate.addresses import Method
from lockgate.policies import Settings
from lockgate.policies.limits import MOST_AT_ONCE, Rate, parse_allow
from lockgate.policies.scopes import Scope
from lockgate.redirects import MOST, RedirectError, parse_redirect
from lockgate.scalars import Date, Name, Scalar, Text, duration, refusal, shown

DAY_MS: Final = 86_400_000
MAX_LISTED: Final = 1_000
ALL: Final = "all"
Tier = Literal["unreviewed", "reviewed", "trusted"]
ADMIN: Final = ("*admin*",)
"""Scopes that programs of others never have, unless it is said otherwise."""
DANGEROUS: Final = ("*admin*", "*write*", "*delete*")
_PATTERN: Final = re.compile(r"[!#-\[\]-~]{1,256}")


def parse_pattern(value: object) -> str:
    """A scope, or several by a star."""
    if isinstance(value, str) and _PATTERN.fullmatch(value) and value.count("*") <= 8:
        return value
    raise refusal(
        "scope-malformed",
        f"{shown(value)} is no pattern of scopes",
        allowed="a scope such as `orders:write`, or several with `*`, such as `*:admin`",
    )


@dataclass(frozen=True, slots=True)
class AllOr:
    """`all`, or a list of this type. Of a union a mistake within the list would be told twice."""

    listed: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The list's own schema, but for the word."""

        def either(value: object, listed: ValidatorFunctionWrapHandler) -> object:
            if value == ALL or not isinstance(value, list):
                return _all(value)
            return listed(value)

        made = handler.generate_schema(self.listed)
        plain = core_schema.plain_serializer_function_ser_schema(lambda value: value)
        return core_schema.no_info_wrap_validator_function(either, made, serialization=plain)

    def __get_pydantic_json_schema__(self, made: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either form."""
        return {"anyOf": [{"enum": [ALL]}, handler(made)]}


def _all(value: object) -> object:
    if value == ALL:
        return value
    raise refusal("list-or-all", f"{shown(value)} is neither a list nor `all`", allowed="a list, or `all`")


Pattern = Annotated[str, Scalar(parse_pattern, {"type": "string"})]


def parse_uri(value: object) -> str:
    """Where people come back to."""
    try:
        return parse_redirect(value if isinstance(value, str) else "")
    except RedirectError as error:
        raise refusal("redirect-uri", error.what, hint=error.hint) from error


RedirectUri = Annotated[str, Scalar(parse_uri, {"type": "string", "format": "uri"})]


class AppClient(Settings):
    """What an issuer calls a program."""

    issuer: Name = Field(description="A name under `issuers`.", examples=["company"])
    client: Text = Field(description="`client_id`, else `azp`, `cid` or `appid`, of its tokens.", examples=["0oa1f2"])


class App(Settings):
    """A program of others."""

    owner: Text = Field(description="Who answers for it.", examples=["sales@example.com"])
    purpose: Text | None = Field(default=None, description="What it is for.", examples=["copies orders to the CRM"])
    contact: Text | None = Field(
        default=None, description="Whom to tell when something is wrong with it.", examples=["security@crm.example"]
    )
    title: Text | None = Field(
        default=None,
        max_length=80,
        description="What people are shown who are to let it in; left out, its name.",
        examples=["CRM Sync"],
    )
    redirect_uris: Annotated[list[RedirectUri], Field(max_length=MOST)] = Field(
        default=[],
        description="Where people come back to who let it in (`issuers.NAME.grants`), exactly as it asks for it.",
        examples=[["https://crm.example.com/callback"]],
    )
    tier: Tier = Field(
        default="unreviewed",
        description="How far it is trusted; `third_party.tiers` says what that bounds.",
        examples=["reviewed"],
    )
    clients: Annotated[list[AppClient], Field(max_length=64)] | None = Field(
        default=None,
        description="What issuers call it. Left out, the one issuer there is calls it by its name here. Keys of its "
        "own need none (`lockgate keys create --app`).",
        examples=[[{"issuer": "company", "client": "0oa1f2"}]],
    )
    apis: Annotated[
        list[Name] | Literal["all"], AllOr(Annotated[list[Name], Field(min_length=1, max_length=MAX_LISTED)])
    ] = Field(description="APIs that it was given.", examples=[["orders"]])
    scopes: Annotated[list[Scope] | Literal["all"], AllOr(Annotated[list[Scope], Field(max_length=MAX_LISTED)])] = (
        Field(
            default=[],
            description="Scopes that it was given; others are withheld, whatever its credentials say. `all`: what "
            "they say.",
            examples=[["orders:read"]],
        )
    )
    operations: dict[Name, Annotated[list[Text], Field(min_length=1, max_length=MAX_LISTED)]] = Field(
        default={},
        max_length=MAX_LISTED,
        description="Operations that it was given of an API, where that is not all of them.",
        examples=[{"orders": ["listOrders", "getOrder"]}],
    )
    until: Date | None = Field(
        default=None, description="The day, at 00:00 UTC, from which it is let in no more.", examples=["2027-01-01"]
    )
    review: Date | None = Field(
        default=None, description="The day by which somebody looks at it again.", examples=["2027-01-01"]
    )

    @model_validator(mode="after")
    def _not_everything(self) -> Self:
        for name in ("scopes", "apis"):
            if self.tier == "unreviewed" and getattr(self, name) == ALL:
                hint = "list them, or review it and put it into the tier `reviewed`"
                raise refusal("app-all", f"a program that nobody has reviewed is not given all {name}", hint=hint)
        return self


class TierRules(Settings):
    """What bounds the programs of a tier; what is left out stays as it is without being said."""

    rate: Annotated[Rate, Scalar(parse_allow, {"type": "string"})] | None = Field(
        default=None,
        description="How much each of them may send, over all that use it and all APIs, at each gate.",
        examples=["60/m"],
    )
    burst: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = Field(
        default=None, description="How many at once; left out, the number of `rate`.", examples=[20]
    )
    methods: Annotated[list[Method], Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Methods that they may use; GET brings HEAD.", examples=[["GET"]]
    )
    bulk: Literal["allow", "deny"] | None = Field(
        default=None, description="Whether they may use what APIs call `bulk`.", examples=["deny"]
    )
    never: Annotated[list[Pattern], Field(max_length=64)] | None = Field(
        default=None,
        description="Scopes that they never have, whoever gave them; `*` stands for anything.",
        examples=[["*admin*", "payments:*"]],
    )


BUILT_IN: Final[dict[Tier, TierRules]] = {
    "unreviewed": TierRules(rate=Rate(60, 60_000), bulk="deny", never=list(ADMIN)),
    "reviewed": TierRules(bulk="allow", never=list(ADMIN)),
    "trusted": TierRules(bulk="allow", never=[]),
}


class Tiers(Settings):
    """What bounds programs, by how far they are trusted."""

    unreviewed: TierRules = Field(
        default=TierRules(),
        description="Nobody has looked at them: 60 requests a minute, no bulk reads, no `*admin*` scopes.",
        examples=[{"rate": "30/m", "methods": ["GET"]}],
    )
    reviewed: TierRules = Field(
        default=TierRules(),
        description="Somebody has, and answers for them: no `*admin*` scopes.",
        examples=[{"rate": "100/s"}],
    )
    trusted: TierRules = Field(
        default=TierRules(), description="One's own: bounded by nothing.", examples=[{"rate": "1000/s"}]
    )

    def of(self, tier: Tier) -> TierRules:
        """The rules of a tier, with what is not said of them."""
        said: TierRules = getattr(self, tier)
        own = {name: getattr(said, name) for name in said.model_fields_set}
        return BUILT_IN[tier].model_copy(update=own)


class ThirdParty(Settings):
    """How programs of others are held."""

    tiers: Tiers = Field(
        default=Tiers(),
        description="What bounds programs, by how far they are trusted.",
        examples=[{"unreviewed": {"rate": "30/m"}}],
    )
    dangerous: Annotated[list[Pattern], Field(max_length=64)] = Field(
        default=list(DANGEROUS),
        description="Scopes whose first use by a program is told; `*` stands for anything.",
        examples=[["*admin*", "payments:*"]],
    )
    unused: Annotated[int, duration(DAY_MS, 3_660 * DAY_MS)] = Field(
        default=90 * DAY_MS,
        description="How long scopes that a registered program was given, and what people allowed it, may go unused "
        "until they are taken back.",
        examples=["90d"],
        json_schema_extra={"default": "90d"},
    )


def withheld(rules: TierRules, scope: str) -> bool:
    """Whether programs of a tier never have a scope."""
    return any(matches_scope(pattern, scope) for pattern in rules.never or ())


def bound(rules: TierRules) -> dict[str, Any]:
    """The rules of a tier, as the bundle writes them."""
    rate = rules.rate
    return {
        "rate": {"allow": rate.number, "per_ms": rate.per_ms, "burst": rules.burst or rate.number} if rate else None,
        "methods": rules.methods,
        "bulk": rules.bulk == "allow",
        "never": rules.never or [],
    }
