"""Devices that are supposed."""

from __future__ import annotations

import json

import pytest

from lockgate.rehearsal.devices import ID, USUAL, standing


def test_words_are_what_the_gate_reads() -> None:
    assert json.loads(standing(USUAL)) == {"id": ID, "at_once": 1}
    said = json.loads(standing(["new", " travel", "4 at once"]))
    assert said == {"id": ID, "at_once": 4, "new": True, "travel": True}


@pytest.mark.parametrize(
    ("word", "hint"), [("nwe", "did you mean `new`?"), ("x", "there are: confirmed"), ("-1 at once", "such as")]
)
def test_another_word_is_refused(word: str, hint: str) -> None:
    with pytest.raises(ValueError, match="nothing is known of devices") as refused:
        standing([word])
    assert hint in str(refused.value)
