"""Samples one row's subject under load and prints the functions that it spends its time in.

Example:
    bench/profile.sh lockgate/key 5
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import native
from bench.cpu import Meter
from bench.gate import Gate
from bench.load import CACHE, build, started
from bench.process import BenchError
from bench.rows import ROWS, Row
from bench.stage import Stage
from bench.subjects import Subject, peers
from bench.syscalls import perf

TOP = 40
LINE = re.compile(r"\s*([\d.]+)%\s+(\S+)\s+(\[.\])\s+(.*\S)")


def main() -> int:
    """Profiles the row that is named."""
    words = [*sys.argv[1:], *["lockgate/events", "5"][len(sys.argv) - 1 :]]
    row = next((row for row in ROWS if row.id == words[0]), None)
    if row is None or shutil.which("perf") is None:
        print(f"profile: perf and one of these rows are wanted: {', '.join(row.id for row in ROWS)}", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
            report = profile(row, float(words[1]), Path(folder))
    except BenchError as error:
        print(f"profile: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(report)))
    print(f"\ncall graphs: perf report -i {data()}")
    return 0


def profile(row: Row, seconds: float, folder: Path) -> str:
    """Runs the row under perf; virtual machines often have no hardware counters, so by the CPU clock."""
    program = build()
    with started(program, core=1, log=folder / "load.log", connections=64) as load:
        stage = Stage({row.subject: subject(row, folder)}, load, core=0)
        with stage.running(row) as (running, _):
            meter = Meter(running, row.way)
            meter.prepare(stage)
            pids = ",".join(str(pid) for pid in running.process.tree())
            with perf(
                [
                    "record",
                    "-q",
                    "--call-graph",
                    "dwarf,8192",
                    "-e",
                    "cpu-clock",
                    "-F",
                    "997",
                    "-o",
                    str(data()),
                    "-p",
                    pids,
                ]
            ):
                meter.load(stage, seconds)
            return perf_report()


def subject(row: Row, folder: Path) -> Subject:
    """The row's subject; the gate with symbols."""
    if row.subject == "lockgate":
        return Gate(folder, native.build("profiling"))
    if row.subject == "spike":
        build("spike")
    return next(peer for peer in peers() if peer.name == row.subject)


def data() -> Path:
    """Where the samples are kept, for a closer look."""
    (CACHE / "profile").mkdir(parents=True, exist_ok=True)
    return CACHE / "profile/perf.data"


def perf_report() -> str:
    """The table of perf, made while the program is still there to be read."""
    command = ["perf", "report", "-i", str(data()), "--stdio", "--no-children", "-g", "none", "-F", "overhead,dso,sym"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"perf report failed: {done.stderr.strip()}")
    return done.stdout


def table(report: str) -> Sequence[str]:
    """The functions that cost most, and the sums by where they are: the kernel, the gate, libraries."""
    rows = [found.groups() for line in report.splitlines() if (found := LINE.fullmatch(line))]
    sums: dict[str, float] = {}
    for share, where, _, _ in rows:
        sums[where] = sums.get(where, 0.0) + float(share)
    by_share = sorted(sums.items(), key=lambda item: -item[1])
    return [
        *(f"{float(share):6.2f} %  {where:28.28} {name}" for share, where, _, name in rows[:TOP]),
        "",
        *(f"{share:6.2f} %  {where}" for where, share in by_share if share >= 0.1),
    ]


if __name__ == "__main__":
    sys.exit(main())
