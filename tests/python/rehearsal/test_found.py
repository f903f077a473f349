"""What was found in a request, as an event tells it."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.cli._waf_shown import lines
from lockgate.rehearsal.waf.found import About, Held, Inspected
from lockgate.rehearsal.waf.proposal import needed, removed, units
from lockgate.rehearsal.waf.setup import Cure, cures


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


def inspected(score: int, *found: dict[str, Any]) -> Inspected:
    return Inspected.read({"score": score, "threshold": 5, "found": list(found)})


HOST = finding("920350", score=3, places=["header/host"])


@pytest.mark.parametrize(
    ("told", "cured", "chosen"),
    [
        (inspected(8, HOST, finding("942100")), (), [("942100", "query/q")]),
        (
            inspected(8, HOST, finding("920450", places=["header/a", "header/b"])),
            (),
            [("920450", "header/a"), ("920450", "header/b")],
        ),
        (inspected(6, HOST, finding("941100", score=3)), (), [("941100", "query/q")]),
        (inspected(5, HOST, finding("941100", score=2)), (), [("941100", "query/q")]),
        (inspected(8, HOST, finding("911100", places=[])), ("911100",), [("911100", None)]),
        (
            inspected(11, HOST, finding("1", score=3), finding("2", score=5, places=["header/x"])),
            (),
            [("1", "query/q"), ("2", "header/x")],
        ),
        (
            inspected(10, finding("1", places=["query/a", "query/b"], score=10)),
            (),
            [("1", "query/a"), ("1", "query/b")],
        ),
    ],
    ids=["the larger", "both places", "what is in a value", "the least that will do", "a setting", "two", "shares"],
)
def test_as_few_as_will_do_are_left_alone_and_the_most_telling(
    told: Inspected, cured: tuple[str, ...], chosen: list[tuple[str, str | None]]
) -> None:
    assert [(unit.rule, unit.place) for unit in needed(told, cured)] == chosen


def test_what_a_finding_of_two_places_adds_goes_with_both() -> None:
    told = inspected(8, HOST, finding("920450", places=["header/a", "header/b"]))
    one, other = (unit for unit in units(told) if unit.rule == "920450")
    assert removed(told, [one]) == (0, False)
    assert removed(told, [one, other]) == (5, True)


def held(setting: str, how: str, of: str, value: str | None, set_in: str | None = None) -> dict[str, About]:
    return {"1": About("x", held=(Held(setting, how, of, value, set_in),))}


ASKED = {"method": "PUT", "path": "/zones/example.com"}
METHODS = held("allowed_methods", "unlisted", "REQUEST_METHOD", "GET POST")
HEADERS = held("refused", "listed", "REQUEST_HEADERS_NAMES", "/content-range/ /expect/ /te/")
TYPES = held("types", "unlisted", "REQUEST_HEADERS:content-type", "|a/b| |c/d|")


@pytest.mark.parametrize(
    ("known", "places", "variables", "line", "does"),
    [
        (METHODS, [], {}, "setup: {allowed_methods: GET POST PUT}", "takes PUT too"),
        (METHODS, [], {"allowed_methods": "GET"}, "setup: {allowed_methods: GET PUT}", "takes PUT too"),
        (HEADERS, ["header/Expect"], {}, "setup: {refused: /content-range/ /te/}", "takes expect too"),
        (HEADERS, [], {}, "setup: {refused: …}", "refuses what the list names: take out what was sent"),
        (
            held("endings", "listed", "REQUEST_BASENAME", ".bak/ .com/ .c/"),
            ["path"],
            {},
            "setup: {endings: .bak/ .c/}",
            "takes com too",
        ),
        (
            TYPES,
            ["header/content-type"],
            {},
            "setup: {types: …}",
            "takes what the list names: add what was sent, as `|…|`",
        ),
        (held("most", "more", "the number of ARGS", "9"), [], {}, "setup: {most: …}", "refuses what is more than that"),
    ],
    ids=["a method", "what was set counts", "a field", "a field that is not told", "an ending", "a type", "a number"],
)
def test_the_setting_that_would_have_let_it_pass(
    known: dict[str, About], places: list[str], variables: dict[str, str], line: str, does: str
) -> None:
    told = inspected(5, finding("1", places=places))
    (cure,) = cures(told.findings, known, ASKED, {"config": {"variables": variables}}).values()
    assert cure.line == line
    assert cure.does.startswith(does)
    shown = "\n".join(lines(told, known, {"1": cure}))
    assert line in shown


def test_a_setting_that_a_file_overwrites_is_changed_there() -> None:
    known = held("allowed_methods", "unlisted", "REQUEST_METHOD", "GET POST", "core/crs-setup.conf:12")
    told = inspected(5, finding("1", places=[]))
    found: dict[str, Cure] = cures(told.findings, known, ASKED, None)
    shown = "\n".join(lines(told, known, found))
    assert "core/crs-setup.conf:12 sets `tx.allowed_methods`" in shown
    assert "setvar:'tx.allowed_methods=GET POST PUT'" in shown


def test_what_the_policy_itself_says_is_no_setting() -> None:
    known = held("inbound_anomaly_score_threshold", "more", "TX:score", "5")
    assert cures(inspected(5, finding("1")).findings, known, ASKED, None) == {}
