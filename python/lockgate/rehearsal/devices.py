"""Devices that are only supposed: what the control process would say of one, in a few words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Final

WORDS: Final = ("confirmed", "approved", "new", "changed", "travel", "revoked")
"""`confirmed`: by its owner, and nothing speaks against it; the others are as `device` tells them apart."""
USUAL: Final = ("confirmed",)
ID: Final = "dev_supposed"


def standing(words: Sequence[str]) -> str:
    """What a gate would be told of a device of which this is so: some of `WORDS`, or `N at once`.

    Raises `ValueError` for another word; its message is safe to show.
    """
    at_once, said = 1, set()
    for word in (word.strip() for word in words):
        number, _, rest = word.partition(" ")
        if rest == "at once" and number.isdecimal() and len(number) < 6:
            at_once = int(number)
            continue
        if word not in WORDS:
            close = difflib.get_close_matches(word, WORDS, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(WORDS)}, and such as `4 at once`"
            raise ValueError(f"nothing is known of devices that are {word[:40]!r}; {hint}")
        said.add(word)
    told = {word: True for word in ("approved", "new", "changed", "travel", "revoked") if word in said}
    return json.dumps({"id": ID, "at_once": at_once, **told})
