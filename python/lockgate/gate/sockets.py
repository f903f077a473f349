"""Unix sockets: names of any length, and who is at the other end."""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME_MAX_BYTES = 103
"""`sun_path` has 108 bytes on Linux and 104 on macOS, one of them the final zero."""


class SocketNameError(Exception):
    """The socket's path is too long for this system."""


@contextmanager
def socket_name(path: Path) -> Iterator[str]:
    """A name for `path` that fits into a socket address, good while the context is open."""
    if len(os.fsencode(path)) <= NAME_MAX_BYTES:
        yield str(path)
        return
    if not sys.platform.startswith("linux"):
        raise SocketNameError(f"{path} is too long for a socket: choose a shorter folder with --state")
    # The kernel follows the folder's descriptor, so only the last part's length counts.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def peer_is_same_user(connection: socket.socket) -> bool:
    """Whether the process at the other end runs as our own user.

    The socket's folder is closed to others already (0700); this holds even
    where somebody has opened it. Systems without SO_PEERCRED rely on the folder.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(uid == os.geteuid())
