"""Looks of a device that no operator has approved: the last few, so that one can be told from the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, TypedDict

from lockgate.admin.store.models import Device as Row
from lockgate.identity.devices import TRAITS, Look, Place, differs, has_changed, is_far

LOOKS: Final = 8
"""Of one device: a person's browser has two or three in a week, by its networks and its updates."""
NAME_CHARACTERS: Final = 32
"""Of a digest: nobody finds two looks of one name."""
PLACE: Final = ("country", "latitude", "longitude")


class Kept(TypedDict):
    """A look, as it stands in its device's row."""

    said: dict[str, Any]
    """Traits, `country`, `latitude` and `longitude`: all that an approval takes over."""
    address: str | None
    first_ms: int
    last_ms: int
    travel: bool
    """Whether the device cannot have come there."""


class DeviceLookError(ValueError):
    """An approval has to say which look is meant; the message lists those that there are."""


def note(row: Row, said: Mapping[str, Any], address: str | None, at_ms: int, *, travel: bool) -> None:
    """Take down what a device looks like now."""
    known: list[Any] = list(row.looks)
    same = next((one for one in reversed(known) if _is_same(one["said"], said)), None)
    if same is not None:
        known.remove(same)
    if len(known) >= LOOKS:
        # What speaks against the device is what an operator has to see, so that goes last.
        known.remove(min(known, key=lambda one: (one["travel"], has_changed(row.known, one["said"]))))
    now: Any = _seen(same, said, address, at_ms, travel=travel)
    row.looks = [*known, now]


def chosen(row: Row, name: str | None) -> Kept | None:
    """The look that an approval means; none where nothing is left to be approved. Raises `DeviceLookError`.

    Without a name it is the only one, if nothing speaks against that. Nothing is left of an approved device alone that
    nothing speaks against: what was seen before looks were kept is not known, and so not approved.
    """
    known: list[Any] = list(row.looks)
    settled = row.approved_ms is not None and row.changed_ms is None and row.travel_ms is None
    if name is None and not known and settled:
        return None
    if name is None:
        fits = [one for one in known if len(known) == 1 and not (one["travel"] or has_changed(row.known, one["said"]))]
    else:
        fits = [one for one in known if name == name_of(one["said"])]
    if len(fits) == 1:
        found: Kept = fits[0]
        return found
    looks = shown(row)
    if not looks and settled:
        raise DeviceLookError(f"the device {row.id} is approved, and no look of it is left to be approved")
    if not looks:
        raise DeviceLookError(f"nothing was seen of the device {row.id} that could be approved: let it be used first")
    meant = "say which look is meant" if name is None else f"there is no one look {name!r}"
    raise DeviceLookError(f"{meant}: {'; '.join(map(words, looks))}")


def left(row: Row) -> None:
    """Forget the looks of an approved device that nothing speaks against any more."""
    if row.approved_ms is None:
        return
    own = None if row.placed_ms is None else Place(row.placed_ms, row.country, row.latitude, row.longitude)
    kept: list[Any] = []
    for one in row.looks:
        there = place_of(one)
        travel = one["travel"] and (own is None or there is None or is_far(own, there))
        if travel or has_changed(row.known, one["said"]):
            kept.append({**one, "travel": travel})
    row.looks = kept


def place_of(one: Mapping[str, Any]) -> Place | None:
    """Where the device looked so last, as far as that is known."""
    return _place(one["said"], one["last_ms"])


def shown(row: Row) -> tuple[Look, ...]:
    """As operators and owners may know them, the one seen last first."""
    return tuple(_look(row, one) for one in reversed(row.looks))


def words(look: Look) -> str:
    """A look in a line."""
    against = [word for word, holds in (("looks otherwise", look.changed), ("far away", look.travel)) if holds]
    seen = (look.agent or "a program that says nothing", look.country, look.network, look.address, *against)
    return f"{look.name} ({', '.join(filter(None, seen))})"


def name_of(said: Mapping[str, Any]) -> str:
    """What to call a look: by all that an approval takes over, so that nothing else can be put in its place."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:NAME_CHARACTERS]


def _seen(same: Kept | None, said: Mapping[str, Any], address: str | None, at_ms: int, *, travel: bool) -> Kept:
    if same is None:
        return Kept(said=dict(said), address=address, first_ms=at_ms, last_ms=at_ms, travel=travel)
    before = same["said"]
    if same["travel"] and not travel:
        if _place(said, at_ms) is None:
            travel = True  # Who says no place has not come back from where they were.
        else:
            before = {name: value for name, value in before.items() if name not in PLACE}
    return Kept(
        said={**said, **before},
        address=address or same["address"],
        first_ms=same["first_ms"],
        last_ms=at_ms,
        travel=travel,
    )


def _is_same(known: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether no trait is another, and the place is not, as far as both are known."""
    before, there = _place(known, 0), _place(now, 0)
    elsewhere = before is not None and there is not None and is_far(before, there)
    return not elsewhere and not any(differs(trait, known.get(trait), now.get(trait)) for trait in TRAITS)


def _place(said: Mapping[str, Any], at_ms: int) -> Place | None:
    country, latitude, longitude = (said.get(name) for name in PLACE)
    return None if country is None and latitude is None else Place(at_ms, country, latitude, longitude)


def _look(row: Row, one: Mapping[str, Any]) -> Look:
    said = one["said"]
    return Look(
        name=name_of(said),
        agent=said.get("agent", ""),
        ja4=said.get("ja4"),
        http2=said.get("http2"),
        network=said.get("network"),
        country=said.get("country"),
        address=one["address"],
        first_ms=one["first_ms"],
        last_ms=one["last_ms"],
        changed=has_changed(row.known, said),
        travel=one["travel"],
    )
