"""Small pieces of Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; line breaks and bars in cells are made harmless."""
    lines = [row(head), row(["---"] * len(head))]
    lines += [row(cells) for cells in rows]
    return "\n".join(lines) + "\n"


def row(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def flow(value: object) -> str:
    """A value as YAML writes it on one line."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z0-9/.][A-Za-z0-9/._:@+ -]*", value) and ": " not in value
        return value if plain else json.dumps(value, ensure_ascii=False)
    return str(value)


def anchor(heading: str) -> str:
    """The fragment that leads to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.casefold()).replace(" ", "-")


def replace_region(page: str, name: str, text: str) -> str:
    """The page with the part between `<!-- generated: name -->` and `<!-- end -->` exchanged."""
    begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no part {begin.strip()} … {end}")
    return f"{before}{begin}{text}{end}{after}"
