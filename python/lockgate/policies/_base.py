"""What every policy has beside its own fields: a mode, what its failure does, and a waiver."""

from __future__ import annotations

import abc
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from lockgate.scalars import Date, Text

Mode = Literal["enforce", "observe", "off"]
OnError = Literal["deny", "allow"]
Lists = Mapping[str, Sequence[str]]
"""Networks of the files that a policy names, by absolute path, as the loader has read them."""


class Settings(BaseModel):
    """A mapping of the configuration: unknown keys are errors, and nothing is changed after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Waiver(Settings):
    """An exception that somebody answers for, until a day; an expired one closes."""

    owner: Text = Field(description="Who answers for it.", examples=["shop-team"])
    reason: Text = Field(description="Why it is needed.", examples=["a public product catalogue"])
    until: Date = Field(
        description="The day, at 00:00 UTC, from which the exception no longer holds.", examples=["2027-01-01"]
    )

    @property
    def until_ms(self) -> int:
        """The end as the bundle writes it: milliseconds since the epoch."""
        midnight = dt.datetime.combine(self.until, dt.time(), tzinfo=dt.UTC)
        return int(midnight.timestamp() * 1000)


class Policy(Settings, abc.ABC):
    """What every policy has. The pipeline has its own order; the file's order has no meaning."""

    room: ClassVar[str]
    """The policy's name, as the pipeline, the docs and the events write it."""

    mode: Mode = Field(
        default="enforce",
        description="`enforce`: the verdict holds. `observe`: it is written down, and the request goes on as if "
        "allowed. `off`: the policy is not asked.",
        examples=["observe"],
    )
    on_error: OnError = Field(
        default="deny",
        description="What a failure of the policy itself does, as against a refusal. `allow` is logged and counted.",
        examples=["deny"],
    )
    waiver: Waiver | None = Field(
        default=None,
        description="Who answers for it that the policy is not enforced. Authentication and authorization want one "
        "for `observe` and `off`; once it has expired, the policy is enforced.",
        examples=[{"owner": "shop-team", "reason": "moving to keys", "until": "2027-01-01"}],
    )

    @abc.abstractmethod
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""


class Strict(Policy):
    """A policy that can never be told to let through on error, and wants a waiver not to be enforced."""

    on_error: OnError = Field(
        default="deny",
        description="What a failure of the policy itself does. Authentication and authorization can only `deny`.",
        examples=["deny"],
        json_schema_extra={"enum": ["deny"]},
    )


class Authentication(Strict):
    """A policy that proves who calls."""


class Authorization(Strict):
    """A policy that says who may do what."""
