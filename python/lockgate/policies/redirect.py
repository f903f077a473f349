"""`redirect`: the gate answers with another place, and asks no upstream."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field
from typing_extensions import override

from lockgate.addresses import Host
from lockgate.policies._base import Lists, Policy
from lockgate.scalars import Scalar, parse_text, refusal, shown

STATUSES: Final = (301, 302, 303, 307, 308)


def parse_status(value: object) -> int:
    """A status that sends a client on."""
    if isinstance(value, int) and not isinstance(value, bool) and value in STATUSES:
        return value
    allowed = "`301`, `302`, `303`, `307` or `308`"
    raise refusal("redirect-status", f"{shown(value)} is not the status of a redirect", allowed=allowed)


def parse_location(value: object) -> str:
    """Where it leads to: a path, or a URL."""
    text = parse_text(value)
    if not text.startswith(("/", "{path}", "{rest}", "https://", "http://")):
        allowed = "a path such as `/new/{id}`, or a URL such as `https://shop.example.com{path}`"
        raise refusal("location-malformed", f"{shown(text)} leads nowhere", allowed=allowed)
    if "?" in text or "#" in text:
        hint = "`query: keep` takes the request's query along"
        raise refusal("location-malformed", f"{shown(text)} has more than a path", hint=hint)
    return text


class Redirect(Policy):
    """Sends the client to another place."""

    room: ClassVar[str] = "redirect"

    to: Annotated[str, Scalar(parse_location, {"type": "string"})] = Field(
        description="A path, or a URL. Names in braces are those of the route's own path, `{path}` for all of it and "
        "`{rest}` for what follows the prefix that matched.",
        examples=["https://shop.example.com/items/{id}"],
    )
    status: Annotated[int, Scalar(parse_status, {"enum": list(STATUSES)})] = Field(
        default=308,
        description="308 and 301 are for good, 307 and 302 for now; 307 and 308 keep the method, 303 makes it GET.",
        examples=[302],
    )
    hosts: list[Host] = Field(
        default=[],
        description="Hosts that `{host}` in `to` may be. Without it no host is taken from a request.",
        examples=[["shop.example.com"]],
    )
    query: Literal["keep", "drop"] = Field(
        default="keep", description="Whether the request's query goes along.", examples=["drop"]
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"status": self.status, "to": self.to, "hosts": self.hosts, "query": self.query == "keep"}
