"""The policies' cases in `tests/vectors`, which Rust runs as well."""

from __future__ import annotations

import functools
from typing import Any

import yaml

from support.tree import ROOT

Case = dict[str, Any]


@functools.cache
def document(room: str) -> dict[str, Any]:
    """A room's file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / f"tests/vectors/{room}.yaml").read_text(encoding="utf-8"))
    return found


def cases(room: str) -> list[Case]:
    """A room's cases; a file without any is an error, and so are two of one name."""
    found: list[Case] = document(room)["cases"]
    names = [case["name"] for case in found]
    if not names or len(set(names)) != len(names):
        raise AssertionError(f"tests/vectors/{room}.yaml has no cases, or two of one name")
    return found


def name(case: Case) -> str:
    """A case's name, as a test's id."""
    return str(case["name"])
