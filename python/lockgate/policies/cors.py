"""`cors`: which web pages of other origins may call, and read the answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from typing_extensions import override

from lockgate.addresses import Method
from lockgate.policies._base import Lists, Policy
from lockgate.scalars import Flag, Text, duration

DAY_MS: Final = 86_400_000
MAX_AGE_MS: Final = 600_000
"""Ten minutes: what was taken back is soon forgotten. Chromium keeps to two hours at most, Firefox to a day."""
EXPOSED: Final = ("X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate")
"""What a page wants to read of a refusal, and could not otherwise."""


class Cors(Policy):
    """Answers browsers' preflights, and says on every answer which page may read it."""

    room: ClassVar[str] = "cors"

    origins: list[Text] = Field(
        description="Origins of pages that may call, as browsers send them: scheme, host, and the port where it is not "
        "the scheme's own. `https://*.example.com` is every host below the domain; `*` alone is any page.",
        examples=[["https://shop.example.com", "https://*.preview.example.com"]],
    )
    methods: list[Method] = Field(
        default=[],
        description="Methods that pages may use; left out, those that the API answers to.",
        examples=[["GET", "POST", "DELETE"]],
    )
    headers: list[Text] = Field(
        default=["Authorization", "Content-Type"],
        description="Headers that pages may send, or `*` alone. Those that carry the API's keys are always among them.",
        examples=[["Content-Type", "X-Team"]],
    )
    expose: list[Text] = Field(
        default=list(EXPOSED),
        description="Headers of answers that pages may read.",
        examples=[["X-Request-Id", "ETag"]],
    )
    credentials: Flag = Field(
        default=False,
        description="Whether cookies and client certificates may come along. Not together with `*`.",
        examples=[True],
    )
    max_age: Annotated[int, duration(0, DAY_MS)] = Field(
        default=MAX_AGE_MS,
        description="How long a browser may remember a preflight's answer.",
        examples=["10m"],
        json_schema_extra={"default": "10m"},
    )
    private_network: Flag = Field(
        default=False,
        description="Whether pages of public sites may call the API at a private address.",
        examples=[True],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {
            "origins": self.origins,
            "methods": self.methods,
            "headers": self.headers,
            "expose": self.expose,
            "credentials": self.credentials,
            "max_age_s": self.max_age // 1000,
            "private_network": self.private_network,
        }
