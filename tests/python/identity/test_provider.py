"""A provider as its client sees it: what it answers wrongly, and tokens as attackers make them (RFC 8725)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from lockgate.config.sign_in import Provider
from lockgate.identity.provider import LOGOUT_EVENT, Begun, OpenIdProvider, Person, ProviderError, RefusedError
from lockgate.outgoing import Outgoing, Rules
from support.issuer import Issuer, SigningKey, b64

NONCE = "the-nonce"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        document = {
            "issuer": running.url,
            "jwks_uri": f"{running.url}/keys",
            **{f"{name}_endpoint": f"{running.url}/{name}" for name in ("authorization", "token", "userinfo")},
        }
        say(running, "/.well-known/openid-configuration", document)
        yield running


def say(issuer: Issuer, path: str, said: object, status: int = 200, **headers: str) -> None:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    issuer.answers[path] = (status, {"Content-Type": "application/json", **headers}, body)


def client(issuer: Issuer, **more: Any) -> OpenIdProvider:
    said = {"name": "company", "issuer": issuer.url, "algorithms": ("ES256", "RS256"), "skew_ms": 30_000}
    mine = {"client_id": "gate", "secret": "env:SECRET", "key": None, "kid": None, "method": None}
    outgoing = Outgoing(Rules((ipaddress.ip_network("127.0.0.0/8"),)))
    return OpenIdProvider(Provider(**{**said, **mine, **more}), outgoing, secret=lambda _: "hush")


def begun(to: str = "/") -> Begun:
    return Begun("company", "state", NONCE, "verifier", "https://gate.example/callback", to)


def id_token(issuer: Issuer, **more: Any) -> str:
    """A good one, but for what is said."""
    claims = {"iss": issuer.url, "aud": "gate", "nonce": NONCE, **more}
    return issuer.keys[-1].token(typ="JWT", **claims)


def redeem(issuer: Issuer, token: str, iss: str | None = None, provider: OpenIdProvider | None = None) -> Person:
    say(issuer, "/token", {"id_token": token, "access_token": "access", "token_type": "Bearer"})
    return asyncio.run((provider or client(issuer)).redeem(begun(), "code", iss))


def refused(issuer: Issuer, token: str) -> str:
    with pytest.raises(RefusedError) as error:
        redeem(issuer, token)
    assert error.value.code == "invalid_token"
    return str(error.value)


def test_a_good_answer(issuer: Issuer) -> None:
    person = redeem(issuer, id_token(issuer, email="ann@example.com"))
    assert (person.claims["sub"], person.claims["email"]) == ("ann", "ann@example.com")
    assert "access" not in repr(person)


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "somebody-else"}, "another client"),
        ({"aud": []}, "another client"),
        ({"aud": {"gate": 1}}, "another client"),
        ({"aud": ["gate", "other"]}, "by another client"),
        ({"aud": ["gate", "other"], "azp": "other"}, "by another client"),
        ({"azp": "other"}, "by another client"),
        ({"exp": time.time() - 3_600}, "expired"),
        ({"exp": "9999999999"}, "expired"),
        ({"exp": True}, "expired"),
        ({"iat": time.time() + 36_000}, "ahead"),
        ({"iat": None}, "ahead"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": ""}, "who signed in"),
        ({"sub": "a\nb"}, "who signed in"),
        ({"sub": "x" * 256}, "who signed in"),
        ({"sub": 7}, "who signed in"),
    ],
)
def test_a_token_that_is_not_for_us_and_now(issuer: Issuer, claims: dict[str, Any], word: str) -> None:
    assert word in refused(issuer, id_token(issuer, **claims))


def test_clocks_may_differ_a_little(issuer: Issuer) -> None:
    now = time.time()
    assert redeem(issuer, id_token(issuer, exp=now - 10, iat=now + 20)).claims["sub"] == "ann"


def unsigned(issuer: Issuer, alg: str) -> str:
    _, body, _ = id_token(issuer).split(".")
    return f"{b64(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{body}."


def confused(issuer: Issuer) -> str:
    """The public key taken for a shared secret."""
    _, body, _ = id_token(issuer).split(".")
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "first"}).encode())
    secret = json.dumps(issuer.keys[0].jwk).encode()
    return f"{head}.{body}.{b64(hmac.new(secret, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


def brought(issuer: Issuer, **header: Any) -> str:
    """Signed with a key of the attacker's own, which the header brings along or points to."""
    key = SigningKey("first")
    claims = {"iss": issuer.url, "aud": "gate", "nonce": NONCE}
    return key.token(typ="JWT", header={"jwk": key.jwk, **header}, **claims)


