"""`api_key`: a key that Lockgate made proves who calls."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field
from typing_extensions import override

from lockgate.environments import ENVIRONMENT, ENVIRONMENT_RULE
from lockgate.headers import Header
from lockgate.policies._base import Authentication, Lists
from lockgate.scalars import Flag, Text, refusal, shown, some


def _environment(name: str) -> str:
    if not ENVIRONMENT.fullmatch(name):
        raise refusal("environment-malformed", f"{shown(name)} is no environment of keys", allowed=ENVIRONMENT_RULE)
    return name


Environment = Annotated[Text, AfterValidator(_environment)]


class ApiKey(Authentication):
    """Asks for a key in a header; keys are made with `lockgate keys create`."""

    room: ClassVar[str] = "api_key"

    header: Header = Field(
        default="X-API-Key",
        description="The header that carries the key. It is taken off before the request goes on.",
        examples=["X-API-Key"],
    )

    environments: Annotated[list[Environment] | None, AfterValidator(some)] = Field(
        default=None,
        description="The environments whose keys it takes, as they stand in the keys; left out, those of all.",
        examples=[["live"]],
    )
    imported: Flag = Field(
        default=False,
        description="Whether keys of another form than Lockgate's own are looked up, as `lockgate keys import` has "
        "taken them over by their SHA-256.",
        examples=[True],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"header": self.header, "environments": self.environments or [], "imported": self.imported}
