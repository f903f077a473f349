"""Rule sets as the engine reads them: how many rules, what each is, what was told at load."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lockgate import _native
from lockgate.config import ConfigErrors, Loaded, load
from lockgate.config.native import OF_RULES, set_elsewhere
from lockgate.rules.problems import RulesError

TOLD: Final = 20
"""Errors of rules that are shown; there may be thousands."""

_LEVEL: Final = re.compile(r"paranoia-level/(\d)")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a set."""

    id: int
    message: str
    severity: str | None
    level: int | None
    """Of paranoia, as its tags say."""
    phase: int
    place: str
    sense: str
    """What it does, as a digest that another version's can be compared with."""


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What a set says."""

    rules: Mapping[int, Rule]
    notices: list[str]

    def up_to(self, level: int) -> int:
        """How many rules there are up to a level of paranoia, those without one among them."""
        return sum(rule.level is None or rule.level <= level for rule in self.rules.values())


def proved(folder: Path) -> ReadRules:
    """What the engine makes of the rule set there; raises `RulesError` with what it cannot run.

    It is compiled as a configuration's is, by the same code, with every level of paranoia.
    """
    try:
        loaded = _tried(folder, {})
    except ConfigErrors as refused:
        # What the rules set themselves is for a configuration to say, and that is not asked here.
        said = dict(found for each in refused.errors if (found := set_elsewhere(each.message)) is not None)
        try:
            if not said:
                raise
            loaded = _tried(folder, said)
        except ConfigErrors as last:
            raise RulesError(f"Lockgate cannot run these rules:\n{_faults(last, placed=False)}") from last
    sets = loaded.compile(0, 0)["rule_sets"]
    read = _native.read_rules(json.dumps(sets[0]).encode())
    return ReadRules(
        {each["id"]: _rule(each) for each in read["rules"]},
        [
            f"{each['file']}:{each['line']}: {each['directive']}: {each['instead']}"
            for each in read["notices"]
            # What a rule of the set would have clients told (`status`) is nobody's choice here.
            if not each["matters"] or each["directive"].startswith("Sec")
        ],
    )


def _tried(folder: Path, said: Mapping[str, int]) -> Loaded:
    """A configuration with these rules, and with what they set said in it too.

    The levels differ in what runs, not in what is read; with all of them nothing is decided before it is compiled.
    """
    tried = {
        "version": 1,
        "listeners": {"tried": {"address": "127.0.0.1:1"}},
        "apis": {
            "tried": {
                "path": "/",
                "upstream": "http://127.0.0.1:2",
                "public": {"owner": "lockgate", "reason": "rules are tried", "until": "2999-01-01"},
                "waf": {"rules": "core", "paranoia": 4, "answers": {}, **said},
            }
        },
    }
    name = folder / "tried.yaml"
    return load(name, instead={name: json.dumps(tried).encode()}, core=folder, environment={})


def faults_with(config: Path, folder: Path) -> str | None:
    """What of the configuration there would be refused with these rules, and only with them; nothing where it holds."""
    try:
        load(config, core=folder)
    except ConfigErrors as refused:
        own = [each for each in refused.errors if each.code.startswith("waf-")]
        return _faults(refused, own) if own else None
    return None


def _faults(refused: ConfigErrors, errors: list[Any] | None = None, *, placed: bool = True) -> str:
    told: list[str] = []
    for each in errors or refused.errors:
        first, *more = each.message.splitlines()
        told += more if each.code in OF_RULES else [f"{each.place}: {first}" if placed else first, *more]
    more = len(told) - TOLD
    return "\n".join([*told[:TOLD], *([f"and {more} more"] if more > 0 else [])])


def _rule(read: Mapping[str, Any]) -> Rule:
    levels = [int(found[1]) for tag in read["tags"] if (found := _LEVEL.search(tag))]
    return Rule(
        read["id"],
        read["message"] or "",
        read["severity"],
        max(levels, default=None),
        read["phase"],
        f"{read['file']}:{read['line']}",
        read["sense"],
    )
