"""Attacks, made by combination: what each class needs, in every way that it is written.

They are tried against a configuration, never sent anywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, NamedTuple

from lockgate.rehearsal.attacks.injections import INJECTIONS
from lockgate.rehearsal.attacks.lookups import LOOKUPS
from lockgate.rehearsal.attacks.writings import WRITINGS


class Attack(NamedTuple):
    """One."""

    kind: str
    """Its class, in words."""
    text: str


CLASSES: Final = {**INJECTIONS, **LOOKUPS}
"""What each class is made of: lists of which one piece each is taken, in order."""


def attacks() -> Iterator[Attack]:
    """All of them, each once."""
    for kind, makings in CLASSES.items():
        seen: set[str] = set()
        for pieces in makings:
            for parts in itertools.product(*pieces):
                for write in WRITINGS:
                    text = write("".join(parts))
                    if text not in seen:
                        seen.add(text)
                        yield Attack(kind, text)
