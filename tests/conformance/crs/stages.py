"""The requests of all cases and their answers, read and in words, for tests in Rust that ask the engine itself.

Each line is one exchange, its words in hexadecimal, `-` for an empty one: method, target, protocol, header fields and
body; status, header fields and body. Before header fields stands how many there are, then names and values by turns.

Example:
    LOCKGATE_CRS=$(PYTHONPATH=tests python -m conformance.crs.stages) cargo test -p lockgate-waf
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from conformance.crs import module
from conformance.crs.answer import answer
from conformance.crs.ftw import Case, cases
from conformance.crs.request import built, read


def octets(text: str) -> bytes:
    """A text of one byte per character as bytes; what else a case has, as it goes over the wire."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def words(fields: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """Header fields, behind their number."""
    fields = list(fields)
    yield str(len(fields)).encode()
    for field in fields:
        yield from map(octets, field)


def lines(every: Iterable[Case]) -> Iterator[str]:
    """An exchange each."""
    for case in every:
        for stage in case.stages:
            for uri in stage.input.uris or (None,):
                request = read(built(stage.input, uri))
                told = answer(request.method, request.target, request.body, stage.input.response)
                line = [*map(octets, (request.method, request.target, request.version)), *words(request.fields)]
                line += [request.body, str(told.status).encode(), *words(told.fields), told.body]
                yield " ".join(word.hex() or "-" for word in line)


def written(crs: Path) -> Path:
    """Writes them beside the folder of the rules, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=crs.parent, delete=False) as file:
        file.writelines(f"{line}\n" for line in lines(cases(crs / "tests")))
    # The folder itself is held against its checksum, so nothing is written there.
    return Path(file.name).rename(crs.with_name(f"{crs.name}.stages"))


if __name__ == "__main__":
    if "LOCKGATE_CRS" in os.environ:
        sys.stdout.write(f"{os.environ['LOCKGATE_CRS']}\n")
    else:
        crs = module.installed()
        written(crs)
        sys.stdout.write(f"{crs}\n")
