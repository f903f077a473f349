"""How many attacks of a corpus the gate stops, and how many good requests it lets pass, by category.

A corpus has a request on each line, in JSON: `label` (`attack` or `good`) and `category`, and of the request `method`,
`target`, `headers` and `body`, a text, or base64 of it as `body_base64`.

Example:
    PYTHONPATH=tests python -m waf.score corpus.jsonl --rules both
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from conformance.crs import gate as suite
from conformance.crs import module
from conformance.crs.backend import Backend
from conformance.crs.client import Exchange, exchange
from gateway.harness.gate import Gate
from lockgate.config.bundle_types import Bundle

AT_ONCE = 4
Rules = Literal["native", "core", "both"]
SETTINGS = """\
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\\+|/)|text/)xml" \
 "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/(?:[a-z0-9.-]+[+])?json" \
 "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"""


@dataclass(frozen=True)
class Sample:
    """One request of a corpus."""

    attack: bool
    category: str
    raw: bytes


@dataclass
class Score:
    """What came of a category."""

    right: int = 0
    all: int = 0
    wrong: list[str] = field(default_factory=list)
    """The first lines of requests that went the wrong way."""

    @property
    def share(self) -> float:
        """How much went the right way."""
        return self.right / self.all


def samples(lines: Iterable[str]) -> Iterator[Sample]:
    """Reads a corpus; a line that says too little or too much is an error."""
    for number, line in enumerate(lines, 1):
        told = json.loads(line)
        label, category = told.pop("label"), str(told.pop("category"))
        body = told.pop("body", "").encode() or base64.b64decode(told.pop("body_base64", ""))
        method, target = told.pop("method", "GET"), told.pop("target", "/")
        fields = {"Host": "shop.example", "User-Agent": "Mozilla/5.0", "Accept": "*/*", **told.pop("headers", {})}
        if told or label not in ("attack", "good"):
            raise ValueError(f"line {number}: the label is {label!r}; unknown fields: {sorted(told)}")
        fields |= {"Connection": "close"} | ({"Content-Length": str(len(body))} if body else {})
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        yield Sample(label == "attack", category, f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)


def bundle(rules: Rules, backend: int) -> Bundle:
    """A gate that refuses, by our own detectors, by the Core Rule Set's first level, or by both."""
    whole = cast("dict[str, Any]", suite.bundle(module.installed(), backend, SETTINGS))
    placed = whole["apis"][0]["policies"]["waf"]
    placed |= {"mode": "enforce", "waiver": None}
    placed["config"] |= {"native": rules != "core", "overrule": rules == "both", "answers": None}
    if rules == "native":
        placed["config"]["set"] = None
        whole["rule_sets"] = []
    return cast("Bundle", whole)


def stopped(found: Exchange) -> bool:
    """Whether the gate refused it; the backend itself refuses nothing."""
    return found.status is None or found.status >= 400


def scores(port: int, corpus: Iterable[Sample]) -> dict[tuple[bool, str], Score]:
    """Sends a corpus to a gate."""
    found: dict[tuple[bool, str], Score] = defaultdict(Score)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for sample, answer in pool.map(lambda each: (each, exchange(port, each.raw)), corpus):
            score = found[sample.attack, sample.category]
            score.all += 1
            if stopped(answer) == sample.attack:
                score.right += 1
            else:
                score.wrong.append(sample.raw.partition(b"\r\n")[0].decode("latin-1"))
    if not found:
        raise ValueError("the corpus is empty")
    return found


def table(found: dict[tuple[bool, str], Score]) -> str:
    """A line for each category, and one for all attacks and all good requests."""
    lines = []
    for attack in (True, False):
        word = "attacks stopped" if attack else "good ones passed"
        own = {category: score for (label, category), score in sorted(found.items()) if label == attack}
        if own:
            whole = Score(sum(score.right for score in own.values()), sum(score.all for score in own.values()))
            own["all"] = whole
        lines += [
            f"{word:17} {category:24} {score.right:6} of {score.all:6}  {100 * score.share:5.1f} %"
            for category, score in own.items()
        ]
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rules", choices=("native", "core", "both"), default="both")
    parser.add_argument("--wrong", action="store_true", help="list the requests that went the wrong way")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Backend() as backend, Gate(Path(folder) / "state") as gate:
        gate.load(bundle(given.rules, backend.port))
        found = scores(gate.port(), samples(given.corpus.read_text(encoding="utf-8").splitlines()))
    sys.stdout.write(table(found) + "\n")
    if given.wrong:
        for (_, category), score in sorted(found.items()):
            sys.stdout.writelines(f"{category}: {line}\n" for line in score.wrong)


if __name__ == "__main__":
    main()
