"""Somebody who wants something of a gate that others attack: `python -m attacks.bystander PORT CA RATE SECONDS`.

It asks at a constant rate, whatever becomes of its earlier requests, so that
waiting is not hidden; one request in ten comes over a new connection.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from typing import Self

from attacks.attackers import NAME

NEW_EACH = 10
PATIENCE = 5.0


@dataclass
class Noticed:
    """What a bystander noticed, times in milliseconds."""

    asked: int
    failed: int
    p50: float
    p99: float
    worst: float


class Bystander:
    """Asks over TLS, or without it where there is no trust to have."""

    def __init__(self, port: int, trust: str) -> None:
        self._port = port
        self._how = ssl.create_default_context(cafile=trust) if trust else None
        self._sock: socket.socket | None = None

    def ask(self, *, new: bool) -> bool:
        """Whether it was answered well."""
        try:
            if new or self._sock is None:
                self._leave()
                self._sock = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
                if self._how:
                    self._sock = self._how.wrap_socket(self._sock, server_hostname=NAME)
            self._sock.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            answer = b""
            while b"\r\n\r\nok" not in answer:
                came = self._sock.recv(65536)
                if not came:
                    raise ConnectionError
                answer += came
        except OSError:
            self._leave()
            return False
        return answer.startswith(b"HTTP/1.1 200")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()
        self._sock = None


def notice(port: int, trust: str, rate: float, seconds: float) -> Noticed:
    """Asks for so long."""
    bystander = Bystander(port, trust)
    bystander.ask(new=True)
    took: list[float] = []
    failed = 0
    begun = time.monotonic()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        time.sleep(max(0.0, due - time.monotonic()))  # sleep: it asks at a constant rate
        if not bystander.ask(new=number % NEW_EACH == 0):
            failed += 1
        took.append((time.monotonic() - due) * 1_000)
        if time.monotonic() > begun + 3 * seconds:
            break
    took.sort()
    return Noticed(len(took), failed, took[len(took) // 2], took[int(len(took) * 0.99)], took[-1])


if __name__ == "__main__":
    _port, _trust, _rate, _seconds = sys.argv[1:]
    print(json.dumps(asdict(notice(int(_port), _trust, float(_rate), float(_seconds)))))
