"""What of a configuration the cases have met: routes, policies letting through and refusing, and what entitles."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lockgate.config.effective import PAGES

ALLOWED: Final = frozenset({"allow", "identify", "respond"})
REFUSED: Final = frozenset({"deny", "observe-deny"})
OF_PAGES: Final = frozenset({"authorize", "body_limit"})
"""Policies that the pages of a sign-in have, whatever the configuration says."""


@dataclass(frozen=True, slots=True)
class Met:
    """Something that a case can meet, and whether one did."""

    kind: str
    """`route`, `operation`, `allows`, `refuses` or `rule`."""
    api: str
    what: str
    met: bool
    place: str
    names: tuple[str, ...] = ()
    """What the configuration calls a policy of which there are several."""
    let_in: bool = True
    """Of a rule, whether it was the reason that a case was let in; it is met once one was also refused without it."""
    decides: bool = False
    """Of a rule, whether it lets in or refuses by itself, and is met once it did."""

    @property
    def words(self) -> str:
        """What is missing, for a person."""
        if self.kind in {"route", "operation"}:
            return f"no case goes to {self.kind} {self.what} of {self.api}"
        if self.kind == "rule" and self.decides:
            return f"no case is decided by {self.what} of {self.api}"
        if self.kind == "rule":
            lacking = "refused for want of" if self.let_in else "let in by"
            return f"no case is {lacking} {self.what} of {self.api}"
        verb = "lets through" if self.kind == "allows" else "refuses"
        called = f" ({', '.join(self.names)})" if self.names else ""
        return f"no case that {self.what}{called} of {self.api} {verb}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.kind,
            "api": self.api,
            "what": self.what,
            "names": self.names,
            "met": self.met,
            "place": self.place,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """All of it."""

    points: list[Met]

    @property
    def percent(self) -> float:
        """How much of it was met; all, where there is nothing to meet."""
        return 100.0 * sum(point.met for point in self.points) / len(self.points) if self.points else 100.0

    def of(self, *kinds: str) -> tuple[int, int]:
        """How many of these kinds were met, and how many there are."""
        points = [point for point in self.points if point.kind in kinds]
        return sum(point.met for point in points), len(points)

    @property
    def missing(self) -> list[Met]:
        """What no case met."""
        return [point for point in self.points if not point.met]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            # Rounded down: what is not all must not read as all.
            "percent": math.floor(10 * self.percent) / 10,
            "routes": self.of("route"),
            "operations": self.of("operation"),
            "policies": self.of("allows", "refuses"),
            "rules": self.of("rule"),
            "missing": [point.as_json() for point in self.missing],
        }


def measure(
    outline: Iterable[Mapping[str, Any]],
    explained: Sequence[Mapping[str, Any]],
    parts: Iterable[Mapping[str, Any]] = (),
) -> Coverage:
    """Hold what was met against what there is; `parts` are who may call what (`lockgate._native.access`)."""
    routes: set[tuple[str, str]] = set()
    operations: set[tuple[str, str]] = set()
    said: set[tuple[str, int, str]] = set()
    decided: set[tuple[str, str]] = set()
    for told in explained:
        route = told["route"]
        if route is None:
            continue
        api = _called(route)
        routes.add((api, route["pattern"]))
        if route.get("operation"):
            operations.add((api, route["operation"]["name"]))
        for number, step in enumerate(told["steps"]):
            decided.update((api, ground) for ground in step["grounds"])
            if step["verdict"] in ALLOWED:
                said.add((api, number, "allows"))
            elif step["verdict"] in REFUSED:
                said.add((api, number, "refuses"))
    outline = list(outline)
    points = _points(outline, routes, operations, said)
    return Coverage([*points, *_rules(parts, explained), *_deciding(outline, decided)])


def _points(
    outline: Iterable[Mapping[str, Any]],
    routes: set[tuple[str, str]],
    operations: set[tuple[str, str]],
    said: set[tuple[str, int, str]],
) -> Iterator[Met]:
    policies: dict[tuple[object, ...], Met] = {}
    for api in outline:
        name, here = _called(api), _place(api["span"])
        for pattern in dict.fromkeys(api["routes"]):
            yield Met("route", name, pattern, (name, pattern) in routes, here)
        for operation in api.get("operations", ()):
            yield Met("operation", name, operation, (name, operation) in operations, here)
        for number, step in enumerate(api["steps"]):
            # What holds by default, Lockgate's own tests meet; and so they do what the pages of a sign-in have anyway.
            own = name.startswith(PAGES) and step["policy"] in OF_PAGES
            if step["mode"] != "off" and step["said"] and not own:
                for kind in ("allows", "refuses") if step["refuses"] else ("allows",):
                    point = _policy(kind, name, step, met=(name, number, kind) in said)
                    # What an API says for all its routes stands in one place, and is met once.
                    said_at = (kind, point.what, *step["span"].values())
                    if said_at not in policies or point.met:
                        policies[said_at] = point
            if step["policy"] == "redirect" and step["mode"] == "enforce":
                break  # It lets nothing come to what stands behind it.
    yield from policies.values()


def _rules(parts: Iterable[Mapping[str, Any]], explained: Sequence[Mapping[str, Any]]) -> Iterator[Met]:
    """Each role and each scope that lets somebody in: was it the reason, and was somebody refused for want of it?"""
    let_in: set[tuple[str, str]] = set()
    withheld: set[tuple[str, str]] = set()
    for told in explained:
        api = _called(told["route"]) if told["route"] is not None else ""
        for step in told["steps"]:
            if told["verdict"] != "deny":
                let_in.update((api, ground) for ground in step["grounds"])
            if step["verdict"] in REFUSED:
                withheld.update((api, ground) for ground in step.get("enough", ()))
    # What an API says for all its routes stands in one place, and is met once.
    there: dict[tuple[str, tuple[object, ...]], tuple[Mapping[str, Any], dict[str, None]]] = {}
    for part in parts:
        for rule in part["rules"] if part["who"] == "entitled" else ():
            for ground in _grounds(rule) if rule["mode"] == "enforce" and not rule["free"] else ():
                place = (ground, (rule["policy"], *rule["span"].values()))
                there.setdefault(place, (rule, {}))[1][_called(part)] = None
    for (what, _), (rule, apis) in there.items():
        by = any((api, what) in let_in for api in apis)
        without = any((api, what) in withheld for api in apis)
        yield Met("rule", next(iter(apis)), what, by and without, _place(rule["span"]), let_in=by)


def _deciding(outline: Iterable[Mapping[str, Any]], decided: Container[tuple[str, str]]) -> Iterator[Met]:
    """What lets in or refuses by itself, such as a policy in Cedar; of routes that share it, once."""
    there: dict[tuple[object, ...], Met] = {}
    for api in outline:
        name = _called(api)
        for step in api["steps"]:
            for rule in step["rules"] if step["mode"] == "enforce" else ():
                what, place = rule["ground"], _place(rule["span"])
                point = Met("rule", name, what, (name, what) in decided, place, decides=True)
                if point.met or (what, place) not in there:
                    there[what, place] = point
    yield from there.values()


def _grounds(rule: Mapping[str, Any]) -> Iterator[str]:
    """What can be the reason to let somebody in.

    Roles that are only included, nobody has; and of two credentials that are enough the less demanding one comes first.
    """
    for role in rule["roles"]:
        if role["given"]:
            yield from role["grounds"]
    ways = [way for way in rule["ways"] if way["fits"]]
    for number, way in enumerate(ways):
        if not any(_asks_less(other, way) for other in ways[:number]):
            yield from way["grounds"]


def _asks_less(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether whoever meets the other meets this one."""

    def covers(wanted: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
        ways = wanted["ways"] is None or (shown["ways"] is not None and set(shown["ways"]) <= set(wanted["ways"]))
        return ways and set(wanted["scopes"]) <= set(shown["scopes"])

    return all(any(covers(wanted, shown) for shown in other["all"]) for wanted in one["all"])


def _policy(kind: str, api: str, step: Mapping[str, Any], *, met: bool) -> Met:
    return Met(kind, api, step["policy"], met, _place(step["span"]), tuple(step["names"]))


def _called(api: Mapping[str, Any]) -> str:
    """An API, or a route of one that has policies of its own."""
    return f"{api['api']}.{api['route']}" if api.get("route") else str(api["api"])


def _place(span: Mapping[str, Any]) -> str:
    return f"{span['file']}:{span['line']}" if span["file"] else ""
