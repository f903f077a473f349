"""Ways to write the same bytes, which whatever runs them undoes."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Final


def _plain(text: str) -> str:
    return text


def _escaped(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _mixed(text: str) -> str:
    """Letters in turn large and small: SQL, HTML and many shells' files do not mind."""
    return "".join(letter.upper() if at % 2 else letter.lower() for at, letter in enumerate(text))


def _references(text: str) -> str:
    """As HTML may write what is no letter."""
    return "".join(letter if letter.isalnum() or letter == " " else f"&#{ord(letter)};" for letter in text)


WRITINGS: Final[tuple[Callable[[str], str], ...]] = (_plain, _escaped, _mixed, _references)
