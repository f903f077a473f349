"""One process at a time: a lock file that the kernel lets go of when its holder ends."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from lockgate.state import FILE_MODE, StateError, StateInUseError

FIRST_LOOK_SECONDS: Final = 0.05
LONGEST_LOOK_SECONDS: Final = 1.0
"""Between two looks at a lock that another process holds; there is no way to be told of its end."""


@asynccontextmanager
async def held(path: Path, what: str, within: float) -> AsyncIterator[bool]:
    """Hold the lock `path`; gives whether another held it first, who may have done what was to be done.

    Raises `StateInUseError` where it is not to be had within so many seconds.
    """
    waited = False
    pause = FIRST_LOOK_SECONDS
    fd = _open(path)
    try:
        try:
            async with asyncio.timeout(within):
                while not _take(fd):
                    waited = True
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_LOOK_SECONDS)
        except TimeoutError:
            raise _in_use(fd, what) from None
        yield waited
    finally:
        os.close(fd)


@contextmanager
def held_now(path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path`; raises `StateInUseError` where another holds it."""
    fd = _open(path)
    try:
        if not _take(fd):
            raise _in_use(fd, what)
        yield
    finally:
        os.close(fd)


def holder(path: Path) -> int | None:
    """The process that holds the lock at this moment."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _flock(fd, fcntl.LOCK_SH):
            return None
        named = _named(fd)
        return int(named) if named.isdigit() else None
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise StateError(f"{path} cannot be opened ({error.strerror})") from error


def _take(fd: int) -> bool:
    if not _flock(fd, fcntl.LOCK_EX):
        return False
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return True


def _flock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


def _named(fd: int) -> str:
    return os.pread(fd, 32, 0).decode("ascii", "replace").strip()


def _in_use(fd: int, what: str) -> StateInUseError:
    named = _named(fd)
    who = f"process {named}" if named.isdigit() else "another process"
    return StateInUseError(f"{what} is being worked on by {who}; wait for it or stop it")
