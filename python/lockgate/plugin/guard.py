"""What holds a worker: limits of the system, no way to other processes, and nothing of the gate's.

`syscalls` has the kernel refuse most of it. The audit hook here refuses the
same where a Python program asks, with words that say why, and closes the
gate's state folder. It is no prison for hostile code: whoever writes the
configuration chooses the plugins, and native code can go around a hook.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

DESCRIPTORS: Final = 64
STATE: Final = ".lockgate"
"""What state folders are called unless somebody says otherwise."""
PROCESS_EVENTS: Final = frozenset(
    {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "subprocess.Popen"}
)
OUTSIDE_EVENTS: Final = frozenset({"socket.connect", "socket.bind", "socket.sendto", "os.kill", "os.killpg"})
FILE_EVENTS: Final = frozenset({"open", "os.listdir", "os.scandir"})
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4


def end_with_the_gate() -> None:
    """Have the kernel end this process when the gate is gone, also where a plugin hangs.

    Where the gate went before, the socket to it is closed, and reading from it ends this process.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Nobody reads its memory, and it writes none of it down.
        libc.prctl(_PR_SET_DUMPABLE, 0)


def only_channel() -> socket.socket:
    """Keep the socket that came as standard input, and output; close every other descriptor."""
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    kept = {0, 1, 2, channel.fileno()}
    for number in _open_descriptors() - kept:
        with contextlib.suppress(OSError):
            os.close(number)
    sys.stdin = None
    # Line by line, so that what was printed before a crash is not lost.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 -- For as long as the process lives.
    return channel


def _open_descriptors() -> set[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return {int(entry.name) for entry in Path(folder).iterdir()}
    return set(range(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def limit(memory: int) -> None:
    """Bound what the process may use: memory, descriptors, no file written, no core."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def close(state: str | None) -> None:
    """From now on: no process, no network, nothing of the gate's state folder."""
    closed = os.path.realpath(state) + os.sep if state else None

    def of_the_gate(path: str | bytes) -> bool:
        real = os.path.realpath(os.fsdecode(path)) + os.sep
        return f"{os.sep}{STATE}{os.sep}" in real or (closed is not None and real.startswith(closed))

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in PROCESS_EVENTS:
            raise PermissionError("a plugin starts no process")
        if event in OUTSIDE_EVENTS:
            raise PermissionError("a plugin decides by what it is given: it has no network and no signals")
        if event in FILE_EVENTS and arguments and isinstance(arguments[0], str | bytes) and of_the_gate(arguments[0]):
            raise PermissionError("the gate's state is not for plugins")

    sys.addaudithook(audit)
