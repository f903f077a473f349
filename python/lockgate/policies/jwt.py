"""`jwt`: a signed token of an identity provider proves who calls."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from lockgate.headers import Header
from lockgate.policies._base import Authentication, Lists, Settings
from lockgate.scalars import Flag, Name, Scalar, duration, refusal, shown

COOKIE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


def parse_cookie(value: object) -> str:
    """A cookie's name (RFC 6265 section 4.1.1)."""
    if isinstance(value, str) and COOKIE.fullmatch(value):
        return value
    raise refusal(
        "cookie-malformed",
        f"{shown(value)} is not a cookie's name",
        allowed="letters, digits and !#$%&'*+-.^_`|~, at most 128",
    )


class Proof(Settings):
    """How proofs of a token's key are judged (DPoP, RFC 9449)."""

    max_age: Annotated[int, duration(1_000, 600_000)] = Field(
        default=60_000,
        description="How long ago a proof may have been made, the issuer's `skew` beside. It is remembered so long, so "
        "that it counts once.",
        examples=["60s"],
        json_schema_extra={"default": "60s"},
    )
    nonce: Flag = Field(
        default=False,
        description="Whether a proof has to hold what the gate gave out in `DPoP-Nonce`. A client is told so every "
        "other minute (`use_dpop_nonce`) and asks again; its clock does not matter then, and nobody can make proofs "
        "ahead of time.",
        examples=[True],
    )


class Jwt(Authentication):
    """Takes tokens of one issuer; an API that takes several issuers' names each in an entry of its own."""

    room: ClassVar[str] = "jwt"

    issuer: Name = Field(
        description="Whose tokens are taken: a name under `issuers`.",
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
                hint="take `header` or `cookie` out, or make two entries of it",
            )
        return self

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        place = {"cookie": self.cookie} if self.cookie is not None else {"header": self.header or "Authorization"}
        return {
            "issuer": self.issuer,
            "place": place,
            "forward": self.forward,
            "bound": self.sender_constrained or [],
            "proof": {"max_age_ms": self.proof.max_age, "nonce": self.proof.nonce},
        }
