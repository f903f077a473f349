"""The machine: descriptors, kernel, clock."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lockgate.doctor.result import Patient, Result, error, ok, warning

DESCRIPTORS_FEW: Final = 65_536
"""A connection through the gate takes two."""
DESCRIPTORS_MIN: Final = 1_024
BACKLOG: Final = 1_024
FIRST_SANE: Final = 1_767_225_600.0
"""The first second of 2026: no clock of a machine that runs this is before it."""

STA_UNSYNC: Final = 0x0040
"""The kernel's flag for a clock that nobody sets (adjtimex(2))."""


def descriptors(patient: Patient) -> Iterator[Result]:
    """How many connections this process could hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    wanted = DESCRIPTORS_FEW
    if patient.loaded is not None and patient.loaded.document.listeners:
        wanted = max(2 * sum(each.limits.connections for each in patient.loaded.document.listeners.values()), 4_096)
        wanted = min(wanted, DESCRIPTORS_FEW)
    means = f"about {most // 2} connections fit; further ones wait, and time out"
    advice = "raise the hard limit: `LimitNOFILE=` in a unit, `nofile` in limits.conf, `--ulimit nofile` of a container"
    if most < DESCRIPTORS_MIN:
        yield error("descriptors", f"at most {most} descriptors may be open", means=means, advice=advice)
    elif most < wanted:
        yield warning("descriptors", f"at most {most} descriptors may be open", means=means, advice=advice)
    else:
        yield ok("descriptors", f"{most} descriptors may be open" if most < sys.maxsize else "any number may be open")


def kernel(_: Patient) -> Iterator[Result]:
    """What workers and upgrades need of the system."""
    shared = _shares_ports()
    if shared is None:
        yield ok("reuse-port", f"{platform.system()} {platform.release()} shares a port between workers (SO_REUSEPORT)")
    else:
        yield error(
            "reuse-port",
            f"two sockets cannot share a port: {shared}",
            means="workers cannot each listen for themselves, and the gate does not start",
            advice="use Linux 3.9 or newer; a sandbox such as gVisor may have to be told to allow SO_REUSEPORT",
        )
    backlog = _number(Path("/proc/sys/net/core/somaxconn"))
    if backlog is not None and backlog < BACKLOG:
        yield warning(
            "backlog",
            f"at most {backlog} connections may wait to be accepted (net.core.somaxconn)",
            means="in a rush, connections are dropped before the gate sees them",
            advice="sysctl -w net.core.somaxconn=4096",
        )
    elif backlog is not None:
        yield ok("backlog", f"{backlog} connections may wait to be accepted")


def clock(_: Patient) -> Iterator[Result]:
    """Whether the time is right: keys, waivers, certificates and tokens end by it."""
    now = time.time()
    if now < FIRST_SANE:
        yield error(
            "clock",
            f"the clock says {time.strftime('%Y-%m-%d', time.gmtime(now))}",
            means="keys and waivers that have ended count as good, and tokens as not yet valid",
            advice="set the clock, and start a time service (chrony, systemd-timesyncd)",
        )
        return
    synchronised = _synchronised()
    if synchronised is False:
        yield warning(
            "clock",
            "nothing keeps the clock right",
            means="it drifts: tokens of issuers elsewhere are refused too early or taken too long",
            advice="start a time service (chrony, systemd-timesyncd); in a container it is the host's to do",
        )
    else:
        said = "is kept right by a time service" if synchronised else "looks sane; who keeps it right is not known here"
        yield ok("clock", f"the clock {said}")


def python(_: Patient) -> Iterator[Result]:
    """Whether the native module is there and of this version."""
    import lockgate

    try:
        from lockgate import _native
    except ImportError as failed:
        yield error(
            "native-module",
            f"the native module cannot be loaded: {failed}",
            means="nothing can be served",
            advice="install the wheel for this platform and Python: pip install --force-reinstall lockgate",
        )
        return
    if _native.__version__ != lockgate.__version__:
        yield error(
            "native-module",
            f"the package is {lockgate.__version__}, its native module {_native.__version__}",
            means="two versions are mixed; bundles may be refused",
            advice="pip install --force-reinstall lockgate",
        )
    else:
        yield ok("native-module", f"version {lockgate.__version__} on Python {platform.python_version()}")
    if os.geteuid() == 0 and not Path("/.dockerenv").exists():
        yield warning(
            "user",
            "this runs as root",
            means="a fault in it would be a fault with every right",
            advice="run it as a user of its own; systemd gives low ports by AmbientCapabilities=CAP_NET_BIND_SERVICE",
        )
    else:
        yield ok("user", "not root" if os.geteuid() else "root of a container")


def _shares_ports() -> str | None:
    try:
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", 0))
            other.bind(one.getsockname())
    except (AttributeError, OSError) as failed:
        return str(failed)
    return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined; nothing where it does not say."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex begins with `modes`, where 0 only reads; 208 bytes on 64 bits, and more is harmless.
    buffer = ctypes.create_string_buffer(512)
    if call(buffer) < 0:
        return None
    word = ctypes.sizeof(ctypes.c_long)
    # modes (padded), offset, freq, maxerror, esterror, then status.
    status = int.from_bytes(buffer.raw[5 * word : 5 * word + 4], sys.byteorder)
    return not status & STA_UNSYNC
