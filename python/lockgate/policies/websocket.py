"""`websocket`: what may become a WebSocket, and what may pass over it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.scalars import Text, count, duration, size

DAY_MS: Final = 86_400_000


class WebSocket(Policy):
    """Takes WebSockets, from pages of the same host and of origins that are named, and bounds what passes."""

    room: ClassVar[str] = "websocket"

    origins: list[Text] = Field(
        default=[],
        description="Origins of pages that may open one besides those of the host that is asked, as browsers send "
        "them; `*` alone for any. Programs that are no browsers name no origin, and need none.",
        examples=[["https://shop.example.com"]],
    )
    frame_bytes: Annotated[int, size(1, 2**30)] = Field(
        default=2**20,
        description="Largest frame.",
        examples=["64KiB"],
        json_schema_extra={"default": "1MiB"},
    )
    message_bytes: Annotated[int, size(1, 2**40)] = Field(
        default=2**20,
        description="Largest message over all its frames, as it is sent: a compressed one unpacks to more.",
        examples=["256KiB"],
        json_schema_extra={"default": "1MiB"},
    )
    messages: Annotated[int, count(0, 1_000_000)] = Field(
        default=100,
        description="Messages of the client in a second, and five times as many at once; `0` for no bound.",
        examples=[20],
    )
    idle: Annotated[int, duration(1_000, DAY_MS)] = Field(
        default=300_000,
        description="How long nothing may pass, in either direction, before it is closed.",
        examples=["60s"],
        json_schema_extra={"default": "5m"},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {
            "origins": self.origins,
            "frame_bytes": self.frame_bytes,
            "message_bytes": self.message_bytes,
            "messages": self.messages,
            "idle_ms": self.idle,
        }
