"""A word with ClamAV's `clamd`: whether it is there, and which it is."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

SECONDS: Final = 2.0
MOST: Final = 1024
"""Bytes of an answer that are read."""


class ClamdError(Exception):
    """What is there does not answer as `clamd` does, or nothing is."""


def version(place: str) -> str:
    """What it calls itself, with the version of its signatures; `place` is as the configuration says it."""
    if (pong := _asked(place, "PING")) != "PONG":
        raise ClamdError(f"it answers {pong[:40]!r}, as no clamd does")
    return _asked(place, "VERSION")


def _asked(place: str, command: str) -> str:
    told = bytearray()
    try:
        with contextlib.closing(_connected(place)) as talking:
            talking.sendall(f"z{command}\0".encode())
            while b"\0" not in told and len(told) < MOST:
                piece = talking.recv(MOST)
                if not piece:
                    break
                told += piece
    except OSError as failed:
        raise ClamdError(failed.strerror or str(failed) or type(failed).__name__) from failed
    line, end, _ = bytes(told).partition(b"\0")
    if not end:
        raise ClamdError("it closed without a whole answer")
    return line.decode("ascii", "replace")


def _connected(place: str) -> socket.socket:
    if place.startswith("unix:"):
        talking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        talking.settimeout(SECONDS)
        try:
            talking.connect(place.removeprefix("unix:"))
        except OSError:
            talking.close()
            raise
        return talking
    host, _, port = place.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS)
