"""The attacks that `make attacks` measures, for a moment each: held off with their limit, and not without it.

What is asserted are counts, which do not depend on the machine's speed; times stand in the table.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from attacks.attackers import ATTACKERS, Attacker, Got
from attacks.bystander import Bystander, Noticed
from attacks.known import ATTACKS, BOUND, USUAL, Attack, Count, Hurts
from attacks.table import Met, guarded, main, row
from support.waiting import until

SECONDS = 2.0
TURNED_AWAY = Count("lockgate_connections_turned_away_total")
ACCEPTED = Count("lockgate_connections_accepted_total")


@dataclass
class Came:
    """What came of an attack."""

    got: Got
    memory: int
    counted: dict[Count, int]
    """What the gate counted."""
    served: bool
    """Whether somebody else was served then, over a new connection."""


def attacked(attack: Attack, folder: Path, *, on: bool, seconds: float = SECONDS) -> Came:
    """Attacks a gate for a moment."""
    with (
        guarded(attack, on=on, folder=folder) as target,
        Bystander(target.port, str(target.trust) if attack.secure else "") as bystander,
        Bystander(target.port, str(target.trust) if attack.secure else "") as newcomer,
        Attacker(target.port, target.trust, time.monotonic() + seconds) as attacker,
    ):

        def count(what: Count) -> int:
            return target.gate.count(what.metric, **dict(what.labels))

        assert bystander.ask(new=True)
        before = target.gate.memory()
        target.gate.forget_peak()
        attacker.until = time.monotonic() + seconds
        ATTACKERS[attack.name](attacker)
        memory = target.gate.memory("VmHWM") - before
        served = newcomer.ask(new=True)
        if on:
            for each in attack.counts:
                until(lambda each=each: count(each), f"{each} to be counted")  # type: ignore[misc]
        counted = {each: count(each) for each in (TURNED_AWAY, ACCEPTED, *attack.counts)}
        if attack.stays:
            counted[attack.stays] = count(attack.stays)
        return Came(attacker.got, memory, counted, served)


@pytest.mark.full
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_held_off_by_its_limit_and_hurts_without_it(attack: Attack, tmp_path: Path) -> None:
    (tmp_path / "on").mkdir()
    (tmp_path / "off").mkdir()
    on = attacked(attack, tmp_path / "on", on=True)
    assert on.memory < BOUND
    assert on.served
    if attack.hurts is Hurts.RETRY:
        # RFC 9000 section 8.1 lets a server send three times as much as came, before the address is proved.
        assert 0 < on.got.back < on.got.sent
        assert not on.counted[TURNED_AWAY]
        return
    off = attacked(attack, tmp_path / "off", on=False)
    if attack.hurts is Hurts.HOLDS:
        assert on.got.held <= USUAL["connections_per_ip"]
        assert not off.served
    elif attack.hurts is Hurts.COMES:
        assert off.counted[ACCEPTED] > 3 * on.counted[ACCEPTED]
    elif attack.hurts is Hurts.LASTS:
        assert on.got.closed
        assert off.got.held == off.got.opened == 1
    elif attack.hurts is Hurts.FILLS:
        assert off.memory > 2 * on.memory
    elif attack.hurts is Hurts.AGAIN:
        assert on.got.closed
        assert attack.stays
        assert off.counted[attack.stays] >= off.got.closed > 0
        assert off.counted[ACCEPTED] > 3 * on.counted[ACCEPTED]
    else:
        assert on.got.closed
        if off.got.sent / off.got.opened <= 3 * on.got.sent / on.got.opened:
            # A busy machine sends little in a moment; what nothing ends goes on.
            (tmp_path / "longer").mkdir()
            off = attacked(attack, tmp_path / "longer", on=False, seconds=5 * SECONDS)
        assert off.got.sent / off.got.opened > 3 * on.got.sent / on.got.opened
    if attack.hurts not in {Hurts.FILLS, Hurts.AGAIN}:
        assert not any(off.counted[each] for each in attack.counts), "what is counted is the limit's doing"


def met(*, on: bool, failed: int = 0, p99: float = 1.0, memory: float = -0.04, turned_away: int = 0) -> Met:
    """What came of a run."""
    quiet, during = Noticed(300, 0, 1.0, 1.0, 1.0), Noticed(100, failed, 1.0, p99, p99)
    return Met("idle", ("connections",), Hurts.HOLDS.value, on, Got(), quiet, during, memory, turned_away)


def test_the_table_says_of_each_run_what_it_is_about() -> None:
    assert met(on=True).verdict == "yes: others as prompt as in quiet"
    assert met(on=True, p99=9.0, turned_away=3).verdict == "yes: attacker closed"
    assert met(on=True, failed=2).verdict == "NO: 2 of 100 others failed"
    assert met(on=True, p99=9.0).verdict == "NO: others wait, and the attacker stays"
    assert met(on=True, memory=80.0).verdict == "NO: memory grows by 64 MiB or more"
    hurt = met(on=False, failed=100, p99=0.0, turned_away=1)
    assert hurt.verdict == "hurts: it holds every place of the listener; 100 of 100 others failed"
    assert "| 1.0 ms → no answer, 100 of 100 failed | 0.0 MiB |" in row(hurt)


def test_an_attack_that_there_is_not_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "nosuch"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "no attack has 'nosuch' in its name" in told
    assert f"  {ATTACKS[0].name}\n" in told
