"""A certificate kept for months in a moment: the runner under a clock of the test's own, against a real authority."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lockgate.certificates import AcmeError, Authority, Kept, Names, Status, Store, Wanted, keep
from lockgate.certificates.problems import kind_of, refusal, retry_after, told
from lockgate.certificates.renewal import read_window
from lockgate.outgoing import Answer
from support.acme import LOOPBACK, Answers, Pebble, TestAuthority

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Goes on by itself when somebody sleeps."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float, wake: asyncio.Event) -> None:
        self.slept.append(seconds)
        if not wake.is_set():
            self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


def run(keeping: Callable[[], Awaitable[Any]]) -> None:
    """Keep until `end` is called: the runner takes every fault for one to go on from."""

    async def within() -> None:
        task = asyncio.ensure_future(keeping())
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(within())


async def ignore(*_: object) -> None:
    pass


def end() -> None:
    """Cancel the task that this is called in."""
    task = asyncio.current_task()
    if task is not None:
        task.cancel()


def test_had_and_renewed_and_told_each_time(pebble: Pebble, answers: Answers, store: Store) -> None:
    """A certificate of six days at 2/3 of its life, or when Pebble suggests it."""
    clock = FakeClock()
    began = clock.time
    seen: list[tuple[Kept, datetime]] = []

    async def changed(kept: Kept) -> None:
        seen.append((kept, clock.time))
        if len(seen) == 2:
            end()

    wish = Wanted(Names.of(["kept.test"]), pebble.authority(), profile="shortlived")
    run(lambda: keep(wish, store, answers, changed, clock=clock))
    (first, _), (second, at) = seen
    assert first.chain is not None
    assert second.chain is not None
    assert first.chain.fingerprint != second.chain.fingerprint
    assert timedelta(days=1) < at - began < timedelta(days=5.5)
    assert max(clock.slept) <= 3600


def test_what_is_there_is_told_at_first_and_nothing_is_asked(store: Store) -> None:
    certificate, key = TestAuthority().issue("there.test")
    kept = store.take_in(certificate, key, datetime.now(UTC))
    seen: list[Kept] = []

    async def changed(found: Kept) -> None:
        seen.append(found)
        end()

    wish = Wanted(kept.names, Authority("https://127.0.0.1:1/dir", rules=LOOPBACK))
    run(lambda: keep(wish, store, Nobody(), changed, clock=FakeClock()))
    assert seen == [kept]


class Nobody:
    """Publishes nothing."""

    async def publish(self, challenge: object) -> None:
        pass

    async def withdraw(self, challenge: object) -> None:
        pass


def test_failures_are_told_and_come_ever_less(store: Store) -> None:
    clock = FakeClock()
    times: list[datetime] = []

    async def failed(names: Names, why: str) -> None:
        assert "cannot be reached" in why
        times.append(clock.time)
        if len(times) == 6:
            end()

    wish = Wanted(Names.of(["failing.test"]), Authority("https://127.0.0.1:1/dir", rules=LOOPBACK))
    run(lambda: keep(wish, store, Nobody(), ignore, failed=failed, clock=clock))
    waits = [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(times)]
    for number, wait in enumerate(waits):
        assert 120 * 2**number <= wait <= 150 * 2**number
    # A process that starts again does not begin again.
    status = store.load(wish.names).status
    assert status.attempts == 6


def test_whoever_wakes_it_is_not_put_off(store: Store) -> None:
    clock = FakeClock()
    wake = asyncio.Event()
    times: list[datetime] = []

    async def failed(names: Names, why: str) -> None:
        times.append(clock.time)
        wake.set()
        if len(times) == 3:
            end()

    wish = Wanted(Names.of(["woken.test"]), Authority("https://127.0.0.1:1/dir", rules=LOOPBACK))
    run(lambda: keep(wish, store, Nobody(), ignore, failed=failed, wake=wake, clock=clock))
    assert times[2] - times[0] < timedelta(seconds=1)


def test_nobody_wakes_it_before_the_authority_wants_to_be_asked(store: Store) -> None:
    clock = FakeClock()
    began = clock.time
    wake = asyncio.Event()
    wake.set()
    asked = began + timedelta(hours=5)
    tries: list[datetime] = []

    async def failed(names: Names, why: str) -> None:
        tries.append(clock.time)
        end()

    wish = Wanted(Names.of(["asked.test"]), Authority("https://127.0.0.1:1/dir", rules=LOOPBACK))
    store.note(wish.names, Status(names=wish.names.all, attempts=1, next_attempt=asked, asked_until=asked))
    run(lambda: keep(wish, store, Nobody(), ignore, failed=failed, wake=wake, clock=clock))
    assert tries[0] >= asked


def test_it_goes_on_when_the_store_or_who_is_told_fails(store: Store) -> None:
    certificate, key = TestAuthority().issue("faults.test")
    kept = store.take_in(certificate, key, datetime.now(UTC))
    path = store.root / kept.names.folder / "certificate.pem"
    path.chmod(0o644)
    clock = FakeClock()
    why: list[str] = []
    tries: list[Kept] = []

    async def failed(names: Names, said: str) -> None:
        why.append(said)
        path.chmod(0o600)

    async def changed(found: Kept) -> None:
        tries.append(found)
        if len(tries) == 1:
            raise RuntimeError("the gate is gone")
        end()

    wish = Wanted(kept.names, Authority("https://127.0.0.1:1/dir", rules=LOOPBACK))
    run(lambda: keep(wish, store, Nobody(), changed, failed=failed, clock=clock))
    assert len(why) == 1
    assert "chmod 600" in why[0]
    assert tries == [kept, kept]


def test_a_renewal_window_that_is_asked_for_in_vain(pebble: Pebble, answers: Answers, store: Store) -> None:
    """The authority is gone for good: two thirds of the life is when renewing is tried."""
    clock = FakeClock()
    times: list[datetime] = []

    async def changed(kept: Kept) -> None:
        end()

    wish = Wanted(Names.of(["alone.test"]), pebble.authority())
    run(lambda: keep(wish, store, answers, changed, clock=clock))
    kept = store.load(wish.names)
    assert kept.chain is not None
    gone = pebble.authority(trust="/nowhere.pem")

    async def failed(names: Names, why: str) -> None:
        times.append(clock.time)
        end()

    run(lambda: keep(Wanted(wish.names, gone), store, answers, ignore, failed=failed, clock=clock))
    life = kept.chain.not_after - kept.chain.not_before
    assert timedelta(0) <= times[0] - (kept.chain.not_before + life * 2 / 3) < timedelta(hours=1)
    status = store.load(wish.names).status
    assert status.check_failures > 10
    assert "/nowhere.pem" in (status.check_error or "")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:01:00 GMT", 0.0),
        ("99999999999999999999", 7 * 86400.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 7 * 86400.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("１２", None),  # noqa: RUF001 -- Digits, but not of ASCII.
    ],
)
def test_how_long_an_answer_asks_to_wait(said: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": said}, NOW) == seconds


def test_what_an_authority_says_is_told_whole_and_clean() -> None:
    part = {"type": "urn:ietf:params:acme:error:dns", "detail": "no such\nname", "identifier": {"value": "a.test\x07"}}
    document = {"type": "urn:ietf:params:acme:error:compound", "detail": "x" * 5000, "subproblems": [part, 1] * 30}
    error = told("ordering", document)
    assert error.kind == "compound"
    assert 'a.test�: "no such name" (dns)' in str(error)
    assert len(str(error)) < 1500
    assert kind_of({"type": 1}) is None
    assert str(told("ordering", {})) == "ordering: the authority says nothing more"
    assert str(refusal("ordering", Answer("u", 500, {}, b"[]"), NOW)).endswith("status 500")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"suggestedWindow": 1},
        {"suggestedWindow": {"start": "2026-01-02T00:00:00Z"}},
        {"suggestedWindow": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}},
        {"suggestedWindow": {"start": "2026-01-02T00:00:00", "end": "2026-01-03T00:00:00"}},
        {"suggestedWindow": {"start": "tomorrow", "end": "later"}},
    ],
)
def test_a_window_that_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(AcmeError, match="window is none"):
        read_window("asking", body)


def test_the_moment_is_anywhere_in_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"suggestedWindow": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}, "explanationURL": "u"}
    monkeypatch.setattr(random, "random", lambda: 0.5)
    window = read_window("asking", body)
    assert window.chosen == NOW + timedelta(days=1)
    assert window.explanation == "u"
