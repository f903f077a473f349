"""The body of a request that is asked about: as it stands, from a file or from standard input, as curl takes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from lockgate.cli._report import leave

LONGEST: Final = 64 * 2**20
"""As `bytes` of a case for `lockgate test`: more than anybody has looked at, and little enough to hold."""

STDIN: Final = "@-"


def body_of(said: str | None, raw: str | None) -> bytes | None:
    """What `--body` or `--body-raw` give; leaves with what to do where it cannot be had."""
    if raw is not None:
        if said is not None:
            leave("--body and --body-raw both say the body: keep one.")
        return raw.encode()
    if said is None or not said.startswith("@"):
        return None if said is None else said.encode()
    if said == "@":
        leave("--body: name a file behind the @, or `-` for standard input. --body-raw takes a text that begins so.")
    where = "standard input" if said == STDIN else said[1:]
    try:
        if said == STDIN:
            content = sys.stdin.buffer.read(LONGEST + 1)
        else:
            with Path(said[1:]).open("rb") as file:
                content = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        leave(f"--body: {where} cannot be read: {why}. --body-raw takes a text that begins with @.")
    if len(content) > LONGEST:
        leave(f"--body: {where} has more than {LONGEST >> 20} MiB: give less of it.")
    return content
