"""What can be wrong with a configuration, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from lockgate.config.bundle_types import Span

LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What libyaml counts as a line break, so that its line numbers are ours."""

CONCEALED: Final = "•"
_LIKE_SECRET: Final = re.compile(
    r"(?i)(\b\w*(?:value|secret|token|password|key)\w*[\"']?\s*:\s*)((?!\"?\$\{|\{\s*(?:header|query)\s*:)\S.*)"
)
"""A reference is no secret, and a mapping that begins by saying where a key is sent holds none yet."""

_FAULT: Final = re.compile(r"\S.*?:\d+:")
"""A place in a rule file; the lines that show it begin with spaces."""

_MORE: Final = re.compile(r"and (\d+) more")

Severity = Literal["error", "warning"]

MAX_PROBLEMS: Final = 10_000
"""Beyond these nobody reads on, and one mistake in a default may be in every API."""


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of a file, from 1; the end is behind its last character."""

    file: int
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def span(self) -> Span:
        """Its beginning, as the bundle writes it."""
        return {"file": self.file, "line": self.line, "column": self.column}


@dataclass(slots=True)
class Source:
    """A file that was read. `text` is empty where it could not be."""

    path: Path
    name: str
    """As the bundle names it: relative to the main file's folder, so that no bundle tells of a machine."""
    text: str = ""
    broken: bool = False
    """Whether it could not be parsed, so that nobody knows which of its words are secrets."""
    _lines: list[str] | None = None

    def line(self, number: int) -> str:
        """The line's text, without its end; empty where there is none."""
        lines = self._split()
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        return _LIKE_SECRET.sub(_concealed, line) if self.broken else line

    def conceal(self, region: Region) -> None:
        """Never show this piece of the file: it is a secret, or may be one."""
        lines = self._split()
        for number in range(region.line, min(region.end_line, len(lines)) + 1):
            line = lines[number - 1]
            start = region.column - 1 if number == region.line else 0
            end = region.end_column - 1 if number == region.end_line else len(line)
            lines[number - 1] = line[:start] + CONCEALED * (end - start) + line[end:]

    def _split(self) -> list[str]:
        if self._lines is None:
            self._lines = LINE_BREAK.split(self.text)
        return self._lines


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in words that tell what to do next."""

    code: str
    message: str
    source: Source
    region: Region
    severity: Severity = "error"
    allowed: str | None = None
    hint: str | None = None
    path: str = ""
    """What it is about, as a dotted path: `apis.shop.upstream`."""

    @property
    def place(self) -> str:
        """`file:line:column`, as editors and terminals understand it."""
        return f"{self.source.name}:{self.region.line}:{self.region.column}"

    @property
    def order(self) -> tuple[int, int, int, str, str]:
        """By place; errors of one place by their words, so that two runs say the same."""
        return (self.region.file, self.region.line, self.region.column, self.code, self.message)

    @property
    def faults(self) -> int:
        """How many things are wrong: what is wrong with rule files is told together, each on a line with its place."""
        lines = self.message.splitlines()[1:]
        untold = sum(int(more[1]) for line in lines if (more := _MORE.fullmatch(line)))
        return max(sum(_FAULT.match(line) is not None for line in lines) + untold, 1)

    def as_json(self) -> dict[str, Any]:
        """The problem for programs."""
        region = self.region
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "file": str(self.source.path),
            "line": region.line,
            "column": region.column,
            "end_line": region.end_line,
            "end_column": region.end_column,
            "path": self.path or None,
            "allowed": self.allowed,
            "hint": self.hint,
        }


@dataclass(slots=True)
class Problems:
    """Problems as they are found; the same thing said twice of one place counts once."""

    found: dict[tuple[int, int, int, str, str], Problem] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    standing: Callable[[Sequence[object]], Sequence[object]] = list
    """A path as it stands in the document."""
    partial: bool = False
    """Whether something is there and misspelt that is needed, so that what it belongs to could not be made."""

    def add(
        self,
        region: Region,
        code: str,
        message: str,
        *,
        severity: Severity = "error",
        allowed: str | None = None,
        hint: str | None = None,
        path: Iterable[object] = (),
    ) -> None:
        """Note a problem."""
        if code == "target-credential":
            self.sources[region.file].conceal(region)
        problem = Problem(
            code=code,
            message=message,
            source=self.sources[region.file],
            region=region,
            severity=severity,
            allowed=allowed,
            hint=hint,
            path=".".join(map(str, self.standing(tuple(path)))),
        )
        if len(self.found) < MAX_PROBLEMS:
            self.found.setdefault(problem.order, problem)

    @property
    def leave_a_whole(self) -> bool:
        """Whether the rest can be looked at as if the errors were not there: no more than unknown keys, left out."""
        return not self.partial and all(error.code == "unknown-key" for error in self.errors)

    @property
    def errors(self) -> list[Problem]:
        """What stops the load, by place."""
        return self._of("error")

    @property
    def warnings(self) -> list[Problem]:
        """What does not, by place."""
        return self._of("warning")

    def _of(self, severity: Severity) -> list[Problem]:
        return [self.found[order] for order in sorted(self.found) if self.found[order].severity == severity]


def _concealed(found: re.Match[str]) -> str:
    return found[1] + CONCEALED * len(found[2])
