"""`grpc`: which calls of gRPC an API takes, how large their messages and how long they may be."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.scalars import Flag, duration, size

DAY_MS: Final = 86_400_000


class Grpc(Policy):
    """Takes calls of gRPC, and bounds their messages and their time; browsers call by gRPC-Web where it says so."""

    room: ClassVar[str] = "grpc"

    message_bytes: Annotated[int, size(1, 2**32 - 1)] = Field(
        default=4 * 2**20,
        description="Largest message, either way, as it is sent: a compressed one unpacks to more.",
        examples=["1MiB"],
        json_schema_extra={"default": "4MiB"},
    )
    deadline: Annotated[int, duration(1, DAY_MS)] | None = Field(
        default=None,
        description="How long a call may take in all; a client that says a shorter `grpc-timeout` gets that. Left "
        "out, calls take as long as their clients wait.",
        examples=["30s"],
    )
    web: Flag = Field(
        default=False,
        description="Takes gRPC-Web too, as browsers speak it, and makes gRPC of it. `cors` says of which pages.",
        examples=[True],
    )
    only: Flag = Field(
        default=True,
        description="Refuses whatever is no call of gRPC. With `false` other requests pass, and nothing of them is "
        "bounded here.",
        examples=[False],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {
            "message_bytes": self.message_bytes,
            "deadline_ms": self.deadline or 0,
            "web": self.web,
            "only": self.only,
        }
