"""Reloading: what is told, kept and noted when the gate or the clock has the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin.bundles import Bundles, SignedBundle
from lockgate.admin.findings import Findings
from lockgate.admin.gate_session import GateAnswer
from lockgate.admin.reload import Reloader
from lockgate.admin.store import Store
from lockgate.config.loaded import Loaded

CONFIG = """\
version: 1
apis:
  open:
    path: /{path}
    upstream: http://127.0.0.1:9001
    public: {{owner: web, reason: a catalogue, until: 2027-01-01}}
"""


class FakeLink:
    """A gate that answers what the test says."""

    def __init__(self) -> None:
        self.answer: GateAnswer | None = GateAnswer(applied={"took_us": 1500})
        self.pushed: list[SignedBundle] = []
        self.on_refused: Any = None
        self.serving = False

    async def push(self, bundle: SignedBundle) -> GateAnswer | None:
        self.pushed.append(bundle)
        self.serving = self.serving or (self.answer is not None and self.answer.error is None)
        return self.answer


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lockgate.yaml"
    path.write_text(CONFIG.format(path="a"))
    return path


@pytest.fixture
def reloader(store: Store, journal: Any, link: FakeLink, config: Path) -> Reloader:
    bundles = Bundles(store, bytes(32))
    return Reloader(config, bundles, Findings(store), journal, link)  # type: ignore[arg-type]


def open_codes(store: Store) -> set[str]:
    rows = Findings(store).page(kind=None, include_closed=False, after=0, limit=100)
    return {str(row["code"]) for row in rows}


def test_a_good_one_is_live_when_the_gate_says_so(
    runner: asyncio.Runner, reloader: Reloader, link: FakeLink, journal: Any
) -> None:
    outcome = runner.run(reloader.reload("file"))
    assert (outcome.result, outcome.sequence, outcome.gate_took_ms) == ("applied", 1, 1.5)
    assert journal.codes().count("config-applied") == 1
    assert reloader.taken is outcome
    assert runner.run(reloader.reload("api")).result == "unchanged"
    assert reloader.taken is outcome, "what was there before is what serves"
    assert journal.codes().count("config-applied") == 1
    assert reloader.counts == {"applied": 1, "unchanged": 1, "refused": 0, "signed": 0}


def test_without_a_gate_it_is_kept_for_the_next_one(
    runner: asyncio.Runner, reloader: Reloader, link: FakeLink, journal: Any
) -> None:
    link.answer = None
    assert runner.run(reloader.reload("start")).result == "signed"
    assert "config-applied" not in journal.codes(), "it is not live before a gate takes it"
    assert "config-signed" in journal.codes()


def test_at_a_first_start_there_is_none_before(
    runner: asyncio.Runner, reloader: Reloader, link: FakeLink, store: Store, config: Path, journal: Any
) -> None:
    config.write_text("version: 1\napis: 7\n")
    runner.run(reloader.reload("start"))
    config.write_text(CONFIG.format(path="b"))
    link.answer = GateAnswer(error={"code": "listener-bind", "message": "port taken", "path": None})
    runner.run(reloader.reload("file"))
    told = [message for message in journal.messages() if "refused" in message]
    assert len(told) == 2
    for message in told:
        assert "nothing serves yet" in message
        assert "one before serves" not in message


def test_what_the_gate_refuses_is_not_the_last_good_one(
    runner: asyncio.Runner, reloader: Reloader, link: FakeLink, store: Store, config: Path, journal: Any
) -> None:
    runner.run(reloader.reload("start"))
    loaded = reloader.loaded
    config.write_text(CONFIG.format(path="b"))
    link.answer = GateAnswer(error={"code": "listener-bind", "message": "port taken", "path": None})
    outcome = runner.run(reloader.reload("file"))
    assert outcome.result == "refused"
    assert outcome.errors[0]["message"] == "port taken"
    assert reloader.loaded is loaded
    latest = Bundles(store, bytes(32)).latest()
    assert latest is not None
    assert latest.sequence == 1
    assert "bundle-refused" in open_codes(store)
    assert "bundle-refused" in journal.codes()
    link.answer = GateAnswer(applied={"took_us": 1})
    assert runner.run(reloader.reload("api")).result == "applied", "the same files may be tried again"
    assert "bundle-refused" not in open_codes(store)


def test_a_refused_file_is_not_even_signed(
    runner: asyncio.Runner, reloader: Reloader, link: FakeLink, store: Store, config: Path
) -> None:
    config.write_text("version: 1\napis: 7\n")
    assert runner.run(reloader.reload("file")).result == "refused"
    assert link.pushed == []
    assert Bundles(store, bytes(32)).latest() is None
    assert reloader.refusal is not None
    assert "config-refused" in open_codes(store)


def test_a_configuration_that_is_gone_is_refused_like_any_other(
    runner: asyncio.Runner, reloader: Reloader, config: Path
) -> None:
    runner.run(reloader.reload("start"))
    config.unlink()
    assert runner.run(reloader.reload("file")).result == "refused"


def test_what_is_mended_outside_the_files_is_taken_over(
    runner: asyncio.Runner, reloader: Reloader, journal: Any, config: Path, tmp_path: Path
) -> None:
    program = tmp_path / "dns-records"
    program.write_text("#!/bin/sh\n")
    runner.run(reloader.reload("start"))
    config.write_text(
        CONFIG.format(path="a")
        + """\
listeners:
  public:
    address: 127.0.0.1:0
    tls:
      acme:
        terms_agreed: true
        challenge: dns-01
        names: [shop.lockgate.dev]
        dns: {command: ./dns-records}
"""
    )
    refused = runner.run(reloader.reload("file"))
    assert refused.result == "refused"
    assert program in reloader.watched(), "a chmod of it is noticed"
    for _ in range(3):
        runner.run(reloader.try_again())
    assert reloader.last is refused, "the same is not told again"
    assert journal.codes().count("config-refused") == 1
    assert reloader.counts["refused"] == 1
    program.chmod(0o755)
    runner.run(reloader.try_again())
    assert (reloader.last.result, reloader.last.cause) == ("applied", "again")
    runner.run(reloader.try_again())
    assert reloader.counts["unchanged"] == 0, "what serves is left alone"


def test_reloads_come_one_after_another(runner: asyncio.Runner, reloader: Reloader, link: FakeLink) -> None:
    async def many() -> list[str]:
        outcomes = await asyncio.gather(*(reloader.reload("api") for _ in range(4)))
        return [outcome.result for outcome in outcomes]

    assert runner.run(many()) == ["applied", "unchanged", "unchanged", "unchanged"]


def test_a_waiver_that_expires_is_noted_without_a_reload(
    runner: asyncio.Runner, reloader: Reloader, store: Store, journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = Loaded.findings

    def at(moment: str) -> None:
        now = datetime.fromisoformat(moment)
        monkeypatch.setattr(Loaded, "findings", lambda loaded, _now=None: findings(loaded, now))

    at("2026-06-01T00:00:00+00:00")
    runner.run(reloader.reload("start"))
    assert open_codes(store) == {"waiver"}
    at("2026-12-31T23:59:59+00:00")
    runner.run(reloader.look_at_waivers())
    assert open_codes(store) == {"waiver", "waiver-ends-soon"}
    at("2027-01-01T00:00:00+00:00")
    runner.run(reloader.look_at_waivers())
    runner.run(reloader.look_at_waivers())
    assert open_codes(store) == {"waiver", "waiver-expired"}
    assert journal.codes().count("waiver-expired") == 1, "said once, not each minute"
