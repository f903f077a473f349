"""Responders, asked whether certificates were revoked, and what they said for as long as it holds.

One that cannot be had is not waited for by everybody: after a failure one question at a time tries
it again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lockgate.outgoing import Outgoing, Rules

if TYPE_CHECKING:
    from cryptography import x509

    from lockgate.certificates.ocsp import Link
    from lockgate.config.bundle_types import Clients, Ocsp

CALLS: Final = 32
"""Calls to responders at a time."""
KNOWN: Final = 16_384
"""Certificates of which is remembered what was said, some 500 bytes each; those asked about longest ago go first."""
RESPONDERS: Final = 256
"""Responders, each for one issuer, that are told apart; beyond them the oldest is forgotten."""
RETRY_SECONDS: Final = 10.0
"""How long nobody is asked again after there was no answer that holds."""
TRUST_BYTES: Final = 2 * 2**20

Standing = Literal["good", "unknown", "refused", "revoked"]
"""The worst last. `unknown` is a responder's silence, for `unknown_revocation` to decide about; who
is `refused` comes in by no rules: nobody could be asked, and that is none of a responder's doing."""
WORSE: Final[tuple[Standing, ...]] = ("good", "unknown", "refused", "revoked")


@dataclass(frozen=True, slots=True)
class Told:
    """How a certificate stands."""

    state: Standing
    why: str
    """Where it is not good, in words."""
    again: float
    """When it is to be asked about again, by `time.monotonic`."""
    until: float
    """How long this holds if nothing newer is heard."""


@dataclass(slots=True)
class Responder:
    """One responder, for one issuer's certificates."""

    url: str
    issuer: str
    error: str | None = None
    """Why its last answer was not had, or not believed."""
    retry_at: float = 0.0
    """When it may be tried again, where it could not be had."""
    trying: bool = False


