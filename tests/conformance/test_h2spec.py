"""h2spec: HTTP/2 and HPACK, case by case, with the strict ones, against a listener."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from conformance.conftest import Told
from gateway.harness.place import Place
from support.suites import installed, judge

pytestmark = pytest.mark.full

SECTIONS = ("generic", "http2", "hpack")
LEAST = 146
"""As many cases as this version has: a run that leaves some out is none."""
CASE_SECONDS = 5
"""A case that waits for the gate to close waits so long; on a busy machine two are little."""


def test_every_case_passes(place: Place, folder: Path, summary: Told) -> None:
    report = folder / "h2spec.xml"
    ended = subprocess.run(
        [
            str(installed("h2spec") / "h2spec"),
            *("--host", "127.0.0.1", "--port", str(place.port), "--tls", "--insecure", "--strict"),
            *("--timeout", str(CASE_SECONDS), "--junit-report", str(report)),
            *SECTIONS,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    # What the suite itself leaves out counts as failed: it has to be in skips.toml with a reason.
    outcomes: dict[str, str | None] = {}
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 -- The suite wrote it.
        for number, case in enumerate(suite.iter("testcase"), 1):
            words = [f"{each.tag}: {' '.join((each.text or '').split())}" for each in case]
            outcomes[f"{suite.get('package')}/{number}: {case.get('classname')}"] = "; ".join(words) or None
    assert len(outcomes) >= LEAST, ended.stdout + ended.stderr
    summary("h2spec", judge("h2spec", outcomes))
    assert not place.upstream.nonsense
