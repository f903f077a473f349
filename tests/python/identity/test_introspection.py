"""An issuer, asked about a token: where, as whom, and what counts as an answer."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lockgate.admin.secrets import read_secret
from lockgate.config import AskedIssuer
from lockgate.identity.introspection import Endpoint, SilentError, ask, endpoint
from lockgate.outgoing import Outgoing, Rules
from support.introspector import Introspector, Said
from support.issuer import Issuer

OUTGOING = Outgoing(Rules((ipaddress.ip_network("127.0.0.0/8"),)))


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def asked(issuer: str, *, url: str | None = None, method: str | None = None, secret: str = "env:HUSH") -> AskedIssuer:
    return AskedIssuer("company", issuer, url, "lock gate", secret, method, 1_000, 4)


def found(asked: AskedIssuer) -> Endpoint:
    return asyncio.run(endpoint(asked, OUTGOING))


def discovered(server: Issuer, **members: object) -> None:
    document = json.dumps({"issuer": server.url, "jwks_uri": f"{server.url}/keys", **members}).encode()
    server.answers["/.well-known/openid-configuration"] = (200, {}, document)


def test_where_the_discovery_document_says(issuer: Issuer) -> None:
    told = "introspection_endpoint_auth_methods_supported"
    for offered, method in [
        ({}, "client_secret_basic"),
        ({told: ["client_secret_post", "client_secret_basic"]}, "client_secret_basic"),
        ({told: ["private_key_jwt", "client_secret_post"]}, "client_secret_post"),
    ]:
        discovered(issuer, introspection_endpoint=f"{issuer.url}/ask", **offered)
        assert found(asked(issuer.url)) == Endpoint(f"{issuer.url}/ask", method)
    keyed = replace(asked(issuer.url), secret=None, key="file:client.key")
    signing = "introspection_endpoint_auth_signing_alg_values_supported"
    discovered(issuer, introspection_endpoint=f"{issuer.url}/ask", **{told: ["private_key_jwt"], signing: ["RS256"]})
    assert found(keyed) == Endpoint(f"{issuer.url}/ask", "private_key_jwt", ("RS256",))
    discovered(issuer, introspection_endpoint=f"{issuer.url}/ask", **{told: ["client_secret_basic"]})
    with pytest.raises(SilentError, match="does not take `private_key_jwt`"):
        found(keyed)
    discovered(issuer, introspection_endpoint=f"{issuer.url}/ask")
    post = found(asked(issuer.url, method="client_secret_post"))
    assert post == Endpoint(f"{issuer.url}/ask", "client_secret_post")


def test_where_the_configuration_says() -> None:
    assert found(asked("company", url="https://a.example/ask")) == Endpoint(
        "https://a.example/ask", "client_secret_basic"
    )
    post = found(asked("company", url="https://a.example/ask", method="client_secret_post"))
    assert post.method == "client_secret_post"


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({}, "no `introspection_endpoint`"),
        ({"introspection_endpoint": 7}, "no `introspection_endpoint`"),
        ({"issuer": "https://evil.example", "introspection_endpoint": "https://evil.example/"}, "of the issuer"),
        (
            {
                "introspection_endpoint": "https://a.example/",
                "introspection_endpoint_auth_methods_supported": ["tls_client_auth"],
            },
            "does not take `client_secret_basic`",
        ),
    ],
)
def test_where_nobody_says(issuer: Issuer, members: dict[str, object], word: str) -> None:
    discovered(issuer, **members)
    with pytest.raises(SilentError, match=word):
        found(asked(issuer.url))


def answer(introspector: Introspector, method: str = "client_secret_basic", secret: str = "env:HUSH") -> str:
    where = Endpoint(introspector.url, method)
    question = ask(asked("company", secret=secret), where, "to.ken+", OUTGOING, read=read_secret, seconds=10)
    return asyncio.run(question)


def test_the_client_shows_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSH", "a:b &ü")
    with Introspector() as introspector:
        assert json.loads(answer(introspector))["active"] is True
        answer(introspector, "client_secret_post")
        basic, post = introspector.asked
        # RFC 6749, section 2.3.1: each is encoded first.
        pair = base64.b64decode(str(basic.authorization).removeprefix("Basic ")).decode()
        assert pair == "lock%20gate:a%3Ab%20%26%C3%BC"
        assert basic.form == {"token": ["to.ken+"], "token_type_hint": ["access_token"]}
        assert post.authorization is None
        assert (post.form["client_id"], post.form["client_secret"]) == (["lock gate"], ["a:b &ü"])


def test_a_secret_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with pytest.raises(ValueError, match="cannot be read"):
        read_secret(f"file:{file}")
    file.write_bytes(b"hush\n")
    assert read_secret(f"file:{file}") == "hush"
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="UTF-8"):
        read_secret(f"file:{file}")
    assert read_secret("env:HUSH", {"HUSH": "x"}) == "x"
    file.write_bytes(b"\n")
    with pytest.raises(ValueError, match="is empty"):
        read_secret(f"file:{file}")
    for missing in ({}, {"HUSH": ""}):
        with pytest.raises(ValueError, match="no variable HUSH"):
            read_secret("env:HUSH", missing)


@pytest.mark.parametrize(
    ("said", "word", "answered"),
    [
        (Said(b"{}", 401), "does not know the client", False),
        (Said(b"{}", 429), "status 429", False),
        (Said(b"{}", 403), "status 403", True),
        (Said(b"{}", 503), "status 503", False),
        (Said(b'{"active":true}', type="application/jwt"), "application/jwt", True),
        (Said(b"{}"), "has no `active`", True),
        (Said(b'{"active":true,"active":true}'), "a name twice", True),
        (Said(b" " * 70_000 + b'{"active":true}'), "more than 65536 bytes", False),
        (Said(b"", 302, headers=(("Location", "/x"),)), "redirect", False),
    ],
)
def test_what_is_no_answer(said: Said, word: str, answered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSH", "very-hush")
    with Introspector(lambda _: said) as introspector:
        with pytest.raises(SilentError, match=word) as silent:
            answer(introspector)
        assert len(introspector.asked) == 1, "a token and a secret are shown to nobody else"
    assert silent.value.answered is answered
    assert "very-hush" not in str(silent.value)
    assert "to.ken" not in str(silent.value)


def test_nobody_is_asked_where_nothing_may_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSH", "hush")
    with Introspector() as introspector:
        where = Endpoint(introspector.url, "client_secret_basic")
        for rules in (Rules(), Rules((ipaddress.ip_network("10.0.0.0/8"),))):
            with pytest.raises(SilentError):
                asyncio.run(ask(asked("company"), where, "t", Outgoing(rules), read=read_secret, seconds=10))
        assert not introspector.asked
