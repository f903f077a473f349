"""How long files may be, and what may stand in none of them."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import pytest

from support.tree import matching, text, tracked

LONGEST = 800
MEDIAN = 150

# Written by tools/generate or by a package manager.
GENERATED = re.compile(
    r"docs/reference/|examples/shop/openapi\.json|.*\.lock$|python/lockgate/config/bundle_types\.py|bench/results/"
)

SOURCES = {
    "Rust": r"crates/[^/]+/src/(?!.*tests).*\.rs$",
    "Python": r"python/.*\.py$",
}
OTHERS = r"(crates/.*tests.*\.rs$|tests/|docs/|scripts/|tools/|bench/|examples/)"


def lines(path: Path) -> int:
    return len(text(path).splitlines())


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_sources_are_short(kind: str) -> None:
    files = [path for path in matching(SOURCES[kind]) if not GENERATED.match(path.as_posix())]
    assert len(files) > 10, f"only {len(files)} {kind} files were found: the pattern is wrong"
    too_long = {str(path): lines(path) for path in files if lines(path) > LONGEST}
    assert not too_long, f"over {LONGEST} lines; split by what the parts are for"
    assert statistics.median(lines(path) for path in files) <= MEDIAN


def test_nothing_else_is_too_long() -> None:
    files = [path for path in matching(OTHERS) if not GENERATED.match(path.as_posix())]
    assert not {str(path): lines(path) for path in files if lines(path) > LONGEST}


# What gives away a machine, or reaches for one. The names are put together
# here so that this file does not hold what it forbids.
FORBIDDEN = {
    "a path of somebody's machine": re.compile("/(" + r"work|root|home/[a-z]+|Users)/"),
    "a package registry's host": re.compile(
        r"\b(pypi|static\.crates|index\.crates|deb\.debian|repo\.maven)\.(org|io)\b"
        r"|\b(pythonhosted|registry\.npmjs|proxy\.golang)\.org\b"
    ),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
    "an access token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36}|AKIA[A-Z0-9]{16}|xox[bap]-[A-Za-z0-9-]{20,})\b"),
    "work left for later": re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X)\\b"),
}


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_no_file_holds(what: str) -> None:
    looked_at = [path for path in tracked() if path.suffix not in {".lock", ".png", ".svg"}]
    holding = {
        f"{path}:{number}": line.strip()[:100]
        for path in looked_at
        for number, line in enumerate(text(path).splitlines(), 1)
        if FORBIDDEN[what].search(line)
    }
    assert not holding, f"{what} does not belong into the repository"


def test_lock_files_name_no_registry() -> None:
    # Cargo.lock names the index by its canonical URL, which every Rust project's does.
    for path in matching(r"requirements/"):
        assert not FORBIDDEN["a package registry's host"].search(text(path)), path


def test_every_shell_script_stops_at_the_first_error() -> None:
    scripts = [path for path in tracked() if text(path).startswith("#!/usr/bin/env bash")]
    assert len(scripts) >= 5
    assert not [str(path) for path in scripts if "\nset -euo pipefail\n" not in text(path)]


def test_tests_wait_for_the_thing_itself() -> None:
    """A sleep in a test is a guess about a machine; `support.waiting.until` looks for the thing."""
    allowed = {"tests/support/waiting.py"}
    # `sleep(0)` waits for no time: it gives others their turn.
    pattern = re.compile(r"\b(time\.sleep|asyncio\.sleep|thread::sleep)\((?!0\))")
    sleeping = [
        f"{path}:{number}"
        for path in matching(r"(tests/.*\.py|crates/.*tests.*\.rs)$")
        if path.as_posix() not in allowed
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line) and "sleep: " not in line
    ]
    assert not sleeping, "say why in a comment `# sleep: …` where the sleep is the thing under test"
