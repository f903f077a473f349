"""`ip_filter`: which addresses may call at all."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from lockgate.addresses import Network
from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import ShortForm, Text, refusal


class AddressEntry(Settings):
    """One entry of a list: a network, or a file of them."""

    network: Network | None = Field(
        default=None, description="A network or one address.", examples=["10.0.0.0/8", "203.0.113.7"]
    )
    file: Text | None = Field(
        default=None,
        description="A text file with one network to a line, `#` before comments; relative to the file that names it.",
        examples=["lists/bad.txt"],
    )


def _entry(value: object) -> object:
    """Turn the short form, a network as it stands, into the long one."""
    if isinstance(value, dict):
        if not value:
            raise refusal("entry-malformed", "this entry is empty", allowed="a network, or `file: lists/bad.txt`")
        if len(value) > 1:
            raise refusal(
                "entry-malformed", "each entry is one network, or one file", hint="begin each with its own `-`"
            )
        return value
    return {"network": value}


_NETWORK_SCHEMA = {"type": "string", "description": "A network or one address.", "examples": ["10.0.0.0/8"]}
Entry = Annotated[AddressEntry, BeforeValidator(_entry), ShortForm(_NETWORK_SCHEMA)]


class AddressFilter(Settings):
    """Which addresses may come: all that are on no `deny`, and where there is an `allow`, on that. Deny wins."""

    allow: list[Entry] | None = Field(
        default=None,
        description="Networks that may call; left out, all may. It must not be empty.",
        examples=[["10.0.0.0/8", "2001:db8::/32"]],
    )
    deny: list[Entry] = Field(
        default=[],
        description="Networks that may not call.",
        examples=[["203.0.113.0/24", {"file": "lists/bad.txt"}]],
    )

    def own(self, lists: Lists) -> dict[str, Any]:
        """What the bundle says of it: files are read in."""
        return {"allow": _networks(self.allow or [], lists), "deny": _networks(self.deny, lists)}


class IpFilter(AddressFilter, Policy):
    """Refuses addresses on `deny`, and where there is an `allow`, all that are not on it. Deny wins."""

    room: ClassVar[str] = "ip_filter"


def _networks(entries: list[AddressEntry], lists: Lists) -> list[str]:
    found: list[str] = []
    for entry in entries:
        if entry.network is not None:
            found.append(entry.network)
        elif entry.file is not None:
            found.extend(lists[entry.file])
    return found
