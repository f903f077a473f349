"""What a gate wants to know of tokens, in memory."""

from __future__ import annotations

import socket
import weakref


class FakeAsking:
    """Asks about tokens, and notes what comes of it."""

    def __init__(self) -> None:
        self.unasked: list[tuple[str, str, str]] = []
        self.heard: list[tuple[str, str, str, str | int]] = []
        self.links = 0
        self.third_bell, self.third_ring = socket.socketpair()
        for end in (self.third_bell, self.third_ring):
            weakref.finalize(self, end.close)

    def introspections(self) -> list[tuple[str, str, str]]:
        self.third_bell.recv(64)
        taken, self.unasked = self.unasked, []
        return taken

    def introspections_fd(self) -> int:
        return self.third_bell.fileno()

    def introspected(
        self, question: str, issuer: str, outcome: str, *, answer: str | None = None, retry_s: int = 1
    ) -> bool:
        self.heard.append((question, issuer, outcome, answer if answer is not None else retry_s))
        return outcome in {"answered", "unavailable", "busy"}

    def linked(self) -> None:
        self.links += 1
