"""`api_key`: a key that Lockgate made proves who calls."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from typing_extensions import override

from lockgate.headers import Header
from lockgate.policies._base import Authentication, Lists


class ApiKey(Authentication):
    """Asks for a key in a header; keys are made with `lockgate keys create`."""

    room: ClassVar[str] = "api_key"

    header: Header = Field(
        default="X-API-Key",
        description="The header that carries the key. It is taken off before the request goes on.",
        examples=["X-API-Key"],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"header": self.header}
