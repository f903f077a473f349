"""What holds a worker: limits of the system, no way to other processes, and no output.

It keeps mistakes small. It is no prison for hostile code: whoever writes the
configuration chooses the plugins, and native code can go around an audit hook.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import Any, Final

DESCRIPTORS: Final = 64
PROCESS_EVENTS: Final = frozenset(
    {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "subprocess.Popen"}
)
OUTSIDE_EVENTS: Final = frozenset({"socket.connect", "socket.bind", "socket.sendto", "os.kill", "os.killpg"})
FILE_EVENTS: Final = frozenset({"open", "os.listdir", "os.scandir", "os.open"})
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


def end_with_the_gate() -> None:
    """Have the kernel end this process when the gate is gone, also where a plugin hangs."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_DUMPABLE, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() == 1:
        # It was gone before the kernel was asked.
        os._exit(0)


def limit(memory: int) -> None:
    """Bound what the process may use: memory, descriptors, no file written, no core, no child."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def close(state: str | None) -> None:
    """From now on: no process, no network, nothing of the gate's state folder."""
    closed = os.path.realpath(state) + os.sep if state else None

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in PROCESS_EVENTS:
            raise PermissionError("a plugin starts no process")
        if event in OUTSIDE_EVENTS:
            raise PermissionError("a plugin decides by what it is given: it has no network and no signals")
        if closed is not None and event in FILE_EVENTS and arguments and isinstance(arguments[0], str | bytes):
            if (os.path.realpath(os.fsdecode(arguments[0])) + os.sep).startswith(closed):
                raise PermissionError("the gate's state is not for plugins")

    sys.addaudithook(audit)


class Silence:
    """In place of standard output: whoever prints is told so."""

    def write(self, _text: str) -> int:
        """Refuse."""
        raise PermissionError("a plugin has no output; say it with deny(..., detail=...), or log nothing")

    def flush(self) -> None:
        """There is nothing to flush."""


def silence() -> None:
    """Take standard input and output away."""
    sys.stdout = sys.stderr = Silence()  # type: ignore[assignment]
    sys.stdin = None
