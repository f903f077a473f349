"""`docs/reference/metrics.md`, from what the processes themselves expose."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from lockgate import _native
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# Metrics

What the admin port answers at `/metrics`, in Prometheus' text format. The label `reason` holds a code of
[the reasons](reasons.md), `room` who gave it, `api` an API's name in the configuration; requests that belong to no API
have an empty `api`.

"""
NAMES = ["Metric", "Kind", "Labels", "What it counts"]


def files(_root: Path) -> dict[str, str]:
    """The page."""
    return {"docs/reference/metrics.md": NOTE + INTRODUCTION + table(NAMES, rows(exposed_by_a_gate()))}


def exposed_by_a_gate() -> str:
    """What a gate says that has just begun."""
    with tempfile.TemporaryDirectory() as folder:
        gate = _native.Gate(state_dir=folder, pepper=bytes(32), public_key=bytes(32), workers=1)
        text = str(gate.metrics())
        gate.drain(5.0)
    return text


def rows(text: str) -> list[list[str]]:
    """A row for each metric."""
    found = []
    for name, words in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        kind = re.search(rf"^# TYPE {name} (\w+)$", text, re.MULTILINE)
        sample = re.search(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.MULTILINE)
        labels = re.findall(r"(\w+)=\"", sample[1]) if sample else []
        found.append([f"`{name}`", kind[1] if kind else "", ", ".join(f"`{label}`" for label in labels), words])
    return found
