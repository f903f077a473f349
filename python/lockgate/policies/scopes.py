"""`scopes`: what a credential was given opens what it may be used for."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists
from lockgate.policies._openings import OPENS, Opens, short
from lockgate.scalars import Scalar, ShortForm, Text, refusal, shown

SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,256}")
FROM_OPENAPI: Final = "from_openapi"
Way = Literal["api_key", "basic", "introspection", "jwt", "mtls", "session", "signature", "webhook"]


def parse_scope(value: object) -> str:
    """A scope (RFC 6749 section 3.3)."""
    if isinstance(value, str) and SCOPE.fullmatch(value):
        return value
    raise refusal(
        "scope-malformed",
        f"{shown(value)} is not a scope",
        allowed="a word without blanks, quotes and backslashes, such as `orders:read`",
    )


Scope = Annotated[str, Scalar(parse_scope, {"type": "string", "pattern": f"^{SCOPE.pattern}$"})]


class Scopes(Authorization):
    """Which scopes open what: as the API's OpenAPI document says, or as it is said here."""

    room: ClassVar[str] = "scopes"

    from_openapi: bool = Field(
        default=False,
        description="Each operation's `security` in the API's document holds as it stands: of its alternatives one, "
        "and of that every scheme with all its scopes.",
        examples=[True],
    )
    schemes: dict[Text, Annotated[list[Way], Field(min_length=1)]] = Field(
        default={},
        max_length=64,
        description="What satisfies a scheme of the document, by its name, where its kind does not tell: any one of "
        "these ways of `authenticate`.",
        examples=[{"gatewayToken": ["jwt"]}],
    )
    opens: dict[Scope, Opens] = Field(
        default={},
        max_length=1_000,
        description="What each scope opens: methods, operations, paths, permissions. Scopes may stand beside `mode`, "
        "without `opens`.",
        examples=[{"orders:read": ["GET"], "orders:write": ["POST", "cancelOrder"]}],
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.from_openapi == bool(self.opens):
            said = "both the document and the configuration say" if self.opens else "nothing says"
            hint = "write `scopes: from_openapi`, or which scope opens what: `scopes: {orders:read: [GET]}`"
            raise refusal("scopes-source", f"{said} which scopes open what", hint=hint)
        if self.schemes and not self.from_openapi:
            hint = "add `from_openapi: true`, or take `schemes` out"
            raise refusal("scopes-source", "schemes are those of a document, which is not asked", hint=hint)
        return self

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what scopes open, which the API's operations and permissions tell."""
        schemes = [{"scheme": name, "ways": ways} for name, ways in self.schemes.items()]
        return {"from_openapi": self.from_openapi, "schemes": schemes, "opens": []}


def _long(value: object) -> object:
    return {FROM_OPENAPI: True} if value == FROM_OPENAPI else short(Scopes)(value)


SCOPES = (BeforeValidator(_long), OPENS, ShortForm({"enum": [FROM_OPENAPI]}))
