"""`ip_filter`: which addresses may call at all."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from lockgate.addresses import Network
from lockgate.places import Country, NetworkNumber
from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import ShortForm, Text, refusal, some


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


class PlaceRules(Settings):
    """Where callers may be, by the databases of `geo`. What is denied is refused, whatever else allows it."""

    allow_countries: Annotated[list[Country], BeforeValidator(some)] | None = Field(
        default=None,
        description="Countries that may call, by their two letters (ISO 3166-1); left out, all may. Whose address is "
        "in no country, as private addresses are, may not, unless it is on `allow`.",
        examples=[["DE", "AT", "CH"]],
    )
    deny_countries: list[Country] = Field(
        default=[],
        description="Countries that may not call.",
        examples=[["KP"]],
    )
    deny_networks: list[NetworkNumber] = Field(
        default=[],
        description="Numbers of autonomous systems that may not call, such as those of hosts.",
        examples=[[64500, "AS64501"]],
    )


class AddressFilter(Settings):
    """Which addresses may come. What is denied in one way is refused; what is allowed in one way is enough."""

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

    geo: PlaceRules | None = Field(
        default=None,
        description="Which countries and networks may call.",
        examples=[{"deny_countries": ["KP"]}],
    )

    def own(self, lists: Lists) -> dict[str, Any]:
        """What the bundle says of it: files are read in."""
        made: dict[str, Any] = {"allow": _networks(self.allow or [], lists), "deny": _networks(self.deny, lists)}
        if self.geo is not None:
            made["geo"] = {
                "allow_countries": self.geo.allow_countries or [],
                "deny_countries": self.geo.deny_countries,
                "deny_networks": self.geo.deny_networks,
            }
        return made


class IpFilter(AddressFilter, Policy):
    """Refuses addresses by themselves, or by the country or the network that they are in. Deny wins."""

    room: ClassVar[str] = "ip_filter"


def _networks(entries: list[AddressEntry], lists: Lists) -> list[str]:
    found: list[str] = []
    for entry in entries:
        if entry.network is not None:
            found.append(entry.network)
        elif entry.file is not None:
            found.extend(lists[entry.file])
    return found