def headed(issuer: Issuer, **header: Any) -> str:
    return issuer.keys[0].token(typ="JWT", header=header, iss=issuer.url, aud="gate", nonce=NONCE)


# RFC 8725, and what is known of libraries that went wrong.
ATTACKS: dict[str, Callable[[Issuer], str]] = {
    "none": lambda issuer: unsigned(issuer, "none"),
    "none in other letters": lambda issuer: unsigned(issuer, "nOnE"),
    "no algorithm": lambda issuer: unsigned(issuer, ""),
    "a public key as a secret": confused,
    "an algorithm that is not ours": lambda issuer: id_token(issuer).replace(
        id_token(issuer).split(".")[0], b64(b'{"alg":"ES384","kid":"first"}'), 1
    ),
    "a key in the header": brought,
    "jku": lambda issuer: brought(issuer, jku="https://evil.example/keys"),
    "x5u": lambda issuer: brought(issuer, x5u="https://evil.example/chain"),
    "a kid that is a path": lambda issuer: issuer.keys[0].token("../../../dev/null", iss=issuer.url, aud="gate"),
    "a kid that is SQL": lambda issuer: issuer.keys[0].token("x' OR '1'='1", iss=issuer.url, aud="gate"),
    "crit": lambda issuer: issuer.keys[0].token(
        header={"crit": ["x"], "x": 1}, iss=issuer.url, aud="gate", nonce=NONCE
    ),
    "b64": lambda issuer: issuer.keys[0].token(header={"b64": False}, iss=issuer.url, aud="gate", nonce=NONCE),
    "a changed claim": lambda issuer: changed(id_token(issuer)),
    "a cut signature": lambda issuer: id_token(issuer)[:-8],
    "no signature": lambda issuer: id_token(issuer).rpartition(".")[0] + ".",
    "zeros for a signature": lambda issuer: id_token(issuer).rpartition(".")[0] + "." + b64(bytes(64)),
    "two parts": lambda issuer: id_token(issuer).rpartition(".")[0],
    "five parts": lambda issuer: id_token(issuer) + ".a.b",
    "nothing": lambda _: "",
    "no JSON": lambda _: "YQ.YQ.YQ",
    "a list for a header": lambda _: f"{b64(b'[]')}.e30.e30",
    "too long": lambda issuer: id_token(issuer, pad="x" * 40_000),
}


