"""The attacks that `make attacks` measures, for a moment each: held off with their limit, and not without it.

What is asserted are counts, which do not depend on the machine's speed; times stand in the table.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from attacks.attackers import ATTACKERS, Attacker, Got
from attacks.bystander import Bystander
from attacks.known import ATTACKS, BOUND, USUAL, Attack, Count, Hurts
from attacks.table import guarded
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


def attacked(attack: Attack, folder: Path, *, on: bool) -> Came:
    """Attacks a gate for a moment."""
    with (
        guarded(attack, on=on, folder=folder) as target,
        Bystander(target.port, str(target.trust) if attack.secure else "") as bystander,
        Bystander(target.port, str(target.trust) if attack.secure else "") as newcomer,
        Attacker(target.port, target.trust, time.monotonic() + SECONDS) as attacker,
    ):

        def count(what: Count) -> int:
            return target.gate.count(what.metric, **dict(what.labels))

        assert bystander.ask(new=True)
        before = target.gate.memory()
        target.gate.forget_peak()
        attacker.until = time.monotonic() + SECONDS
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
        assert off.got.sent / off.got.opened > 3 * on.got.sent / on.got.opened
    if attack.hurts not in {Hurts.FILLS, Hurts.AGAIN}:
        assert not any(off.counted[each] for each in attack.counts), "what is counted is the limit's doing"
