"""Checksums of what is installed: SHA-256 of an archive, or the `h1:` that Go's tools write of a module."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from lockgate.rules.problems import RulesError

VERSION: Final = "4.25.0"
"""The version that is installed where nothing else is asked for."""

SUMS: Final = {
    "4.22.0": "h1:rQhJ1+2+TZsoVBXlRWn+AVteECot3pIF8tSVDjjhkUc=",
    "4.25.0": "h1:tqFO1lfVpTiyWtlN618OXpZMfw+nnN0Q4///W5W+/HM=",
}
"""Of the Core Rule Set as a Go module, by version; they are those of Go's checksum database."""

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_H1: Final = re.compile(r"h1:[A-Za-z0-9+/]{43}=")


def checked(text: str) -> str:
    """A checksum as somebody gave it, in the one spelling that is compared; raises `RulesError` for what is none."""
    bare = text.strip()
    if _H1.fullmatch(bare):
        return bare
    bare = bare.lower().removeprefix("sha256:")
    if _HEX.fullmatch(bare):
        return bare
    raise RulesError(f"`{text[:80]}` is no checksum: 64 hexadecimal digits of SHA-256, or `h1:…` of a Go module")


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def h1(digests: Iterable[tuple[str, str]]) -> str:
    """The checksum of names and the SHA-256 of what is in them.

    It is the SHA-256 of one line per file in the order of their names: the content's, two spaces, the name.
    """
    ordered = sorted(digests, key=lambda each: each[0].encode())
    text = "".join(f"{digest}  {name}\n" for name, digest in ordered)
    return "h1:" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
