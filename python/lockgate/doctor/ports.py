"""The ports: free, ours, or whose."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lockgate.doctor.result import Patient, Result, error, ok

LISTENING: Final = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def ports(patient: Patient) -> Iterator[Result]:
    """Each address that the configuration wants."""
    if patient.loaded is None:
        return
    document = patient.loaded.document
    listeners = {name: each.address for name, each in document.listeners.items()} or {"public": "127.0.0.1:8080"}
    for name, address in listeners.items():
        yield _port(f"the listener {name}", address, ours=patient.state.is_held("gate"))
    yield _port("the admin API", document.admin.address, ours=patient.state.is_held("control"))


def _port(what: str, address: str, *, ours: bool) -> Result:
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
            probe.listen(1)
        except PermissionError:
            return error(
                "port",
                f"{address} for {what} is not for everybody to take",
                means="it cannot listen there",
                advice="take a port above 1023, or allow it: AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit",
            )
        except OSError as failed:
            if ours:
                return ok("port", f"{address} for {what} is held, and Lockgate runs on this folder")
            who = _holder(int(port))
            return error(
                "port",
                f"{address} for {what} cannot be had: {failed.strerror}" + (f"; {who} has it" if who else ""),
                means="it cannot listen there",
                advice="stop what has it, or name another port",
            )
    return ok("port", f"{address} for {what} is free" if not ours else f"{address} for {what}: nobody listens yet")


def _holder(port: int) -> str | None:
    """The program that listens on the port, where the system lets us see."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) in inodes for entry in (process / "fd").iterdir()):
                return f"process {process.name} ({(process / 'comm').read_text(encoding='utf-8').strip()})"
        except OSError:
            continue  # Another user's, or gone meanwhile.
    return "another user's program"
