"""CPU per request: the subject's CPU time over a closed-loop run, divided by the requests it served."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.machine import core_time
from bench.process import BenchError
from bench.results import CpuRow, Round
from bench.rows import Row
from bench.stage import Stage

WARM_UP_SECONDS = 0.3


def measure(stage: Stage, row: Row, seconds: float) -> Round:
    """Starts a subject, warms it up, and measures one round."""
    with stage.running(row) as (running, _):
        stage.load.closed(running.address, running.requests, WARM_UP_SECONDS)
        cores, cpu, begin = core_time(stage.core), running.process.cpu_ns(), time.monotonic_ns()
        result = stage.load.closed(running.address, running.requests, seconds)
        cpu = running.process.cpu_ns() - cpu
        wall = time.monotonic_ns() - begin
        cores = core_time(stage.core) - cores
        dropped = running.dropped_events(result.requests) if running.dropped_events else 0
    return Round(
        us_per_request=cpu / result.requests / 1000,
        requests=result.requests,
        seconds=result.seconds,
        busy_percent=100 * cpu / wall,
        foreign_percent=max(0.0, 100 * (cores.busy - cpu) / wall),
        stolen_percent=100 * cores.stolen / wall,
        events_dropped=dropped,
    )


def rounds(stage: Stage, rows: Sequence[Row], count: int, seconds: float, failed: dict[str, str]) -> list[CpuRow]:
    """Measures every row in every round, beginning each round one row further on.

    A row that fails is left out from then on, and said to have failed; the others go on.
    """
    found = {row.id: CpuRow(row.id, row.what, row.budget, row.flat_against) for row in rows}
    for number in range(count):
        turn = number % len(rows)
        for row in [*rows[turn:], *rows[:turn]]:
            if row.id in failed:
                continue
            try:
                each = measure(stage, row, seconds)
            except BenchError as error:
                failed[row.id] = str(error)
                found[row.id].rounds.clear()
                print(f"{row.id} failed: {error}", flush=True)
                continue
            found[row.id].rounds.append(each)
            print(
                f"round {number + 1}/{count}  {row.id:24} {each.us_per_request:8.2f} µs/request"
                f"  {each.requests / each.seconds:8.0f}/s  core {each.busy_percent:3.0f} %"
                f"  others {each.foreign_percent:3.0f} %",
                flush=True,
            )
    return [row for row in found.values() if row.rounds]
