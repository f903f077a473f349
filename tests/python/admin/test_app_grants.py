"""What people allow programs, and what programs prove themselves by: kept, renewed, ended."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from sqlalchemy import update

from lockgate.admin.apps import AppNotFoundError, Apps
from lockgate.admin.grants import ALLOWED_MOST, GRANTS_MOST, Grants
from lockgate.admin.store import Store
from lockgate.admin.store.models import AppGrant, AppToken, Bundle
from lockgate.admin.tokens import TokenRevocations
from lockgate.config.grants import GrantSetup, RegistrationSetup
from lockgate.identity.grant_store import Person, RegistrationError, Wish

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


PEOPLE = "urn:lockgate:people"
HERE = "https://shop.example/.lockgate/shop"
ANN = Person(PEOPLE, "ann")
WISH = Wish("crm", ("orders:read",), "https://crm.example/back", "c" * 43)
SETUP = GrantSetup(
    name="here",
    issuer=HERE,
    audience=HERE,
    sign_in="shop",
    people=PEOPLE,
    scopes=(("orders:read", "see your orders"),),
    access_ms=600_000,
    refresh_ms=86_400_000,
    rotation=1,
    registration=RegistrationSetup(open=True, apis=("orders",), scopes=("orders:read",), most=2, unused_ms=86_400_000),
)
HOUR_MS = 3_600_000


class Place:
    """An installation's programs, and what they prove themselves by."""

    def __init__(self, store: Store, journal: Any) -> None:
        self.store = store
        self.apps = Apps(store, journal)
        self.tokens = TokenRevocations(store, journal)
        issuers = [
            {"name": name, "rules": {"issuer": iss, "max_age_ms": None, "skew_ms": 0}}
            for name, iss in (("here", HERE), ("people", PEOPLE))
        ]
        with store.write() as session:
            text = json.dumps({"apis": [], "issuers": issuers})
            columns = {"hash": "h", "content_hash": "c", "created_ms": 1, "key_id": "k", "signature": "s"}
            session.add(
                Bundle(sequence=1, text=text, admin_address="127.0.0.1:1", duties=None, refused=None, **columns)
            )
        self.grants = Grants(store, journal, self.apps, self.tokens, b"p" * 32)
        self.named({"crm": CRM})
        self.grants.follow({"here": SETUP})

    def code(self, person: Person = ANN) -> str:
        code = self.grants.allow("here", person, WISH)
        assert code is not None
        return code

    def let_in(self) -> tuple[str, str]:
        """A grant, and its refresh token."""
        redeemed = self.grants.redeem("here", "crm", self.code())
        assert redeemed is not None
        return redeemed.grant.id, self.grants.refresh(redeemed.grant.id)

    def renew(self, refresh: str) -> str | None:
        grant = self.grants.renew("here", "crm", refresh)
        return self.grants.refresh(grant.id) if grant is not None else None

    def ended(self, grant: str) -> str | None:
        return self.grants.one(grant).ended_reason

    def revoked(self) -> list[tuple[str, str]]:
        return [(one.by, one.value) for one in self.tokens.page()]

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
    assert not place.grants.is_secret("crm", secret), "another of its name is another"


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


