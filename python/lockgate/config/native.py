"""The one place where the configuration asks the native core."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from lockgate.config.document import START, Document
from lockgate.config.problems import Region
from lockgate.config.rule_sets import OWN
from lockgate.config.translate import called
from lockgate.policies.waf import OWN as FIELDS

OF_RULES: Final = {
    "waf-rules": "these rules cannot be run:",
    "waf-directive": "rule files say something else than the API:",
}
"""Codes whose messages have lines and columns of rule files in them, and what stands above these."""


OF_KEYS: Final = frozenset({"waf-setup-unread", "waf-setup-overwritten"})
"""Codes of what is wrong with a name, not with its value."""
_SET_ELSEWHERE: Final = re.compile(r"sets `([a-z_]+)` to (\d+) for every request")
_MAY_MATTER: Final = re.compile(r"(?i)SecRule(?:Remove|Update)|\bredirect:|\bdrop\b|\bstatus:(?!'?403\b)")
"""Where a rule file has none of these, all of it is followed as it is written."""


def cross_check(bundle: dict[str, Any], document: Document) -> None:
    """Have the core compile the bundle, and note what it refuses at the place that says it."""
    from lockgate import _native

    text = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
    for found in _native.check_bundle(text):
        path = _path(found["path"], bundle)
        code, (message, meant) = found["code"], _meant(_said(found["code"], found["message"]))
        document.problems.add(
            _region(path, found.get("span"), document, key=code in OF_KEYS),
            code,
            message,
            hint=_other(found["message"], document) if code == "route-conflict" else meant,
            path=[called(path)],
        )


def rule_warnings(bundle: dict[str, Any], document: Document) -> None:
    """Note what of own rule files requests will meet otherwise than the files say, and what in them does nothing."""
    from lockgate import _native

    for rule_set in bundle["rule_sets"]:
        own = [each for each in rule_set["files"] if not each["name"].startswith("core/")]
        if not any(_MAY_MATTER.search(each["text"]) for each in own):
            continue
        told = _native.rule_notices(json.dumps(rule_set).encode())
        mine = [each for each in told if not each["file"].startswith("core/")]
        if mine:
            lines = "\n".join(
                f"{each['file'].removeprefix(OWN)}:{each['line']}: {each['directive']}: {each['instead']}"
                for each in mine
            )
            span = rule_set["span"]
            region = Region(span["file"], span["line"], span["column"], span["line"], span["column"] + 1)
            message = f"rules that are not followed as they are written:\n{lines}"
            document.problems.add(region, "waf-rules-otherwise", message, severity="warning")


def set_elsewhere(message: str) -> tuple[str, int] | None:
    """The field of the policy that a rule file says otherwise, and what it says, if a message tells of that."""
    found = _SET_ELSEWHERE.search(message)
    return None if found is None or found[1] not in FIELDS else (FIELDS[found[1]], int(found[2]))


def _meant(message: str) -> tuple[str, str | None]:
    """A message without the name that may have been meant, and that as a hint."""
    found = re.fullmatch(r"(.*); (did you mean `[^`\n]+`\?)", message)
    return (found[1], found[2]) if found is not None else (message, None)


def _said(code: str, message: str) -> str:
    """What the core says; of rule files each fault on lines of its own, by the file's own name."""
    if code == "waf-setup-overwritten":
        message = message.removeprefix(OWN)
        if (found := set_elsewhere(message)) is not None:
            return message.replace("say it here", f"write `{found[0]}: {found[1]}` here")
        return message
    if code not in OF_RULES:
        return message
    faults = re.sub(rf"\b{OWN}", "", re.sub(r"^(own|core): ", "", message))
    return f"{OF_RULES[code]}\n{faults}"


def _other(message: str, document: Document) -> str | None:
    """Where the route is that was first. The core's message names its API, and nothing else of it does."""
    found = re.search(r"taken by the API `([^`]+)`", message)
    if found is None or not document.says("apis", found[1]):
        return None
    region = document.region("apis", found[1], "path")
    return f"`{found[1]}` takes it in {document.problems.sources[region.file].name}, line {region.line}"


def _path(pointer: str, bundle: dict[str, Any]) -> tuple[str | int, ...]:
    """The configuration's path for a JSON pointer into the bundle: names where that has positions."""
    steps: list[str | int] = [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]
    named: dict[str | int, list[str]] = {
        "apis": [api["name"] for api in bundle["apis"]],
        "listeners": [listener["name"] for listener in bundle["listeners"]],
        "upstreams": [upstream["name"] for upstream in bundle["upstreams"]],
    }
    if len(steps) > 1 and isinstance(steps[1], int):
        names = named.get(steps[0], [])
        if steps[1] < len(names):
            route = bundle["apis"][steps[1]]["route"] if steps[0] == "apis" else None
            steps[1:2] = [names[steps[1]], *(["routes", route] if route is not None else [])]
    renamed = {"paths": "path", "conditions": "match", "variables": "setup"}
    if steps[-2:-1] == ["variables"] and steps[-1] in FIELDS:
        steps[-2:] = [FIELDS[str(steps[-1])]]
    return tuple(renamed.get(str(step), step) for step in steps if step != "policies")


def _region(
    path: tuple[str | int, ...], span: dict[str, int] | None, document: Document, *, key: bool = False
) -> Region:
    """What the document says nearest to it; else what the core says; else the main file's start.

    `key` is whether the name is wanted, and not its value. What no API says itself is looked for in `defaults`.
    """
    ways = [path] if path else []
    if path[:1] == ("apis",):
        ways.append(("defaults", *path[4 if path[2:3] == ("routes",) else 2 :]))
    for section, *way in ways:
        root = document.sections.get(str(section))
        item, depth = root.find(way) if root is not None else (None, 0)
        if item is not None and depth > (0 if section == "defaults" else 1):
            return item.key_region if key and depth == len(way) else item.region
    if span is not None and 0 <= span["file"] < len(document.problems.sources) and span["line"] > 0:
        return Region(span["file"], span["line"], span["column"], span["line"], span["column"] + 1)
    return START
