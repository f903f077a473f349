"""DNS-01 by a program of the operator's, which writes and removes TXT records.

A program and not a Python callable: what it does with a provider's API cannot
stop or crash the control process, does not see its memory with the keys in it,
may be written in anything, and is killed when it takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lockgate.certificates.challenges import Challenge, DnsChallenge
from lockgate.printable import printable

HOOK_SECONDS: Final = 120.0
"""Providers take from seconds to two minutes until a record is served everywhere."""
OUTPUT_BYTES: Final = 64 * 2**10
"""Read of what it prints; the end of it is told when it fails."""
TOLD_LENGTH: Final = 300

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class DnsHook:
    """The program: called with `present` or `cleanup`, the record's name and its value behind its own arguments.

    It is not run by a shell. `present` ends with status 0 once the record is to be seen; it adds a value to those
    there are. Of the environment it is given PATH, HOME, LANG, LC_ALL, TZ and what `environment` names.
    Raises `ValueError` where the program is none.
    """

    command: Sequence[str]
    """The program's absolute path, and its first arguments."""
    environment: Sequence[str] = ()
    """Names of variables of the control process that it may see, such as a provider's token."""
    settle_seconds: float = 0.0
    """To wait once all records are there, for a program that cannot tell when they are served."""
    seconds: float = HOOK_SECONDS
    """To wait for one call before it is killed."""

    def __post_init__(self) -> None:
        if not self.command or not Path(self.command[0]).is_absolute():
            raise ValueError("the program that writes DNS records is named by its absolute path")
        if not os.access(self.command[0], os.X_OK) or not Path(self.command[0]).is_file():
            raise ValueError(f"{self.command[0]} is no program that can be run")

    async def publish(self, challenge: Challenge) -> None:
        """Write the record; raises `OSError` where the program fails, which says what it printed."""
        await self._call("present", challenge)

    async def withdraw(self, challenge: Challenge) -> None:
        """Remove the record; raises `OSError` as `publish` does."""
        await self._call("cleanup", challenge)

    async def _call(self, what: Literal["present", "cleanup"], challenge: Challenge) -> None:
        if not isinstance(challenge, DnsChallenge):
            raise TypeError("a DNS hook writes DNS records alone")
        status, printed = await _run(
            [*self.command, what, challenge.record, challenge.value], self._seen(), self.seconds
        )
        if status != 0:
            said = printable(" ".join(printed.decode("utf-8", "replace").split()))[-TOLD_LENGTH:]
            raise OSError(
                f"`{self.command[0]} {what} {challenge.record}` ended with status {status}"
                + (f" and printed: {said}" if said else " and printed nothing")
            )

    def _seen(self) -> Mapping[str, str]:
        return {name: os.environ[name] for name in (*_PASSED_ON, *self.environment) if name in os.environ}


async def _run(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd="/",
        # Its own session: all that it starts can be ended with it.
        start_new_session=True,
    )
    printed = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while process.stdout is not None and (part := await process.stdout.read(OUTPUT_BYTES)):
                printed += part
                del printed[:-OUTPUT_BYTES]
            return await process.wait(), bytes(printed)
    except TimeoutError:
        raise TimeoutError(f"`{' '.join(command[:1])} {command[-3]}` did not end within {seconds:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
