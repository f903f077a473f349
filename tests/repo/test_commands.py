"""`make` and the files around it."""

from __future__ import annotations

import os
import re
import subprocess

from support.tree import ROOT, matching, text

KINDS = {"security", "breaking", "feature", "change", "fix"}
PROMISED = {"run", "test", "test-quick", "test-slow", "check", "bench", "bench-quick", "wheel", "docs", "help"}


def test_help_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)$", makefile, re.MULTILINE))
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    listed = set(re.findall(r"^  ([a-z-]+) +\S", helped, re.MULTILINE))
    assert listed == phony
    assert phony >= PROMISED


def test_ci_runs_what_everybody_runs() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_scripts_can_be_run() -> None:
    scripts = matching(r"scripts/.*\.sh$")
    assert scripts
    assert not [str(path) for path in scripts if not os.access(ROOT / path, os.X_OK)]


def test_system_packages_says_why() -> None:
    """Each package that the script installs is explained at its top."""
    script = (ROOT / "scripts/system-packages.sh").read_text(encoding="utf-8")
    comment = script.split("set -euo pipefail")[0]
    packages = re.findall(r"\[([a-z0-9.-]+)\]=", script)
    assert packages
    explained = re.findall(r"^#   ([a-z0-9.-]+) +\S", comment, re.MULTILINE)
    assert sorted(packages) == sorted(explained)


def test_system_packages_does_nothing_where_it_may_not() -> None:
    """Without apt it names what is missing, and ends well."""
    answered = subprocess.run(
        ["/bin/bash", "scripts/system-packages.sh"],
        cwd=ROOT,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.returncode == 0, answered.stderr
    assert "not installed" in answered.stdout or answered.stdout == ""


def test_notes_of_changes_are_of_a_kind() -> None:
    notes = [path for path in matching(r"changes/") if path.name != "README.md"]
    for note in notes:
        assert re.fullmatch(r"[a-z0-9-]+\.(" + "|".join(sorted(KINDS)) + r")\.md", note.name), note
        assert text(note).strip().endswith("."), f"{note} is a sentence for the user"
