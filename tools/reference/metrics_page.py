"""`docs/reference/metrics.md`, from what the processes themselves expose.

Labels are told by the line `# LABELS` above a metric's samples, since most metrics have none in a demonstration.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from lockgate.demo.config import choose_port, write_config
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# Metrics

What the admin port answers at `/metrics`, in Prometheus' text format. The label `reason` holds a code of
[the reasons](reasons.md), `room` who gave it, `api` an API's name in the configuration; requests that belong to no API
have an empty `api`. `lockgate_upstream_…` have samples of upstreams with several targets or a name among them, and with
`health`, `retry` or `breaker`.

"""
NAMES = ["Metric", "Kind", "Labels", "What it counts"]


def files(_root: Path) -> dict[str, str]:
    """The page."""
    return {"docs/reference/metrics.md": NOTE + INTRODUCTION + table(NAMES, rows(exposed()))}


def exposed() -> str:
    """What `lockgate run` exposes, once everything that is counted has happened once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gate, admin = choose_port(0), choose_port(0)
        config = write_config(folder, gate=gate, admin=admin, shop=choose_port(0))
        state = folder / "state"
        command = [sys.executable, "-m", "lockgate", "run", "--config", str(config), "--state", str(state)]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            try:
                return scraped(
                    f"http://127.0.0.1:{gate}", f"http://127.0.0.1:{admin}", folder / "state" / "admin.token"
                )
            finally:
                running.terminate()
                running.wait(30)


def scraped(gate: str, admin: str, token: Path) -> str:
    """The text, after a request, a refusal by the admin API, and a scrape to be counted."""
    deadline = time.monotonic() + 60
    while not answers(f"{gate}/products") or not answers(f"{admin}/readyz"):
        if time.monotonic() > deadline:
            raise TimeoutError("`lockgate run` did not answer: run `lockgate demo` to see why")
        time.sleep(0.05)
    httpx.get(f"{admin}/metrics")
    credential = {"Authorization": f"Bearer {token.read_text(encoding='utf-8').strip()}"}
    httpx.get(f"{admin}/metrics", headers=credential)
    return httpx.get(f"{admin}/metrics", headers=credential).raise_for_status().text


def answers(url: str) -> bool:
    """Whether somebody answers, be it with a refusal of the gate's own."""
    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.HTTPError:
        return False


def rows(text: str) -> list[list[str]]:
    """A row for each metric."""
    found = []
    for name, words in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        kind = re.search(rf"^# TYPE {name} (\w+)$", text, re.MULTILINE)
        told = re.search(rf"^# LABELS {name} (.+)$", text, re.MULTILINE)
        labels = told[1].split() if told else []
        sample = re.search(rf"^{name}(?:_bucket)?(?:\{{(.*)\}})? ", text, re.MULTILINE)
        if sample and re.findall(r"(\w+)=\"", sample[1] or "") != labels:
            raise ValueError(f"{name} has other labels than are told of it: {sample[0]}")
        found.append([f"`{name}`", kind[1] if kind else "", ", ".join(f"`{label}`" for label in labels), words])
    return found
