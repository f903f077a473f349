"""`session`: a person who has signed in with a browser is known by its cookie."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from typing_extensions import override

from lockgate.policies._base import Authentication, Lists
from lockgate.scalars import Name, Scalar, refusal, shown

ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


def session_cookie(sign_in: str) -> str:
    """The cookie of a sign-in's sessions: `__Host-` binds it to one host and to TLS (RFC 6265bis section 4.1.3.2)."""
    return f"__Host-lockgate-{sign_in}"


def parse_origin(value: object) -> str:
    """An origin as browsers say it (RFC 6454 section 7), lower case and without a path."""
    if isinstance(value, str) and ORIGIN.fullmatch(value):
        return value
    close = value.lower().rstrip("/") if isinstance(value, str) else ""
    raise refusal(
        "origin-malformed",
        f"{shown(value)} is not an origin",
        allowed="a scheme and a host, such as `https://app.example.com`",
        hint=f"write `{close}`" if ORIGIN.fullmatch(close) else None,
    )


class Session(Authentication):
    """Takes the sessions of people who have signed in on the pages below `/.lockgate`, as `sign_in` sets them up."""

    room: ClassVar[str] = "session"

    sign_in: Name = Field(
        description="Whose sessions are taken: a name under `sign_in`.",
        examples=["staff"],
    )
    origins: list[Annotated[str, Scalar(parse_origin, {"type": "string", "pattern": f"^{ORIGIN.pattern}$"})]] = Field(
        default=[],
        max_length=32,
        description="Origins of other sites whose pages may call with the cookie. A request that changes something, or "
        "opens a WebSocket, is refused from everywhere else but the API's own pages.",
        examples=[["https://app.example.com"]],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it; its issuers are the sign-in's."""
        return {"sign_in": self.sign_in, "issuers": [], "origins": self.origins}
