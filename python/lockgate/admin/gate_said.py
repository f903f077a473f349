"""What a gate says of itself, taken apart and bounded before anybody uses it.

A gate on another machine is believed about itself and nothing else: what it says
is shown to people, and decides what it is sent.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lockgate.gate.frames import FrameError

LISTENERS: Final = 1024
PROCESSES: Final = 64
"""More than ever live at once of one gate, which are two while it is upgraded."""
ISSUERS: Final = 1024
CHAIN: Final = 9
"""Certificates that a gate lets a client show."""
SHOWN: Final = 48 * 1024
"""The longest of them in Base64; a gate lets a client show 32 KiB."""

TOKEN: Final = 64 * 1024
"""The longest token; an issuer's `token_bytes` is no more."""
USES: Final = 10_000
"""Uses of API keys in one message."""
CREDENTIAL: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")

SEQUENCE_MAX: Final = 2**53
"""Beyond it JSON's numbers are not exact everywhere."""


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


Word = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_plain)]
Owner = Annotated[str, Field(min_length=1, max_length=1024)]
Number = Annotated[int, Field(ge=0, lt=2**63)]


class _Said(BaseModel):
    """Fields that are not known here are a newer gate's."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Served(_Said):
    """A bundle that it serves."""

    sequence: Annotated[int, Field(ge=0, le=SEQUENCE_MAX)]
    hash: Word


class Known(_Said):
    """What comes with each answer about facts."""

    processes: Annotated[list[Number], Field(max_length=PROCESSES)] | None = None
    """The gates of its state folder; nothing where that cannot be told."""


class Standing(Known):
    """A beat: where it stands."""

    bundle: Served | None = None
    addresses: Annotated[dict[Word, Word], Field(max_length=LISTENERS)] = {}
    retiring: bool = False


class Hello(Standing):
    """Its first words."""

    pid: Number | None = None
    version: Word | None = None
    replaces: Number | None = None
    facts_seq: Number
    certificates: bool = False
    """Whether it takes certificates; gates of old do not know what they are."""


class Applied(Served):
    """It serves the bundle that it was sent."""

    addresses: Annotated[dict[Word, Word], Field(max_length=LISTENERS)] = {}
    took_us: Number = 0


class Taken(Known):
    """It has taken facts up to there."""

    seq: Number


class Held(_Said):
    """It has taken certificates, or refuses them."""

    number: Number
    error: Annotated[str, Field(max_length=1024)] | None = None


class Wishes(_Said):
    """Issuers whose keys it wants anew."""

    issuers: Annotated[list[Word], Field(max_length=ISSUERS)]


class Question(_Said):
    """A client's certificate that its issuer is to be asked about."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    rules: Annotated[str, Field(min_length=1, max_length=1024)]
    """Which rules for clients hold, by their path in the configuration."""
    chain: Annotated[list[Annotated[str, Field(max_length=SHOWN)]], Field(min_length=1, max_length=CHAIN)]
    """What the client showed, its own certificate first: DER in Base64."""


class Introspect(_Said):
    """A token that its issuer is to be asked about. It is nobody's business but theirs: never log it."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    issuer: Word
    token: Annotated[str, Field(min_length=1, max_length=TOKEN, pattern=r"^[A-Za-z0-9._~+/-]+=*$", repr=False)]
    """A token; of a way by passwords the name and the password, as `Authorization: Basic` has them."""
    source: Annotated[str, Field(max_length=45)] | None = None
    """The address that it came from, where failures are counted by it."""


class Order(_Said):
    """A session to renew, a token to get, a device to tell of. What is shown is nobody's business: never log it."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    goods: Literal["session", "token-of-session", "token-of-token", "device"]
    about: Word
    of: Word
    shown: Annotated[str, Field(min_length=1, max_length=TOKEN, repr=False)]

    @model_validator(mode="after")
    def _credential(self) -> Self:
        if self.goods != "device" and not CREDENTIAL.fullmatch(self.shown):
            raise ValueError("it shows no credential")
        return self


class Sighted(_Said):
    """A device that calls, as a gate sees it: what an order for `device` shows."""

    issuer: Owner
    subject: Owner
    kind: Literal["browser", "dpop", "certificate"]
    mark: Annotated[str, Field(min_length=1, max_length=128)]
    address: Annotated[str, Field(max_length=45), AfterValidator(_address)]
    agent: Annotated[str, Field(max_length=256)] | None = None
    ja4: Annotated[str, Field(max_length=256)] | None = None
    http2: Annotated[str, Field(max_length=256)] | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    network: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    location: (
        Annotated[
            tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]], Field(strict=False)
        ]
        | None
    ) = None
    proved_s: Number | None = None
    """When its owner gave the proof that confirms a device, seconds since the epoch."""
    heeds: Annotated[list[Word], Field(max_length=8)] = []
    """Signals that the gate lets nobody through with."""


class Uses(_Said):
    """API keys that were used: id, the hour in milliseconds, and whether by the secret before the newest."""

    keys: Annotated[list[Annotated[tuple[Word, Number, bool], Field(strict=False)]], Field(max_length=USES)]


Told = TypeVar("Told", bound=_Said)


def parse(model: type[Told], said: dict[str, Any]) -> Told:
    """The message as `model` has it; raises `FrameError` for one that no gate of ours would send."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step)[:40] for step in first["loc"] if str(step).isprintable())
        raise FrameError(f"a gate says what none can: {said['type']}.{where}: {first['msg']}") from error
