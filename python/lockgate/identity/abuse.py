"""Abuse of login: guesses at one account, from one place, and lists of lost passwords tried one after the other.

One detector for all ways to sign in. An attempt is counted before it is looked at, so that a thousand at once are a
thousand; one that succeeds is taken back.

- *By account*: after some failures a wait that doubles and ends by itself. Who has signed in to that account before,
  from this browser or this place, is counted apart: strangers shut out strangers (OWASP, device cookies).
- *By source*: an address, of IPv6 a network of 64 bits. Failures drain away; more than drains is a wait.
- *Credential stuffing*: failures of many accounts, from one source or from everywhere, with hardly a success between.

Accounts are kept in the database, and so survive a restart; sources are in bounded memory.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

FREE_FAILURES: Final = 5
FIRST_WAIT_MS: Final = 30_000
LONGEST_WAIT_MS: Final = 15 * 60_000
"""NIST SP 800-63B-4 section 3.2.2 allows a hundred failures in a row; so it takes days of waiting to make them."""
FORGOTTEN_MS: Final = 86_400_000
"""Failures of an account that are older count for nothing."""
SOURCES: Final = 20_000
"""Remembered sources; of those that fail the one that was not heard of for longest goes first."""
SOURCE_FREE: Final = 20
"""Failures of one source that may stand at a time: an office behind one address mistypes, too."""
SOURCE_FREE_ALARMED: Final = 5
DRAIN_MS: Final = 60_000
"""In which time one of them is forgotten."""
WINDOW_MS: Final = 10 * 60_000
STUFFING_ACCOUNTS: Final = 8
"""Accounts of which one source fails within the window."""
STUFFING_EVERYWHERE: Final = 50
STUFFING_RATIO: Final = 0.75
"""Which part of attempts fails; people fail with one in ten."""
KNOWN_PLACES: Final = 50_000
EVERYWHERE: Final = "everywhere"


class Ruling(Enum):
    """Whether an attempt is looked at."""

    GO_ON = "go-on"
    ACCOUNT_WAITS = "account-waits"
    SOURCE_WAITS = "source-waits"


@dataclass(frozen=True, slots=True)
class Ruled:
    """What becomes of an attempt."""

    ruling: Ruling
    wait_s: int = 0


class AccountFailures(Protocol):
    """Where failures of accounts are kept. Called in threads."""

    def attempt(self, mark: str) -> int:
        """Count an attempt before it is looked at; until when none is looked at, milliseconds, or 0."""

    def succeeded(self, mark: str) -> None:
        """Forget failures."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who wants to be whom, from where."""

    account: str
    """A mark of issuer and name."""
    source: str
    device: str | None = None
    """What tells a browser that signed in to this very account before."""


@dataclass(slots=True)
class _Window:
    """What was seen within ten minutes."""

    since_ms: int = 0
    attempts: int = 0
    failures: int = 0
    accounts: set[str] = field(default_factory=set)

    def turn(self, now_ms: int) -> None:
        if now_ms - self.since_ms >= WINDOW_MS:
            self.since_ms, self.attempts, self.failures = now_ms, 0, 0
            self.accounts = set()

    def is_stuffing(self, accounts: int) -> bool:
        enough = len(self.accounts) >= accounts
        return enough and self.failures >= STUFFING_RATIO * self.attempts


@dataclass(slots=True)
class _Source:
    standing: float = 0.0
    """Failures that have not drained away."""
    at_ms: int = 0
    until_ms: int = 0
    waits: int = 0
    window: _Window = field(default_factory=_Window)


