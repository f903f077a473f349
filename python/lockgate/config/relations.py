"""Relations that rules of `objects` look up, read from their files, and what is wrong with them."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Final

from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.model_relations import MAX_VALUE
from lockgate.config.placed import Path
from lockgate.config.problems import Problems, Region, Source
from lockgate.config.references import References
from lockgate.config.text_files import read_text
from lockgate.policies import Objects
from lockgate.scalars import shown

MAX_FILE: Final = 8 * 2**20
MAX_PAIRS: Final = 200_000
"""Of all relations together; the core says the same."""
MAX_TEXT: Final = 16 * 2**20
"""Characters of all of them: a bundle must fit into a frame of the control process's link."""
ONE_PAIR: Final = "two values and a comma between them, such as `ann,red`; quotes around one that has a comma in it"

Pairs = dict[str, list[str]]


@dataclass(slots=True)
class RelationFiles:
    """Reads the files of relations."""

    problems: Problems
    references: References
    read: dict[str, Pairs] = field(default_factory=dict)
    """The pairs of each relation, by its name."""

    def resolve(self, document: Document) -> None:
        """Read every relation, and count what there is of all of them."""
        for name, relation in document.relations.items():
            if relation.file is not None:
                self.read[name] = self._file(document, name, relation.file)
            else:
                self.read[name] = {one: list(dict.fromkeys(to)) for one, to in (relation.pairs or {}).items()}
        pairs = [(one, to) for each in self.read.values() for one, all_to in each.items() for to in all_to]
        if len(pairs) > MAX_PAIRS or sum(len(one) + len(to) for one, to in pairs) > MAX_TEXT:
            self.problems.add(
                document.region("relations"),
                "relations-too-large",
                f"there are {len(pairs)} pairs",
                allowed=f"{MAX_PAIRS} pairs of all relations together, {MAX_TEXT // 2**20}MiB",
                hint="have the issuer put what is missing into a claim",
                path=("relations",),
            )

    def bundled(self) -> list[types.Relation]:
        """As the bundle writes them."""
        return [{"name": name, "pairs": pairs} for name, pairs in self.read.items()]

    def _file(self, document: Document, name: str, said: str) -> Pairs:
        path = ("relations", name, "file")
        item = document.item(*path) or document.item("relations", name)
        target = self.references.absolute(said, item.file if item is not None else 0)
        text = read_text(self.problems, self.references, target, document.value_region(*path), MAX_FILE)
        found: dict[str, dict[str, None]] = {}
        for one, to in self._pairs(target, text or ""):
            found.setdefault(one, {})[to] = None
        return {one: list(to) for one, to in found.items()}

    def _pairs(self, target: File, text: str) -> Iterator[tuple[str, str]]:
        source: int | None = None
        lines = (line.removesuffix("\r") for line in text.split("\n"))
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            pair = _pair(line)
            if isinstance(pair, tuple):
                yield pair
                continue
            if source is None:
                source = self._source(target, text)
            region = Region(source, number, 1, number, len(line) + 1)
            self.problems.add(region, "relation-line", pair, allowed=ONE_PAIR)

    def _source(self, target: File, text: str) -> int:
        main = self.problems.sources[0].path.parent
        name = str(target.relative_to(main)) if target.is_relative_to(main) else str(target)
        self.problems.sources.append(Source(target, name, text))
        return len(self.problems.sources) - 1


def check_looked_up(document: Document, path: Path, objects: Objects) -> None:
    """Rules that look up what there is not."""
    known: Mapping[str, object] = document.relations
    for index, rule in enumerate(objects.rules):
        for name in rule.must_be_in.via if rule.must_be_in is not None else ():
            if name in known or document.says("relations", name):
                continue
            close = difflib.get_close_matches(name, known, n=1)
            place = (*path, index, "must_be_in")
            document.problems.add(
                document.value_region(*place),
                "relation-unknown",
                f"there is no relation {shown(name)}",
                allowed=", ".join(map(shown, known)) or None,
                hint=f"did you mean {shown(close[0])}?"
                if close
                else f"say what leads to what: `relations: {{{name}: {{file: relations/{name}.csv}}}}`",
                path=place,
            )


def _pair(line: str) -> tuple[str, str] | str:
    """A line's pair, or what is wrong with it."""
    if len(line) > 4 * MAX_VALUE:
        return f"a value has more than {MAX_VALUE} characters"
    try:
        (row,) = csv.reader([line], strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        return "its quotes do not end"
    words = [word.strip() for word in row]
    if len(words) != 2 or not all(words):
        return f"{shown(line)} is no pair"
    if max(map(len, words)) > MAX_VALUE:
        return f"a value has more than {MAX_VALUE} characters"
    return words[0], words[1]
