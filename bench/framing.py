"""The strict checker alone: what it costs to look at each request's head before the parser does."""

from __future__ import annotations

import subprocess

from bench.machine import ROOT
from bench.process import BenchError

COMMAND = ["cargo", "run", "--release", "--quiet", "-p", "lockgate-wire", "--example", "framing_cost"]


def measure(core: int) -> str:
    """Runs the crate's own measurement on the proxy's core and gives what it prints."""
    build = [*COMMAND[:1], "build", *COMMAND[2:]]
    try:
        subprocess.run(build, cwd=ROOT, check=True)
        pinned = ["taskset", "-c", str(core), *COMMAND]
        done = subprocess.run(pinned, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"the framing measurement does not run: {error}") from error
    return done.stdout.strip()
