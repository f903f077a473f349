"""When to do what for a certificate. Nothing here waits, asks or writes: it takes a clock's time and tells."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from lockgate.certificates.chain import Chain, same_key
from lockgate.certificates.records import Kept, Status

if TYPE_CHECKING:
    from lockgate.certificates.authority import Wanted

RENEW_PART: Final = 2 / 3
"""Of a certificate's life, after which it is renewed where the authority says nothing."""
LATEST_PART: Final = 9 / 10
"""After which it is renewed whatever the authority suggests: a window near the end leaves no time for failures."""
KEPT_PART: Final = 1 / 10
KEPT_LONGEST: Final = timedelta(hours=6)
"""From when it was had it is kept so long, or for that part of its life, however old a clock or a window makes it.
Not longer: an authority that will revoke it wants it replaced within a day (RFC 9773 section 4.2)."""
FIRST_RETRY_SECONDS: Final = 120.0
"""Doubled each time: five attempts in the first hour, as many as Let's Encrypt lets fail."""
LONGEST_RETRY_SECONDS: Final = 6 * 3600.0
FIRST_CHECK_SECONDS: Final = 60.0
"""Between checks of renewal information that failed, doubled each time."""
LONGEST_CHECK_SECONDS: Final = 6 * 3600.0
JITTER: Final = 0.25
"""Waits are up to a quarter longer, so that many gates do not come at one moment; never shorter."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Order a certificate now."""

    why: str


@dataclass(frozen=True, slots=True)
class AskWindow:
    """Ask the authority for the renewal window now."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing is to be done until then."""

    until: datetime


Step = Renew | AskWindow | Sleep


def due(kept: Kept, wanted: Wanted, now: datetime) -> Step:
    """What is to be done for a certificate at this moment (UTC)."""
    at = renew_at(kept, wanted, now)
    if at.when <= now:
        attempt = not_before(kept.status, wanted)
        return Sleep(attempt) if attempt is not None and attempt > now else Renew(at.why)
    if kept.chain is None:
        return Sleep(at.when)
    # An imported certificate's issuer is not the directory's: it is renewed by its age alone.
    if kept.status.source == "imported":
        return Sleep(at.when)
    check = kept.status.next_check
    if check is None or check <= now:
        return AskWindow()
    return Sleep(min(at.when, check))


def changed(status: Status, wanted: Wanted) -> bool:
    """Whether it is wanted in another way than the one that failed."""
    return status.tried is not None and status.tried != wanted.recipe


def not_before(status: Status, wanted: Wanted) -> datetime | None:
    """When it may be tried again after failures; at once in another way, but not before its authority's own word."""
    if not changed(status, wanted):
        return status.next_attempt
    return status.asked_until if status.tried_at == wanted.authority.directory else None


@dataclass(frozen=True, slots=True)
class RenewAt:
    """When a certificate is to be renewed, and why then."""

    when: datetime
    why: str


def renew_at(kept: Kept, wanted: Wanted, now: datetime) -> RenewAt:
    """When a certificate is to be renewed; `now` for one that is to be had, or had anew, at once."""
    chain, status = kept.chain, kept.status
    if chain is None:
        return RenewAt(now, "there is none yet")
    if now >= chain.not_after:
        # Its window is not asked for any more (RFC 9773 section 4.3).
        return RenewAt(now, "it has expired")
    if wanted.names.missing_from(chain.names):
        return RenewAt(now, "it does not have all names")
    if status.source == "acme" and status.directory != wanted.authority.directory:
        return RenewAt(now, "another directory is wanted")
    if status.source == "acme" and status.profile != wanted.profile:
        return RenewAt(now, "another profile is wanted")
    if wanted.request_pem is not None and not same_key(wanted.request_pem, chain):
        return RenewAt(now, "the signing request has another key")
    return _by_age(chain, status)


def _by_age(chain: Chain, status: Status) -> RenewAt:
    life = chain.not_after - chain.not_before
    # A clock that is fast, or a window that is always over, would have it ordered again and again.
    ordered = status.issued if status.source == "acme" else None
    earliest = chain.not_before if ordered is None else ordered + min(life * KEPT_PART, KEPT_LONGEST)
    latest = chain.not_before + life * LATEST_PART
    if status.window is not None and status.window.chosen <= latest:
        return RenewAt(max(status.window.chosen, earliest), "the authority suggests it")
    if status.window is not None:
        return RenewAt(max(latest, earliest), "the authority's window leaves too little time")
    return RenewAt(max(chain.not_before + life * RENEW_PART, earliest), "two thirds of its life are over")


def back_off(
    failures: int,
    *,
    first: float = FIRST_RETRY_SECONDS,
    longest: float = LONGEST_RETRY_SECONDS,
    asked: float | None = None,
    chance: Callable[[], float] = random.random,
) -> float:
    """Seconds to wait after so many failures in a row (one at least); never less than an authority `asked` for."""
    doubled = min(first * 2.0 ** min(max(failures, 1) - 1, 32), longest)
    return max(doubled, asked or 0.0) * (1 + JITTER * chance())


def failed(status: Status, error: str, asked: float | None, now: datetime, wanted: Wanted | None = None) -> Status:
    """The status after an order that failed, of what was `wanted`."""
    attempts = status.attempts + 1
    return status.model_copy(
        update={
            "attempts": attempts,
            "last_error": error,
            "last_error_at": now,
            "next_attempt": now + timedelta(seconds=back_off(attempts, asked=asked)),
            "asked_until": None if asked is None else now + timedelta(seconds=asked),
            "tried": None if wanted is None else wanted.recipe,
            "tried_at": None if wanted is None else wanted.authority.directory,
        }
    )


def check_failed(status: Status, error: str, asked: float | None, now: datetime) -> Status:
    """The status after a check of renewal information that failed; the last window stays."""
    failures = status.check_failures + 1
    wait = back_off(failures, first=FIRST_CHECK_SECONDS, longest=LONGEST_CHECK_SECONDS, asked=asked)
    return status.model_copy(
        update={
            "check_failures": failures,
            "check_error": error,
            "next_check": now + timedelta(seconds=min(wait, 86_400.0)),
        }
    )
