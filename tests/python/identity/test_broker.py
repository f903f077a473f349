"""Sessions renewed and tokens got, whatever fails on the way."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from lockgate.config.sign_in import Provider, SignInSetup
from lockgate.config.upstream_tokens import TokenSetup
from lockgate.identity.app import Counts
from lockgate.identity.broker import Broker
from lockgate.identity.provider import OpenIdProvider
from lockgate.identity.sealed import Sealer
from lockgate.identity.tokens import Tokens
from lockgate.identity.turns import ProviderTurns
from lockgate.identity.web import Site
from lockgate.outgoing import Outgoing, Rules
from support.issuer import Issuer

SEALER = Sealer(b"p" * 32)


class Kept:
    """What the pages yield, in memory."""

    def __init__(self, tokens: Tokens | None) -> None:
        self.kept = tokens
        self.ended: list[str] = []
        self.failed: list[str] = []
        self.open = True

    def is_open(self, session: Any) -> bool:
        return self.open

    def tokens(self, session_id: str) -> Tokens | None:
        return self.kept

    def keep_tokens(self, session_id: str, tokens: Tokens) -> None:
        self.kept = tokens

    def failing(self, issuer: str, why: str) -> None:
        self.failed.append(why)

    async def gone(self, issuer: str, session_id: str) -> None:
        self.ended.append(session_id)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        ends = {f"{name}_endpoint": f"{running.url}/{name}" for name in ("token", "userinfo")}
        document = {"issuer": running.url, "jwks_uri": f"{running.url}/keys", **ends}
        say(running, "/.well-known/openid-configuration", document)
        yield running


def say(issuer: Issuer, path: str, said: object, status: int = 200) -> None:
    issuer.answers[path] = (status, {"Content-Type": "application/json"}, json.dumps(said).encode())


class Place:
    """A broker for one sign-in at one provider."""

    def __init__(self, issuer: Issuer, tokens: Tokens | None) -> None:
        said = Provider("company", issuer.url, ("ES256",), 30_000, "gate", None, None, None, None)
        self.provider = OpenIdProvider(
            said, Outgoing(Rules((ipaddress.ip_network("127.0.0.0/8"),))), secret=lambda _: "hush"
        )
        setup = SignInSetup(
            name="staff",
            title=None,
            scopes=("openid",),
            claims=("groups",),
            lifetime_ms=3_600_000,
            refresh_ms=60_000,
            factors=(),
            providers=(said,),
            passed_on=("company",),
        )
        self.hooks = Kept(tokens)
        app: Any = SimpleNamespace(
            sites={"staff": Site(setup, {"company": self.provider})}, counts=Counts(), turns=ProviderTurns(time.time)
        )
        hooks: Any = self.hooks
        self.broker = Broker(app, SEALER, hooks, time.time)
        self.setup = TokenSetup("orders:1", "orders", "exchanged", ("orders",), (), (), said)

    def cookie(self, **more: Any) -> str:
        now = int(time.time())
        claims = {"iss": "x", "sub": "ann", "jti": "s-1", "iat": now, "groups": ["old"], "amr": ["otp"], **more}
        return SEALER.seal_session("staff", "company", (now + 3_600) * 1000, claims, now * 1000)


def kept(**more: Any) -> Tokens:
    return Tokens(**{"refresh_token": "first", "access_token": "a", "expires_ms": None, "fresh_until_ms": 1, **more})


def test_what_was_given_is_kept_whatever_fails_after_it(issuer: Issuer) -> None:
    """A refresh token may be good for one use: the next must not be lost with an answer of userinfo's."""
    place = Place(issuer, kept())
    say(issuer, "/token", {"access_token": "b", "token_type": "Bearer", "refresh_token": "second"})
    say(issuer, "/userinfo", {}, 500)
    cookie = place.cookie()
    assert asyncio.run(place.broker.session("staff", cookie)).outcome == "unavailable"
    assert place.hooks.kept is not None
    assert place.hooks.kept.refresh_token == "second"
    assert place.hooks.ended == []
    say(issuer, "/token", {"access_token": "c", "token_type": "Bearer", "refresh_token": "third"})
    say(issuer, "/userinfo", {"sub": "ann", "groups": ["new"], "amr": ["face"]})
    brought = asyncio.run(place.broker.session("staff", cookie))
    assert brought.outcome == "got"
    assert parse_qs(issuer.posted[-1].decode())["refresh_token"] == ["second"]
    opened = SEALER.open_session("staff", brought.got or "")
    assert opened is not None
    assert opened["claims"]["groups"] == ["new"]
    assert opened["claims"]["amr"] == ["otp"], "renewing proves nothing"
    assert opened["fresh_until_ms"] > time.time() * 1000
    # Who comes with the cookie of before gets what was got then, and nobody is asked.
    asked = len(issuer.posted)
    again = asyncio.run(place.broker.session("staff", cookie))
    assert (again.outcome, len(issuer.posted)) == ("got", asked)