def source_of(address: str) -> str:
    """What counts as one source: who has one address of IPv6 has a network of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class Detector:
    """The detector, but for what is kept of accounts: its caller asks `AccountFailures` by `mark`."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        """`clock_ms` gives milliseconds since the epoch."""
        self._clock_ms = clock_ms
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._everywhere = _Window()
        self._stuffing: dict[str, int] = {}

    def __len__(self) -> int:
        """Sources that are remembered."""
        return len(self._sources)

    def stuffing(self) -> list[str]:
        """Sources from which lists of passwords are tried now; `everywhere` where it is many at once."""
        now_ms = self._clock_ms()
        self._stuffing = {who: until for who, until in self._stuffing.items() if until > now_ms}
        return sorted(self._stuffing)

    def begin(self, attempt: Attempt) -> Ruled:
        """Count an attempt at its source, before anything is looked at; whether it may go on."""
        now_ms = self._clock_ms()
        source = self._source(attempt.source, now_ms)
        source.window.turn(now_ms)
        self._everywhere.turn(now_ms)
        if not self.is_known(attempt):
            if source.until_ms > now_ms:
                return Ruled(Ruling.SOURCE_WAITS, _seconds(source.until_ms - now_ms))
            source.standing += 1
            alarmed = EVERYWHERE in self.stuffing()
            if source.standing > (SOURCE_FREE_ALARMED if alarmed else SOURCE_FREE):
                self._make_wait(source, now_ms)
        source.window.attempts += 1
        self._everywhere.attempts += 1
        return Ruled(Ruling.GO_ON)

    def mark(self, attempt: Attempt) -> str:
        """By what failures of the account are counted: those of strangers together, and each known one's apart."""
        if attempt.device is not None:
            return f"{attempt.account} device {attempt.device}"
        if (attempt.account, attempt.source) in self._places:
            return f"{attempt.account} place {attempt.source}"
        return f"{attempt.account} strangers"

    def is_known(self, attempt: Attempt) -> bool:
        """Whether this browser, or this place, has signed in to the account before."""
        return attempt.device is not None or (attempt.account, attempt.source) in self._places

    def failed(self, attempt: Attempt) -> None:
        """An attempt was wrong. Where a list is being tried, its source waits at once."""
        now_ms = self._clock_ms()
        source = self._source(attempt.source, now_ms)
        # Whether there are so many is all that is asked of them.
        for window, most in ((source.window, STUFFING_ACCOUNTS), (self._everywhere, STUFFING_EVERYWHERE)):
            window.failures += 1
            if len(window.accounts) < most:
                window.accounts.add(attempt.account)
        if source.window.is_stuffing(STUFFING_ACCOUNTS):
            self._stuffing[attempt.source] = now_ms + LONGEST_WAIT_MS
            source.until_ms = now_ms + LONGEST_WAIT_MS
        if self._everywhere.is_stuffing(STUFFING_EVERYWHERE):
            self._stuffing[EVERYWHERE] = now_ms + WINDOW_MS
        while len(self._stuffing) > SOURCES:
            self._stuffing.pop(next(iter(self._stuffing)))

    def succeeded(self, attempt: Attempt) -> None:
        """An attempt was right: it is taken back, and what failed before it is not."""
        self._give_back(attempt)
        self.knows(attempt)

    def knows(self, attempt: Attempt) -> None:
        """The account was signed in to from there: strangers' failures do not count for it."""
        place = (attempt.account, attempt.source)
        self._places[place] = None
        self._places.move_to_end(place)
        while len(self._places) > KNOWN_PLACES:
            self._places.popitem(last=False)

    def undecided(self, attempt: Attempt) -> None:
        """An attempt was not looked at: nobody could."""
        source = self._give_back(attempt)
        for window in (source.window, self._everywhere):
            window.attempts = max(0, window.attempts - 1)

    def forget_places(self, account: str) -> None:
        """Nobody is known any more who has signed in to the account: it may have been somebody else."""
        for place in [place for place in self._places if place[0] == account]:
            del self._places[place]

    def _give_back(self, attempt: Attempt) -> _Source:
        source = self._source(attempt.source, self._clock_ms())
        # Who was known took nothing.
        if not self.is_known(attempt):
            source.standing = max(0.0, source.standing - 1)
        return source

    def _source(self, name: str, now_ms: int) -> _Source:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _Source(at_ms=now_ms)
            source.window.since_ms = now_ms
        self._sources.move_to_end(name)
        while len(self._sources) > SOURCES:
            self._sources.popitem(last=False)
        source.standing = max(0.0, source.standing - max(0, now_ms - source.at_ms) / DRAIN_MS)
        if source.standing == 0.0 and now_ms - source.until_ms > FORGOTTEN_MS:
            source.waits = 0
        source.at_ms = now_ms
        return source

    @staticmethod
    def _make_wait(source: _Source, now_ms: int) -> None:
        source.until_ms = now_ms + wait_ms(source.waits)
        source.waits += 1


def wait_ms(times: int) -> int:
    """How long is waited the first time, the second and so on."""
    return min(FIRST_WAIT_MS << min(max(times, 0), 20), LONGEST_WAIT_MS)


def _seconds(ms: int) -> int:
    return max(ms, 0) // 1_000 + 1