def changed(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{b64(json.dumps({**claims, 'sub': 'root'}).encode())}.{signature}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_tokens(issuer: Issuer, attack: str) -> None:
    refused(issuer, ATTACKS[attack](issuer))
    assert not [path for path in issuer.fetches if "evil" in path]


def test_a_new_key_is_asked_for_once(issuer: Issuer) -> None:
    provider = client(issuer)
    redeem(issuer, id_token(issuer), provider=provider)
    issuer.rotate()
    assert redeem(issuer, id_token(issuer), provider=provider).claims["sub"] == "ann"
    assert issuer.key_fetches() == 2


def test_the_answer_must_be_from_whom_was_asked(issuer: Issuer) -> None:
    """RFC 9207: a provider that says that it tells its name is held to it."""
    with pytest.raises(RefusedError, match="not from the provider"):
        redeem(issuer, id_token(issuer), "https://evil.example")
    said = json.loads(issuer.answers["/.well-known/openid-configuration"][2])
    say(issuer, "/.well-known/openid-configuration", {**said, "authorization_response_iss_parameter_supported": True})
    with pytest.raises(RefusedError, match="not from the provider"):
        redeem(issuer, id_token(issuer))
    assert redeem(issuer, id_token(issuer), issuer.url).claims["sub"] == "ann"


@pytest.mark.parametrize(
    ("status", "said", "headers", "error"),
    [
        (200, b"<html>", {}, ProviderError),
        (200, b"[]", {}, ProviderError),
        (200, {"access_token": "x"}, {}, ProviderError),
        (200, {"id_token": 7, "access_token": "x"}, {}, ProviderError),
        (200, b"x" * 300_000, {}, ProviderError),
        (302, b"", {"Location": "http://169.254.169.254/"}, ProviderError),
        (500, {"error": "server_error"}, {}, ProviderError),
        (400, b"no", {}, ProviderError),
        (400, {"error": "<script>"}, {}, ProviderError),
        (400, {"error": "invalid_grant"}, {}, RefusedError),
        (401, {"error": "invalid_client"}, {}, RefusedError),
    ],
)
def test_what_the_token_endpoint_may_answer(
    issuer: Issuer, status: int, said: object, headers: dict[str, str], error: type[Exception]
) -> None:
    say(issuer, "/token", said, status, **headers)
    with pytest.raises(error) as raised:
        asyncio.run(client(issuer).redeem(begun(), "code", None))
    assert "hush" not in str(raised.value)


def test_userinfo_speaks_of_the_same_person(issuer: Issuer) -> None:
    person = redeem(issuer, id_token(issuer))
    say(issuer, "/userinfo", {"sub": "ann", "email": "ann@example.com", "iss": "https://evil.example"})
    more = asyncio.run(client(issuer).userinfo(person))
    assert (more.claims["email"], more.claims["iss"]) == ("ann@example.com", issuer.url)
    say(issuer, "/userinfo", {"sub": "bob"})
    with pytest.raises(ProviderError, match="somebody else"):
        asyncio.run(client(issuer).userinfo(person))


def logout(issuer: Issuer, **more: Any) -> str:
    claims = {"iss": issuer.url, "aud": "gate", "jti": "j-1", "sid": "s-1", "events": {LOGOUT_EVENT: {}}, **more}
    kept = {name: value for name, value in claims.items() if value is not None}
    return issuer.keys[-1].token(typ=more.pop("typ", "logout+jwt"), **{k: v for k, v in kept.items() if k != "typ"})


def given(issuer: Issuer, **more: Any) -> dict[str, Any]:
    said = {"access_token": "other", "token_type": "Bearer", "expires_in": 60, **more}
    say(issuer, "/token", {name: value for name, value in said.items() if value is not None})
    return said


def test_tokens_are_renewed_and_exchanged(issuer: Issuer) -> None:
    given(issuer, refresh_token="next")
    provider = client(issuer)
    fresh = asyncio.run(provider.refresh("before"))
    assert (fresh.access_token, fresh.refresh_token, fresh.id_token) == ("other", "next", None)
    assert fresh.expires_ms is not None
    assert abs(fresh.expires_ms - (time.time() + 60) * 1000) < 30_000
    assert "next" not in repr(fresh)
    given(issuer, token_type="N_A", issued_token_type="urn:ietf:params:oauth:token-type:access_token")
    said = asyncio.run(provider.exchange("mine", ["orders", "stock"], ["https://orders.internal"], ["read", "list"]))
    assert said.access_token == "other"
    form = parse_qs(issuer.posted[-1].decode())
    assert form["audience"] == ["orders", "stock"], "one field for each (RFC 8693 section 2.1)"
    assert (form["resource"], form["scope"]) == (["https://orders.internal"], ["read list"])
    assert form["subject_token"] == ["mine"]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"access_token": None}, "no access token"),
        ({"access_token": ["a"]}, "no access token"),
        ({"access_token": "a b"}, "no access token"),
        ({"access_token": "a\r\nX-Forged: 1"}, "no access token"),
        ({"access_token": "x" * 40_000}, "no access token"),
        ({"token_type": "DPoP"}, "bound to a key"),
        ({"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "another kind"),
    ],
)
def test_what_is_no_token_to_pass_on(issuer: Issuer, more: dict[str, Any], word: str) -> None:
    given(issuer, **more)
    with pytest.raises(ProviderError, match=word):
        asyncio.run(client(issuer).exchange("mine", ["orders"], [], []))


