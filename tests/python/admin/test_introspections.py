"""Questions about tokens as the control process answers them: once for all, bounded, and with an end."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from lockgate.admin import introspections as module
from lockgate.admin.findings import Findings
from lockgate.admin.introspections import Answered, Introspections, asked_once
from lockgate.admin.store import Store
from lockgate.config import AskedIssuer, Duties
from lockgate.identity.introspection import SilentError
from lockgate.outgoing import Rules
from support.introspector import Introspector

SAID = '{"active":true}'


class Issuers:
    """What stands in the place of a call."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._heard = asyncio.Condition()
        self.open = asyncio.Event()
        self.open.set()
        self.error: SilentError | None = None

    async def ask(self, _asked: AskedIssuer, _where: object, token: str, _outgoing: object, **_: object) -> str:
        async with self._heard:
            self.asked.append(token)
            self._heard.notify_all()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return SAID

    async def were_asked(self, times: int) -> None:
        async with self._heard:
            await self._heard.wait_for(lambda: len(self.asked) >= times)


Test = Callable[[Introspections, Issuers], Coroutine[Any, Any, None]]


@pytest.fixture
def run(store: Store, journal: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Test], None]:
    def running(test: Test, **more: Any) -> None:
        async def inner() -> None:
            issuers = Issuers()
            monkeypatch.setattr(module, "ask", issuers.ask)
            asking = Introspections(Findings(store), journal, SimpleNamespace())  # type: ignore[arg-type]
            said = {"timeout_ms": 20_000, "concurrent": 2, **more}
            url = "https://a.example/ask"
            issuer = AskedIssuer("company", "https://a.example", url, "lockgate", "env:X", None, **said)
            await asking.follow(Duties(asked_issuers=(issuer,)))
            await test(asking, issuers)
            await asking.close()

        asyncio.run(inner())

    return running


def failing(store: Store) -> list[dict[str, Any]]:
    found = Findings(store).page(kind="finding", include_closed=False, after=0, limit=100)
    return [each for each in found if each["code"] == "introspection-failing"]


def outcomes(answers: list[Answered]) -> list[str]:
    return [answer.outcome for answer in answers]


def test_who_asks_about_one_token_waits_for_one_answer(run: Callable[[Test], None]) -> None:
    async def test(asking: Introspections, issuers: Issuers) -> None:
        issuers.open.clear()
        waiting = [asyncio.ensure_future(asking.about("company", "t")) for _ in range(100)]
        await issuers.were_asked(1)
        issuers.open.set()
        assert outcomes(await asyncio.gather(*waiting)) == ["answered"] * 100
        assert issuers.asked == ["t"]
        await asking.about("company", "t")
        assert issuers.asked == ["t", "t"], "gates remember, and nobody here"
        assert (await asking.about("gone", "t")).outcome == "unavailable"

    run(test)


def test_an_issuer_is_asked_a_few_questions_at_a_time(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE", 3)

    async def test(asking: Introspections, issuers: Issuers) -> None:
        issuers.open.clear()
        waiting = [asyncio.ensure_future(asking.about("company", str(number))) for number in range(5)]
        await issuers.were_asked(2)
        assert (await asking.about("company", "one more")).outcome == "busy"
        assert len(issuers.asked) == 2, "the others wait for their turn"
        issuers.open.set()
        assert outcomes(await asyncio.gather(*waiting)) == ["answered"] * 5
        assert asking.states[0].counts == {"answered": 5, "unavailable": 0, "busy": 1}

    run(test)


def test_an_issuer_that_is_away_is_tried_by_one(
    run: Callable[[Test], None], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 1_000)

    async def test(asking: Introspections, issuers: Issuers) -> None:
        issuers.error = SilentError("it cannot be reached")
        assert (await asking.about("company", "a")).outcome == "unavailable"
        told = await asking.about("company", "b")
        assert (told.outcome, told.why) == ("unavailable", "it cannot be reached")
        assert issuers.asked == ["a"], "nobody else tries so soon"
        [finding] = failing(store)
        assert "it cannot be reached" in finding["message"]
        asking._issuers["company"]._retry_at = 0.5  # Its time has come.
        issuers.open.clear()
        first = asyncio.ensure_future(asking.about("company", "c"))
        await issuers.were_asked(2)
        assert (await asking.about("company", "d")).outcome == "unavailable"
        issuers.error = None
        issuers.open.set()
        assert (await first).outcome == "answered"
        assert (await asking.about("company", "d")).outcome == "answered"
        assert issuers.asked == ["a", "c", "d"]
        assert not failing(store)

    run(test)


def test_what_it_says_of_one_token_keeps_it_from_no_other(run: Callable[[Test], None]) -> None:
    async def test(asking: Introspections, issuers: Issuers) -> None:
        issuers.error = SilentError("garbage", answered=True)
        for token in "ab":
            assert (await asking.about("company", token)).outcome == "unavailable"
        assert issuers.asked == ["a", "b"]

    run(test)


def test_a_fault_of_our_own_is_an_answer(run: Callable[[Test], None]) -> None:
    async def test(asking: Introspections, issuers: Issuers) -> None:
        issuers.error = ValueError("a fault")  # type: ignore[assignment]
        told = await asking.about("company", "a")
        assert (told.outcome, told.answer) == ("unavailable", None)

    run(test)


def test_who_has_no_event_loop_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules((ipaddress.ip_network("127.0.0.0/8"),))
    with Introspector() as introspector:
        asked = AskedIssuer("a", "a", introspector.url, "lockgate", "env:HUSH", None, 5_000, 4)
        monkeypatch.delenv("HUSH", raising=False)
        told = asked_once(rules, asked, "t")
        assert (told.outcome, "no variable HUSH" in str(told.why)) == ("unavailable", True)
        monkeypatch.setenv("HUSH", "hush")
        assert asked_once(rules, asked, "t").outcome == "answered"
