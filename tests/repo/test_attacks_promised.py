"""What the documentation says of attacks is what the tests try."""

from __future__ import annotations

import re

import pytest

from attacks.known import ATTACKS, BOUND, Attack
from attacks.promises import PROMISES, Promise
from lockgate import _native
from support.tree import ROOT

NAMES = [attack.name for attack in ATTACKS]
PAGE = (ROOT / "docs/concepts/the-wire.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_promised_with_all_that_holds_it_off(attack: Attack) -> None:
    told = "".join(promise.holds for promise in PROMISES if attack.name.startswith(promise.tried))
    counted = [count.labels[0][1] if count.labels else count.metric for count in attack.counts]
    for word in [*(limit.rpartition(".")[2] for limit in attack.limits), *counted]:
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", told), f"{word} is told of it"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.attack)
def test_a_promise_is_tried(promise: Promise) -> None:
    assert promise.tried or promise.tests
    for name in promise.tried:
        assert any(attack.startswith(name) for attack in NAMES), name
    for test in promise.tests:
        assert (ROOT / test).is_file(), test


def test_a_promise_names_reasons_that_there_are() -> None:
    reasons = {reason["code"] for reason in _native.reasons()}
    told = {code for promise in PROMISES for code in re.findall(r"`(http\d-[\w-]+)`", promise.holds)}
    assert told
    assert told <= reasons


def test_names_are_names_of_one_attack() -> None:
    assert len(NAMES) == len(set(NAMES))


def test_the_page_says_the_bound_on_memory() -> None:
    assert f"**{BOUND >> 20} MiB**" in PAGE
