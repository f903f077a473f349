"""System calls per request, counted by the kernel's tracepoints at full speed, and what each is for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.cpu import WARM_UP_SECONDS
from bench.process import BenchError
from bench.results import SyscallRow
from bench.rows import Row
from bench.stage import Stage

REQUESTS = 20_000
SECONDS = 60.0

# Counted by name; each costs perf some time at start, so the few hundred others are counted together.
NAMES = (
    "accept4",
    "clock_nanosleep",
    "close",
    "connect",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fdatasync",
    "futex",
    "getrandom",
    "getsockopt",
    "io_uring_enter",
    "ioctl",
    "madvise",
    "mmap",
    "munmap",
    "nanosleep",
    "poll",
    "pread64",
    "pwrite64",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "sched_yield",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "splice",
    "timerfd_settime",
    "write",
    "writev",
)
ALL = "raw_syscalls:sys_enter"
PREFIX = "syscalls:sys_enter_"

# Rarer than one in two hundred requests is start-up, timers and other threads.
RARE = 0.005

WHY = {
    "epoll_wait": "Asks which sockets are ready; one call covers all that are, so busy gates need fewer.",
    "epoll_pwait": "As epoll_wait.",
    "epoll_pwait2": "As epoll_wait.",
    "recvfrom": "Reads the request from the client, and the answer from the upstream: one each.",
    "read": "As recvfrom.",
    "sendto": "Writes the request to the upstream, and the answer to the client: one each.",
    "write": "As sendto; in Lockgate, wakes a sleeping worker through its eventfd, now and then.",
    "writev": "As sendto, with head and body from two places.",
    "sendmsg": "As writev.",
    "recvmsg": "As recvfrom.",
    "readv": "As recvfrom.",
    "futex": "Wakes the thread that writes events, once for a batch.",
    "pwrite64": "Writes a batch of events to its segment.",
    "fdatasync": "Makes a batch of events durable before the watermark moves.",
    "others": "Start-up, timers and threads beside the workers.",
    "epoll_ctl": "Watches a connection that was opened, or stops watching one.",
}


def rows(stage: Stage, chosen: Sequence[Row], failed: dict[str, str]) -> list[SyscallRow]:
    """Counts for each row, with the run's connections and with a single one."""
    if shutil.which("perf") is None:
        failed["syscalls"] = "perf is not installed; install it with scripts/system-packages.sh"
        return []
    found = []
    for row in chosen:
        try:
            found += [measure(stage, row, many) for many in (stage.load.connections, 1)]
        except BenchError as error:
            failed[f"syscalls {row.id}"] = str(error)
            continue
        print(f"syscalls {row.id:23} {sum(found[-2].per_request.values()):.2f} a request", flush=True)
    return found


def measure(stage: Stage, row: Row, connections: int) -> SyscallRow:
    """Lets perf count for as long as one run of the generator lasts."""
    load = replace(stage.load, connections=connections, generator="own")
    with stage.running(row) as (running, site):
        load.closed(running.target, WARM_UP_SECONDS)
        report = site.folder / "perf.csv"
        events = ",".join([ALL, *(PREFIX + name for name in NAMES)])
        pids = ",".join(str(pid) for pid in running.process.tree())
        with perf(["stat", "-x", ",", "-o", str(report), "-e", events, "-p", pids]):
            result = load.closed(running.target, SECONDS, REQUESTS)
        counts = read_counts(report)
    per_request = {name: count / result.requests for name, count in counts.items()}
    return SyscallRow(row.id, connections, {n: round(c, 3) for n, c in per_request.items() if c >= RARE})


@contextmanager
def perf(words: Sequence[str]) -> Iterator[None]:
    """Runs perf for as long as the block lasts: it starts its workload once it is attached, and ends with it."""
    command = ["perf", *words, "--", "sh", "-c", "echo attached; cat >/dev/null"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise BenchError("perf was started without pipes")
        if not process.stdout.readline():
            raise BenchError(f"perf does not attach; it needs root:\n{process.stderr.read().decode()}")
        yield
        process.stdin.close()
        process.wait(60)


def read_counts(report: Path) -> dict[str, int]:
    """Reads perf's table: count, unit, event, and more that is not needed."""
    counts: dict[str, int] = {}
    every = 0
    for line in report.read_text().splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[0].isdigit():
            if fields[2] == ALL:
                every = int(fields[0])
            else:
                counts[fields[2].removeprefix(PREFIX)] = int(fields[0])
    if not every:
        raise BenchError(f"perf counted nothing; it needs root and tracefs:\n{report.read_text()[:500]}")
    return {**counts, "others": every - sum(counts.values())}
