"""Memory at rest, under load and with idle connections; time to the first answer; reload."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.gate import Gate
from bench.process import BenchError, wait_until_idle
from bench.results import MemoryRow
from bench.rows import Row
from bench.stage import Stage
from bench.subjects import wrong_answer

RELOADS = 5
HELD = ("plain", "tls")
"""The variants whose idle connections are counted."""


def rows(
    stage: Stage, chosen: Sequence[Row], seconds: float, idle_connections: int, failed: dict[str, str]
) -> list[MemoryRow]:
    """Measures each row once: memory hardly varies from run to run."""
    found = []
    for row in chosen:
        connections = idle_connections if row.variant in HELD else 0
        try:
            each = measure(stage, row, seconds, connections)
        except BenchError as error:
            failed[f"memory {row.id}"] = str(error)
            print(f"memory {row.id} failed: {error}", flush=True)
            continue
        found.append(each)
        print(f"memory  {row.id:24} idle {each.idle.pss} KiB  loaded {each.loaded.pss} KiB", flush=True)
    return found


def measure(stage: Stage, row: Row, seconds: float, connections: int) -> MemoryRow:
    """Starts a subject and reads its memory at rest, in mid-load and with idle connections."""
    with stage.running(row) as (running, _):
        process = running.process
        wait_until_idle(process)
        idle = process.memory()
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(stage.load.closed, running.target, seconds)
            time.sleep(seconds * 0.75)
            loaded = process.memory()
            load.result()
        per_connection = None
        if connections:
            wait_until_idle(process)
            before = process.memory()
            with stage.load.idle(running.target, connections):
                wait_until_idle(process)
                per_connection = (process.memory() - before).pss * 1024 / connections
                if problem := wrong_answer(running.target):
                    raise BenchError(f"with {connections} idle connections it {problem}")
        return MemoryRow(row.id, running.start_seconds, idle, loaded, connections, per_connection)


def reloads(stage: Stage, row: Row, failed: dict[str, str]) -> list[float]:
    """Milliseconds from the hand-over of a bundle until it is live, several times."""
    gate = stage.subjects[row.subject]
    if not isinstance(gate, Gate):
        return []  # Only Lockgate takes bundles.
    try:
        with stage.running(row) as (running, site):
            return [gate.reload_ms(running, row.variant, site, sequence) for sequence in range(2, 2 + RELOADS)]
    except BenchError as error:
        failed[f"reload {row.id}"] = str(error)
        return []
