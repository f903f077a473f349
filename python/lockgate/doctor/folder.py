"""The state folder: whose it is, who may read it, how much fits."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lockgate.addresses import UNIX
from lockgate.doctor.result import Patient, Result, error, ok, warning

FREE_MIN: Final = 100 * 2**20
"""Below it the database and the event log begin to fail."""

LOOKED_AT: Final = 10_000
"""Files of which the modes are looked at; a state folder has some hundreds."""


def modes(patient: Patient) -> Iterator[Result]:
    """Whether others on this machine can read secrets."""
    root = patient.state.root
    try:
        status = root.stat()
    except OSError:
        yield ok("state-folder", f"{root} is not there yet; the first start makes it")
        return
    if status.st_uid != os.geteuid():
        yield error(
            "state-folder",
            f"{root} belongs to user {status.st_uid}, and this runs as {os.geteuid()}",
            means="it cannot be used",
            advice="run as its owner, or give it away with chown -R",
        )
        return
    open_ = [path for path in _files(root) if _mode(path) & 0o077]
    if open_:
        more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
        yield error(
            "state-folder",
            f"others on this machine can read {open_[0]}{more}",
            means="keys could be forged with the pepper, and the admin API used with the credential",
            advice=f"chmod -R go= {root}, and make the secrets anew where somebody else uses this machine",
        )
    else:
        yield ok("state-folder", f"{root} is closed to others")


def sockets(patient: Patient) -> Iterator[Result]:
    """Whether somebody else can put a file of his own in the place of a listener's socket."""
    listeners = patient.loaded.document.listeners.values() if patient.loaded is not None else ()
    places = {Path(each.address.removeprefix(UNIX)).parent for each in listeners if each.is_unix()}
    for place in sorted(places):
        try:
            status = place.stat()
        except OSError:
            # The unit of systemd may make it just before the gate starts; the gate says what is missing.
            continue
        if status.st_uid not in (0, os.geteuid()):
            found = f"{place} belongs to user {status.st_uid}, and this runs as {os.geteuid()}"
        elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            found = f"{place} can be written to by others"
        else:
            yield ok("socket-folder", f"nobody else can write to {place}")
            continue
        yield warning(
            "socket-folder",
            found,
            means="a socket of somebody else can take the place of the gate's, and get its requests",
            advice="choose a folder that the gate's user alone may write to, such as /run/lockgate",
        )


def space(patient: Patient) -> Iterator[Result]:
    """Whether what is to be kept fits on the disk."""
    place = next(path for path in (patient.state.root, *patient.state.root.parents) if path.exists())
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    kept = _bytes(patient.state.gate_events)
    wanted = max(0, patient.loaded.document.events.retain - kept) if patient.loaded is not None else 0
    said = f"{_size(free)} are free for {place}"
    if free < FREE_MIN:
        yield error(
            "disk-space",
            said,
            means="changes cannot be kept, and events are dropped; requests are served on",
            advice="make room, or move the folder and name it with --state",
        )
    elif free < wanted:
        yield warning(
            "disk-space",
            f"{said}, and events may take {_size(wanted)} more",
            means="the disk fills up before the oldest events are deleted",
            advice="set `events.retain` lower, or make room",
        )
    else:
        yield ok("disk-space", said)
    if disk.f_files and disk.f_favail < 1_000:
        yield error(
            "disk-files",
            f"only {disk.f_favail} more files fit on the disk of {place}",
            means="no new file can be made, however much space there is",
            advice="remove files; many small ones are somewhere on this disk",
        )


def _files(root: Path) -> Iterator[Path]:
    yield root
    count = 0
    for folder, below, names in os.walk(root):
        for name in (*below, *names):
            yield Path(folder) / name
            count += 1
            if count >= LOOKED_AT:
                return


def _mode(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0
    # A link's own mode means nothing, and a socket is guarded by its folder.
    return 0 if stat.S_ISLNK(status.st_mode) or stat.S_ISSOCK(status.st_mode) else stat.S_IMODE(status.st_mode)


def _bytes(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return 0


def _size(count: int) -> str:
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count} bytes"