def test_a_renewed_id_token_is_of_the_same_person(issuer: Issuer) -> None:
    """OpenID Connect Core section 12.2."""
    provider = client(issuer)
    assert asyncio.run(provider.still(id_token(issuer, nonce=None), "ann"))["sub"] == "ann"
    for token in (id_token(issuer, sub="bob"), id_token(issuer, aud="other"), ATTACKS["none"](issuer)):
        with pytest.raises(RefusedError, match=r"."):
            asyncio.run(provider.still(token, "ann"))


def test_a_refusal_is_told_in_oauths_words(issuer: Issuer) -> None:
    say(issuer, "/token", {"error": "invalid_grant"}, 400)
    with pytest.raises(RefusedError) as error:
        asyncio.run(client(issuer).refresh("old"))
    assert error.value.code == "invalid_grant"
    say(issuer, "/token", {"error": "server_error"}, 500)
    with pytest.raises(ProviderError):
        asyncio.run(client(issuer).refresh("old"))


def test_a_logout_token(issuer: Issuer) -> None:
    told = asyncio.run(client(issuer).logged_out(logout(issuer)))
    assert (told.issuer, told.subject, told.session, told.token_id) == (issuer.url, "ann", "s-1", "j-1")


@pytest.mark.parametrize(
    "more",
    [
        {"events": None},
        {"events": {}},
        {"events": {LOGOUT_EVENT: None}},
        {"events": [LOGOUT_EVENT]},
        {"nonce": NONCE},
        {"jti": None},
        {"aud": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": "", "sid": None},
        {"typ": "at+jwt"},
    ],
)
def test_what_is_no_logout_token_ends_nothing(issuer: Issuer, more: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        asyncio.run(client(issuer).logged_out(logout(issuer, **more)))


def test_an_id_token_is_no_logout_token_and_a_logout_token_no_id_token(issuer: Issuer) -> None:
    with pytest.raises(RefusedError):
        asyncio.run(client(issuer).logged_out(id_token(issuer)))
    refused(issuer, logout(issuer))


def test_strangers_do_not_make_it_fetch_keys(issuer: Issuer) -> None:
    """Logout tokens come from anybody: made-up names of keys cost the provider one request in a while."""
    provider = client(issuer)

    async def many() -> None:
        for number in range(20):
            with pytest.raises(RefusedError):
                await provider.logged_out(SigningKey(f"made-up-{number}").token(typ="logout+jwt", iss=issuer.url))

    asyncio.run(many())
    assert issuer.key_fetches() == 1


def test_its_document_serves_on_while_it_is_away(issuer: Issuer) -> None:
    now = [time.time()]
    said = client(issuer).said
    outgoing = Outgoing(Rules((ipaddress.ip_network("127.0.0.0/8"),)))
    provider = OpenIdProvider(said, outgoing, secret=lambda _: "hush", clock=lambda: now[0])
    asyncio.run(provider.metadata())
    say(issuer, "/.well-known/openid-configuration", b"", 500)
    now[0] += 601
    assert asyncio.run(provider.metadata()).members["issuer"] == issuer.url
    with pytest.raises(ProviderError, match="status 500"):
        asyncio.run(client(issuer).metadata())


def test_a_secret_that_is_not_there(issuer: Issuer) -> None:
    def missing(_: str) -> str:
        raise ValueError("the environment of the control process has no variable SECRET")

    outgoing = Outgoing(Rules((ipaddress.ip_network("127.0.0.0/8"),)))
    provider = OpenIdProvider(client(issuer).said, outgoing, secret=missing)
    with pytest.raises(ProviderError, match="no variable SECRET"):
        asyncio.run(provider.redeem(begun(), "code", None))
