"""Noticing that the configuration's files have changed.

Folders are watched, not files: editors save by renaming a new file over the
old one, and a mounted ConfigMap swaps a link in the folder above. What counts
in the end is whether a file's identity, size or times differ from before; who
may read or run it is among what moves them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from watchfiles import awatch

from lockgate.config.patterns import matching

DEBOUNCE_MS = 50
"""An editor's rename, write and chmod come within a few milliseconds of each other."""

SETTLE_TIMES = 20
"""A file that is written to without end is taken as it is after a second."""

POLL_SECONDS = 1.0
"""Some file systems (network shares, some containers) report nothing, and a watch that is only just
being set up misses what happens meanwhile: so we look ourselves too. It costs a stat per file."""

CLOCK_NS = 20_000_000
"""File times come from a clock of the kernel's that may lag by a tick; one reload too many costs little."""

Files = Callable[[], tuple[list[Path], list[str]]]
"""The files and the patterns of includes, as of now; they change with the configuration."""

Prints = dict[str, tuple[int, int, int, int] | None]


async def changes(files: Files, since_ns: int | None = None) -> AsyncIterator[None]:
    """Yield whenever something about the files has changed, once per burst.

    `since_ns` is when the files were last begun to be read: what changed between
    then and now would otherwise be taken for what was read.
    """
    hint = asyncio.Event()
    seen = await asyncio.to_thread(prints, *files())
    if since_ns is not None and await asyncio.to_thread(_newer, list(seen), since_ns - CLOCK_NS):
        yield
    folders: list[Path] = []
    watching: asyncio.Task[None] | None = None
    try:
        while True:
            wanted = await asyncio.to_thread(_folders, *files())
            if watching is None or watching.done() or wanted != folders:
                folders = wanted
                await _end(watching)
                watching = asyncio.create_task(_watch(folders, hint))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await hint.wait()
            told = hint.is_set()
            hint.clear()
            now = await asyncio.to_thread(prints, *files())
            if now != seen:
                if not told:
                    now = await _settled(files, now)
                yield
                # The reload may have found other files. Those that were compared keep their old
                # prints: one that changed while it was being read is looked at again.
                current = await asyncio.to_thread(prints, *files())
                seen = {name: now.get(name, current[name]) for name in current}
    finally:
        await _end(watching)


async def _settled(files: Files, now: Prints) -> Prints:
    """The prints once they hold still: by looking alone, a file may be caught half written."""
    for _ in range(SETTLE_TIMES):
        await asyncio.sleep(DEBOUNCE_MS / 1000)
        again = await asyncio.to_thread(prints, *files())
        if again == now:
            break
        now = again
    return now


async def _watch(folders: list[Path], hint: asyncio.Event) -> None:
    # A folder may go away, or the system have no watches left: then looking must do.
    with contextlib.suppress(OSError):
        async for _ in awatch(*folders, step=DEBOUNCE_MS, debounce=500, recursive=False):
            hint.set()


async def _end(watching: asyncio.Task[None] | None) -> None:
    if watching is not None:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def prints(paths: Iterable[Path], patterns: Iterable[str]) -> Prints:
    """What tells one version of the files from the next."""
    every = {str(path) for path in paths}
    for pattern in patterns:
        every.update(matching(pattern))
    return {name: _print(Path(name)) for name in sorted(every)}


def _print(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # A changed mode or owner moves this time alone, and can be how a refused file was mended.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _newer(names: Iterable[str], than_ns: int) -> bool:
    """Whether a file was written or put in its place after this moment, or has gone."""
    for name in names:
        try:
            status = Path(name).stat()
        except OSError:
            return True
        if max(status.st_mtime_ns, status.st_ctime_ns) >= than_ns:
            return True
    return False


def _folders(paths: Iterable[Path], patterns: Iterable[str]) -> list[Path]:
    """The folders in which a change can show; those that do not exist cannot be watched."""
    wanted = {path.parent for path in paths} | {Path(pattern).parent for pattern in patterns}
    return sorted(folder for folder in wanted if folder.is_dir()) or [Path.cwd()]
