"""What machine a result comes from, and how quiet it was."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Machine:
    """The machine, as far as it explains a number."""

    cpu: str
    cores: int
    memory_mib: int
    kernel: str
    system: str
    virtual: bool
    python: str


@dataclass(frozen=True)
class CoreTime:
    """A core's time so far, in nanoseconds, to a tick."""

    busy: int
    stolen: int

    def __sub__(self, other: CoreTime) -> CoreTime:
        return CoreTime(self.busy - other.busy, self.stolen - other.stolen)


def machine() -> Machine:
    """Describes this machine."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")), "")
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return Machine(
        cpu=model or platform.machine(),
        cores=os.cpu_count() or 0,
        memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        kernel=platform.release(),
        system=release,
        virtual=" hypervisor" in cpuinfo,
        python=platform.python_version(),
    )


def core_time(core: int) -> CoreTime:
    """How long a core was busy, and how long the hypervisor gave it to others."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
            return CoreTime((user + nice + system + irq + softirq) * TICK_NS, steal * TICK_NS)
    return CoreTime(0, 0)


def git_revision() -> str:
    """The revision that is measured; `+` says that files differ from it."""
    revision = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return revision + ("+" if changed else "")


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
