"""Whether the secrets that a configuration names are there. None is ever read here."""

from __future__ import annotations

import stat
from pathlib import Path

from lockgate.config.document import Document
from lockgate.config.references import REFERENCE, References
from lockgate.scalars import shown


def check(document: Document, references: References) -> None:
    """Warn of each secret that the gate will not find: it serves on, and answers 503 on the routes that want it."""
    for name, upstream in document.upstreams.items():
        if upstream.credential is None:
            continue
        path = ("upstreams", name, "credential", "value")
        item = document.item(*path)
        found = REFERENCE.fullmatch(upstream.credential.value)
        if item is None or found is None:
            continue
        if found[1] == "env":
            if found[2] not in references.environment:
                what = f"the environment has no variable {shown(found[2])}"
                _warn(document, path, "secret-missing", what, f"set it where `lockgate run` is started: {found[2]}=…")
            continue
        target = references.absolute(found[2], item.file)
        _file(document, path, target, references.say(target))


def _file(document: Document, path: tuple[str, ...], target: Path, said: str) -> None:
    try:
        status = target.stat()
    except (OSError, ValueError):
        _warn(document, path, "secret-missing", f"there is no file {said}", "write the secret into it, mode 0600")
        return
    if not stat.S_ISREG(status.st_mode):
        _warn(document, path, "secret-missing", f"{said} is not a regular file", "name a file")
    elif status.st_mode & stat.S_IROTH:
        _warn(document, path, "secret-readable", f"{said} can be read by everybody", f"chmod 600 {said}")


def _warn(document: Document, path: tuple[str, ...], code: str, message: str, hint: str) -> None:
    if code == "secret-missing":
        message += "; until there is one, requests to this upstream are answered 503"
    document.problems.add(document.value_region(*path), code, message, severity="warning", hint=hint, path=path)
