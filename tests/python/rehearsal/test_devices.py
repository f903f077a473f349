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
    ("words", "told"),
    [
        (["confirmed", "travel"], "`confirmed` and `travel`"),
        (["revoked", "confirmed"], "`revoked` and `confirmed`"),
        (["approved", "new"], "`approved` and `new`"),
        (["2 at once", "travel", "3 at once"], "`2 at once` and `3 at once`"),
    ],
)
def test_words_that_contradict_each_other_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=f"no device is {told}"):
        standing(words)


def test_words_that_do_not_may_stand_together() -> None:
    said = json.loads(standing(["confirmed", "approved", "2 at once", "2 at once"]))
    assert said == {"id": ID, "at_once": 2, "approved": True}
    assert json.loads(standing(["new", "changed", "travel", "revoked"]))["revoked"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("0 at once", "such as"),
        ("nwe", "did you mean `new`?"),
        ("x", "there are: confirmed"),
        ("-1 at once", "such as"),
    ],
)
def test_another_word_is_refused(word: str, hint: str) -> None:
    with pytest.raises(ValueError, match="nothing is known of devices") as refused:
        standing([word])
    assert hint in str(refused.value)
