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
from attacks.table import ATTACKS, USUAL, Attack, Hurts, guarded

SECONDS = 2.0
BOUND = 64 << 20
"""Bytes of memory that no attack takes from a gate with its limits."""
TURNED_AWAY = "lockgate_connections_turned_away_total"


@dataclass
class Came:
    """What came of an attack."""

    got: Got
    memory: int
    turned_away: int
    retried: int
    """Clients that were asked to prove their address."""
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
        assert bystander.ask(new=True)
        before = target.gate.memory()
        target.gate.forget_peak()
        attacker.until = time.monotonic() + SECONDS
        ATTACKERS[attack.name](attacker)
        return Came(
            attacker.got,
            target.gate.memory("VmHWM") - before,
            target.gate.count(TURNED_AWAY),
            target.gate.count("lockgate_quic_retries_total"),
            newcomer.ask(new=True),
        )


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
        assert on.retried
        assert not on.turned_away
        return
    if attack.hurts is Hurts.LIBRARY:
        assert on.got.closed
        return
    off = attacked(attack, tmp_path / "off", on=False)
    if attack.hurts is Hurts.HOLDS:
        assert on.got.held <= USUAL["connections_per_ip"]
        assert not off.served
    elif attack.hurts is Hurts.COMES:
        assert on.turned_away
        assert not off.turned_away
    elif attack.hurts is Hurts.LASTS:
        assert on.got.closed
        assert off.got.held == off.got.opened == 1
    elif attack.hurts is Hurts.FILLS:
        assert off.memory > 2 * on.memory
    else:
        assert on.got.closed
        assert off.got.sent / off.got.opened > 3 * on.got.sent / on.got.opened
