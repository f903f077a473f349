"""`issuers.NAME.grants`: programs of others that people let in on the gate's own pages (OAuth 2.1)."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from lockgate.policies import Settings
from lockgate.policies.scopes import Scope
from lockgate.scalars import Flag, Name, Text, count, duration

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
MAX_SCOPES: Final = 100


class Registration(Settings):
    """Programs that register themselves (RFC 7591). They begin in the tier `unreviewed`."""

    open: Flag = Field(
        default=False,
        description="Whether anybody may; else only who has a token that `lockgate apps invite` made.",
        examples=[True],
    )
    apis: Annotated[list[Name], Field(min_length=1, max_length=1_000)] = Field(
        description="APIs that they are given.", examples=[["orders"]]
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=MAX_SCOPES)] = Field(
        description="Scopes of which they are given those that they ask for.", examples=[["orders:read"]]
    )
    most: Annotated[int, count(1, 10_000)] = Field(
        default=100, description="How many there may be of them; who comes then is refused.", examples=[100]
    )
    unused: Annotated[int, duration(3_600_000, 366 * DAY_MS)] = Field(
        default=7 * DAY_MS,
        description="How long one may be there that nobody has let in; then it is removed.",
        examples=["7d"],
        json_schema_extra={"default": "7d"},
    )


class Grants(Settings):
    """People let programs of others do something for them, and take that back."""

    sign_in: Name = Field(
        description="A name under `sign_in`: who signs in there is asked, on pages below `/.lockgate/NAME`.",
        examples=["customers"],
    )
    scopes: dict[Scope, Text] = Field(
        min_length=1,
        max_length=MAX_SCOPES,
        description="What may be asked for, each in the words that people read before they say yes.",
        examples=[{"orders:read": "see your orders"}],
    )
    access: Annotated[int, duration(MINUTE_MS, 3_600_000)] = Field(
        default=10 * MINUTE_MS,
        description="How long an access token is good.",
        examples=["10m"],
        json_schema_extra={"default": "10m"},
    )
    refresh: Annotated[int, duration(3_600_000, 366 * DAY_MS)] = Field(
        default=90 * DAY_MS,
        description="How long what somebody allowed holds; then they are asked again.",
        examples=["30d"],
        json_schema_extra={"default": "90d"},
    )
    registration: Registration | None = Field(
        default=None,
        description="Programs that register themselves (RFC 7591); left out, none may.",
        examples=[{"apis": ["orders"], "scopes": ["orders:read"]}],
    )
    rotation: Annotated[int, count(1, 1_000_000)] = Field(
        default=1,
        description="Counts the keys that sign tokens. One more makes a new one; what the one before signed is good "
        "for as long as it says.",
        examples=[2],
    )
