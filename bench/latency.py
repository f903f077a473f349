"""Latency at one fixed rate, the same for all subjects and below what the slowest can carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

from bench.cpu import WARM_UP_SECONDS
from bench.load import Latency, LoadResult
from bench.process import BenchError
from bench.results import LatencyRow
from bench.rows import Row
from bench.stage import Stage


@dataclass(frozen=True)
class Measured:
    """One open-loop run, and the CPU that it cost the subject."""

    result: LoadResult
    us_per_request: float


def rounds(
    stage: Stage, rows: Sequence[Row], count: int, seconds: float, rate: float, failed: dict[str, str]
) -> list[LatencyRow]:
    """Measures every row in every round, and takes the median of each percentile."""
    found: dict[str, list[Measured]] = {row.id: [] for row in rows}
    for number in range(count):
        turn = number % len(rows)
        for row in [*rows[turn:], *rows[:turn]]:
            try:
                each = measure(stage, row, seconds, rate)
            except BenchError as error:
                failed[f"latency {row.id}"] = str(error)
                print(f"latency {row.id} failed: {error}", flush=True)
                continue
            found[row.id].append(each)
            latency = each.result.latency
            print(
                f"latency {number + 1}/{count}  {row.id:24} p50 {latency.p50:6.0f} µs"
                f"  p99 {latency.p99:6.0f}  p99.9 {latency.p999:6.0f}",
                flush=True,
            )
    return [summed(row_id, rate, measured) for row_id, measured in found.items() if measured]


def measure(stage: Stage, row: Row, seconds: float, rate: float) -> Measured:
    """One open-loop run against a fresh subject."""
    with stage.running(row) as (running, _):
        stage.load.closed(running.target, WARM_UP_SECONDS)
        cpu = running.process.cpu_ns()
        result = stage.load.open(running.target, seconds, rate)
        return Measured(result, (running.process.cpu_ns() - cpu) / result.requests / 1000)


def summed(row_id: str, rate: float, measured: Sequence[Measured]) -> LatencyRow:
    """The median of each number over the rounds."""
    results = [each.result for each in measured]
    names = [each.name for each in fields(Latency)]
    medians = {name: median(getattr(each.latency, name) for each in results) for name in names}
    late = median(each.late.p99 for each in results if each.late)
    return LatencyRow(row_id, rate, Latency(**medians), late, median(each.us_per_request for each in measured))
