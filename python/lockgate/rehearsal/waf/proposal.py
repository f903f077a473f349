"""The narrowest exclusions by which a request would have passed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lockgate._native import waf_leaves_alone
from lockgate.rehearsal.waf.found import Found, Inspected

NAMELESS: Final = ("path", "target", "answer")
"""Parts that have no names in them: alone they are as narrow as can be said."""
_AN_ID: Final = re.compile(r"\d+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=.*\d)[0-9a-zA-Z_-]{16,}")


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What is left alone: by whom, where, and in which requests."""

    rule: str
    at: str | None
    request: str | None

    def as_json(self) -> dict[str, Any]:
        """As the configuration says it, without who answers for it."""
        said = {"rule": self.rule, "at": self.at, "request": self.request}
        return {name: value for name, value in said.items() if value is not None}

    def leaves_alone(self, rule: str, place: str | None, method: str, path: str) -> bool:
        """Whether it concerns what a rule found there."""
        if rule != self.rule:
            return False
        if place is None:
            # Rules that found nothing in a value are left out as a whole, or not at all.
            return self.at is None and waf_leaves_alone("", method, path, request=self.request)
        return waf_leaves_alone(place, method, path, at=self.at, request=self.request)

    @property
    def broad(self) -> str | None:
        """Why it lets in more than the request that it is for needs, if it does."""
        part, _, name = (self.at or "").partition("/")
        everywhere = self.request is None or self.request.rstrip().endswith("/**")
        if self.at is None:
            return f"`{self.rule}` would leave every value alone" + ("" if not everywhere else ", of every request")
        if name in {"", "*", "**"} and everywhere and (part not in NAMELESS or name):
            return f"`{self.rule}` would leave the whole {part} of every request alone"
        if part in NAMELESS and everywhere:
            return f"`{self.rule}` would leave the {part} of every request alone"
        return None


@dataclass(frozen=True, slots=True)
class Unit:
    """What one rule found at one place."""

    rule: str
    place: str | None
    score: int | None
    """What it adds; none where a finding of several places does not tell each one's."""
    whole: int = 0
    """What the finding adds at all its places."""
    finding: int = 0
    """Its number."""


def units(inspected: Inspected) -> list[Unit]:
    """The findings that count, one for each place."""
    found = []
    for number, one in enumerate(inspected.findings):
        if not one.counted and one.rule != inspected.by:
            continue
        if not one.places:
            found.append(Unit(one.rule, None, one.counted, one.counted, number))
            continue
        share, rest = divmod(one.counted, len(one.places))
        each = None if rest else share
        found += [Unit(one.rule, place, each, one.counted, number) for place in one.places]
    return found


@dataclass(frozen=True, slots=True)
class _Share:
    """What goes together: one place, or all of a finding that does not tell what each of its places adds."""

    units: tuple[Unit, ...]
    score: int
    telling: int
    """How much it says of the request: what is in a value first, then header fields, then what is in none."""


def _shares(every: Sequence[Unit], cured: Container[str] = ()) -> list[_Share]:
    found: dict[tuple[str, str | int | None], list[Unit]] = {}
    for unit in every:
        found.setdefault((unit.rule, unit.finding if unit.score is None else unit.place), []).append(unit)
    return [
        _Share(
            tuple(units),
            units[0].whole if units[0].score is None else sum(unit.score or 0 for unit in units),
            _telling(units[0], cured),
        )
        for units in found.values()
    ]


def _telling(unit: Unit, cured: Container[str]) -> int:
    if unit.rule in cured:
        return 0
    if unit.place is None:
        return 3
    part = unit.place.partition("/")[0]
    return 2 if part == "header" else 1


def needed(inspected: Inspected, cured: Container[str] = ()) -> list[Unit]:
    """As few as will do, the most telling: without them the score stays below the threshold, and nothing refuses alone.

    `cured` are rules that a setting can quiet.
    """
    every = units(inspected)
    own = [unit for unit in every if inspected.decider is not None and unit.rule == inspected.by]
    if not inspected.threshold:
        return own
    over = inspected.score - removed(inspected, own)[0] - inspected.threshold + 1
    others = [unit for unit in every if unit not in own]
    left = sorted(_shares(others, cured), key=lambda one: (one.telling, -one.score))
    fewest = _fewest(left, over)
    chosen = list(own)
    while left and over > 0:
        one = left.pop(0)
        best = sorted((other.score for other in left), reverse=True)[: fewest - 1]
        if one.score + sum(best) < over and left:
            continue
        chosen += one.units
        over, fewest = over - one.score, fewest - 1
    return [unit for unit in every if unit in chosen]


