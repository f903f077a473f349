"""What another version of a rule set says that the one before did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.rules.read import ReadRules, Rule


@dataclass(frozen=True, slots=True)
class Difference:
    """Rules that differ; each list is in the order of their ids."""

    added: list[Rule]
    removed: list[Rule]
    changed: list[Rule]
    """As they are now."""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.removed or self.changed)

    @property
    def before(self) -> frozenset[int]:
        """The ids of rules that there were, and that do not do the same any more."""
        return frozenset(rule.id for rule in (*self.removed, *self.changed))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        named = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return {name: [_json(rule) for rule in rules] for name, rules in named.items()}


def difference(old: ReadRules, new: ReadRules) -> Difference:
    """Compare by what rules do: where they stand, and which version they are of, makes no difference."""
    before, now = old.rules, new.rules
    both = sorted(now.keys() & before.keys())
    return Difference(
        added=[now[number] for number in sorted(now.keys() - before.keys())],
        removed=[before[number] for number in sorted(before.keys() - now.keys())],
        changed=[now[number] for number in both if now[number].sense != before[number].sense],
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """What rules that will not be the same found in recorded requests."""

    requests: int
    refused: int
    by: Mapping[int, int]
    """How many requests each of them found something in, most first."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "requests": self.requests,
            "refused": self.refused,
            "by": {str(rule): times for rule, times in self.by.items()},
        }


def recorded(events: Iterable[Mapping[str, Any]], rules: frozenset[int]) -> Recorded:
    """What the events of requests tell of these rules."""
    requests = refused = 0
    by: dict[int, int] = {}
    for event in events:
        found = {int(each["rule"]) for each in (event.get("waf") or {}).get("found", ()) if each["rule"].isdecimal()}
        touched = found & rules
        if not touched:
            continue
        requests += 1
        refused += event.get("reason") in {"waf-refused", "waf-answer-refused"}
        for rule in touched:
            by[rule] = by.get(rule, 0) + 1
    most = sorted(by.items(), key=lambda each: (-each[1], each[0]))
    return Recorded(requests, refused, dict(most))


def _json(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "message": rule.message, "severity": rule.severity, "level": rule.level}
