"""Foreign conformance suites: where they are installed, and what of them is left out."""

from __future__ import annotations

import functools
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.tree import ROOT

SKIPS = ROOT / "tests/conformance/skips.toml"
UNAVAILABLE = 69
"""With what the script ends where Go is missing or a registry cannot be reached."""


@functools.cache
def installed(suite: str) -> Path:
    """The folder of a suite's programs."""
    script = ROOT / "scripts/conformance-suites.sh"
    found = subprocess.run([str(script), suite], capture_output=True, text=True, check=False)
    if found.returncode == UNAVAILABLE:
        pytest.skip(f"{suite} cannot be had here: {found.stderr.strip()[-300:]}")
    assert found.returncode == 0, f"{suite} cannot be installed: {found.stderr}"
    return Path(found.stdout.strip())


def skips(suite: str) -> dict[str, str]:
    """Cases of a suite that the gate is not held to, and why."""
    told = tomllib.loads(SKIPS.read_text(encoding="utf-8")).get(suite, {})
    return {str(case): str(reason) for case, reason in told.items()}


def judge(suite: str, outcomes: dict[str, str | None]) -> str:
    """Holds outcomes, by case, a failure's words or nothing, against what may fail; a line that sums them up."""
    known = skips(suite)
    unknown = sorted(known.keys() - outcomes.keys())
    if unknown:
        raise AssertionError(f"skips.toml names cases that {suite} did not run: {unknown}")
    failed = {case: words for case, words in outcomes.items() if words is not None}
    mended = sorted(known.keys() - failed.keys())
    if mended:
        raise AssertionError(f"these pass now, take them out of skips.toml: {mended}")
    unexpected = {case: words for case, words in failed.items() if case not in known}
    if unexpected:
        listed = "\n".join(f"- {case}: {words}" for case, words in unexpected.items())
        raise AssertionError(f"{len(unexpected)} of {len(outcomes)} cases of {suite} fail:\n{listed}")
    return f"{len(outcomes)} cases, {len(outcomes) - len(known)} passed, {len(known)} skipped with a reason, 0 failed"
