"""The Core Rule Set's cases against ModSecurity and Coraza, to prove that the runner is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.conftest import Told
from conformance.crs import ftw, module, subjects
from conformance.crs.backend import Backend
from conformance.crs.judge import summed_up
from support.suites import installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LEAST = 4000
"""As many cases as any version here has: a run that leaves some out is none."""


@pytest.fixture(scope="module")
def crs() -> Path:
    """The rules and their cases."""
    try:
        return module.installed()
    except module.UnavailableError as error:
        pytest.skip(f"the Core Rule Set cannot be had here: {error}")


def test_modsecurity(crs: Path, tmp_path: Path, summary: Told) -> None:
    cases = ftw.cases(crs / "tests")
    assert len(cases) >= LEAST
    with Backend() as backend:
        subject = subjects.nginx(installed("modsecurity"), crs, tmp_path, backend.port)
        found = subjects.results(subject, backend, cases)
    summary("crs, ModSecurity", summed_up(cases, found, "modsecurity"))


def test_coraza(crs: Path, tmp_path: Path, summary: Told) -> None:
    cases = ftw.cases(crs / "tests")
    assert len(cases) >= LEAST
    with Backend() as backend:
        subject = subjects.coraza(installed("coraza") / "coraza-proxy", crs, tmp_path, backend.port)
        found = subjects.results(subject, backend, cases)
    summary("crs, Coraza", summed_up(cases, found, "coraza"))
