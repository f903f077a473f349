"""`headers`: header fields set, added and taken off, both ways.

What may not be changed, and what a value may say, the core knows: it refuses
at load what it would not write.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import Scalar, refusal, shown


def parse_field_text(value: object) -> str:
    """A name or a value as it stands; a number is a text here."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    raise refusal("header-value", f"{shown(value)} is not a text", allowed="a text on one line, such as `shop`")


def _values(value: object) -> object:
    """Turn the short form, one value, into the long one."""
    return value if isinstance(value, list) else [value]


FieldText = Annotated[str, Scalar(parse_field_text, {"type": ["string", "number"]})]
Values = Annotated[list[FieldText], BeforeValidator(_values, json_schema_input_type=FieldText | list[FieldText])]
_VARIABLES = (
    "A value may hold `{request_id}`, `{client_address}`, `{credential}`, `{owner}`, `{app}`, `{claim:NAME}`, `{api}`, "
    "`{operation}`, `{device}`, what the client's program looks like: `{ja4}`, `{http2}` and `{header_order}`, and "
    "where the client is, by the databases of `geo`: `{country}` and `{network}`."
)


class RequestHeaders(Settings):
    """Changes to what goes to the upstream: taking off comes first, then setting, then adding."""

    set: dict[FieldText, FieldText] = Field(
        default={},
        description=f"Fields that replace what the client sent. {_VARIABLES} Where one has no value, the field is "
        "taken off.",
        examples=[{"X-Caller": "{owner}"}],
    )
    add: dict[FieldText, Values] = Field(
        default={},
        description="Fields beside what the client sent: one value, or a list. Where a variable has no value, nothing "
        "is added.",
        examples=[{"X-Seen-By": "edge"}],
    )
    remove: list[FieldText] = Field(default=[], description="Fields that are taken off.", examples=[["X-Debug"]])


class ResponseHeaders(Settings):
    """Changes to what goes to the client, the gate's own refusals among it."""

    set: dict[FieldText, FieldText] = Field(
        default={},
        description="Fields that replace what the API said, with the same variables.",
        examples=[{"Strict-Transport-Security": "max-age=31536000"}],
    )
    add: dict[FieldText, Values] = Field(
        default={},
        description="Fields beside what the API said: one value, or a list.",
        examples=[{"Link": "</terms>; rel=terms-of-service"}],
    )
    hide: list[FieldText] = Field(
        default=[], description="Fields that clients do not see.", examples=[["Server", "X-Powered-By"]]
    )


class Headers(Policy):
    """Sets, adds and takes off header fields, of requests and of answers."""

    room: ClassVar[str] = "headers"

    request: RequestHeaders = Field(
        default=RequestHeaders(), description="Changes to requests.", examples=[{"set": {"X-Caller": "{owner}"}}]
    )
    response: ResponseHeaders = Field(
        default=ResponseHeaders(),
        description="Changes to answers, refusals among them.",
        examples=[{"hide": ["Server", "X-Powered-By"]}],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"request": self.request.model_dump(), "response": self.response.model_dump()}
