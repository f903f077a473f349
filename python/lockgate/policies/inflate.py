"""`inflate`: packed request bodies unpacked within bounds, before anything inspects or counts them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.scalars import count, say_size, size, some

WINDOW: Final = 8 * 2**20
"""RFC 9659 wants decoders of `Content-Encoding: zstd` to take 8 MiB and encoders to stay below; brotli's own default
is 4 MiB, and gzip knows 32 KiB."""

Coding = Literal["gzip", "deflate", "br", "zstd"]


class Inflate(Policy):
    """Takes gzip, deflate, br and zstd off the bodies of requests, so that what comes out is counted and inspected."""

    room: ClassVar[str] = "inflate"

    codings: Annotated[list[Coding], BeforeValidator(some)] = Field(
        default=["gzip", "deflate", "br", "zstd"],
        description="Codings that are taken off; a body in another is refused. `deflate` is that of zlib (RFC 1950).",
        examples=[["gzip"]],
        json_schema_extra={"minItems": 1},
    )
    ratio: Annotated[int, count(1, 1_000_000)] = Field(
        default=100,
        description="How many times its size a body may become, through all its codings; 64 KiB are always allowed. "
        "JSON packs to a twentieth, and text seldom to less than a hundredth; Envoy's bound is 100 too.",
        examples=[50],
    )
    layers: Annotated[int, count(1, 4)] = Field(
        default=1,
        description="How many codings one body may have, one put on the other.",
        examples=[2],
    )
    window: Annotated[int, size(32 * 1024, 2**27)] = Field(
        default=WINDOW,
        description="Most bytes that a coding may look back at: what one body costs while it is unpacked, for each of "
        "its codings.",
        examples=["1MiB"],
        json_schema_extra={"default": say_size(WINDOW)},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"codings": list(self.codings), "ratio": self.ratio, "layers": self.layers, "window": self.window}
