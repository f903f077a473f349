"""Which files a pattern of an include names."""

from __future__ import annotations

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