def _fewest(shares: Sequence[_Share], over: int) -> int:
    """How many have to go at least."""
    for number, score in enumerate(sorted((one.score for one in shares), reverse=True), 1):
        over -= score
        if over <= 0:
            return number
    return len(shares)


def removed(inspected: Inspected, gone: Container[Unit]) -> tuple[int, bool]:
    """What the score loses without these, and whether that can be told."""
    lost, clear = 0, True
    for share in _shares(units(inspected)):
        out = sum(unit in gone for unit in share.units)
        lost += share.score if out == len(share.units) else 0
        clear &= out in {0, len(share.units)}
    return lost, clear


def exclusion(unit: Unit, request: str | None) -> Exclusion:
    """For one unit; which element of an array a value is, is chance."""
    at = unit.place
    if at is not None and at.startswith("body/"):
        part, *steps = at.split("/")
        at = "/".join([part, *("*" if step.isdecimal() and len(steps) > 1 else step for step in steps)])
    return Exclusion(unit.rule, at, request)


def requests_like(event: Mapping[str, Any], bundle: Mapping[str, Any] | None) -> str:
    """The event's requests: its method and path, ids in it as any."""
    segments = str(event["path"]).split("/")
    template = _template(event, bundle)
    for back in range(1, min(len(segments), len(template)) + 1):
        if template[-back].startswith("{") and segments[-back]:
            segments[-back] = "*"
    shown = [_segment(segment) for segment in segments]
    return f"{event['method']} {'/'.join(shown)}"


def _segment(segment: str) -> str:
    return "*" if _AN_ID.fullmatch(segment) or "*" in segment else segment


def _template(event: Mapping[str, Any], bundle: Mapping[str, Any] | None) -> list[str]:
    """The path of the event's operation, where the API has a document that says it."""
    name = event.get("operation")
    if bundle is None or name is None:
        return []
    for document in bundle.get("documents", ()):
        for one in document["operations"]:
            if one["name"] == name and one["method"] == event["method"]:
                return str(one["path"]).split("/")
    return []


@dataclass(frozen=True, slots=True)
class Said:
    """An exclusion that the configuration has already."""

    exclusion: Exclusion
    until: dt.date
    place: str
    """File and line."""


def covered(wanted: Exclusion, said: Iterable[Said], now: dt.date) -> Said | None:
    """The one that says as much already; one that has ended says nothing."""
    for one in said:
        if one.exclusion == wanted and one.until > now:
            return one
    return None


@dataclass(frozen=True, slots=True)
class Unblocked:
    """What events tell of requests in which the same was found."""

    refused: int
    """That were refused, or would have been."""
    passing: tuple[Mapping[str, Any], ...]
    """Of those, the ones that nothing else refuses."""
    unclear: int
    """Of those, the ones whose event does not tell enough."""


def unblocked(events: Iterable[Mapping[str, Any]], exclusions: Sequence[Exclusion]) -> Unblocked:
    """Add up again what was found in each request, without what is left alone."""
    refused, unclear, passing = 0, 0, list[Mapping[str, Any]]()
    for event in events:
        if event.get("waf") is None or not _refused(event):
            continue
        inspected = Inspected.read(event["waf"])
        method, path = str(event["method"]), str(event["path"])
        every = units(inspected)
        gone = [
            unit for unit in every if any(one.leaves_alone(unit.rule, unit.place, method, path) for one in exclusions)
        ]
        if not gone:
            continue
        refused += 1
        decides = inspected.decider is not None and any(unit.rule == inspected.by for unit in every if unit not in gone)
        lost, clear = removed(inspected, gone)
        left = inspected.score - lost
        if decides:
            continue
        if inspected.left_out or not clear:
            unclear += 1
        elif left < inspected.threshold or not inspected.threshold:
            passing.append(event)
    return Unblocked(refused, tuple(passing), unclear)


def _refused(event: Mapping[str, Any]) -> bool:
    """Whether the policy refused it, or would have."""
    outcomes = [verdict["outcome"] for verdict in event["verdicts"] if verdict["policy"] == "waf"]
    return any(outcome in {"deny", "observe-deny"} for outcome in outcomes)


def places_of(found: Sequence[Found]) -> list[str]:
    """Every place once."""
    return list(dict.fromkeys(place for one in found for place in one.places))
