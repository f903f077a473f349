"""`python -m bench.soak`: a gate under steady load for an hour, reloaded all the while.

What leaks, grows slowly: memory and descriptors are read every few seconds, and a
line is laid through them (Theil and Sen's: the median of the slopes between pairs,
which a few odd readings do not move). The first part of the run is left out, since
pools and caches fill in it. Half load is what half of the requests that the gate
carried in a short closed run would be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from bench import native
from bench.gate import Gate
from bench.load import build, started
from bench.machine import git_revision, machine
from bench.process import BenchError, Pinned
from bench.report import RESULTS
from bench.rows import ROWS, Row
from bench.stage import Stage
from bench.subjects import Running, Site

WARM_UP_SECONDS = 3.0
SETTLING = 0.2
WORD_SECONDS = 60.0
# Pairs grow with the square of the readings; so many tell a slope well enough.
MAX_READINGS = 400


@dataclass(frozen=True)
class Reading:
    """What the process held at one moment."""

    seconds: float
    pss_kib: int
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Soaked:
    """What an hour came to. Each request counted was answered well."""

    row: str
    minutes: float
    requests: int
    rate: float
    reloads: int
    pss_first_kib: int
    pss_last_kib: int
    pss_kib_per_hour: float
    descriptors_first: int
    descriptors_last: int
    descriptors_per_hour: float
    p99_us: float


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0 if it ran to its end; 2 if not, for the generator ends at the first wrong answer."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--row", default="lockgate/key", help="which of the benchmark's rows (lockgate/key)")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, help="requests a second; left out, half of what it carries")
    parser.add_argument("--reload-every", type=float, default=1.0, help="seconds between two bundles; 0 for none")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two readings")
    parser.add_argument("--gate", choices=["release", "built", "installed"], default="release")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    given = parser.parse_args(words)
    row = next((row for row in ROWS if row.id == given.row and row.subject == "lockgate"), None)
    if row is None:
        parser.error(f"there is no row {given.row} of Lockgate's")
    try:
        with tempfile.TemporaryDirectory(prefix="lockgate-soak-") as folder:
            found = run(row, given, Path(folder))
    except BenchError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    out = RESULTS / "local"
    out.mkdir(parents=True, exist_ok=True)
    whole = {"soak": asdict(found), "machine": asdict(machine()), "revision": git_revision()}
    (out / f"soak-{time.strftime('%Y-%m-%d-%H%M')}.json").write_text(json.dumps(whole, indent=1) + "\n")
    print(json.dumps(asdict(found), indent=1))
    return 0


def run(row: Row, given: argparse.Namespace, folder: Path) -> Soaked:
    """Load, readings and reloads at once, until the time is over."""
    package = None
    if given.gate != "installed":
        package = native.build() if given.gate == "release" else native.built()
    gate = Gate(folder, package)
    with started(build(), given.load_core, folder / "load.log", 64) as load:
        stage = Stage({"lockgate": gate}, load, given.proxy_core)
        with stage.running(row) as (running, site):
            warm = load.closed(running.target, WARM_UP_SECONDS)
            rate = given.rate or warm.requests / warm.seconds / 2
            watch = Watch(gate, running, row, site, given.reload_every, given.every)
            try:
                with watch:
                    done = load.open(running.target, given.minutes * 60, rate)
            finally:
                # Also where the load could not be kept up to its end: what was read by then is no less true.
                kept = watch.settled(SETTLING * given.minutes * 60)
                if len(kept) >= 2:
                    pss, descriptors = growth(kept, "pss_kib"), growth(kept, "descriptors")
                    print(f"memory {pss:+.0f} KiB, descriptors {descriptors:+.1f} an hour", file=sys.stderr)
            if len(kept) < 2:
                raise BenchError("too few readings: a soak takes minutes, see --minutes and --every")
            return Soaked(
                row=row.id,
                minutes=given.minutes,
                requests=done.requests,
                rate=rate,
                reloads=watch.reloads,
                pss_first_kib=kept[0].pss_kib,
                pss_last_kib=kept[-1].pss_kib,
                pss_kib_per_hour=growth(kept, "pss_kib"),
                descriptors_first=kept[0].descriptors,
                descriptors_last=kept[-1].descriptors,
                descriptors_per_hour=growth(kept, "descriptors"),
                p99_us=done.latency.p99,
            )


class Watch:
    """Reads the process and hands it bundles, beside the load."""

    def __init__(self, gate: Gate, running: Running, row: Row, site: Site, reload_every: float, every: float) -> None:
        self.readings: list[Reading] = []
        self.reloads = 0
        self._gate, self._running, self._row, self._site = gate, running, row, site
        self._reload_every, self._every = reload_every, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-watch")
        self._problem: BaseException | None = None

    def __enter__(self) -> None:
        """Begins."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Ends, and tells what went wrong meanwhile."""
        self._over.set()
        self._thread.join()
        if self._problem is not None:
            raise BenchError(f"the watch over the gate ended early: {self._problem}") from self._problem

    def settled(self, seconds: float) -> list[Reading]:
        """Readings from so many seconds on, as many as tell a slope."""
        later = [each for each in self.readings if each.seconds >= seconds]
        return later[:: max(1, len(later) // MAX_READINGS)]

    def _run(self) -> None:
        try:
            self._look()
        except Exception as problem:  # noqa: BLE001 -- it is raised where the watch is left
            self._problem = problem

    def _look(self) -> None:
        begin = time.monotonic()
        next_reading, next_word, next_reload = 0.0, WORD_SECONDS, self._reload_every
        while not self._over.wait(0.05):
            now = time.monotonic() - begin
            if self._reload_every and now >= next_reload:
                self._gate.reload_ms(self._running, self._row.variant, self._site, self.reloads + 2)
                self.reloads += 1
                next_reload = now + self._reload_every
            if now >= next_reading:
                self.readings.append(read(self._running.process, now))
                next_reading = now + self._every
            if now >= next_word:
                self._tell(now)
                next_word = now + WORD_SECONDS

    def _tell(self, now: float) -> None:
        last = self.readings[-1]
        print(
            f"{now / 60:4.0f} min: {last.pss_kib / 1024:.1f} MiB, {last.descriptors} descriptors,"
            f" {last.threads} threads, {self.reloads} reloads",
            file=sys.stderr,
            flush=True,
        )


def read(process: Pinned, seconds: float) -> Reading:
    """One reading of a process and all below it."""
    parts = [Path(f"/proc/{pid}") for pid in process.tree()]
    return Reading(
        seconds,
        process.memory().pss,
        sum(sum(1 for _ in (part / "fd").iterdir()) for part in parts),
        sum(sum(1 for _ in (part / "task").iterdir()) for part in parts),
    )


def growth(readings: Sequence[Reading], what: str) -> float:
    """How much a number grows in an hour."""
    return 3600 * slope([(each.seconds, getattr(each, what)) for each in readings])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Sen, 1968, JASA 63:1379)."""
    return median((later[1] - sooner[1]) / (later[0] - sooner[0]) for sooner, later in combinations(points, 2))


if __name__ == "__main__":
    sys.exit(main())
