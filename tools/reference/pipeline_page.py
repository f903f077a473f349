"""`docs/reference/pipeline.md` with its picture, and the policies in life-of-a-request.md, from the list in code."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from lockgate import _native
from reference import NOTE, pipeline_picture
from reference.markdown import replace_region, table

INTRODUCTION = """\
# The pipeline's order

The order in which a request passes the steps, from the one list in `crates/lockgate-proxy/src/pipeline/order.rs`. The
order of a configuration file has no meaning. [Life of a request](../concepts/life-of-a-request.md) tells it in words.

"""

LIFE = "docs/concepts/life-of-a-request.md"
WIDTH = 118


def files(root: Path) -> dict[str, str]:
    """The page and its picture."""
    steps = _native.pipeline()
    policies = set(_native.policies())
    diagram = "![A request's way through the gate](pipeline.svg)\n\n"
    rows = [
        [
            str(number),
            _called(step, policies),
            step["phase"],
            step["why"],
        ]
        for number, step in enumerate(steps, 1)
    ]
    return {
        LIFE: replace_region((root / LIFE).read_text(encoding="utf-8"), "policies", _in_words(steps, policies)),
        "docs/reference/pipeline.svg": pipeline_picture.svg(steps, policies),
        "docs/reference/pipeline.md": NOTE + INTRODUCTION + diagram + table(["", "Step", "Phase", "Why there"], rows),
    }


def _in_words(steps: Sequence[_native.Step], policies: set[str]) -> str:
    """What judges a request, between `route` and `transform`, as a paragraph of a list's item."""
    names = [step["name"] for step in steps]
    judging = steps[names.index("route") + 1 : names.index("transform")]
    said = "; ".join(_called(step, policies) for step in judging)
    lines = textwrap.wrap(f"{said}.", WIDTH - 3, break_long_words=False, break_on_hyphens=False)
    return "".join(f"   {line}\n" for line in lines) + "   "


def _called(step: _native.Step, policies: set[str]) -> str:
    name = f"`{step['name']}`"
    if step["name"] in policies:
        name = f"[{name}](../policies/{step['name']}.md)"
    return f"{name}, {step['part']}" if step["part"] else name
