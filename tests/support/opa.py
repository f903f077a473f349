"""A real Open Policy Agent."""

from __future__ import annotations

import functools
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ports import free_port
from support.processes import Processes
from support.tree import ROOT
from support.waiting import until

STARTS_WITHIN = 60.0


@functools.cache
def installed() -> Path:
    """Where it is installed."""
    found = subprocess.run([str(ROOT / "scripts/opa-server.sh")], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"Open Policy Agent cannot be installed: {found.stderr.strip()[-300:]}")
    return Path(found.stdout.strip()) / "opa"


@contextmanager
def opa(folder: Path, policy: str, *options: str) -> Iterator[int]:
    """One that decides by this policy, in Rego; the port that it listens at."""
    program, port = installed(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    rules = folder / "policy.rego"
    rules.write_text(policy, encoding="utf-8")
    command = [str(program), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", *options]
    processes = Processes(folder)
    process = processes.start([*command, str(rules)])

    def answers() -> bool:
        if process.child.poll() is not None:
            raise AssertionError(process.output)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code == 401  # It wants to know who asks, and so it is there.
        except OSError:
            return False

    try:
        until(answers, "OPA to answer", within=STARTS_WITHIN)
        yield port
    finally:
        processes.end()
