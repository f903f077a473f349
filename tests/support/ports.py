"""Loopback ports."""

from __future__ import annotations

import random
import socket
import sys
from typing import Final

BELOW_EPHEMERAL: Final = range(10_000, 32_768)
"""Ports that no system gives to a connection by itself: nobody gets one of them between our look and its use."""

_reserved: list[socket.socket] = []
"""A name on Linux for each port that this process gave out; other test processes see it, and take another."""


def free_port() -> int:
    """A loopback port that nothing listens on, and that no other test is given while this process runs.

    Where the program under test can bind to port 0 and tell what it got, let it.
    """
    for port in random.sample(BELOW_EPHEMERAL, 1_000):
        if _reserve(port) and _is_free(port):
            return port
    raise OSError("no loopback port is free")


def listens(port: int) -> bool:
    """Whether something takes connections on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _reserve(port: int) -> bool:
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0lockgate-test-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
