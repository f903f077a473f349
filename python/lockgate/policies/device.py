"""`device`: who calls is known; from which device, and whether that is theirs, is asked here."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.policies.step_up import Means, Word
from lockgate.scalars import count, refusal

Then = Literal["allow", "step_up", "deny"]
Door = Literal["allow", "deny"]


class Device(Policy):
    """Asks from which device a caller comes, and what speaks against it."""

    room: ClassVar[str] = "device"

    without: Door = Field(
        default="deny",
        description="Callers whose credential is bound to no device: API keys, passwords, plain bearer tokens.",
        examples=["allow"],
    )
    unapproved: Door = Field(
        default="allow",
        description="Devices that no operator has approved (`lockgate devices approve`).",
        examples=["deny"],
    )
    new: Then = Field(
        default="step_up",
        description="Devices that neither their owner has confirmed by a second factor nor an operator has approved.",
        examples=["deny"],
    )
    changed: Then = Field(
        default="step_up",
        description="Devices that look otherwise than when they were confirmed: at least two of the program's family, "
        "JA4, HTTP/2 and the network differ.",
        examples=["deny"],
    )
    travel: Then = Field(
        default="step_up",
        description="Owners who were elsewhere too short a time ago: faster than 1,000 km/h, or another country within "
        "an hour. Wants `geo`: without it nobody is found elsewhere, and to say this is an error.",
        examples=["deny"],
    )
    most: Annotated[int, count(1, 50)] | None = Field(
        default=None,
        description="How many devices one owner may use within fifteen minutes; left out, any number.",
        examples=[5],
    )
    amr: list[Means] = Field(
        default=["mfa"],
        max_length=32,
        description="Means of which one confirms a device (the claim `amr`, RFC 8176).",
        examples=[["hwk", "swk"]],
    )
    acr: list[Word] = Field(
        default=[],
        max_length=32,
        description="Classes of which one confirms a device (the claim `acr`), in the provider's own words.",
        examples=[["urn:example:gold"]],
    )

    @model_validator(mode="after")
    def _confirmed(self) -> Self:
        if not self.amr and not self.acr:
            raise refusal("device-malformed", "nothing confirms a device", hint="say `amr` or `acr`, or leave both out")
        return self

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it; the sign-in is the API's."""
        return {
            "without": self.without == "allow",
            "unapproved": self.unapproved == "allow",
            "new": self.new,
            "changed": self.changed,
            "travel": self.travel,
            "most": self.most,
            "amr": self.amr,
            "acr": self.acr,
            "sign_in": None,
        }
