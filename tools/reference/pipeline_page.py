"""`docs/reference/pipeline.md` with its picture, from the one list in `pipeline.rs`."""

from __future__ import annotations

from pathlib import Path

from lockgate import _native
from reference import NOTE, pipeline_picture
from reference.markdown import table

INTRODUCTION = """\
# The pipeline's order

The order in which a request passes the steps, from the one list in `crates/lockgate-proxy/src/pipeline.rs`. The order
of a configuration file has no meaning. [Life of a request](../concepts/life-of-a-request.md) tells it in words.

"""


def files(_root: Path) -> dict[str, str]:
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
        "docs/reference/pipeline.svg": pipeline_picture.svg(steps, policies),
        "docs/reference/pipeline.md": NOTE + INTRODUCTION + diagram + table(["", "Step", "Phase", "Why there"], rows),
    }


def _called(step: _native.Step, policies: set[str]) -> str:
    name = f"`{step['name']}`"
    if step["name"] in policies:
        name = f"[{name}](../policies/{step['name']}.md)"
    return f"{name}, {step['part']}" if step["part"] else name
