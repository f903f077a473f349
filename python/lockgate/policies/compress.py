"""`compress`: answers packed for clients that ask for it."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.scalars import Flag, Text, count, refusal, say_size, size, some

TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/(\*|\*\+[a-z0-9!#$&^_.-]+|[a-z0-9!#$&^_.+-]+)", re.IGNORECASE | re.ASCII)
TYPES: Final = [
    "text/*",
    "application/json",
    "application/*+json",
    "application/xml",
    "application/*+xml",
    "application/javascript",
    "application/wasm",
    "image/svg+xml",
]
MIN_BYTES: Final = 1024
"""Below this a packed answer saves no packet, and may be larger than it was."""


def _type(value: str) -> str:
    if TYPE.fullmatch(value) is None:
        raise refusal(
            "media-type-malformed",
            f"`{value}` is no media type",
            hint="write `type/subtype`, `type/*` for all of a kind or `type/*+suffix`, as `application/*+json`",
        )
    if value.lower().startswith("application/grpc"):
        raise refusal(
            "media-type-grpc",
            "a gRPC answer packs its own messages and is read message by message",
            hint="take the type out",
        )
    return value


class Compress(Policy):
    """Packs answers in the coding that the client likes best; what may tell secrets by its size stays as it is."""

    room: ClassVar[str] = "compress"

    codings: Annotated[list[Literal["zstd", "br", "gzip"]], BeforeValidator(some)] = Field(
        default=["zstd", "br", "gzip"],
        description="Codings that are offered; the first is taken where a client likes several alike.",
        examples=[["br", "gzip"]],
        json_schema_extra={"minItems": 1},
    )
    types: Annotated[list[Annotated[Text, AfterValidator(_type)]], BeforeValidator(some)] = Field(
        default=TYPES,
        description="Media types that are packed; `text/*` for all of a kind, `application/*+json` for all of a "
        "suffix. `text/event-stream` is one only where it is named, and each event goes out at once.",
        examples=[["application/json", "text/event-stream"]],
        json_schema_extra={"minItems": 1},
    )
    min_bytes: Annotated[int, size(0, 2**40)] = Field(
        default=MIN_BYTES,
        description="Least length of an answer that is packed, where its length is told beforehand.",
        examples=["256"],
        json_schema_extra={"default": say_size(MIN_BYTES)},
    )
    gzip_level: Annotated[int, count(1, 9)] = Field(default=4, description="How hard gzip tries.", examples=[6])
    br_level: Annotated[int, count(0, 11)] = Field(
        default=4, description="How hard brotli tries; above 9 it is far too slow for answers under way.", examples=[5]
    )
    zstd_level: Annotated[int, count(1, 19)] = Field(default=3, description="How hard zstd tries.", examples=[1])
    unsafe_with_cookies: Flag = Field(
        default=False,
        description="Also packs answers that set a cookie or were asked for with credentials which a browser adds by "
        "itself, though a page of another site may have asked: the length tells of secrets in them (BREACH).",
        examples=[True],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {
            "codings": list(self.codings),
            "types": list(self.types),
            "min_bytes": self.min_bytes,
            "gzip_level": self.gzip_level,
            "br_level": self.br_level,
            "zstd_level": self.zstd_level,
            "unsafe_with_cookies": self.unsafe_with_cookies,
        }