@pytest.mark.parametrize(
    ("token", "status", "userinfo", "outcome", "ends"),
    [
        ({"error": "invalid_grant"}, 400, {}, "refused", True),
        ({"error": "access_denied"}, 403, {}, "refused", True),
        ({"error": "invalid_client"}, 401, {}, "unavailable", False),
        ({"error": "server_error"}, 500, {}, "unavailable", False),
        ({"access_token": "b", "token_type": "Bearer"}, 200, {"sub": "bob"}, "unavailable", False),
        ({"access_token": "b", "token_type": "DPoP"}, 200, {"sub": "ann"}, "unavailable", False),
    ],
)
def test_what_ends_a_session_and_what_does_not(
    issuer: Issuer, token: object, status: int, userinfo: object, outcome: str, ends: bool
) -> None:
    place = Place(issuer, kept())
    say(issuer, "/token", token, status)
    say(issuer, "/userinfo", userinfo)
    assert asyncio.run(place.broker.session("staff", place.cookie())).outcome == outcome
    assert (place.hooks.ended == ["s-1"]) is ends


def test_who_has_no_session_gets_nothing(issuer: Issuer) -> None:
    place = Place(issuer, kept())
    say(issuer, "/token", {"access_token": "b", "token_type": "Bearer"})

    async def asked(cookie: str) -> set[str]:
        return {
            (await place.broker.session("staff", cookie)).outcome,
            (await place.broker.token_of_session(place.setup, "staff", cookie)).outcome,
        }

    assert asyncio.run(asked("made-up")) == {"refused"}
    assert asyncio.run(asked(SEALER.seal_session("others", "company", 2**50, {"jti": "s-1", "sub": "ann"}))) == {
        "refused"
    }
    assert asyncio.run(asked(SEALER.seal_session("staff", "company", 1, {"jti": "s-1", "sub": "ann"}))) == {"refused"}
    assert asyncio.run(asked(SEALER.seal_session("staff", "partner", 2**50, {"jti": "s-1", "sub": "ann"}))) == {
        "refused"
    }
    place.hooks.open = False
    assert asyncio.run(asked(place.cookie())) == {"refused"}
    assert issuer.posted == [], "nobody was asked"


def test_an_access_token_that_ends_is_renewed_before_it_is_exchanged(issuer: Issuer) -> None:
    place = Place(issuer, kept(expires_ms=int(time.time() * 1000) + 5_000, fresh_until_ms=2**50))
    say(issuer, "/token", {"access_token": "b", "token_type": "Bearer", "expires_in": 600})
    say(issuer, "/userinfo", {"sub": "ann"})
    brought = asyncio.run(place.broker.token_of_session(place.setup, "staff", place.cookie()))
    assert (brought.outcome, brought.got) == ("got", "b")
    refreshed, exchanged = (parse_qs(one.decode()) for one in issuer.posted if b"grant_type" in one)
    assert refreshed["refresh_token"] == ["first"]
    assert (exchanged["subject_token"], exchanged["audience"]) == (["b"], ["orders"])
    assert brought.until_ms < (time.time() + 600) * 1000
