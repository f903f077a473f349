"""The control process's clock: milliseconds since the epoch, as events and facts write it."""

import time


def now_ms() -> int:
    """Now."""
    return time.time_ns() // 1_000_000


def now_us() -> int:
    """Now, in microseconds."""
    return time.time_ns() // 1_000
