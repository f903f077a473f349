"""`authorize`: what those may do who are known."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.config.model_suggest import SUGGEST, Suggest
from lockgate.policies import (
    APPS,
    CEDAR,
    OBJECTS,
    PROPERTIES,
    ROLES,
    SCOPES,
    USERS,
    Apps,
    Cedar,
    Decide,
    Enumeration,
    Objects,
    PartText,
    Properties,
    Risk,
    Roles,
    Scopes,
    Settings,
    Users,
    Waiver,
    parse_parts,
)
from lockgate.policies._openings import Opens
from lockgate.scalars import Name, ShortForm, refusal, shown

EVERYONE: Final = "authenticated"
RULES: Final = ("allow", "scopes", "roles", "cedar", "decide")
"""What says who may call; the rest only takes away from that."""


class OpenPart(Waiver):
    """A part of an API that is open to anyone."""

    what: Annotated[
        list[PartText],
        BeforeValidator(parse_parts),
        Field(min_length=1, max_length=1_000),
        ShortForm({"type": "string"}),
    ] = Field(description="What is open: methods, operations, paths, permissions.", examples=[["listProducts"]])


class Authorize(Settings):
    """What those may do who are known. What nothing here speaks of is refused."""

    allow: Literal["authenticated"] | None = Field(
        default=None,
        description="Who may do what nothing else here speaks of: `authenticated` is everyone who is known. Left out, "
        "nobody.",
        examples=["authenticated"],
    )
    scopes: Annotated[Scopes | None, *SCOPES] = Field(
        default=None,
        description="Which scopes of credentials open what: as the API's document says (`from_openapi`), or by name.",
        examples=["from_openapi", {"orders:read": ["GET"]}],
    )
    roles: Annotated[Roles | None, *ROLES] = Field(
        default=None,
        description="Which roles of callers open what. Who has which stands under the document's `roles`.",
        examples=[{"support": ["GET"], "manager": ["GET", "POST", "refundOrder"]}],
    )
    cedar: Annotated[Cedar | None, *CEDAR] = Field(
        default=None,
        description="Policies in Cedar, for attributes and relations: the files.",
        examples=["policies/orders.cedar", {"policies": ["policies/*.cedar"], "body": "64KiB"}],
    )
    decide: Decide | None = Field(
        default=None,
        description="Decision points elsewhere that say who may do what: OPA, or a server that Envoy or Traefik asks.",
        examples=[{"opa": {"upstream": "opa", "path": "/v1/data/httpapi/allow"}}],
    )
    objects: Annotated[Objects | None, *OBJECTS] = Field(
        default=None,
        description="Whose it is what is asked for, and what that must be; of all rules that are for a request each "
        "must hold. It entitles nobody: it takes away from what the others open.",
        examples=[[{"operations": ["getOrder"], "response": "/customer_id", "must_equal": "claim:sub"}]],
    )
    apps: Annotated[Apps | None, *APPS] = Field(
        default=None,
        description="Through which programs the API is used, where the document has `apps`: whether only registered "
        "ones, and what they may not use in bulk.",
        examples=["optional", {"bulk": ["exportOrders"]}],
    )
    risk: Risk | None = Field(
        default=None,
        description="What speaks against a request is added up: much of it wants a proof, too much is refused. It "
        "entitles nobody.",
        examples=[{"step_up_at": 60, "deny_at": 85, "signals": {"new_device": 25}}],
    )
    enumeration: Enumeration | None = Field(
        default=None,
        description="Who goes through all there is is refused for a while; left out, nobody counts.",
        examples=[{"objects": 200, "steps": 20}],
    )
    users: Annotated[Users | None, *USERS] = Field(
        default=None,
        description="How many may use it: different callers in a day, or at once, of the API, of a program or of a "
        "tenant. It entitles nobody.",
        examples=[{"distinct_per_day": 5000}, [{"concurrent": 200, "idle": "15m"}, {"by": "app", "concurrent": 20}]],
    )
    properties: Annotated[Properties | None, *PROPERTIES] = Field(
        default=None,
        description="Who may set which fields of what is sent; the first rule that is for a request holds. It entitles "
        "nobody.",
        examples=[[{"operations": ["updateUser"], "write": {"anyone": ["name", "email"], "role admin": "all"}}]],
    )
    suggest: Annotated[Suggest | None, *SUGGEST] = Field(
        default=None,
        description="It is noted where requests and answers say what is verified of their callers, so that `lockgate "
        "access suggest` can propose rules of `objects`; left out, nothing is looked at.",
        examples=["10%", {"share": "100%", "answer": "256KiB"}],
    )
    permissions: dict[Name, Opens] = Field(
        default={},
        max_length=1_000,
        description="Names for parts of the API, to be used where scopes and roles say what they open.",
        examples=[{"refund": ["refundOrder", "POST /orders/{id}/refunds"]}],
    )
    public: list[OpenPart] = Field(
        default=[],
        max_length=100,
        description="Parts of the API that are open to anyone: who answers for it, why, and until when.",
        examples=[[{"what": ["listProducts"], "owner": "shop-team", "reason": "the catalogue", "until": "2027-01-01"}]],
    )

    @model_validator(mode="after")
    def _some_rule(self) -> Self:
        if not any(getattr(self, rule) is not None for rule in RULES) and not self.public:
            raise refusal(
                "authorize-empty",
                "nothing here says who may call, so nobody could",
                allowed=", ".join(f"`{rule}`" for rule in RULES),
                hint="write `authorize: authenticated` for everyone who is known, or `scopes`, or `roles`",
            )
        return self


def _long(value: object) -> object:
    if value == EVERYONE:
        return {"allow": EVERYONE}
    if isinstance(value, str):
        raise refusal(
            "authorize-unknown",
            f"{shown(value)} says nothing of who may do what",
            allowed="`authenticated`, or a mapping with `allow`, `scopes`, `roles`, `cedar`, `decide`",
        )
    return value


AUTHORIZE: Final = (BeforeValidator(_long), ShortForm({"enum": [EVERYONE]}))
