"""Standard output and standard error, whose reader may go away before all is said (`lockgate logs | head`).

One mechanism for all commands: what is printed to nobody ends the command, quietly and with an exit code that no
finding and no fault has. A command that does something while it tells of it says `unread_is_fine`: then it goes on to
its end, and its exit code is that of what it did.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO, cast

EXIT_UNREAD: Final = 141
"""What shells make of a program that SIGPIPE ended (128 + 13), as it ends `git log | head`. It says nothing of what was
found: neither 0 (nothing differs) nor 1 (something does) would be known to be true."""


class UnreadError(BaseException):
    """Nobody reads any more. No `Exception`, so that nobody on the way takes it for a fault of a file or a peer."""


class _Written:
    """A stream that tells by an error of its own that nobody reads it."""

    fine = 0
    """How many want to go on all the same."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._unread()
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._unread()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _unread(self) -> None:
        """What is still to be written, now and as Python ends, goes nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if not _Written.fine:
            raise UnreadError


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Leaves the process quietly where nobody reads what it prints."""
    kept = sys.stdout, sys.stderr
    # A program may have been started with either closed.
    made = [cast("TextIO", _Written(stream)) if stream is not None else None for stream in kept]
    sys.stdout, sys.stderr = made
    try:
        try:
            yield
        finally:
            for stream in made:
                if stream is not None:
                    stream.flush()
    except UnreadError:
        sys.exit(EXIT_UNREAD)
    finally:
        sys.stdout, sys.stderr = kept


@contextlib.contextmanager
def unread_is_fine(wanted: bool = True) -> Iterator[None]:
    """What is done within goes on, read or not, if that is wanted."""
    _Written.fine += wanted
    try:
        yield
    finally:
        _Written.fine -= wanted
