"""Words of strangers, for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without what could drive a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
