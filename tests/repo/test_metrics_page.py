"""The page of metrics has every metric of the source, with the labels that it has."""

from __future__ import annotations

import re
from pathlib import Path

from lockgate.admin.metrics import METRICS
from support.tree import matching, text

ROW = re.compile(r"^\| `(lockgate_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)


def rows() -> dict[str, tuple[list[str], str]]:
    """Each metric's labels and words."""
    page = text(Path("docs/reference/metrics.md"))
    return {name: (re.findall(r"`(\w+)`", labels), words) for name, _, labels, words in ROW.findall(page)}


def test_every_metric_of_the_source_has_a_row() -> None:
    found = set(METRICS)
    for path in matching(r"crates/lockgate-proxy/src/.*\.rs$"):
        if not path.name.endswith("tests.rs"):
            found |= set(re.findall(r'"(lockgate_[a-z_]+)"', text(path)))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}
    assert len(families) > 60
    assert families == set(rows())


def test_the_control_process_has_the_labels_of_the_page() -> None:
    page = rows()
    assert {name: page[name][0] for name in METRICS} == {name: list(each.labels) for name, each in METRICS.items()}


def test_what_is_counted_by_something_has_a_label_for_it() -> None:
    """Gates say in words by what they count; that the labels are those of the samples, tests of gates look at."""
    lacking = [name for name, (labels, words) in rows().items() if ", by " in words and not labels]
    assert lacking == []
