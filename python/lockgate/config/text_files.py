"""Files of text that a configuration names: regular ones, and bounded."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from lockgate.config.problems import Problems, Region
from lockgate.config.references import References

_MIB: Final = 2**20


def read_text(problems: Problems, references: References, target: Path, region: Region, most: int) -> str | None:
    """The text of a file that the document names at `region`; `None`, with a problem noted, where it cannot be read.

    `most` is how many bytes are taken. A pipe would make the load wait for whoever writes to it, and a device has no
    end, so only regular files are opened.
    """
    references.name(target)
    what = references.say(target)
    try:
        mode = target.stat().st_mode
        if not stat.S_ISREG(mode):
            folder = stat.S_ISDIR(mode)
            hint = f"name the files in it: `{target.name}/*`" if folder else None
            kind = "a folder" if folder else "not a regular file"
            problems.add(region, "file-unreadable", f"{what} is {kind}", hint=hint)
            return None
        with target.open("rb") as stream:
            content = stream.read(most + 1)
        if len(content) > most:
            problems.add(region, "file-too-large", f"{what} is too large", allowed=f"{most // _MIB}MiB")
            return None
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        problems.add(region, "file-missing", f"there is no file {what}")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        problems.add(region, "file-unreadable", f"{what} cannot be read: {why}")
    return None
