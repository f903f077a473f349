"""Files of rows that are imported: one JSON object a line, or CSV with a line of names first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from lockgate.cli._report import leave
from lockgate.cli._two_ways import Row
from lockgate.printable import printable

BATCH = 5_000
"""As many as the admin API takes at once."""

CELL = 64 * 2**10
"""Characters of one cell."""

REASON_CHARACTERS = 500


class Cells(dict[str, Any]):
    """A row of CSV: what JSON says with numbers and lists is text in it."""


Read = Callable[[object], Row | str]
"""A row as the admin API takes it, or what is wrong with it; nothing of it is repeated, since it may be a secret."""


def imported(file: Path, read: Read, add: Callable[[str, list[Row]], Row], *, form: str, done: str) -> dict[str, int]:
    """Add what a file says, batch by batch; where a line is wrong, the command ends with its number.

    `form` is how a line looks, `done` what becomes of one, such as `added`.
    """
    total = {"added": 0, "known": 0}
    with file.open("rb") as lines:
        rows = _cells(lines) if file.suffix.lower() == ".csv" else _lines(lines)
        checked = _checked(rows, read, form=form, done=done)
        while batch := list(islice(checked, BATCH)):
            result = add(file.name, batch)
            total = {name: total[name] + result[name] for name in total}
    return total


def unknown(row: Row, members: Iterable[str]) -> str | None:
    """What is wrong with its names."""
    strange = sorted(set(row) - set(members))
    return f"says {printable(str(strange[0]))[:60]!r}, which is not known" if strange else None


def number(text: object) -> object:
    """The number of a cell; what is none stays as it is."""
    return int(text[:20]) if isinstance(text, str) and text.isascii() and text.isdigit() else text


def is_time(at: object) -> bool:
    """Whether it is a number of milliseconds since 1970."""
    return type(at) is int and 0 < at < 2**53


def _checked(rows: Iterator[tuple[int, object]], read: Read, *, form: str, done: str) -> Iterator[Row]:
    for taken, (number, row) in enumerate(rows):
        told = read(row) if not isinstance(row, _Wrong) else row.why
        if isinstance(told, str):
            before = "Lines before it may have been taken" if taken >= BATCH else f"Nothing was {done}"
            leave(f"Line {number} {told}. {before}.\nEach line is one JSON object, such as {form}.")
        yield told


class _Wrong:
    def __init__(self, why: str) -> None:
        self.why = why


def _lines(lines: BinaryIO) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            yield number, _Wrong("is not JSON")


def _cells(lines: BinaryIO) -> Iterator[tuple[int, object]]:
    """Rows of CSV (RFC 4180) by the names of the first; an empty cell says nothing."""
    csv.field_size_limit(CELL)
    # A spreadsheet begins with a mark of its byte order.
    text = io.TextIOWrapper(lines, encoding="utf-8-sig", newline="")
    reader = csv.reader(text)
    try:
        names = next(reader, [])
        for cells in reader:
            if len(cells) > len(names):
                yield reader.line_num, _Wrong("has more cells than the first line has names")
            elif cells:
                named = zip(names, cells, strict=False)
                yield reader.line_num, Cells({name.strip(): cell for name, cell in named if cell})
    except (csv.Error, UnicodeDecodeError):
        yield reader.line_num, _Wrong("is not CSV in UTF-8")
