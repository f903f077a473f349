"""What an event, or an explanation, tells of what looked for attacks: each finding, and how they add up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lockgate._native import LockgateError, waf_detectors, waf_rules

PARTS: Final = {
    "query": "query parameter",
    "body": "body",
    "header": "header field",
    "cookie": "cookie",
    "file": "file in the field",
    "path": "path",
    "target": "path and query",
    "answer": "answer",
}
"""A part of a request, as people call it."""
SCANNER: Final = "malware-scan"
"""What findings of the virus scanner are called."""
WHOLE: Final = {"query": "query", "header": "header fields", "cookie": "cookies", "file": "files"}


@dataclass(frozen=True, slots=True)
class Found:
    """One rule or detector, and what it found."""

    rule: str
    message: str
    places: tuple[str, ...]
    """As an exclusion's `at` says them; none for what stands nowhere in the request, and in old events."""
    variable: str
    """As rules write it."""
    masked: str
    score: int
    level: int
    counts: bool
    """Whether its level of paranoia counts."""
    overruled: bool
    """Whether it counts nothing, since detectors read the same values and found nothing."""

    @property
    def counted(self) -> int:
        """What it adds to the score."""
        return self.score if self.counts and not self.overruled else 0

    @property
    def detector(self) -> bool:
        """Whether a detector found it; else a rule did."""
        return not self.rule.isdecimal()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "rule": self.rule,
            "message": self.message,
            "at": list(self.places),
            "where": [named(place) for place in self.places],
            "variable": self.variable,
            "shape": self.masked,
            "score": self.score,
            "counted": self.counted,
            "level": self.level or None,
            "overruled": self.overruled,
        }


@dataclass(frozen=True, slots=True)
class Inspected:
    """All that was found in one request, or in its answer."""

    found: tuple[Found, ...]
    score: int
    threshold: int
    by: str
    """The rule that refused; empty where the detectors' score did, and where nothing was refused."""
    left_out: int
    """How much more was found than is told."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Inspected:
        """From an event's `waf`, or an explanation's."""
        return cls(
            tuple(
                Found(
                    rule=str(one["rule"]),
                    message=str(one["message"]),
                    places=tuple(one.get("places") or ()),
                    variable=str(one["at"]),
                    masked=str(one["masked"]),
                    score=int(one["score"]),
                    level=int(one.get("level") or 0),
                    counts=bool(one.get("counts", True)),
                    overruled=bool(one.get("overruled", False)),
                )
                for one in told["found"]
            ),
            score=int(told["score"]),
            threshold=int(told["threshold"]),
            by=str(told.get("by") or ""),
            left_out=int(told.get("left_out") or 0),
        )

    @property
    def findings(self) -> list[Found]:
        """What found something in a value."""
        return [one for one in self.found if one not in self.sums]

    @property
    def sums(self) -> list[Found]:
        """Rules that looked at no part of the request: those that add up and decide by that."""
        return [
            one
            for one in self.found
            if one.rule.isdecimal() and not one.score and not one.places and _of_rules(one.variable)
        ]

    @property
    def decider(self) -> Found | None:
        """The rule that refused it by itself, whatever the score."""
        return next((one for one in self.findings if one.rule == self.by), None)

    def arithmetic(self) -> str:
        """The score written out: `5 + 5 + 3 = 13 ≥ 5`."""
        added = [one.counted for one in self.findings if one.counted]
        rest = self.score - sum(added)
        terms = [str(number) for number in added] + ([f"{rest} not told of"] if rest > 0 else [])
        sum_ = f"{' + '.join(terms)} = {self.score}" if len(terms) > 1 else str(self.score)
        if not self.threshold:
            return sum_
        return f"{sum_} {'≥' if self.score >= self.threshold else '<'} {self.threshold}"


def _of_rules(variable: str) -> bool:
    """Whether rules looked at nothing but what they keep themselves."""
    return all(one.lstrip("&").startswith("TX:") for one in variable.split(", ") if one)


@dataclass(frozen=True, slots=True)
class Held:
    """What a rule holds a value against, where that can be set."""

    setting: str
    how: str
    """How the value stands to it where the rule matches: `listed`, `unlisted`, `more`, `less`, `other`."""
    of: str
    """What is held against it, as rules write it."""
    value: str | None
    """What the rules give it by themselves."""
    set_in: str | None
    """File and line of a rule that sets it whatever was said."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a rule or a detector."""

    looks_for: str
    file: str | None = None
    line: int | None = None
    tags: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()

    @property
    def attacks(self) -> tuple[str, ...]:
        """The classes of attacks that it is about, by their tags."""
        return tuple(tag for tag in self.tags if tag.startswith("attack-"))


def named(place: str) -> str:
    """A place in words: `query parameter q`."""
    part, slash, name = place.partition("/")
    if not slash:
        return WHOLE.get(part, PARTS.get(part, part))
    name = name.replace("~2", "*")
    if part == "body":
        if "/" in name:
            return f"body, JSON `/{name}`"
        return f"body, `{_plain(name)}`"
    return f"{PARTS.get(part, part)} `{_plain(name)}`"


def _plain(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def waf_of(bundle: Mapping[str, Any], api: str) -> dict[str, Any] | None:
    """An API's `waf`, as a bundle places it."""
    found = (one["policies"].get("waf") for one in bundle["apis"] if one["name"] == api)
    placed: dict[str, Any] | None = next(found, None)
    return placed


def about(bundle: Mapping[str, Any], placed: Mapping[str, Any] | None, rules: Sequence[str]) -> dict[str, About]:
    """What is known of rules and detectors, by what a bundle has of them."""
    known = {
        one["name"]: About(f"{one['title'][0].lower()}{one['title'][1:]}", tags=(one["tag"],))
        for one in waf_detectors()
        if one["name"] in rules
    }
    if SCANNER in rules and placed is not None and placed["config"].get("scan") is not None:
        known[SCANNER] = About("a file that the virus scanner knows")
    ids = [int(rule) for rule in rules if rule.isdecimal()]
    number = placed["config"]["set"] if placed is not None else None
    if not ids or number is None or number >= len(bundle["rule_sets"]):
        return known
    try:
        told = waf_rules(json.dumps(bundle["rule_sets"][number]).encode(), ids)
    except LockgateError:
        return known
    for one in told:
        held = tuple(Held(**each) for each in one["held"])
        known[str(one["id"])] = About(one["looks_for"], one["file"], one["line"], tuple(one["tags"]), held)
    return known
