"""When an authority would have a certificate renewed (ACME Renewal Information, RFC 9773)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from lockgate.certificates.chain import Chain
from lockgate.certificates.connection import as_object, call, read_directory, utc_now
from lockgate.certificates.problems import AcmeError, refusal, retry_after
from lockgate.certificates.records import RenewalWindow

if TYPE_CHECKING:
    from lockgate.certificates.authority import Authority

SHORTEST_CHECK_SECONDS: Final = 60.0
LONGEST_CHECK_SECONDS: Final = 86_400.0
"""RFC 9773 section 4.3.2: a minute and a day are reasonable limits."""
CHECK_SECONDS: Final = 6 * 3600.0
"""Where the authority does not say (section 4.3.3: six hours)."""


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """What the authority suggests."""

    window: RenewalWindow | None
    """Nothing where the authority has no such thing."""
    next_check: datetime


async def ask(authority: Authority, chain: Chain, now: Callable[[], datetime] = utc_now) -> RenewalInfo:
    """Ask for the window; raises `AcmeError`. It wants no account."""
    what = f"asking when to renew the certificate for {chain.names}"
    outgoing = authority.client()
    directory = await read_directory(outgoing, authority.directory, now)
    base = directory.to_partial_json().get("renewalInfo")
    identifier = chain.renewal_id
    if not isinstance(base, str) or identifier is None:
        return RenewalInfo(None, now() + timedelta(seconds=LONGEST_CHECK_SECONDS))
    answer = await call(
        outgoing, what, "GET", f"{base.rstrip('/')}/{identifier}", headers={"Accept": "application/json"}
    )
    if answer.status != 200:
        raise refusal(what, answer, now())
    wait = retry_after(answer.headers, now())
    wait = CHECK_SECONDS if wait is None else min(max(wait, SHORTEST_CHECK_SECONDS), LONGEST_CHECK_SECONDS)
    return RenewalInfo(read_window(what, as_object(what, answer)), now() + timedelta(seconds=wait))


def read_window(what: str, body: dict[str, Any]) -> RenewalWindow:
    """The window of an answer, and a moment in it; raises `AcmeError` for one that ends before it starts."""
    window = body.get("suggestedWindow")
    start = _time(window.get("start")) if isinstance(window, dict) else None
    end = _time(window.get("end")) if isinstance(window, dict) else None
    if start is None or end is None or end <= start:
        raise AcmeError(f"{what}: the authority's window is none")
    chosen = start + (end - start) * random.random()  # noqa: S311 -- Spread over the window, no secret.
    page = body.get("explanationURL")
    return RenewalWindow(start=start, end=end, chosen=chosen, explanation=page[:500] if isinstance(page, str) else None)


def _time(said: object) -> datetime | None:
    if not isinstance(said, str):
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
