"""What was found in a request, as an event tells it."""

from __future__ import annotations

from typing import Any

from lockgate.cli._waf_shown import lines
from lockgate.rehearsal.waf.found import Inspected


def finding(rule: str, **said: Any) -> dict[str, Any]:
    """A finding as an event has it."""
    return {"rule": rule, "at": "ARGS:q", "message": "m", "masked": "a", "score": 5, "places": ["query/q"]} | said


def test_what_is_overruled_counts_nothing_and_says_why() -> None:
    inspected = Inspected.read(
        {
            "score": 5,
            "threshold": 5,
            "found": [
                finding("942100", level=1, counts=1, overruled=1),
                finding("941100", level=1, counts=1, overruled=0),
            ],
        }
    )
    assert [one.counted for one in inspected.found] == [0, 5]
    assert inspected.arithmetic() == "5 ≥ 5"
    assert [one.as_json()["overruled"] for one in inspected.found] == [True, False]
    shown = "\n".join(lines(inspected, {}))
    assert "0: overruled, so its 5 counts nothing: detectors read the same, and found nothing" in shown


def test_an_event_of_before_tells_as_much_as_it_has() -> None:
    """Fields came one after another; an old event has none of them."""
    old = finding("942100")
    del old["places"]
    inspected = Inspected.read({"score": 5, "threshold": 5, "found": [old]})
    (one,) = inspected.found
    assert (one.counted, one.overruled, one.places) == (5, False, ())
    assert "ARGS:q" in "\n".join(lines(inspected, {}))
