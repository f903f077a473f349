"""Folders of demonstrations that were killed, and could not take theirs away."""

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from lockgate.state import StateFolder

PREFIX = "lockgate-demo-"
OLD_SECONDS = 24 * 3600
"""A demonstration that is only just starting holds no lock yet; none starts for a day."""

PARTS = ("control", "gate", "supervisor-control", "supervisor-gate")


def remove_left(place: Path | None = None) -> None:
    """Remove those that are this account's, a day old, and used by nothing."""
    for folder in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        if _left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _left(folder: Path) -> bool:
    try:
        # Not through a link: others may write beside it.
        status = folder.lstat()
        newest = max(entry.lstat().st_mtime for entry in (folder, *folder.iterdir()))
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    state = StateFolder(folder / ".lockgate")
    return ours and newest < time.time() - OLD_SECONDS and not any(state.is_held(part) for part in PARTS)
