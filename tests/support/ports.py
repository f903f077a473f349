"""Loopback ports."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A loopback port that nothing listens on just now.

    Where the program under test can bind to port 0 and tell what it got, let
    it: between this look and its use somebody else may take the port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something takes connections on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
