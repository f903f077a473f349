"""Secrets of programs that the configuration names, and those that it names no more."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.admin.apps import AppNotFoundError, Apps
from lockgate.admin.grants import Grants
from lockgate.admin.store import Store
from lockgate.admin.tokens import TokenRevocations

CRM: dict[str, Any] = {
    "owner": "sales",
    "name": "CRM Sync",
    "purpose": None,
    "contact": None,
    "tier": "reviewed",
    "clients": [{"issuer": "company", "client": "c1"}],
    "apis": ["orders"],
    "scopes": ["orders:read"],
    "operations": {},
    "redirect_uris": [],
    "until_ms": None,
    "review_ms": None,
}


class Place:
    """An installation's programs, and what they prove themselves by."""

    def __init__(self, store: Store, journal: Any) -> None:
        self.apps = Apps(store, journal)
        self.grants = Grants(store, journal, self.apps, TokenRevocations(store, journal), b"p" * 32)
        self.named({"crm": CRM})

    def named(self, apps: dict[str, Any]) -> None:
        setup = {"named": apps, "never": {}, "dangerous": [], "unused_ms": 1}
        self.apps.follow(setup, frozenset({"orders"}), frozenset({"company"}))


@pytest.fixture
def place(store: Store, journal: Any) -> Place:
    return Place(store, journal)


def test_a_program_that_was_stopped_and_started_keeps_its_secret(place: Place) -> None:
    secret = place.grants.make_secret("me", "crm", 0)
    assert place.grants.is_secret("crm", secret)
    place.apps.stop("me", "crm", None)
    assert place.grants.program("crm") is None
    place.apps.start("me", "crm")
    known = place.grants.program("crm")
    assert known is not None
    assert known.has_secret
    assert place.grants.is_secret("crm", secret)
    assert not place.grants.is_secret("crm", secret + "x")


def test_a_program_that_the_configuration_names_no_more_is_nobody(place: Place) -> None:
    secret = place.grants.make_secret("me", "crm", 0)
    place.named({})
    assert place.grants.program("crm") is None
    assert place.apps.every() == []
    with pytest.raises(AppNotFoundError):
        place.apps.start("me", "crm")
    place.named({"crm": CRM})
    assert place.grants.is_secret("crm", secret), "it was but away"


def test_another_program_of_that_name_has_nothing_of_it(place: Place) -> None:
    secret = place.grants.make_secret("me", "crm", 0)
    place.named({})
    place.apps.register("me", "crm", owner="other", apis=["orders"], clients=CRM["clients"])
    known = place.grants.program("crm")
    assert known is not None
    assert not known.has_secret
    assert not place.grants.is_secret("crm", secret)


def test_two_secrets_are_good_at_a_time(place: Place) -> None:
    first, second, third = (place.grants.make_secret("me", "crm", 60_000) for _ in range(3))
    assert [place.grants.is_secret("crm", one) for one in (first, second, third)] == [False, True, True]
    last = place.grants.make_secret("me", "crm", 0)
    assert [place.grants.is_secret("crm", one) for one in (second, third, last)] == [False, False, True]
