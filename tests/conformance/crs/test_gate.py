"""The Core Rule Set's cases against the gate, over HTTP."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from conformance.conftest import Told
from conformance.crs import ftw, gate, module
from conformance.crs.backend import Backend
from conformance.crs.judge import summed_up
from gateway.harness.gate import Gate

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

LEAST = 4000
"""As many cases as any version here has: a run that leaves some out is none."""


def test_every_case(tmp_path: Path, summary: Told) -> None:
    try:
        crs = module.installed()
    except module.UnavailableError as error:
        pytest.skip(f"the Core Rule Set cannot be had here: {error}")
    cases = ftw.cases(crs / "tests")
    assert len(cases) >= LEAST
    with Backend() as backend, Gate(tmp_path / "state") as running:
        running.load(gate.bundle(crs, backend.port))
        found = gate.results(running, backend, cases)
        assert backend.served >= LEAST
    summary("crs, Lockgate", summed_up(cases, found, "gate"))
    refused = Counter(one.refused for every in found.values() for one in every if one.refused)
    summary("crs, refused by the wire", dict(refused.most_common()))


def test_each_meaning_has_an_argument() -> None:
    assert all(rules and len(why) > 20 for rules, why in gate.MEANINGS.values())
