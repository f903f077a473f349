"""Certificates had and kept: the scheduler driven, one order at a time whoever else does the same.

Everything here runs in one event loop and can be cancelled at any moment; files are written in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NoReturn, Protocol

import structlog

from lockgate.certificates.authority import Wanted
from lockgate.certificates.challenges import Publisher
from lockgate.certificates.names import Names
from lockgate.certificates.problems import AcmeError
from lockgate.certificates.records import Kept, Status
from lockgate.certificates.schedule import (
    FIRST_RETRY_SECONDS,
    AskWindow,
    Renew,
    Sleep,
    back_off,
    check_failed,
    due,
    failed,
    renew_at,
)
from lockgate.certificates.store import Store, issued
from lockgate.state import StateError

ORDER_SECONDS: Final = 720.0
"""For a whole order; its parts have limits of their own, and less than `store.WAIT_SECONDS`."""
LONGEST_SLEEP_SECONDS: Final = 3600.0
"""Until the store is looked at again: another process may have renewed, or a machine may have slept."""

log = structlog.get_logger("lockgate.control")

Changed = Callable[[Kept], Awaitable[None]]
Failed = Callable[[Names, str], Awaitable[None]]


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """The time, UTC."""

    async def sleep(self, seconds: float, wake: asyncio.Event) -> None:
        """Return after so many seconds, or sooner once `wake` is set."""


class SystemClock:
    """The machine's."""

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float, wake: asyncio.Event) -> None:
        """Return after so many seconds, or sooner once `wake` is set."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()


async def keep(
    wanted: Wanted,
    store: Store,
    publisher: Publisher,
    changed: Changed,
    *,
    failed: Failed | None = None,
    wake: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> NoReturn:
    """Have a certificate and renew it in time, until cancelled.

    Args:
        wanted: The certificate.
        store: Where it is kept.
        publisher: Who publishes challenges that are not the hook's.
        changed: Told at first what the store has, if anything, and each time that it has another. Where it
            raises, it is told again later.
        failed: Told why, after each order that failed and where the store cannot be used; the store's status says
            when it is tried again.
        wake: Set by whoever wants a look at once; a wait after failures is then passed over, once.
        clock: For tests.
    """
    keeper = _Keeper(wanted, store, publisher, changed, failed, wake or asyncio.Event(), clock or SystemClock())
    while True:
        await keeper.turn()


async def obtain(
    wanted: Wanted,
    store: Store,
    publisher: Publisher,
    *,
    clock: Clock | None = None,
    at_once: bool = False,
    force: bool = False,
) -> Kept:
    """Have a certificate as it is wanted, by an order if that is due or `force`, and nobody else has made it.

    Raises `AcmeError` where the order fails, or still waits after one that failed unless `at_once`; the failure is
    written down. Raises `StateError` where the store cannot be used, `StateInUseError` where another process works
    on the same names for too long.
    """
    clock = clock or SystemClock()
    async with store.held(wanted.names):
        kept = await asyncio.to_thread(store.load, wanted.names)
        step = due(_passed_over(kept) if at_once else kept, wanted, clock.now())
        if force and not isinstance(step, Renew):
            step = Renew("somebody asks for it")
        if not isinstance(step, Renew):
            waits = renew_at(kept, wanted, clock.now()).when <= clock.now()
            if waits and kept.status.next_attempt is not None:
                at = f"{kept.status.next_attempt:%Y-%m-%d %H:%M:%S}"
                raise AcmeError(f"{kept.status.last_error} (tried again at {at} UTC)")
            return kept
        log.info("certificate-ordered", names=str(wanted.names), why=step.why, directory=wanted.authority.directory)
        try:
            renewed = await _order(wanted, store, publisher, kept, clock)
        except (AcmeError, StateError, OSError, ValueError) as error:
            await _note_failure(store, kept, wanted, str(error), error, clock)
            raise
        except Exception as error:
            await _note_failure(store, kept, wanted, f"a fault of Lockgate's: {type(error).__name__}", error, clock)
            raise
        await asyncio.to_thread(store.put, renewed)
        return renewed


async def check(wanted: Wanted, store: Store, *, clock: Clock | None = None) -> Status:
    """Ask for a certificate's renewal window if that is due, and write down what is said, or why nothing was."""
    from lockgate.certificates import renewal

    clock = clock or SystemClock()
    async with store.held(wanted.names):
        kept = await asyncio.to_thread(store.load, wanted.names)
        if kept.chain is None or not isinstance(due(kept, wanted, clock.now()), AskWindow):
            return kept.status
        try:
            info = await renewal.ask(wanted.authority, kept.chain, clock.now)
        except AcmeError as error:
            log.info("certificate-window-unknown", names=str(wanted.names), cause=str(error))
            status = check_failed(kept.status, str(error), error.retry_after, clock.now())
        else:
            window, before = info.window, kept.status.window
            if window is not None and before is not None and (window.start, window.end) == (before.start, before.end):
                window = before  # Drawn anew at each look, the moment would come early.
            status = kept.status.model_copy(
                update={"window": window, "next_check": info.next_check, "check_failures": 0, "check_error": None}
            )
        await asyncio.to_thread(store.note, wanted.names, status)
        return status


