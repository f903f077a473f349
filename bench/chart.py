"""A bar chart of CPU per request as SVG: bars are median ratios, whiskers reach from the best round to the worst."""

from __future__ import annotations

from html import escape
from statistics import median

from bench.results import CpuRow, Results

WIDTH, LABEL, VALUE, BAR, GAP, TOP = 860, 190, 190, 18, 10, 56
COLOURS = {"lockgate": "#1f6f54", "nginx": "#5b6673"}
OTHER = "#a9b2bc"


def svg(results: Results) -> str:
    """Draws the rows, cheapest first."""
    rows = results.compared
    if not rows:
        return ""
    rows = sorted(rows, key=lambda row: median(row.ratios()))
    longest = max(max(row.ratios()) for row in rows)
    scale = (WIDTH - LABEL - VALUE) / longest
    height = TOP + len(rows) * (BAR + GAP) + GAP
    title = "CPU per request as a multiple of nginx, HTTP/1.1 keep-alive (shorter is better)"
    below = f"{results.machine.cpu}, kernel {results.machine.kernel}, {results.started[:10]}"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            ' font-family="system-ui, sans-serif" font-size="13">'
        ),
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="12" y="41" fill="#5b6673">{escape(below)}</text>',
    ]
    for number, row in enumerate(rows):
        parts += bar(row, TOP + number * (BAR + GAP), scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def bar(row: CpuRow, top: int, scale: float) -> list[str]:
    """One row: its name, its bar, its whisker, its numbers."""
    values = row.ratios()
    colour = COLOURS.get(row.id.partition("/")[0], OTHER)
    middle, low, high = top + BAR / 2, LABEL + min(values) * scale, LABEL + max(values) * scale
    numbers = f"{median(values):.2f} &#215; nginx, {row.us:.1f} µs"
    return [
        f'<text x="{LABEL - 8}" y="{middle + 4.5}" text-anchor="end">{escape(row.id)}</text>',
        f'<rect x="{LABEL}" y="{top}" width="{median(values) * scale:.1f}" height="{BAR}" fill="{colour}"/>',
        (
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"'
            ' stroke="#111" fill="none"/>'
        ),
        f'<text x="{high + 8:.1f}" y="{middle + 4.5}">{numbers}</text>',
    ]
