"""Instructions of the gate's own for each request, counted by callgrind: the same on a busy machine as on a quiet one.

They are those of user space alone, and none of the kernel's; so they are no ratio to nginx, but tell whether a change
costs anything, and where. Valgrind is wanted (`apt-get install valgrind`).

Example:
    .venv/bin/python -m bench.instructions lockgate/plain lockgate/events
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import native
from bench.gate import Gate
from bench.load import build, started
from bench.process import BenchError
from bench.rows import ROWS, Row
from bench.stage import Stage

WARM_UP = 500
REQUESTS = 2_000
CONNECTIONS = 8
SECONDS = 300.0
"""In which the requests must have been answered: callgrind makes a program some fifty times slower."""
TOP = 25
TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)
LINE = re.compile(r"\s*([\d,]+) \(\s*[\d.]+%\)\s+(?:\?\?\?:)?(.+?)(?: \[.*)?")


def main() -> int:
    """Counts for the rows that are named."""
    words = sys.argv[1:] or ["lockgate/plain", "lockgate/events"]
    rows = [row for row in ROWS if row.id in words]
    if len(rows) < len(set(words)) or any(row.subject != "lockgate" or row.way != "closed" for row in rows):
        print("instructions: wants rows of lockgate, as lockgate/plain; `python -m bench --list`", file=sys.stderr)
        return 2
    if shutil.which("valgrind") is None:
        print("instructions: valgrind is missing; `apt-get install valgrind`", file=sys.stderr)
        return 2
    try:
        for row in rows:
            with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
                total, most = count(row, Path(folder))
            print(f"{row.id}: {total:,.0f} instructions for each request")
            print("\n".join(f"  {each:>10,.1f}  {name}" for each, name in most), flush=True)
    except BenchError as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2
    return 0


def count(row: Row, folder: Path) -> tuple[float, list[tuple[float, str]]]:
    """Instructions for each request of a row; and those of the functions that have most of them."""
    out = folder / "callgrind"
    under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", "--quiet"]
    gate = Gate(folder, native.built(), under=under)
    with started(build(), core=1, log=folder / "load.log", connections=CONNECTIONS) as load:
        stage = Stage({row.subject: gate}, load, core=0)
        with stage.running(row) as (running, _):
            load.closed(running.target, SECONDS, WARM_UP)
            control = ["callgrind_control", "--instr", "{}", str(running.process.pid)]
            _run([word.format("on") for word in control])
            load.closed(running.target, SECONDS, REQUESTS)
            _run([word.format("off") for word in control])
    lines = _run(["callgrind_annotate", "--auto=no", str(out)])
    return read(out.read_text(encoding="utf-8", errors="replace"), lines, REQUESTS)


def read(counted: str, annotated: str, requests: int) -> tuple[float, list[tuple[float, str]]]:
    """What callgrind's file and its table by functions say, for each of so many requests."""
    totals = TOTALS.findall(counted)
    if not totals:
        raise BenchError("callgrind counted nothing: did the gate end too early?")
    most = [found.groups() for line in annotated.splitlines() if (found := LINE.fullmatch(line.rstrip()))]
    each = [(int(count.replace(",", "")) / requests, name) for count, name in most if name != "PROGRAM TOTALS"]
    return sum(map(int, totals)) / requests, each[:TOP]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
