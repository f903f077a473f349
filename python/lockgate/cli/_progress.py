"""How far long work has come: on standard error, on a terminal alone, and never faster than one can see."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

EVERY_SECONDS: Final = 0.1
AFTER_SECONDS: Final = 0.5
"""What takes no longer shows nothing."""

CLEAR: Final = "\r\033[K"


class Progress:
    """A line that tells how much is done; `total` may not be known."""

    def __init__(self, total: int | None, what: str, *, shown: bool = True) -> None:
        """`what` are the things that are counted."""
        self.done = 0
        self._total = total
        self._what = what
        self._shown = shown and sys.stderr.isatty()
        self._began = time.monotonic()
        self._next = self._began + AFTER_SECONDS
        self._standing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        now = time.monotonic()
        if self._shown and now >= self._next:
            self._next = now + EVERY_SECONDS
            self._standing = True
            sys.stderr.write(f"{CLEAR}{self._words(now)}")
            sys.stderr.flush()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the line away while something else is printed."""
        self._clear()
        yield

    def _words(self, now: float) -> str:
        rate = self.done / max(now - self._began, 0.001)
        if not self._total:
            return f"{self.done:,} {self._what}, {rate:,.0f}/s"
        left = max(self._total - self.done, 0) / max(rate, 0.001)
        share = min(100 * self.done // self._total, 100)
        return f"{share} % of {self._total:,} {self._what}, {rate:,.0f}/s, about {left:.0f} s left"

    def _clear(self) -> None:
        if self._standing:
            self._standing = False
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
