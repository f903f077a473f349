"""What a gate wants to know of tokens, in memory."""

from __future__ import annotations

import socket
import weakref


class FakeAsking:
    """Asks about tokens, orders what providers give, and notes what comes of it."""

    def __init__(self) -> None:
        self.unasked: list[tuple[str, str, str, str | None]] = []
        self.heard: list[tuple[str, str, str, str | int]] = []
        self.unordered: list[tuple[str, str, str, str, str]] = []
        self.got: list[tuple[str, str, str, str, str | None, int, int]] = []
        self.links = 0
        self.fourth_bell, self.fourth_ring = socket.socketpair()
        self.third_bell, self.third_ring = socket.socketpair()
        for end in (self.third_bell, self.third_ring, self.fourth_bell, self.fourth_ring):
            weakref.finalize(self, end.close)

    def introspections(self) -> list[tuple[str, str, str, str | None]]:
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

    def orders(self) -> list[tuple[str, str, str, str, str]]:
        self.fourth_bell.recv(64)
        taken, self.unordered = self.unordered, []
        return taken

    def orders_fd(self) -> int:
        return self.fourth_bell.fileno()

    def brought(
        self,
        order: str,
        goods: str,
        about: str,
        outcome: str,
        *,
        got: str | None = None,
        until_ms: int = 0,
        retry_s: int = 1,
    ) -> bool:
        self.got.append((order, goods, about, outcome, got, until_ms, retry_s))
        return outcome in {"got", "refused", "unavailable", "busy"}

    def linked(self) -> None:
        self.links += 1