class _Keeper:
    """One certificate that is kept."""

    def __init__(
        self,
        wanted: Wanted,
        store: Store,
        publisher: Publisher,
        changed: Changed,
        failed: Failed | None,
        wake: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._wanted = wanted
        self._store = store
        self._publisher = publisher
        self._changed = changed
        self._failed = failed
        self._wake = wake
        self._clock = clock
        self._told: str | None = None
        self._faults = 0

    async def turn(self) -> None:
        """Look at what there is, and do the one thing that is due."""
        at_once = self._wake.is_set()
        self._wake.clear()
        try:
            kept = await asyncio.to_thread(self._store.load, self._wanted.names)
            await self._tell(kept)
            step = due(_woken(kept) if at_once else kept, self._wanted, self._clock.now())
            if isinstance(step, Renew):
                await self._renew(at_once)
            elif isinstance(step, AskWindow):
                await check(self._wanted, self._store, clock=self._clock)
            else:
                await self._sleep(step)
        except Exception as error:
            # Whatever it is, the certificate is kept on: the next turn may go well.
            self._faults += 1
            if isinstance(error, StateError | OSError):
                log.warning("certificate-store-failing", names=str(self._wanted.names), cause=str(error))
            else:
                log.exception("certificate-fault", names=str(self._wanted.names))
            await self._tell_failure(str(error) or type(error).__name__)
            await self._clock.sleep(back_off(self._faults, first=FIRST_RETRY_SECONDS), self._wake)
        else:
            self._faults = 0

    async def _renew(self, at_once: bool) -> None:
        try:
            await obtain(self._wanted, self._store, self._publisher, clock=self._clock, at_once=at_once)
        except AcmeError as error:
            # It is written down, and when to try again; the next turn goes by that.
            await self._tell_failure(str(error))

    async def _tell(self, kept: Kept) -> None:
        if kept.chain is None or kept.chain.fingerprint == self._told:
            return
        try:
            await self._changed(kept)
        except Exception:
            log.exception("certificate-not-taken", names=str(kept.names))
        else:
            self._told = kept.chain.fingerprint

    async def _tell_failure(self, why: str) -> None:
        if self._failed is None:
            return
        try:
            await self._failed(self._wanted.names, why)
        except Exception:
            log.exception("certificate-failure-not-taken", names=str(self._wanted.names))

    async def _sleep(self, step: Sleep) -> None:
        wait = (step.until - self._clock.now()).total_seconds()
        await self._clock.sleep(min(max(wait, 0.0), LONGEST_SLEEP_SECONDS), self._wake)


async def _order(wanted: Wanted, store: Store, publisher: Publisher, kept: Kept, clock: Clock) -> Kept:
    # Imported here: without certificates to have, a control process need not load them.
    from lockgate.certificates import account
    from lockgate.certificates.order import issue

    replaces = None
    if kept.chain is not None and kept.status.directory == wanted.authority.directory:
        replaces = kept.chain.renewal_id
    try:
        async with asyncio.timeout(ORDER_SECONDS):
            connection = await account.connect(wanted.authority, store, clock.now)
            try:
                got = await issue(connection, wanted, publisher, replaces)
            except AcmeError as error:
                if error.kind != "accountDoesNotExist":
                    raise
                await asyncio.to_thread(account.forget, wanted.authority, store)
                connection = await account.connect(wanted.authority, store, clock.now)
                got = await issue(connection, wanted, publisher, replaces)
    except TimeoutError as error:
        raise AcmeError(f"a certificate for {wanted.names} was not had within {ORDER_SECONDS:.0f} s") from error
    now = clock.now()
    log.info("certificate-issued", names=str(wanted.names), issuer=got.chain.issuer, until=str(got.chain.not_after))
    return issued(wanted.names, got.chain, got.key_pem, wanted.authority.directory, wanted.profile, now)


async def _note_failure(store: Store, kept: Kept, wanted: Wanted, words: str, error: Exception, clock: Clock) -> None:
    asked = error.retry_after if isinstance(error, AcmeError) else None
    status = failed(kept.status, words, asked, clock.now(), wanted)
    if kept.chain is None:
        status = status.model_copy(update={"directory": wanted.authority.directory})
    log.warning("certificate-failed", names=str(wanted.names), cause=words, again=str(status.next_attempt))
    await asyncio.to_thread(store.note, wanted.names, status)


def _passed_over(kept: Kept) -> Kept:
    return replace(kept, status=kept.status.model_copy(update={"next_attempt": None}))


def _woken(kept: Kept) -> Kept:
    """Without the wait of our own; for what an authority asked for, no change is a reason."""
    asked = kept.status.asked_until
    return replace(kept, status=kept.status.model_copy(update={"next_attempt": asked}))
