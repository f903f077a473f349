"""Releases of rules as projects publish them, made small: the layout is the Core Rule Set's, the rules are ours."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

SETUP = """\
# OWASP CRS ver.{version}
SecDefaultAction "phase:1,log,auditlog,pass"
SecDefaultAction "phase:2,log,auditlog,pass"
"""
RULES = """\
SecRule ARGS|ARGS_NAMES "@rx (?i)union\\s+select|<script|\\.\\./" \\
    "id:942999,phase:2,deny,status:403,msg:'an attack',severity:'CRITICAL',tag:'paranoia-level/1',ver:'X/{version}'"
SecRule ARGS "@pmFromFile words.data" \\
    "id:942998,phase:2,deny,status:403,msg:'a word',severity:'WARNING',tag:'paranoia-level/2'"
"""
PLUGIN = 'SecRule ARGS:plugged "@streq yes" "id:9500100,phase:2,deny,status:403,msg:\'a plugin\'"\n'


def release(version: str = "4.90.1", *, rules: str = RULES, words: str = "firstword\n") -> dict[str, bytes]:
    """The files of a release."""
    top = f"coreruleset-{version}"
    files = {
        f"{top}/LICENSE": "a licence\n",
        f"{top}/README.md": "not wanted\n",
        f"{top}/crs-setup.conf.example": SETUP.replace("{version}", version),
        f"{top}/plugins/empty-before.conf": "# nothing\n",
        f"{top}/rules/REQUEST-942-X.conf": rules.replace("{version}", version),
        f"{top}/rules/words.data": words,
        f"{top}/rules/RESPONSE-999-X.conf.example": "# an example\n",
        f"{top}/tests/rules/x.conf": "SecNonsense\n",
    }
    return {name: text.encode() for name, text in files.items()}


def plugin(name: str = "shop", text: str = PLUGIN) -> dict[str, bytes]:
    """The files of a plugin."""
    top = f"{name}-plugin-1.0.0"
    files = {f"{top}/plugins/{name}-before.conf": text, f"{top}/README.md": "not wanted\n"}
    return {path: content.encode() for path, content in files.items()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A .zip of them."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A .tar.gz of them, with symbolic links."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return gzip.compress(made.getvalue())


def laid(files: Mapping[str, bytes], folder: Path) -> Path:
    """The files as a folder, without the one at the top."""
    for name, content in files.items():
        target = folder / name.partition("/")[2]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
