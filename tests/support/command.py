"""The `lockgate` command as a user calls it, in a process of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def lockgate(*words: str, cwd: Path, env: dict[str, str] | None = None) -> Ended:
    """Run a command to its end; nobody sits at it."""
    ended = subprocess.run(
        [sys.executable, "-m", "lockgate", *words],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def at_terminal(*words: str, cwd: Path, answers: Sequence[str]) -> Ended:
    """Run a command on a terminal, typing each answer and a return."""
    ours, theirs = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "lockgate", *words],
            cwd=cwd,
            env={**os.environ, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        # The terminal keeps what is typed ahead until it is asked for.
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux tells the end of a terminal by EIO.
                break
            if not piece:
                break
            said += piece
        return Ended(child.wait(60), said.decode().replace("\r\n", "\n"), "")
    finally:
        os.close(ours)
