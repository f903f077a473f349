"""`docs/reference/pipeline.md`, from the one list in `pipeline.rs`."""

from __future__ import annotations

from pathlib import Path

from lockgate import _native
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# The pipeline's order

The order in which a request passes the steps, from the one list in `crates/lockgate-proxy/src/pipeline.rs`. The order
of a configuration file has no meaning. [Life of a request](../concepts/life-of-a-request.md) tells it in words.

"""


def files(_root: Path) -> dict[str, str]:
    """The page, with a diagram."""
    steps = _native.pipeline()
    policies = set(_native.policies())
    chain = " --> ".join(f's{number}["{step["name"]}"]' for number, step in enumerate(steps))
    diagram = f"```mermaid\nflowchart TD\n    {chain}\n```\n\n"
    rows = [
        [
            str(number),
            f"[`{step['name']}`](../policies/{step['name']}.md)" if step["name"] in policies else f"`{step['name']}`",
            step["phase"],
            step["why"],
        ]
        for number, step in enumerate(steps, 1)
    ]
    return {
        "docs/reference/pipeline.md": NOTE + INTRODUCTION + diagram + table(["", "Step", "Phase", "Why there"], rows)
    }
