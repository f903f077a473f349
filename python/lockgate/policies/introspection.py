"""`introspection`: the identity provider itself says whose a token is."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.headers import Header
from lockgate.policies._base import Authentication, Lists
from lockgate.policies.jwt import Proof, parse_cookie
from lockgate.scalars import Flag, Name, Scalar, Text, duration, refusal, shown, some

SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
HOUR_MS: Final = 3_600_000


def parse_scope(value: object) -> str:
    """A scope (RFC 6749 section 3.3)."""
    if isinstance(value, str) and SCOPE.fullmatch(value):
        return value
    raise refusal(
        "scope-malformed",
        f"{shown(value)} is not a scope",
        allowed="1 to 128 printable characters without blanks, quotation marks and backslashes",
        hint="write several as a list: `[orders:read, orders:write]`" if isinstance(value, str) else None,
    )


class Introspection(Authentication):
    """Takes tokens that their issuer is asked about, opaque ones above all."""

    room: ClassVar[str] = "introspection"

    issuer: Name = Field(
        description="Who is asked: a name under `issuers`, which says who Lockgate is there (`client`).",
        examples=["company"],
    )
    header: Header | None = Field(
        default=None,
        description="The header that carries the token. `Authorization` wants the scheme `Bearer`; another header may "
        "hold the token alone. Left out, and without `cookie`, it is `Authorization`.",
        examples=["X-Access-Token"],
    )
    cookie: Annotated[str, Scalar(parse_cookie, {"type": "string"})] | None = Field(
        default=None,
        description="The cookie that carries the token, in the place of a header. A browser sends it by itself, also "
        "when another site asks it to: the API has to guard against that.",
        examples=["access_token"],
    )
    forward: Flag = Field(
        default=False,
        description="Leave the token on the request that goes to the upstream. Left out, it is taken off: an upstream "
        "that has it could use it elsewhere.",
        examples=[True],
    )
    audience: Annotated[list[Text], BeforeValidator(some)] | None = Field(
        default=None,
        max_length=32,
        description="What the answer's `aud` must name one of. Left out, the issuer's `audience`.",
        examples=[["https://api.example.com"]],
    )
    scopes: list[Annotated[str, Scalar(parse_scope, {"type": "string"})]] = Field(
        default=[],
        max_length=32,
        description="Scopes that the answer's `scope` must have, all of them; else the request is refused with 403.",
        examples=[["orders:read"]],
    )
    require: list[Text] = Field(
        default=["aud", "token_type"],
        max_length=32,
        description="What an answer must say besides `active`, and besides what the issuer's `require` names. Without "
        "`aud` a token for any API of the issuer's opens this one, if the answer names none; without `token_type` a "
        "refresh token may be taken for an access token, if the issuer says that it is active.",
        examples=[["aud", "token_type", "exp"]],
    )
    cache: Annotated[int, duration(0, HOUR_MS)] = Field(
        default=60_000,
        description="How long a good token is not asked about again, never longer than its `exp`. So long one that was "
        "revoked at the issuer is still good here. `0s` asks with each request.",
        examples=["30s"],
        json_schema_extra={"default": "60s"},
    )
    negative: Annotated[int, duration(0, HOUR_MS)] = Field(
        default=10_000,
        description="How long a token that is not active is not asked about again.",
        examples=["10s"],
        json_schema_extra={"default": "10s"},
    )
    sender_constrained: list[Literal["dpop", "mtls"]] | None = Field(
        default=None,
        min_length=1,
        description="Ways of which a token must be bound in one: to a key of which each request carries a proof "
        "(`dpop`, RFC 9449), or to the client's certificate (`mtls`, RFC 8705). Left out, a token that is not bound is "
        "taken, too; one that is has to be proved in any case.",
        examples=[["dpop", "mtls"]],
    )
    proof: Proof = Field(
        default_factory=Proof,
        description="How proofs of a token's key are judged.",
        examples=[{"nonce": True}],
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.header is not None and self.cookie is not None:
            raise refusal(
                "token-in-two-places",
                "the token is read from one place, and this names two",
                hint="take `header` or `cookie` out",
            )
        return self

    @property
    def place(self) -> dict[str, str]:
        """Where the token is read, as the bundle says it."""
        return {"cookie": self.cookie} if self.cookie is not None else {"header": self.header or "Authorization"}

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it, but for what its issuer says."""
        return {
            "issuer": self.issuer,
            "place": self.place,
            "forward": self.forward,
            "bound": self.sender_constrained or [],
            "proof": {"max_age_ms": self.proof.max_age, "nonce": self.proof.nonce},
            "audiences": self.audience or [],
            "scopes": self.scopes,
            "require": self.require,
            "cache_ms": self.cache,
            "negative_ms": self.negative,
        }
