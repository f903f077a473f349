"""Frames between the gate and a worker: a length of four bytes, and JSON."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

MAX_QUESTION: Final = 4 << 20
"""A head is 32 KiB by default and 1 MiB at most, and grows in JSON."""
MAX_ANSWER: Final = 1 << 20
"""Changes of fields, 64 of 8 KiB at most; at load, what is wrong."""


def send(channel: socket.socket, value: dict[str, Any]) -> None:
    """Send one frame."""
    data = json.dumps(value, separators=(",", ":")).encode()
    if len(data) > MAX_ANSWER:
        raise ValueError(f"an answer of {len(data)} bytes is too long")
    channel.sendall(len(data).to_bytes(4, "big") + data)


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """Receive one frame; nothing when the other end is gone."""
    head = _exactly(channel, 4)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > MAX_QUESTION:
        return None
    data = _exactly(channel, length)
    return None if data is None else dict(json.loads(data))


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        more = channel.recv(count - len(data))
        if not more:
            return None
        data += more
    return bytes(data)
