"""What the store keeps beside keys and certificates, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lockgate.certificates.chain import Chain
from lockgate.certificates.names import Names


class Account(BaseModel):
    """An account with an authority."""

    model_config = ConfigDict(frozen=True)

    directory: str
    key_pem: str = Field(repr=False)
    url: str | None = None
    """Nothing until the authority has confirmed the account."""
    email: str | None = None


class RenewalWindow(BaseModel):
    """When an authority suggests to renew a certificate (RFC 9773 section 4.2). All times are UTC."""

    model_config = ConfigDict(frozen=True)

    start: datetime
    end: datetime
    chosen: datetime
    """A moment within, taken at random once."""
    explanation: str | None = None
    """A page about why, for people."""


class Status(BaseModel):
    """How a certificate is: what changes while its files stay. All times are UTC."""

    model_config = ConfigDict(frozen=True)

    names: tuple[str, ...]
    source: Literal["acme", "imported"] | None = None
    """Where the certificate is from; nothing while there is none."""
    directory: str | None = None
    """That issued it, or that was last asked."""
    profile: str | None = None
    fingerprint: str | None = None
    """Of the certificate that `window` is about."""
    issued: datetime | None = None
    """When it came into the store."""
    window: RenewalWindow | None = None
    next_check: datetime | None = None
    """When the authority is asked for the window again; nothing before the first time."""
    check_failures: int = 0
    """Checks since the last that was answered."""
    check_error: str | None = None
    attempts: int = 0
    """Orders that failed since the last that did not."""
    next_attempt: datetime | None = None
    """Not to try again before."""
    asked_until: datetime | None = None
    """The same by the authority's own word, which no change of the configuration passes over."""
    tried: str | None = None
    """The recipe (`Wanted.recipe`) of the last order that failed: another one need not wait."""
    tried_at: str | None = None
    """That order's directory, whose word `asked_until` is."""
    last_error: str | None = None
    """Why the last order failed; nothing where it did not."""
    last_error_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate of the store; `chain` is nothing until it has been had."""

    names: Names
    status: Status
    chain: Chain | None = None
    key_pem: str | None = field(default=None, repr=False)
    """PKCS #8; nothing where the key is elsewhere, as the signing request was."""
