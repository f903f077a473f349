"""Settings of the rules by which a request would have passed: what a rule holds a value against, and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from lockgate.policies.waf import OWN
from lockgate.rehearsal.waf.found import About, Found, Held

_EDGE: Final = re.compile(r"^[^A-Za-z0-9]*|[^A-Za-z0-9]*$")
METHOD: Final = "REQUEST_METHOD"


@dataclass(frozen=True, slots=True)
class Cure:
    """A setting that would have let pass what a rule found."""

    rule: str
    setting: str
    value: str | None
    """What to write; none where the request's part in it is not known."""
    now: str | None
    """What it is."""
    does: str
    """What that changes, in words."""
    set_in: str | None
    """File and line of a rule that sets it, whatever the configuration says."""

    @property
    def line(self) -> str:
        """As the API's `waf` would say it."""
        said = {"setup": {self.setting: self.value if self.value is not None else "…"}}
        text = yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True).strip()
        return text[1:-1]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "rule": self.rule,
            "setup": self.setting,
            "value": self.value,
            "now": self.now,
            "does": self.does,
            "set_in": self.set_in,
            "line": self.line,
        }


def cures(
    found: Sequence[Found], known: Mapping[str, About], asked: Mapping[str, Any], placed: Mapping[str, Any] | None
) -> dict[str, Cure]:
    """For each rule that holds a value against a setting: `asked` has the request's method and path."""
    variables = placed["config"]["variables"] if placed is not None else {}
    told: dict[str, Cure] = {}
    for one in found:
        about = known.get(one.rule)
        for held in about.held if about is not None else ():
            if held.setting in OWN or one.rule in told:
                continue
            cure = _cure(one, held, asked, variables.get(held.setting, held.value))
            if cure is not None:
                told[one.rule] = cure
    return told


def _cure(found: Found, held: Held, asked: Mapping[str, Any], now: str | None) -> Cure | None:
    items = (now or "").split()
    value: str | None = None
    if held.how == "unlisted":
        word = str(asked["method"]) if held.of == METHOD else None
        if word is not None:
            begin, end = _form(items)
            more = f"{begin}{word}{end}"
            if more in items:
                return None
            value, does = " ".join([*items, more]), f"takes {word} too"
        else:
            begin, end = _form(items)
            does = f"takes what the list names: add what was sent, as `{begin}…{end}`"
    elif held.how == "listed":
        named = {word.casefold() for word in _in_the_clear(found, asked)}
        gone = [item for item in items if _EDGE.sub("", item).casefold() in named]
        if gone:
            value = " ".join(item for item in items if item not in gone)
            does = f"takes {', '.join(_EDGE.sub('', item) for item in gone)} too"
        else:
            does = "refuses what the list names: take out what was sent"
    elif held.how in {"more", "less"}:
        does = f"refuses what is {held.how} than that"
    else:
        return None
    return Cure(found.rule, held.setting, value, now, does, held.set_in)


def _form(items: Sequence[str]) -> tuple[str, str]:
    """What stands before each word of a list, and behind it."""
    if not items:
        return "", ""
    word = _EDGE.sub("", items[0])
    begin, _, end = items[0].partition(word)
    return begin, end


def _in_the_clear(found: Found, asked: Mapping[str, Any]) -> Iterator[str]:
    """What an event tells of what was found as it was: names of values, and the path where that was looked at."""
    yield str(asked["method"])
    for place in found.places:
        part, _, name = place.partition("/")
        if part in {"path", "target"}:
            last = str(asked["path"]).rpartition("/")[2]
            yield from (word for word in re.split(r"[^A-Za-z0-9_-]+", last) if word)
        elif name:
            yield name.replace("~1", "/").replace("~2", "*").replace("~0", "~")
