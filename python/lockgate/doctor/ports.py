"""The ports and Unix sockets: free, ours, or whose."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lockgate.addresses import UNIX
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
        look = _path if address.startswith(UNIX) else _port
        yield look(f"the listener {name}", address, ours=patient.state.is_held("gate"))
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


def _path(what: str, address: str, *, ours: bool) -> Result:
    """A Unix socket: whether the gate can make it."""
    path = Path(address.removeprefix(UNIX))
    means = "it cannot listen there"
    try:
        if not path.is_symlink() and not path.exists():
            return _folder(what, address, path.parent)
        if path.is_symlink() or not path.is_socket():
            return error(
                "port",
                f"{path} for {what} is there, and is no socket",
                means=means,
                advice="take it away, or name another path",
            )
    except PermissionError:
        return error(
            "port",
            f"{path.parent} for {what} is not for {_user()} to look into",
            means=means,
            advice="let the gate's user write to it, or name another path",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return ok("port", f"{address} for {what} was left there by a program that is gone; the gate replaces it")
        except PermissionError:
            return error(
                "port",
                f"{address} for {what} is another user's socket",
                means=means,
                advice="take it away, or name another path",
            )
        except OSError:
            pass  # Its queue is full: somebody is there.
    if ours:
        return ok("port", f"{address} for {what} is held, and Lockgate runs on this folder")
    return error(
        "port",
        f"{address} for {what} cannot be had: another program listens there",
        means=means,
        advice="stop what has it, or name another path",
    )


def _folder(what: str, address: str, folder: Path) -> Result:
    if not folder.is_dir():
        return error(
            "port",
            f"{folder} for {what} is no folder",
            means="it cannot listen there",
            advice="make it, for example by RuntimeDirectory= in the unit of systemd",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return error(
            "port",
            f"{folder} for {what} is not for {_user()} to write to",
            means="it cannot listen there",
            advice="let the gate's user write to it, or name another path",
        )
    return ok("port", f"{address} for {what} can be made")


def _user() -> str:
    return f"user {os.geteuid()}"


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
