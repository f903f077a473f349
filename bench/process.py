"""A process pinned to one core, and what the kernel says it has used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 10.0


class BenchError(Exception):
    """Something that ends the benchmark; its words say what to do next."""


@dataclass(frozen=True)
class Memory:
    """Memory of a process tree, in KiB."""

    rss: int
    pss: int

    def __sub__(self, other: Memory) -> Memory:
        return Memory(self.rss - other.rss, self.pss - other.pss)


class Pinned:
    """A child process on one core; its output goes to a file that is shown when something fails."""

    def __init__(
        self,
        command: Sequence[str],
        core: int,
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        pipes: bool = False,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        self.command = list(command)
        with log.open("ab") as output:
            self.popen: subprocess.Popen[bytes] = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd,
            )
        self.pid = self.popen.pid

    def tree(self) -> list[int]:
        """This process and all below it."""
        return tree(self.pid)

    def cpu_ns(self) -> int:
        """CPU time of the whole tree so far, in nanoseconds."""
        return sum(cpu_ns(pid) for pid in self.tree())

    def memory(self) -> Memory:
        """Memory of the whole tree now."""
        parts = [memory(pid) for pid in self.tree()]
        return Memory(sum(part.rss for part in parts), sum(part.pss for part in parts))

    def line(self) -> str:
        """The next line that it prints; an error with its log's end if it prints none."""
        if self.popen.stdout is None:
            raise BenchError(f"{self.command[0]} was started without pipes")
        text = self.popen.stdout.readline().decode().strip()
        if not text:
            raise BenchError(f"{self.command[0]} ended without a word:\n{self.tail()}")
        return text

    def say(self, text: str) -> None:
        """Writes a line to its standard input."""
        if self.popen.stdin is None:
            raise BenchError(f"{self.command[0]} was started without pipes")
        self.popen.stdin.write(text.encode() + b"\n")
        self.popen.stdin.flush()

    def close_input(self) -> None:
        """Closes its standard input; once is enough."""
        if self.popen.stdin is not None:
            self.popen.stdin.close()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def ended(self) -> bool:
        """Whether it has ended."""
        return self.popen.poll() is not None

    def stop(self) -> None:
        """Closes its input and asks it to end; insists after ten seconds."""
        self.close_input()
        if not self.ended():
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.tree()):
                os.kill(pid, signal.SIGKILL)
            self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()


def tree(root: int) -> list[int]:
    """A process and all its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # It ended while we looked.
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_ns(pid: int) -> int:
    """CPU time of a process, threads that have ended included.

    /proc/PID/stat counts in ticks of 10 ms and schedstat forgets ended threads,
    so this reads the process's CPU clock; clock_getcpuclockid(3) makes its id so.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def memory(pid: int) -> Memory:
    """Resident and proportional memory of one process."""
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0])
    return Memory(sizes["Rss"], sizes["Pss"])


def wait_until_idle(process: Pinned, seconds: float = 2.0) -> None:
    """Waits, at most so long, until a process has used almost no CPU for a tenth of a second."""
    end = time.monotonic() + seconds
    before = process.cpu_ns()
    while time.monotonic() < end:
        time.sleep(0.1)
        now = process.cpu_ns()
        if now - before < 2_000_000:
            return
        before = now
