"""Noticing that the configuration's files have changed.

Folders are watched, not files: editors save by renaming a new file over the
old one, and a mounted ConfigMap swaps a link in the folder above. What counts
in the end is whether a file's identity, size or time differs from before.
"""

import asyncio
import glob
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from watchfiles import awatch

DEBOUNCE_MS = 50
"""An editor's rename, write and chmod come within a few milliseconds of each other."""

POLL_SECONDS = 5.0
"""Some file systems (network shares, some containers) report nothing: then we look ourselves."""

Files = Callable[[], tuple[list[Path], list[str]]]
"""The files and the patterns of includes, as of now; they change with the configuration."""

Prints = dict[str, tuple[int, int, int] | None]


async def changes(files: Files) -> AsyncIterator[None]:
    """Yield whenever something about the files has changed, once per burst."""
    seen = await asyncio.to_thread(prints, *files())
    while True:
        stop = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(POLL_SECONDS, stop.set)
        folders = await asyncio.to_thread(_folders, *files())
        try:
            async for _ in awatch(*folders, stop_event=stop, step=DEBOUNCE_MS, debounce=500, recursive=False):
                break
        except OSError:
            # A folder went away, or the system has no watches left: wait for the next look.
            await stop.wait()
        finally:
            timer.cancel()
        now = await asyncio.to_thread(prints, *files())
        if now != seen:
            yield
            # The reload may have found other files. Those that were compared keep their old
            # prints: one that changed while it was being read is looked at again.
            current = await asyncio.to_thread(prints, *files())
            seen = {name: now.get(name, current[name]) for name in current}


def prints(paths: Iterable[Path], patterns: Iterable[str]) -> Prints:
    """What tells one version of the files from the next."""
    every = {str(path) for path in paths}
    for pattern in patterns:
        every.update(glob.glob(pattern, recursive=True))  # noqa: PTH207 -- The pattern is absolute.
    return {name: _print(Path(name)) for name in sorted(every)}


def _print(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _folders(paths: Iterable[Path], patterns: Iterable[str]) -> list[Path]:
    """The folders in which a change can show; those that do not exist cannot be watched."""
    wanted = {path.parent for path in paths} | {Path(pattern).parent for pattern in patterns}
    return sorted(folder for folder in wanted if folder.is_dir()) or [Path.cwd()]
