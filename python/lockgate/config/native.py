"""The one place where the configuration asks the native core."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from lockgate.config.document import START, Document
from lockgate.config.problems import Region
from lockgate.config.rule_sets import OWN
from lockgate.config.translate import called

OF_RULES: Final = {
    "waf-rules": "these rules cannot be run:",
    "waf-directive": "rule files say something else than the API:",
}
"""Codes whose messages have lines and columns of rule files in them, and what stands above these."""


def cross_check(bundle: dict[str, Any], document: Document) -> None:
    """Have the core compile the bundle, and note what it refuses at the place that says it."""
    from lockgate import _native

    text = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
    for found in _native.check_bundle(text):
        path = _path(found["path"], bundle)
        document.problems.add(
            _region(path, found.get("span"), document),
            found["code"],
            _said(found["code"], found["message"]),
            hint=_other(found["message"], document) if found["code"] == "route-conflict" else None,
            path=[called(path)],
        )


def _said(code: str, message: str) -> str:
    """What the core says; of rule files each fault on lines of its own, by the file's own name."""
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
    renamed = {"paths": "path", "conditions": "match"}
    return tuple(renamed.get(str(step), step) for step in steps if step != "policies")


def _region(path: tuple[str | int, ...], span: dict[str, int] | None, document: Document) -> Region:
    """What the document says nearest to it; else what the core says; else the main file's start."""
    root = document.sections.get(str(path[0])) if path else None
    item, depth = root.find(path[1:]) if root is not None else (None, 0)
    if item is not None and depth > 1:
        return item.region
    if span is not None and 0 <= span["file"] < len(document.problems.sources) and span["line"] > 0:
        return Region(span["file"], span["line"], span["column"], span["line"], span["column"] + 1)
    return START
