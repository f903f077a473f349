"""`geo`: databases that tell where addresses are, and whether a gate could use them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from lockgate import _native
from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.references import References

MAX_FILE: Final = 256 * 2**20
"""As `MAX_BYTES` of the core. MaxMind's largest with cities has some 130 MB."""

KINDS: Final = ("countries", "networks")

_sound: dict[tuple[str, str], tuple[int, ...]] = {}
"""What tells the files that were looked through, by kind and path: it takes a second for a large one, and a control
process that reloads finds the same again and again."""


def check(document: Document, references: References) -> None:
    """Look through each database, and note what keeps it from being used."""
    for kind in KINDS:
        target = _target(document, references, kind)
        if target is None:
            continue
        references.name(target)
        path = ("geo", kind)
        said = references.say(target)
        try:
            wrong = _wrong(target, kind)
        except FileNotFoundError:
            hint = "download one, and put it there; where there are some, the guide `by-country` says"
            code, message = "file-missing", f"there is no file {said}"
            document.problems.add(document.value_region(*path), code, message, hint=hint, path=path)
        except OSError as error:
            message = f"{said} cannot be read: {error.strerror or error}"
            document.problems.add(document.value_region(*path), "file-unreadable", message, path=path)
        else:
            if wrong is not None:
                code, why, allowed = wrong
                document.problems.add(document.value_region(*path), code, f"{said}: {why}", allowed=allowed, path=path)


def bundled(document: Document, references: References) -> types.Geo | None:
    """What gates are told: the files, which each has on its own machine."""
    found = {kind: _target(document, references, kind) for kind in KINDS}
    if not any(found.values()):
        return None
    return {
        "countries": str(found["countries"]) if found["countries"] is not None else None,
        "networks": str(found["networks"]) if found["networks"] is not None else None,
    }


def _target(document: Document, references: References, kind: str) -> Path | None:
    name: str | None = getattr(document.geo, kind)
    if name is None:
        return None
    item = document.item("geo", kind)
    return references.absolute(name, item.file if item is not None else 0)


def _wrong(target: Path, kind: str) -> tuple[str, str, str | None] | None:
    """Code, message and what is allowed, where a gate could not use the file; raises `OSError`."""
    status = target.stat()
    # A pipe would make the load wait for whoever writes to it, and a device has no end.
    if not stat.S_ISREG(status.st_mode):
        return "file-unreadable", "it is not a regular file", None
    if status.st_size > MAX_FILE:
        return "file-too-large", "it is too large", "256MiB"
    prints = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if _sound.get((kind, str(target))) == prints:
        return None
    with target.open("rb") as stream:
        content = stream.read(MAX_FILE + 1)
    try:
        _native.check_geo(content, kind)
    except _native.LockgateError as error:
        return "geo-unfit", str(error), None
    _sound[kind, str(target)] = prints
    return None
