"""Which files a pattern of an include names."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator
from typing import Final

DEEP: Final = "/**/"


def matching(pattern: str) -> Iterator[str]:
    """Files that match an absolute pattern; `**` stands for any folders.

    `glob` would follow links to folders: two that lead back up, and it walks 2^40 of them.
    """
    before, deep, after = pattern.partition(DEEP)
    if "\0" in pattern:
        return
    if not deep:
        yield from glob.iglob(pattern)  # noqa: PTH207 -- `Path.glob` takes no absolute pattern.
        return
    for start in glob.iglob(before or "/"):  # noqa: PTH207 -- The same.
        for folder, below, _ in os.walk(start):
            # As everywhere in a pattern, names that begin with a dot want to be written out.
            below[:] = [name for name in below if not name.startswith(".")]
            yield from matching(glob.escape(folder).rstrip("/") + "/" + after)


def matches(path: str, pattern: str) -> bool:
    """Whether `matching` would find the file, were it there."""
    steps, wanted = path.split("/"), pattern.split("/")
    return _matches(steps, wanted)


def _matches(steps: list[str], wanted: list[str]) -> bool:
    if not wanted or not steps:
        return not wanted and not steps
    if wanted[0] == "**" and len(wanted) > 1:
        deeper = not steps[0].startswith(".") and _matches(steps[1:], wanted)
        return deeper or _matches(steps, wanted[1:])
    hidden = steps[0].startswith(".") and not wanted[0].startswith(".")
    return not hidden and fnmatch.fnmatchcase(steps[0], wanted[0]) and _matches(steps[1:], wanted[1:])
