"""CPU per request: a subject's CPU time over closed-loop load, divided by the requests it served.

A row is loaded in slices, in turns with those that it is compared with, on the same core: what happens to the machine
for longer than a slice happens to all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.load import LoadResult
from bench.machine import core_time
from bench.process import BenchError
from bench.results import CpuRow, Round
from bench.rows import Row, Way
from bench.stage import Stage
from bench.subjects import Running

WARM_UP_SECONDS = 0.3
FIRST_RATE = 5_000.0
"""Requests a second of a warm-up that is told how many to make."""
SLICE_SECONDS = 0.5
"""Short beside the machine's moods, long beside the making of its connections (0.4 % of it)."""


@dataclass
class Meter:
    """One running subject, and what its slices came to."""

    running: Running
    way: Way
    cpu_ns: int = 0
    wall_ns: int = 0
    busy_ns: int = 0
    stolen_ns: int = 0
    requests: int = 0
    load_seconds: float = 0.0
    warm_up: int = 0
    """Requests before the first slice."""
    rate: float = FIRST_RATE
    """Requests a second, as far as is known."""

    def prepare(self, stage: Stage) -> None:
        """Loads it until its memory and connections are what they stay."""
        found = self.load(stage, WARM_UP_SECONDS)
        self.warm_up, self.rate = found.requests, found.requests / found.seconds

    def slice(self, stage: Stage, seconds: float) -> None:
        """Loads it for so long."""
        cores, cpu, begin = core_time(stage.core), self.running.process.cpu_ns(), time.monotonic_ns()
        result = self.load(stage, seconds)
        self.cpu_ns += self.running.process.cpu_ns() - cpu
        self.wall_ns += time.monotonic_ns() - begin
        spent = core_time(stage.core) - cores
        self.busy_ns += spent.busy
        self.stolen_ns += spent.stolen
        self.requests += result.requests
        self.load_seconds += result.seconds

    def load(self, stage: Stage, seconds: float) -> LoadResult:
        """Requests in the row's way for about so long."""
        target = self.running.target
        if self.way == "closed":
            return stage.load.closed(target, seconds)
        if self.way == "messages":
            return stage.load.messages(target, seconds)
        if counted := stage.load.counted(self.way):
            return counted(target, max(1, round(seconds * self.rate)))
        return stage.load.handshakes(target, seconds, resume=self.way == "resumptions")

    @property
    def us_per_request(self) -> float:
        """Microseconds of CPU time."""
        return self.cpu_ns / self.requests / 1000


def measure(stage: Stage, row: Row, seconds: float) -> Round:
    """Starts a subject and those it is compared with, warms them up, and measures one round."""
    wanted = [row, *(each for each in row.against if each.subject in stage.subjects)]
    with ExitStack() as stack:
        meters = {each.id: Meter(stack.enter_context(stage.running(each))[0], each.way) for each in wanted}
        for meter in meters.values():
            meter.prepare(stage)
        for meter, length in turns(list(meters.values()), seconds):
            meter.slice(stage, length)
        mine = meters[row.id]
        # Counted at the end of all slices: its events may still be on their way at the end of one.
        dropped = mine.running.dropped_events(mine.requests + mine.warm_up) if mine.running.dropped_events else 0
    return Round(
        us_per_request=mine.us_per_request,
        requests=mine.requests,
        seconds=mine.load_seconds,
        busy_percent=100 * mine.cpu_ns / mine.wall_ns,
        foreign_percent=max(0.0, 100 * (mine.busy_ns - mine.cpu_ns) / mine.wall_ns),
        stolen_percent=100 * mine.stolen_ns / mine.wall_ns,
        events_dropped=dropped,
        beside={name: meter.us_per_request for name, meter in meters.items() if name != row.id},
    )


def turns(meters: Sequence[Meter], seconds: float) -> Iterator[tuple[Meter, float]]:
    """Who is loaded next and for how long; every second time backwards, so that a steady drift cancels."""
    count = max(1, round(seconds / SLICE_SECONDS))
    for number in range(count):
        for meter in meters if number % 2 == 0 else reversed(meters):
            yield meter, seconds / count


def rounds(stage: Stage, rows: Sequence[Row], count: int, seconds: float, failed: dict[str, str]) -> list[CpuRow]:
    """Measures every row in every round, beginning each round one row further on.

    A row that fails is left out from then on, and said to have failed; the others go on.
    """
    found = {row.id: CpuRow(row.id, row.what, row.budget, row.flat_against, base=row.base) for row in rows}
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
            beside = "".join(f"  ÷ {name} {each.us_per_request / us:.2f}" for name, us in each.beside.items())
            print(
                f"round {number + 1}/{count}  {row.id:24} {each.us_per_request:8.2f} µs/request"
                f"  {each.requests / each.seconds:8.0f}/s  core {each.busy_percent:3.0f} %"
                f"  others {each.foreign_percent:3.0f} %{beside}",
                flush=True,
            )
    return [row for row in found.values() if row.rounds]
