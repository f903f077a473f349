"""Devices that are only supposed: what the control process would say of one, in a few words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Final

WORDS: Final = ("confirmed", "approved", "new", "changed", "travel", "revoked")
"""`confirmed`: by its owner, and nothing speaks against it; the others are as `device` tells them apart."""
USUAL: Final = ("confirmed",)
AGAINST: Final = {"confirmed": ("new", "changed", "travel", "revoked"), "approved": ("new",)}
"""Words that cannot hold of one device together."""
ID: Final = "dev_supposed"


def standing(words: Sequence[str]) -> str:
    """What a gate would be told of a device of which this is so: some of `WORDS`, or `N at once`.

    Raises `ValueError` for another word, and for two that contradict each other; its message is safe to show.
    """
    words = [word.strip() for word in words]
    at_once = next((number for number in map(number_of, words) if number is not None), 1)
    if (found := contradiction(words)) is not None:
        raise ValueError(found[1])
    told = {word: True for word in ("approved", "new", "changed", "travel", "revoked") if word in words}
    return json.dumps({"id": ID, "at_once": at_once, **told})


def number_of(word: str) -> int | None:
    """How many devices the owner uses, where the word says that; raises `ValueError` for one that is none at all."""
    number, _, rest = word.partition(" ")
    if rest == "at once" and number.isascii() and number.isdecimal() and 0 < int(number[:6]) < 100_000:
        return int(number)
    if word not in WORDS:
        close = difflib.get_close_matches(word, WORDS, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(WORDS)}, and such as `4 at once`"
        raise ValueError(f"nothing is known of devices that are {word[:40]!r}; {hint}")
    return None


def contradiction(words: Sequence[str]) -> tuple[int, str] | None:
    """The first word, by its number, that cannot hold beside one before it; and why."""
    for index, word in enumerate(words):
        before = words[:index]
        if number_of(word) is not None:
            other = next((one for one in before if number_of(one) not in {None, number_of(word)}), None)
        else:
            other = next((one for one in before if one in AGAINST.get(word, ()) or word in AGAINST.get(one, ())), None)
        if other is not None:
            return index, f"no device is `{other}` and `{word}`: leave one of them out"
    return None
