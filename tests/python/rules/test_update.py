"""`lockgate waf update`: what changes is shown, and nothing is exchanged unless that is wanted."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockgate.rules.difference import recorded
from support.command import Ended, lockgate
from support.rule_sets import RULES, release, zipped

NEW = "SecRule ARGS \"@streq new\" \"id:942997,phase:2,deny,msg:'one more',tag:'paranoia-level/3'\"\n"


def source(folder: Path, files: dict[str, bytes]) -> tuple[str, str, str]:
    """The words that name an archive of these."""
    content = zipped(files)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:8]}.zip"
    path.write_bytes(content)
    return str(path), "--checksum", hashlib.sha256(content).hexdigest()


def update(folder: Path, *words: str) -> Ended:
    """The command."""
    return lockgate("waf", "update", *words, cwd=folder)


def version(folder: Path) -> object:
    """What is in place."""
    return json.loads((folder / ".lockgate/rules/core/lockgate.json").read_text())["version"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a rule set."""
    assert lockgate("waf", "install", *source(tmp_path, release("4.90.1")), cwd=tmp_path).code == 0
    return tmp_path


def test_what_differs_is_shown_and_nothing_is_changed_unasked(installed: Path) -> None:
    first, second = RULES.split('SecRule ARGS "@pmFromFile', 1)
    rules = first.replace("union", "onion") + NEW
    assert second
    words = source(installed, release("4.91.0", rules=rules))
    ended = update(installed, *words)
    assert ended.code == 1
    assert "From 4.90.1 to 4.91.0: 1 new rule, 1 gone, 1 that do something else." in ended.out
    for line in ("new    942997  level 3", "gone   942998  level 2", "other  942999  level 1"):
        assert line in ended.out
    assert "none in which a rule found something that goes or changes" in ended.out
    assert "Add --yes" in ended.out
    assert version(installed) == "4.90.1"
    assert update(installed, *words, "--dry-run", "--yes").code == 1
    assert version(installed) == "4.90.1"
    done = update(installed, *words, "--yes")
    assert (done.code, version(installed)) == (0, "4.91.0")
    assert "It is in place" in done.out
    assert lockgate("waf", "install", "--previous", cwd=installed).code == 0
    assert version(installed) == "4.90.1"


def test_words_of_a_list_make_a_difference_and_a_version_does_not(installed: Path) -> None:
    same = update(installed, *source(installed, release("4.90.2")), "--json")
    said = json.loads(same.out)
    assert (same.code, said["changed"], said["installed"]) == (0, [], True)
    assert version(installed) == "4.90.2"
    other = update(installed, *source(installed, release("4.90.3", words="otherword\n")), "--json")
    said = json.loads(other.out)
    assert (other.code, [rule["id"] for rule in said["changed"]], said["installed"]) == (1, [942998], False)


def test_there_has_to_be_one_and_the_other_has_to_be_sound(tmp_path: Path, installed: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = update(empty, *source(empty, release()))
    assert nothing.code == 2
    assert "`lockgate waf install` puts one there" in nothing.err
    bad = update(installed, *source(installed, release(rules="SecNonsense\n")), "--yes")
    assert bad.code == 2
    assert "SecNonsense" in bad.err
    wrong = update(installed, *source(installed, release())[:2], "0" * 64, "--yes")
    assert wrong.code == 2
    assert version(installed) == "4.90.1"


def test_what_events_tell_of_rules_that_go() -> None:
    def event(reason: str | None, *rules: str) -> dict[str, object]:
        return {"reason": reason, "waf": {"found": [{"rule": rule} for rule in rules]}}

    events: list[dict[str, object]] = [
        event("waf-refused", "1", "949110"),
        event(None, "1", "2"),
        event("waf-refused", "3", "sql-injection"),
        {"reason": None, "waf": None},
        {"reason": "key-missing"},
    ]
    tells = recorded(events, frozenset({1, 2}))
    assert (tells.requests, tells.refused, tells.by) == (2, 1, {1: 2, 2: 1})


def unread(folder: Path, *words: str) -> int:
    """The command's exit code where nobody reads what it prints."""
    reader, writer = os.pipe()
    os.close(reader)
    words = (sys.executable, "-m", "lockgate", "waf", "update", *words)
    ended = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=writer, check=False)
    os.close(writer)
    return ended.returncode


def test_a_reader_that_has_gone_is_no_difference_and_stops_no_change_that_is_wanted(installed: Path) -> None:
    same = source(installed, release("4.90.1"))
    assert update(installed, *same, "--dry-run").code == 0
    assert unread(installed, *same, "--dry-run") == 141
    other = source(installed, release("4.91.0", rules=RULES + NEW))
    assert (unread(installed, *other), version(installed)) == (141, "4.90.1")
    assert (unread(installed, *other, "--dry-run", "--yes"), version(installed)) == (141, "4.90.1")
    assert (unread(installed, *other, "--yes"), version(installed)) == (0, "4.91.0")
