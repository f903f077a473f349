"""`risk`: what speaks against a request is added up; much of it wants a proof, too much is refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from lockgate.addresses import Network
from lockgate.places import Country, NetworkNumber
from lockgate.policies._base import Lists, Policy, Settings
from lockgate.policies.step_up import Means, Word
from lockgate.scalars import Scalar, count, duration, refusal, shown

DAY_MS: Final = 86_400_000
MOST: Final = 100
CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULTS: Final = {
    "new_device": 25,
    "changed_device": 25,
    "unapproved_device": 0,
    "impossible_travel": 40,
    "unbound_credential": 15,
    "foreign_country": 20,
    "listed_network": 25,
    "listed_address": 40,
    "outside_hours": 10,
    "failed_tries": 20,
    "weak_proof": 15,
    "old_proof": 10,
    "old_tls": 10,
}
"""What each signal counts where nothing is said."""

Points = Annotated[int, count(0, MOST)]


def parse_clock(value: object) -> int:
    """Minutes of the day, from `07:30`."""
    found = CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        allowed = 'hours and minutes from "00:00" to "23:59"'
        hint = "write it in quotes" if not isinstance(value, str) else None
        raise refusal("clock-malformed", f"{shown(value)} is no time of the day", allowed=allowed, hint=hint)
    return int(found[1]) * 60 + int(found[2])


Clock = Annotated[int, Scalar(parse_clock, {"type": "string", "pattern": f"^{CLOCK.pattern}$"})]


def _points(name: str, meaning: str) -> Any:
    told = f"{meaning} Left out, {DEFAULTS[name]}." if DEFAULTS[name] else f"{meaning} Left out, nothing."
    return Field(default=None, description=told, examples=[DEFAULTS[name] or 10])


class RiskSignals(Settings):
    """How much each signal counts; 0 takes it out. What cannot be told of a request counts as if it were so."""

    new_device: Points | None = _points(
        "new_device",
        "Neither its owner nor an operator has confirmed the device, or none is known. Wants `device`.",
    )
    changed_device: Points | None = _points(
        "changed_device", "The device looks otherwise than when it was confirmed, or none is known. Wants `device`."
    )
    unapproved_device: Points | None = _points(
        "unapproved_device", "No operator has approved the device, or none is known. Wants `device`."
    )
    impossible_travel: Points | None = _points(
        "impossible_travel",
        "The owner was elsewhere too short a time ago, or no device is known. Wants `device` and `geo.countries`.",
    )
    unbound_credential: Points | None = _points(
        "unbound_credential",
        "Whoever copies the credential can use it: API keys, passwords, tokens without DPoP or a certificate.",
    )
    foreign_country: Points | None = _points(
        "foreign_country",
        "The client is in none of `countries`, or in none that the database knows. Wants `countries`.",
    )
    listed_network: Points | None = _points(
        "listed_network",
        "The client's network is one of `networks`, or none that the database knows. Wants `networks`.",
    )
    listed_address: Points | None = _points(
        "listed_address", "The client's address is one of `addresses`. Wants `addresses`."
    )
    outside_hours: Points | None = _points("outside_hours", "The time is outside of `hours`. Wants `hours`.")
    failed_tries: Points | None = _points(
        "failed_tries",
        "From the client's address came lately half as many credentials that did not hold as bring a penalty; or a "
        "proxy does not say whose address it is.",
    )
    weak_proof: Points | None = _points(
        "weak_proof", "The credential does not say that its holder has shown one of `amr`, and one of `acr`."
    )
    old_proof: Points | None = _points(
        "old_proof", "The caller was authenticated longer ago than `old`, or the credential does not say when."
    )
    old_tls: Points | None = _points(
        "old_tls", "The client speaks no newer TLS than 1.2, or its TLS does not end here. Wants a listener with `tls`."
    )


class RiskHours(Settings):
    """A part of each of some days, in UTC."""

    start: Clock = Field(description="Where it begins, in UTC.", examples=["06:00"])
    end: Clock = Field(
        description="Where it ends, in UTC; on the next day where that is no later than `start`.",
        examples=["19:00"],
    )
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(
        default=list(DAYS),
        min_length=1,
        max_length=7,
        description="The days on which it begins; left out, all.",
        examples=[["mon", "tue", "wed", "thu", "fri"]],
    )


class Risk(Policy):
    """Adds up what speaks against a request, from 0 to 100."""

    room: ClassVar[str] = "risk"

    step_up_at: Annotated[int, count(1, MOST)] | None = Field(
        default=None,
        description="The sum from which on a newer or stronger proof is asked for, as `step_up` asks for it.",
        examples=[60],
    )
    deny_at: Annotated[int, count(1, MOST)] | None = Field(
        default=None, description="The sum from which on a request is refused, whatever was proved.", examples=[85]
    )
    signals: RiskSignals = Field(
        default=RiskSignals(),
        description="How much each signal counts. Those that nothing could tell here are left out; to name one is an "
        "error.",
        examples=[{"new_device": 30, "old_tls": 0}],
    )
    within: Annotated[int, duration(1_000, 30 * DAY_MS)] = Field(
        default=15 * 60_000,
        description="How long ago the proof may have been given that `step_up_at` asks for.",
        examples=["5m"],
        json_schema_extra={"default": "15m"},
    )
    amr: list[Means] = Field(
        default=["mfa"],
        max_length=32,
        description="Means of which one must have been used for it (the claim `amr`, RFC 8176).",
        examples=[["hwk", "swk"]],
    )
    acr: list[Word] = Field(
        default=[],
        max_length=32,
        description="Classes of which one must have been reached (the claim `acr`), in the provider's own words.",
        examples=[["urn:example:gold"]],
    )
    old: Annotated[int, duration(60_000, 365 * DAY_MS)] = Field(
        default=12 * 3_600_000,
        description="From how long ago on a proof is old, for the signal `old_proof`.",
        examples=["8h"],
        json_schema_extra={"default": "12h"},
    )
    countries: list[Country] = Field(
        default=[],
        max_length=300,
        description="Countries that callers usually are in, by their two letters (ISO 3166-1).",
        examples=[["DE", "AT", "CH"]],
    )
    networks: list[NetworkNumber] = Field(
        default=[],
        max_length=10_000,
        description="Numbers of autonomous systems that speak against a request, such as those of hosts.",
        examples=[[64500, "AS64501"]],
    )
    addresses: list[Network] = Field(
        default=[],
        max_length=10_000,
        description="Networks, or single addresses, that speak against a request.",
        examples=[["203.0.113.0/24"]],
    )
    hours: RiskHours | None = Field(
        default=None,
        description="When callers usually call.",
        examples=[{"start": "06:00", "end": "19:00", "days": ["mon", "tue", "wed", "thu", "fri"]}],
    )

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if self.step_up_at is None and self.deny_at is None:
            hint = "say `step_up_at`, `deny_at`, or both"
            raise refusal("risk-malformed", "nothing comes of the sum", hint=hint)
        if self.step_up_at is not None and self.deny_at is not None and self.step_up_at >= self.deny_at:
            hint = "make `deny_at` the larger of the two, or leave one out"
            raise refusal("risk-malformed", "what is refused is never asked for a proof", hint=hint)
        if self.hours is not None and self.hours.start == self.hours.end:
            raise refusal("risk-malformed", "`hours` begin and end at the same minute", hint="leave `hours` out")
        return self

    def weights(self, known: frozenset[str]) -> dict[str, int]:
        """How much each signal counts, of those that can be known."""
        said = {name: getattr(self.signals, name) for name in DEFAULTS}
        found = {name: DEFAULTS[name] if points is None else points for name, points in said.items()}
        return {name: points for name, points in found.items() if points and name in known}

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part; the API tells its weights and its sign-in."""
        hours = None
        if self.hours is not None:
            days = sorted({DAYS.index(day) + 1 for day in self.hours.days})
            hours = {"start": self.hours.start, "end": self.hours.end, "days": days}
        return {
            "step_up_at": self.step_up_at,
            "deny_at": self.deny_at,
            "weights": [],
            "within_s": self.within // 1000,
            "amr": self.amr,
            "acr": self.acr,
            "old_s": self.old // 1000,
            "countries": self.countries,
            "networks": self.networks,
            "addresses": self.addresses,
            "hours": hours,
            "sign_in": None,
        }
