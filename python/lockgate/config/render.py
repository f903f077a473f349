"""Problems as people read them: place, message, the line with a caret, what is allowed, what to do."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from lockgate.config.findings import Finding
from lockgate.config.problems import Problem, Region, Source
from lockgate.printable import printable

WIDTH: Final = 120
"""Columns of a quoted line; the rest of a longer one is cut off around the caret."""

SHOWN: Final = 200
"""Problems that are printed in full; beyond them one mistake is usually repeated."""

_COLOURS: Final = {"error": "31;1", "warning": "33;1", "info": "36", "bold": "1", "dim": "2", "caret": "31;1"}


class Renderer:
    """Makes text; `colour` adds a terminal's own sequences."""

    def __init__(self, *, colour: bool = False, base: Path | None = None) -> None:
        """Paths below `base`, by default the working folder, are shown relative to it."""
        self.colour = colour
        self.base = base or Path.cwd()

    def problems(self, problems: Iterable[Problem]) -> Iterator[str]:
        """Each problem in full, and beyond `SHOWN` how many more there are."""
        every = list(problems)
        for problem in every[:SHOWN]:
            yield self.problem(problem)
        if len(every) > SHOWN:
            yield f"… and {len(every) - SHOWN} more; `lockgate check --json` lists them all\n"

    def problem(self, problem: Problem) -> str:
        """One problem."""
        first, *more = problem.message.splitlines() or [""]
        head = self._head(problem.source, problem.region, problem.severity, first, problem.code)
        return self._with_line(head, problem.source, problem.region, problem.allowed, problem.hint, more)

    def finding(self, finding: Finding) -> str:
        """One row of the table of findings."""
        head = self._head(finding.source, finding.region, finding.severity, finding.message, finding.code)
        return self._with_line(head, finding.source, finding.region, None, finding.hint)

    def path(self, source: Source) -> str:
        """The file as it is found from here."""
        return str(source.path.relative_to(self.base) if source.path.is_relative_to(self.base) else source.path)

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, where there are any."""
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self.colour else text

    def _head(self, source: Source, region: Region, severity: str, message: str, code: str) -> str:
        place = f"{self.path(source)}:{region.line}:{region.column}"
        said = self.paint(severity, severity)
        return f"{self.paint(place, 'bold')}: {said}: {printable(message)}  {self.paint(f'[{code}]', 'dim')}"

    def _with_line(
        self,
        head: str,
        source: Source,
        region: Region,
        allowed: str | None,
        hint: str | None,
        more: Sequence[str] = (),
    ) -> str:
        out = [head]
        line = source.line(region.line)
        number = str(region.line)
        gutter = " " * len(number)
        if line.strip():
            end = region.end_column if region.end_line == region.line else len(line) + 1
            quoted, carets = excerpt(line, region.column, end)
            out.append(f"  {self.paint(f'{number} |', 'dim')} {quoted}")
            out.append(f"  {self.paint(f'{gutter} |', 'dim')} {self.paint(carets, 'caret')}")
        out += [f"  {printable(line)}" for line in more]
        if allowed:
            out.append(f"  {gutter} = allowed: {printable(allowed)}")
        if hint:
            out.append(f"  {gutter} = hint: {printable(hint)}")
        return "\n".join(out) + "\n"


def excerpt(line: str, start: int, end: int) -> tuple[str, str]:
    """A line as a terminal can show it, and carets under the columns from `start` to before `end`.

    Control characters are replaced, since a file must not be able to drive the
    terminal that shows it.
    """
    cells = printable(line.replace("\t", " "))
    first, last = start - 1, max(end - 1, start)
    low = 0
    if len(cells) > WIDTH:
        low = max(0, min(first - WIDTH // 3, len(cells) - WIDTH))
        cells = cells[low : low + WIDTH]
    before, behind = ("…" if low else ""), ("…" if low + len(cells) < len(line) else "")
    quoted = before + cells + behind
    margin = len(before) + sum(map(_width, cells[: first - low]))
    marked = sum(map(_width, cells[first - low : last - low]))
    return quoted.rstrip(), " " * margin + "^" * max(marked, 1)


def colour_wanted(terminal: bool) -> bool:
    """Whether to colour: on a terminal, unless https://no-color.org is asked for."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
