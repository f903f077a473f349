"""Sections put into a text: what stands around them stays as it is."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.splice import SpliceError, splice, value_of

TEXT = """\
# Top.
version: 1

events:
  retain: 1GiB   # enough

# About APIs.
apis:
    shop:
        path: /shop
        note: |
          two
          lines
    open: {path: /open}
# The end.
"""


def test_one_thing_in_a_section() -> None:
    made = splice(TEXT, ("apis", "shop"), "path: /new\n")
    assert made == TEXT.replace(
        "        path: /shop\n        note: |\n          two\n          lines\n", "      path: /new\n"
    )
    assert splice(TEXT, ("apis", "open"), "{path: /o}") == TEXT.replace("{path: /open}", "{path: /o}")


def test_a_section() -> None:
    assert splice(TEXT, ("events",), "retain: 2GiB") == TEXT.replace("retain: 1GiB   # enough", "retain: 2GiB")
    assert splice(TEXT, ("events",), None) == TEXT.replace("events:\n  retain: 1GiB   # enough\n", "")


def test_what_is_new_comes_last() -> None:
    assert splice(TEXT, ("facts",), "then: deny") == TEXT + "facts:\n  then: deny\n"
    made = splice(TEXT, ("apis", "new"), "path: /n")
    assert made == TEXT.replace("# The end.", "    new:\n      path: /n\n# The end.")


def test_the_last_thing_leaves_an_empty_section() -> None:
    assert yaml.safe_load(splice("apis:\n  a:\n    x: 1\n", ("apis", "a"), None)) == {"apis": {}}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("apis: {a: {}}\n", ("apis", "a"), "x: 1"),
        ("{apis: 1}\n", ("apis",), "1"),
        ("apis: [\n", ("apis",), "1"),
        ("apis:\n  a: 1\n", ("apis", "b"), None),
        ("apis:\n  a: 1\n", ("none",), None),
        ("apis:\n  a: 1\n", ("apis", "a", "b"), "1"),
        ("apis:\n  a: 1\n", ("",), "1"),
        ("apis:\n  a: 1\n", ("apis",), "x: ["),
    ],
)
def test_what_cannot_be_placed(text: str, path: tuple[str, ...], value: str | None) -> None:
    with pytest.raises(SpliceError):
        splice(text, path, value)


NAMES = st.text("abcdefgh", min_size=1, max_size=4)
VALUES = st.recursive(
    st.integers() | NAMES | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), min_size=1, max_size=4), st.data()
)
def test_it_says_what_was_put_there_and_nothing_else_changes(
    document: dict[str, dict[str, object]], data: st.DataObject
) -> None:
    text = yaml.safe_dump(document)
    section = data.draw(st.sampled_from(sorted(document)) | NAMES)
    name = data.draw(st.sampled_from(sorted(document.get(section, {"a": 1}))) | NAMES)
    value = data.draw(st.dictionaries(NAMES, VALUES, min_size=1, max_size=3))
    made = splice(text, (section, name), yaml.safe_dump(value))
    wanted = {**document, section: {**document.get(section, {}), name: value}}
    assert yaml.safe_load(made) == wanted
    told = value_of(made, (section, name))
    assert told is not None
    assert yaml.safe_load(told) == value


def test_what_is_in_braces_ends_where_its_neighbour_begins() -> None:
    text = "apis: {a: {path: /a}, b: [1, 2], c: 7}  # three\n"
    told = {name: value_of(text, ("apis", name)) for name in "abcd"}
    assert told == {"a": "{path: /a}\n", "b": "[1, 2]\n", "c": "7\n", "d": None}