class Responders:
    """Asks responders, and remembers what they said. Everything in it runs in one event loop."""

    def __init__(self) -> None:
        """Give it `outgoing` before it is asked anything, wherever another configuration may say otherwise."""
        self.outgoing = Outgoing(Rules())
        self.counts: dict[str, int] = dict.fromkeys(("good", "revoked", "unknown", "failed"), 0)
        """Answers of responders, by what they said."""
        self._known: OrderedDict[tuple[Any, ...], Told] = OrderedDict()
        self._flights: dict[tuple[Any, ...], asyncio.Task[Told]] = {}
        self._responders: OrderedDict[tuple[str, bytes], Responder] = OrderedDict()
        self._trust: dict[str, tuple[tuple[int, int], list[x509.Certificate]]] = {}
        self._calls = asyncio.Semaphore(CALLS)

    @property
    def failing(self) -> list[Responder]:
        """Responders of which the last answer was not had, or not believed."""
        return [each for each in self._responders.values() if each.error is not None]

    def forget_failures(self) -> None:
        """Try each again: a changed configuration may be how it was mended."""
        self._responders.clear()

    async def close(self) -> None:
        """Stop."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def standing(self, clients: Clients, chain: Sequence[x509.Certificate]) -> Told:
        """How a client that shows this stands by its issuers' word: as the worst of all on the way."""
        from lockgate.certificates.ocsp import OcspError, way

        rules = clients["ocsp"]
        if rules is None:
            return unknown("these rules ask no responder")
        try:
            trust = await asyncio.to_thread(self._authorities, clients["trust"])
            links = await asyncio.to_thread(way, chain, trust)
        except (OcspError, OSError) as error:
            return refused(str(error))
        told = await asyncio.gather(*(self._of(link, rules) for link in links))
        worst = max(told, key=lambda one: WORSE.index(one.state))
        return replace(worst, again=min(one.again for one in told), until=min(one.until for one in told))

    async def explained(self, clients: Clients, pem: bytes) -> tuple[str, str]:
        """The same of PEM, for people: how it stands, and why."""
        from lockgate.certificates.ocsp import OcspError, shown_pem

        try:
            told = await self.standing(clients, shown_pem(pem))
        except OcspError as error:
            return "refused", str(error)
        return told.state, told.why

    async def _of(self, link: Link, rules: Ocsp) -> Told:
        """How one certificate stands; who asks while somebody is being asked waits for the same."""
        from lockgate.certificates.ocsp import HiddenError, OcspError, responder_of

        try:
            url = rules["responder"] or responder_of(link.certificate)
        except HiddenError as error:
            return refused(f"{link.name}: {error}")
        except OcspError as error:
            return unknown(f"{link.name}: {error}")
        issuer = _key_hash(link.issuer)
        key = (url, rules["max_age_ms"], issuer, link.certificate.serial_number)
        known = self._known.get(key)
        if known is not None and time.monotonic() < known.again:
            return known
        flight = self._flights.get(key)
        if flight is None:
            responder = self._responder(url, issuer, link.issuer_name)
            flight = asyncio.ensure_future(self._asked(responder, link, rules, known))
            self._flights[key] = flight
            flight.add_done_callback(partial(self._landed, key))
        return await asyncio.shield(flight)

    def _landed(self, key: tuple[Any, ...], flight: asyncio.Task[Told]) -> None:
        del self._flights[key]
        if not flight.cancelled() and flight.exception() is None:
            self._known[key] = flight.result()
            self._known.move_to_end(key)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)

    async def _asked(self, responder: Responder, link: Link, rules: Ocsp, known: Told | None) -> Told:
        from lockgate.certificates.ocsp import SKEW, HiddenError, OcspError, SilentError, ask

        seconds, max_age = rules["timeout_ms"] / 1000, rules["max_age_ms"] / 1000
        down = responder.retry_at > 0.0
        if down and (responder.trying or time.monotonic() < responder.retry_at):
            return _still(known, f"{link.name}: {responder.url}: {responder.error}")
        responder.trying = True
        by = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._calls.acquire()
            try:
                now, left = datetime.now(UTC), by - time.monotonic()
                answer = await ask(self.outgoing, responder.url, link, seconds=left, max_age=max_age, now=now)
            finally:
                self._calls.release()
        except TimeoutError:
            self.counts["failed"] += 1
            return _still(known, "too many responders are being asked at once")
        except HiddenError as error:
            why = f"{link.name}: {error}"
            return known if known is not None and known.state == "revoked" else refused(why)
        except OcspError as error:
            self.counts["failed"] += 1
            responder.error = str(error)
            # What it says of one certificate must not keep it from being asked about another.
            responder.retry_at = time.monotonic() + RETRY_SECONDS if isinstance(error, SilentError) else 0.0
            return _still(known, f"{link.name}: {responder.url}: {error}")
        finally:
            responder.trying = False
        responder.error, responder.retry_at = None, 0.0
        self.counts[answer.state] += 1
        at = time.monotonic()
        if answer.state == "unknown":
            why = f"{link.name}: {responder.url} does not know this certificate"
            return _still(known, why) if known is not None and known.state == "revoked" else unknown(why)
        left = (answer.until - now).total_seconds()
        again = at + min(max_age, max(left, 1.0))
        why = "" if answer.state == "good" else f"{link.name}: {responder.url} says that it was revoked"
        return Told(answer.state, why, again, at + left + SKEW.total_seconds())

    def _responder(self, url: str, issuer: bytes, name: str) -> Responder:
        found = self._responders.get((url, issuer))
        if found is None:
            found = self._responders[url, issuer] = Responder(url, name)
            while len(self._responders) > RESPONDERS:
                self._responders.popitem(last=False)
        return found

    def _authorities(self, paths: Sequence[str]) -> list[x509.Certificate]:
        """The authorities in files, read again where one has changed."""
        from lockgate.certificates.ocsp import authorities

        found: list[x509.Certificate] = []
        for path in paths:
            stat = Path(path).stat()
            state = (stat.st_mtime_ns, stat.st_size)
            kept = self._trust.get(path)
            if kept is None or kept[0] != state:
                with Path(path).open("rb") as stream:
                    kept = self._trust[path] = (state, authorities(stream.read(TRUST_BYTES)))
            found += kept[1]
        return found

    def keep_authorities(self, paths: set[str]) -> None:
        """Forget files that no rules name any more."""
        self._trust = {path: kept for path, kept in self._trust.items() if path in paths}


def unknown(why: str) -> Told:
    """Nothing that could be believed: nobody is asked again for a while."""
    at = time.monotonic() + RETRY_SECONDS
    return Told("unknown", why, at, at)


def refused(why: str) -> Told:
    """Not to be let in, whatever `unknown_revocation` says."""
    return replace(unknown(why), state="refused")


def _still(known: Told | None, why: str) -> Told:
    """What is known where no answer was had: what was said before, for as long as it holds."""
    nothing = unknown(why)
    at = time.monotonic()
    # Whom somebody has revoked nobody's silence brings back.
    if known is not None and known.state == "revoked":
        return replace(known, again=nothing.again, until=max(known.until, nothing.until))
    if known is not None and known.state == "good" and at < known.until:
        return replace(known, again=min(nothing.again, known.until))
    return nothing


def _key_hash(certificate: x509.Certificate) -> bytes:
    from cryptography.x509 import SubjectKeyIdentifier

    return SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest + certificate.subject.public_bytes()


def asked_once(rules: Rules, clients: Clients, pem: bytes) -> tuple[str, str]:
    """How a client that shows this, PEM, stands by its issuers' word, and why; for who has no event loop."""

    async def asked() -> tuple[str, str]:
        responders = Responders()
        responders.outgoing = Outgoing(rules)
        return await responders.explained(clients, pem)

    return asyncio.run(asked())