class Clock:
    """A time that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = 1_800_000_000_000
        for name in ("grants", "apps", "tokens", "facts"):
            monkeypatch.setattr(f"lockgate.admin.{name}.now_ms", lambda: self.now_ms)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, place: Place) -> Clock:
    return Clock(monkeypatch)


def test_no_refresh_token_is_kept_and_all_are_known(place: Place, clock: Clock) -> None:
    grant, first = place.let_in()
    refresh = first
    for _ in range(30):
        clock.now_ms += 60_000
        renewed = place.renew(refresh)
        assert renewed is not None
        assert renewed != refresh
        refresh = renewed
    with place.store.read() as session:
        assert session.query(AppToken).count() == 1, "its code"
    assert place.renew(first) is None
    assert place.ended(grant) == "its refresh token was used twice"
    assert place.renew(refresh) is None
    assert place.revoked() == [("session", grant)]


@pytest.mark.parametrize(
    "change", [lambda one: one[:-2] + "AA", lambda one: "x" + one, lambda one: one + "é", lambda _: ""]
)
def test_a_refresh_token_that_is_made_up_does_nothing(change: Any, place: Place, clock: Clock) -> None:
    grant, refresh = place.let_in()
    assert place.renew(change(refresh)) is None
    assert place.ended(grant) is None
    assert place.renew(refresh) is not None


def test_an_answer_that_was_lost_ends_nothing(place: Place, clock: Clock) -> None:
    grant, refresh = place.let_in()
    assert place.renew(refresh) is not None
    clock.now_ms += 9_000
    assert place.renew(refresh) is None
    assert place.ended(grant) is None


def test_what_people_of_another_issuer_allowed_ends(place: Place, clock: Clock) -> None:
    grant, refresh = place.let_in()
    later = place.code()
    other = dataclasses.replace(SETUP, people="https://login.example.com")
    place.grants.follow({"here": other})
    assert place.ended(grant) == "another one knows people here now"
    assert place.renew(refresh) is None
    assert place.grants.redeem("here", "crm", later) is None


def test_what_a_program_was_given_is_not_for_another_of_its_name(place: Place, clock: Clock) -> None:
    grant, refresh = place.let_in()
    place.named({})
    assert ("client", "crm") in place.revoked(), "what it was given for itself"
    place.apps.register("me", "crm", owner="other", apis=["orders"], clients=[])
    assert place.ended(grant) == "there is no such program any more"
    assert place.renew(refresh) is None


def test_a_program_that_the_configuration_names_no_more_loses_what_it_was_allowed(place: Place, clock: Clock) -> None:
    grant, _ = place.let_in()
    with place.store.write() as session:
        session.execute(update(AppGrant).values(app="gone"))  # While nobody was there to see it.
    place.grants.follow({"here": SETUP})
    assert place.ended(grant) == "there is no such program any more"


@pytest.mark.parametrize("issuer", ["here", "people"])
def test_all_that_a_person_has_ends_at_once(issuer: str, place: Place, clock: Clock) -> None:
    grant, _ = place.let_in()
    code = place.code()
    bobs = place.code(Person(PEOPLE, "bob"))
    place.tokens.revoke("me", issuer=issuer, by="subject", value="ann")
    assert place.ended(grant) == "all that the person has was ended"
    assert place.grants.redeem("here", "crm", code) is None
    assert place.grants.redeem("here", "crm", bobs) is not None
    clock.now_ms += 1_000
    again = place.grants.redeem("here", "crm", place.code())
    assert again is not None, "what is allowed later holds"


def test_nobody_allows_a_program_something_without_end(place: Place, clock: Clock) -> None:
    for _ in range(ALLOWED_MOST):
        assert place.grants.allow("here", ANN, WISH) is not None
        clock.now_ms += 10
    assert place.grants.allow("here", ANN, WISH) is None
    assert len(place.grants.of("here", ANN)) == GRANTS_MOST
    assert place.revoked() == [], "no token ever came of them"
    clock.now_ms += HOUR_MS
    assert place.grants.allow("here", ANN, WISH) is not None


def test_a_code_that_comes_late_again_is_noticed(place: Place, clock: Clock) -> None:
    code = place.code()
    redeemed = place.grants.redeem("here", "crm", code)
    assert redeemed is not None
    clock.now_ms += 300_000
    place.code()
    assert place.grants.redeem("here", "crm", code) is None
    assert place.ended(redeemed.grant.id) == "its code was used twice"


def test_what_ends_a_grant_can_be_done_again_where_it_failed(
    place: Place, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant, _ = place.let_in()
    with monkeypatch.context() as broken:
        broken.setattr(place.tokens, "revoke", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            place.grants.end("me", "here", grant, "so")
    assert place.ended(grant) is None
    assert place.grants.end("me", "here", grant, "so")
    assert place.revoked() == [("session", grant)]


def metadata(**more: Any) -> dict[str, Any]:
    return {"client_name": "Helper", "redirect_uris": ["https://helper.example/back"], **more}


def test_the_oldest_that_nobody_let_in_makes_room(place: Place, clock: Clock) -> None:
    names = [place.grants.register("here", metadata(), None).program.id for _ in range(2)]
    with pytest.raises(RegistrationError, match="as many programs"):
        place.grants.register("here", metadata(), None)
    clock.now_ms += HOUR_MS + 1
    redirect = "https://helper.example/back"
    assert place.grants.allow("here", ANN, Wish(names[0], ("orders:read",), redirect, "c" * 43)) is not None
    third = place.grants.register("here", metadata(), None).program.id
    assert {app.id for app in place.apps.every()} == {"crm", names[0], third}


def test_an_invitation_is_used_up_by_a_program_alone(
    place: Place, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SETUP.registration is not None
    asked = dataclasses.replace(SETUP.registration, open=False, most=3)
    place.grants.follow({"here": dataclasses.replace(SETUP, registration=asked)})
    token, _ = place.grants.invite("me")
    with monkeypatch.context() as full:
        full.setattr("lockgate.admin.apps.MAX_APPS", 0)
        with pytest.raises(RegistrationError, match="there are 0 programs"):
            place.grants.register("here", metadata(), token)
    _, code = place.let_in()
    for other in (None, "made up", code):
        with pytest.raises(RegistrationError, match="was used, or is over"):
            place.grants.register("here", metadata(), other)
    made = place.grants.register("here", metadata(), token)
    monkeypatch.setattr("lockgate.admin.apps.MAX_APPS", 1)
    with pytest.raises(RegistrationError, match="was used, or is over"):
        place.grants.register("here", metadata(), token)
    assert {app.id for app in place.apps.every()} == {"crm", made.program.id}
    late, until_ms = place.grants.invite("me")
    clock.now_ms = until_ms
    with pytest.raises(RegistrationError, match="was used, or is over"):
        place.grants.register("here", metadata(), late)


def test_a_program_that_becomes_another_is_looked_at_again(place: Place, clock: Clock) -> None:
    made = place.grants.register("here", metadata(), None)
    program = made.program.id
    place.apps.change("me", program, {"tier": "reviewed"})
    place.grants.reregister("here", program, metadata(contacts=["me@helper.example"]))
    assert place.apps.one(program).tier == "reviewed"
    place.grants.reregister("here", program, metadata(client_name="the Example portal"))
    assert place.apps.one(program).tier == "unreviewed"
    place.apps.change("me", program, {"tier": "reviewed"})
    place.grants.reregister(
        "here", program, {**metadata(client_name="the Example portal"), "redirect_uris": ["https://evil.example/x"]}
    )
    assert place.apps.one(program).tier == "unreviewed"


@pytest.mark.parametrize(
    "more",
    [
        {"client_name": "Help\u202eer"},
        {"client_name": "\u200b"},
        {"client_name": "\ud800"},
        {"client_uri": "https://x\ud800"},
        {"token_endpoint_auth_method": ["none"]},
        {"token_endpoint_auth_method": {}},
        {"contacts": ["\u202e"]},
        {"redirect_uris": ["https://[::1];x.evil/"]},
        {"redirect_uris": ["https://[::1],default-src/"]},
        {"redirect_uris": ["http://evil.com[::1]/back"]},
    ],
    ids=ascii,
)
def test_what_would_pass_for_something_else_is_not_taken(more: dict[str, Any], place: Place) -> None:
    with pytest.raises(RegistrationError):
        place.grants.register("here", metadata(**more), None)
    assert [app.id for app in place.apps.every()] == ["crm"]


def test_issuer_and_program_go_together(place: Place, clock: Clock) -> None:
    grant, refresh = place.let_in()
    with place.store.write() as session:
        bundle = session.query(Bundle).one()
        bundle.text = json.dumps({"apis": [], "issuers": []})
    place.named({})
    place.grants.follow({})
    assert place.ended(grant) == "there is no such program any more"
    assert {("session", grant), ("client", "crm")} <= set(place.revoked())
    place.named({"crm": CRM})
    place.grants.follow({"here": SETUP})
    assert place.renew(refresh) is None
