"""`body_limit`: a bound on the size of a request's body."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.scalars import say_size, size

DEFAULT_BYTES: Final = 10 * 2**20
"""nginx allows 1 MiB, Envoy's buffer filter wants it said, Kong's request-size-limiting 128 MB; JSON APIs
rarely pass 1 MiB and uploads are better said aloud."""


class BodyLimit(Policy):
    """Refuses a body longer than the bound, before a byte of it is read where its length is told."""

    room: ClassVar[str] = "body_limit"

    bytes: Annotated[int, size(0, 2**50)] = Field(
        default=DEFAULT_BYTES,
        description="Largest body, in bytes of content.",
        examples=["10MiB", "2GiB"],
        json_schema_extra={"default": say_size(DEFAULT_BYTES)},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"bytes": self.bytes}
