"""Words to systemd (sd_notify): that everything serves, and that it stops.

The protocol is one datagram to the socket that NOTIFY_SOCKET names. Where nobody
listens, nothing is said: this must never stop what it tells of.
"""

import contextlib
import os
import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"


def tell(*lines: str) -> None:
    """Say some assignments, such as `READY=1`."""
    name = os.environ.get(VARIABLE, "")
    if not name.startswith(("/", "@")):
        return
    # A leading @ stands for the zero byte of an abstract name.
    address = f"\0{name[1:]}" if name.startswith("@") else name
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
        speaking.sendto("\n".join(lines).encode(), address)


def without_socket(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for children: only the process that systemd started may speak."""
    return {name: value for name, value in environment.items() if name != VARIABLE}
