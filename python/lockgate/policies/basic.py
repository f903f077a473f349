"""`basic`: a name and a password with each request, for programs that know nothing better."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from typing_extensions import override

from lockgate.policies._base import Authentication, Lists
from lockgate.scalars import Flag, Name, Scalar, duration, refusal, shown

MINUTE_MS: Final = 60_000


def parse_realm(value: object) -> str:
    """What a browser shows where it asks for the password: no character that would have to be escaped."""
    plain = isinstance(value, str) and 0 < len(value) <= 80 and value.isascii() and value.isprintable()
    if isinstance(value, str) and plain and not {'"', "\\"} & set(value):
        return value
    raise refusal(
        "realm-malformed",
        f"{shown(value)} is not a realm",
        allowed="1 to 80 printable ASCII characters, without quotation marks and backslashes",
    )


class Basic(Authentication):
    """Takes a name and a password (RFC 7617) of an issuer that knows people by passwords."""

    room: ClassVar[str] = "basic"

    issuer: Name = Field(
        description="Whose people they are: a name under `issuers` with `users` or `ldap`.", examples=["people"]
    )
    realm: Annotated[str, Scalar(parse_realm, {"type": "string"})] = Field(
        default="lockgate",
        description="What the API is called where a program or a browser asks for the password.",
        examples=["orders"],
    )
    forward: Flag = Field(
        default=False,
        description="Leave the password on the request that goes to the upstream. Left out, it is taken off: an "
        "upstream that has it can be that person everywhere.",
        examples=[True],
    )
    cache: Annotated[int, duration(0, 10 * MINUTE_MS)] = Field(
        default=60_000,
        description="How long a right password is not looked at again. One that was changed, and a person that was "
        "suspended, is refused at once in any case; what changes in a directory, after this. `0s` looks each time, "
        "which costs a tenth of a second and more.",
        examples=["30s"],
        json_schema_extra={"default": "60s"},
    )
    negative: Annotated[int, duration(0, 10 * MINUTE_MS)] = Field(
        default=10_000,
        description="How long a wrong password is not looked at again.",
        examples=["10s"],
        json_schema_extra={"default": "10s"},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it, but for where people are asked about."""
        return {
            "issuer": self.issuer,
            "realm": self.realm,
            "forward": self.forward,
            "cache_ms": self.cache,
            "negative_ms": self.negative,
        }
