"""`apps` and `third_party`: programs of others, what they were given, and what bounds each tier."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from lockgate._native import matches_scope
from lockgate.addresses import Method
from lockgate.policies import Settings
from lockgate.policies.limits import MOST_AT_ONCE, Rate, parse_allow
from lockgate.policies.scopes import Scope
from lockgate.scalars import Date, Name, Scalar, ShortForm, Text, duration, refusal, shown

DAY_MS: Final = 86_400_000
MAX_LISTED: Final = 1_000
ALL: Final = "all"
Tier = Literal["unreviewed", "reviewed", "trusted"]
ADMIN: Final = ("*admin*",)
"""Scopes that programs of others never have, unless it is said otherwise."""
DANGEROUS: Final = ("*admin*", "*write*", "*delete*")
_PATTERN: Final = re.compile(r"[!#-\[\]-~]{1,256}")
_LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")


def parse_pattern(value: object) -> str:
    """A scope, or several by a star."""
    if isinstance(value, str) and _PATTERN.fullmatch(value) and value.count("*") <= 8:
        return value
    raise refusal(
        "scope-malformed",
        f"{shown(value)} is no pattern of scopes",
        allowed="a scope such as `orders:write`, or several with `*`, such as `*:admin`",
    )


def parse_redirect(value: object) -> str:
    """Where people come back to, exactly as an app will ask for it (RFC 9700 section 2.1)."""

    def wrong(what: str, hint: str) -> Exception:
        return refusal("redirect-uri", f"{shown(value)} {what}", hint=hint)

    if not isinstance(value, str) or len(value) > 2_000 or not re.fullmatch(r"[!-~]+", value):
        raise wrong("is no URL to come back to", "write it whole, such as https://crm.example.com/callback")
    if "*" in value:
        raise wrong("has a `*` in it", "name each address: one that anybody may make up gives codes to anybody")
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise wrong("is no URL", "write it whole, such as https://crm.example.com/callback") from error
    if url.fragment or value.endswith("#"):
        raise wrong("has a fragment (`#`)", "take it out: it never reaches a server (RFC 6749 section 3.1.2)")
    if url.username is not None or url.password is not None:
        raise wrong("has a name or a password in it", "take it out")
    if "\\" in value or "/../" in value or value.endswith("/.."):
        raise wrong("leads elsewhere than it says", "write the path as browsers end up with it")
    if url.scheme == "https" and url.hostname and port != 0:
        return value
    host = url.netloc.rpartition(":")[0] if port is not None else url.netloc
    if url.scheme == "http" and host in _LOOPBACK:
        return value
    if "." in url.scheme and not url.netloc and url.path.startswith("/"):
        return value  # An app's own, by its domain (RFC 8252 section 7.1).
    raise wrong(
        "is no address that is safe to come back to",
        "use https://; http:// to 127.0.0.1, [::1] or localhost; or an app's own scheme, such as com.example.app:/",
    )


def parse_all(value: object) -> object:
    """`all` or a list."""
    if value == ALL or isinstance(value, list):
        return value
    raise refusal("list-or-all", f"{shown(value)} is neither a list nor `all`", allowed="a list, or `all`")


Pattern = Annotated[str, Scalar(parse_pattern, {"type": "string"})]
RedirectUri = Annotated[str, Scalar(parse_redirect, {"type": "string", "format": "uri"})]
Redirects = Annotated[list[RedirectUri], Field(max_length=64)]


class AppClient(Settings):
    """What an issuer calls a program."""

    issuer: Name = Field(description="A name under `issuers`.", examples=["company"])
    client: Text = Field(description="The `client_id`, or `azp`, of its tokens.", examples=["0oa1f2"])


class App(Settings):
    """A program of others."""

    owner: Text = Field(description="Who answers for it.", examples=["sales@example.com"])
    purpose: Text | None = Field(default=None, description="What it is for.", examples=["copies orders to the CRM"])
    contact: Text | None = Field(
        default=None, description="Whom to tell when something is wrong with it.", examples=["security@crm.example"]
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
        Annotated[list[Name], Field(min_length=1, max_length=MAX_LISTED)] | Literal["all"],
        BeforeValidator(parse_all),
        ShortForm({"enum": [ALL]}),
    ] = Field(description="APIs that it was given.", examples=[["orders"]])
    scopes: Annotated[
        Annotated[list[Scope], Field(max_length=MAX_LISTED)] | Literal["all"],
        BeforeValidator(parse_all),
        ShortForm({"enum": [ALL]}),
    ] = Field(
        default=[],
        description="Scopes that it was given; others are withheld, whatever its credentials say. `all`: those that "
        "they say.",
        examples=[["orders:read"]],
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
