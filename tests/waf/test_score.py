"""The scorer of corpora: it counts what the gate does, and refuses what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.crs import module
from conformance.crs.backend import Backend
from gateway.harness.gate import Gate
from waf import score

FORM = "application/x-www-form-urlencoded"
CORPUS: list[dict[str, object]] = [
    {"label": "attack", "category": "sql", "target": "/?id=1%27%20UNION%20SELECT%20a,b%20FROM%20users--%20"},
    {"label": "good", "category": "plain", "target": "/orders?page=2"},
    {"label": "good", "category": "plain", "method": "POST", "body": "name=Ada", "headers": {"Content-Type": FORM}},
    {"label": "attack", "category": "none", "target": "/harmless"},
]


def test_a_gate_is_scored(tmp_path: Path) -> None:
    try:
        module.installed()
    except module.UnavailableError as error:
        pytest.skip(f"the Core Rule Set cannot be had here: {error}")
    corpus = list(score.samples(json.dumps(each) for each in CORPUS))
    with Backend() as backend, Gate(tmp_path / "state") as gate:
        gate.load(score.bundle("core", backend.port))
        found = score.scores(gate.port(), corpus)
    assert {key: (each.right, each.all) for key, each in found.items()} == {
        (True, "sql"): (1, 1),
        (True, "none"): (0, 1),
        (False, "plain"): (2, 2),
    }
    assert "attacks stopped   all                           1 of      2   50.0 %" in score.table(found)
    assert found[True, "none"].wrong == ["GET /harmless HTTP/1.1"]


@pytest.mark.parametrize(
    "line", ['{"label": "bad", "category": "x"}', '{"label": "good", "category": "x", "url": "/"}']
)
def test_a_line_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        list(score.samples([line]))


def test_no_corpus_is_no_score() -> None:
    with pytest.raises(ValueError, match="empty"):
        score.scores(1, [])
