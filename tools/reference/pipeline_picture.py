"""`docs/reference/pipeline.svg`: the steps of `pipeline.rs` as a picture, in rows that are read like lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from lockgate import _native

PER_ROW: Final = 6
WIDTH: Final = 128
HEIGHT: Final = 48
BETWEEN: Final = 26
BELOW: Final = 30
EDGE: Final = 20
TOP: Final = 66
WORDS: Final = "Each step may refuse; then none behind it is asked, but for those of answers and events."
FONT: Final = "system-ui, sans-serif"
POLICY: Final = ("#e3f1eb", "#1f6f54")
BUILT_IN: Final = ("#eef0f2", "#5b6673")
"""Fill and border: what a configuration says, and what always holds."""


def svg(steps: Sequence[_native.Step], policies: set[str]) -> str:
    """The picture's text."""
    rows = -(-len(steps) // PER_ROW)
    width = 2 * EDGE + PER_ROW * WIDTH + (PER_ROW - 1) * BETWEEN
    height = TOP + rows * HEIGHT + (rows - 1) * BELOW + EDGE + 26
    title = "A request's way through the gate"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="{FONT}"'
            ' font-size="13">'
        ),
        f"<title>{escape(title)}</title>",
        (
            '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#5b6673"/></marker></defs>'
        ),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{EDGE}" y="28" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="{EDGE}" y="48" fill="#5b6673">{WORDS}</text>',
    ]
    for number, step in enumerate(steps):
        parts += _box(number, step, step["name"] in policies)
    for number in range(len(steps) - 1):
        parts.append(_arrow(number))
    return "\n".join([*parts, *_legend(height - 22), "</svg>"]) + "\n"


def _corner(number: int) -> tuple[int, int]:
    row, place = divmod(number, PER_ROW)
    return EDGE + place * (WIDTH + BETWEEN), TOP + row * (HEIGHT + BELOW)


def _box(number: int, step: _native.Step, policy: bool) -> Iterator[str]:
    x, y = _corner(number)
    fill, border = POLICY if policy else BUILT_IN
    middle = x + WIDTH / 2
    yield f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{border}"/>'
    name = f'<tspan font-weight="600">{escape(step["name"])}</tspan>'
    yield f'<text x="{middle:g}" y="{y + 20}" text-anchor="middle">{number + 1} {name}</text>'
    below = step["part"] or step["phase"]
    yield f'<text x="{middle:g}" y="{y + 37}" text-anchor="middle" font-size="11" fill="#5b6673">{escape(below)}</text>'


def _arrow(number: int) -> str:
    (x, y), (to_x, to_y) = _corner(number), _corner(number + 1)
    if y == to_y:
        way = f"M{x + WIDTH} {y + HEIGHT // 2}H{to_x - 2}"
    else:
        # On to the next line, as one reads: down, back to the left, down.
        way = f"M{x + WIDTH // 2} {y + HEIGHT}v{BELOW // 2}H{to_x + WIDTH // 2}v{BELOW // 2 - 2}"
    return f'<path d="{way}" fill="none" stroke="#5b6673" marker-end="url(#to)"/>'


def _legend(y: int) -> Iterator[str]:
    for place, ((fill, border), words) in enumerate(
        ((POLICY, "a policy: the configuration says it"), (BUILT_IN, "holds for every request"))
    ):
        x = EDGE + place * 260
        yield f'<rect x="{x}" y="{y}" width="14" height="14" rx="3" fill="{fill}" stroke="{border}"/>'
        yield f'<text x="{x + 22}" y="{y + 12}" fill="#5b6673">{words}</text>'
