"""Completion, pressed in real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lockgate.cli._completion import nodes, script
from lockgate.cli._main import names
from support.command import lockgate

QUESTIONS = [
    ("lockgate rel", ["reload"]),
    ("lockgate keys rev", ["revoke"]),
    ("lockgate run --ro", ["--role"]),
    ("lockgate run --role ", ["all", "control", "gate"]),
    ("lockgate run --role g", ["gate"]),
    ("lockgate completion ", ["bash", "fish", "zsh"]),
    ("lockgate check lockg", ["lockgate.yaml"]),
    ("lockgate run --config lockg", ["lockgate.yaml"]),
    ("lockgate keys create --name list --own", ["--owner"]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text("version: 1\n")
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / f"script.{shell}").write_text(script(shell))
    return tmp_path


def test_every_command_is_in_it() -> None:
    found = nodes()
    assert set(found[""].below) == set(names())
    assert {"keys create", "config show", "gates token"} <= set(found)
    for shell in ("bash", "zsh", "fish"):
        text = script(shell)
        assert all(name in text for name in names())


def test_it_is_printed(tmp_path: Path) -> None:
    ended = lockgate("completion", "fish", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, script("fish"))
    assert lockgate("completion", "cmd", cwd=tmp_path).code == 2


def needs(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")  # scripts/system-packages.sh names it.
    return found


@pytest.mark.parametrize(("typed", "wanted"), [*QUESTIONS, ("lockgate run --role = g", ["gate"])])
def test_bash(folder: Path, typed: str, wanted: list[str]) -> None:
    words = typed.split(" ")
    quoted = " ".join(f'"{word}"' for word in words)
    pressed = f"source script.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _lockgate"
    shown = 'printf "%s\\n" "${COMPREPLY[@]}"; complete -p lockgate'
    told = subprocess.run(
        [needs("bash"), "--norc", "-c", f"{pressed}; {shown}"], cwd=folder, capture_output=True, text=True, check=True
    )
    *found, complete = told.stdout.splitlines()
    assert sorted(found) == wanted
    assert complete == "complete -F _lockgate lockgate"
    assert told.stderr == ""


@pytest.mark.parametrize(("typed", "wanted"), QUESTIONS)
def test_fish(folder: Path, typed: str, wanted: list[str]) -> None:
    told = subprocess.run(
        [needs("fish"), "--no-config", "-c", f"source script.fish; complete -C '{typed}'"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(line.split("\t")[0] for line in told.stdout.splitlines()) == wanted


@pytest.mark.parametrize(("typed", "wanted"), [question for question in QUESTIONS if len(question[1]) == 1])
def test_zsh(folder: Path, typed: str, wanted: list[str]) -> None:
    """At a terminal: the words are typed, Tab is pressed, and what stands there then is read."""
    shell = needs("zsh")
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [shell, "-f", "-i"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "TERM": "dumb", "PS1": "> ", "ZDOTDIR": str(folder)},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        os.write(ours, b"autoload -U compinit && compinit -u -D && source script.zsh\n")
        os.write(ours, b"tell() { print -r -- \"<<$BUFFER>>\" }; zle -N tell; bindkey '^Xt' tell; print re''ady\n")
        read_until(ours, r"\nready")
        os.write(ours, f"{typed}\t\x18t".encode())
        said = read_until(ours, r"<<(.*?)>>")
        assert said.split() == [*typed.split(" ")[:-1], *wanted]
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def read_until(terminal: int, pattern: str) -> str:
    said, deadline = "", time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1.0)[0]:
            said += os.read(terminal, 4096).decode(errors="replace").replace("\r", "")
        if found := re.search(pattern, said):
            return found[found.lastindex or 0]
    raise AssertionError(said)
