"""An issuer's keys, fetched."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.config import KeyOrigin
from lockgate.identity.key_sets import FetchedKeys, KeysError, fetch
from lockgate.outgoing import Outgoing, Rules
from support.issuer import Issuer, SigningKey


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def fetched(kind: str, issuer: str, location: str) -> FetchedKeys:
    origin = KeyOrigin("company", issuer, kind, location, 600_000, 86_400_000)  # type: ignore[arg-type]
    rules = Rules((ipaddress.ip_network("127.0.0.0/8"),))
    return asyncio.run(fetch(origin, Outgoing(rules), bytes(32)))


def failed(kind: str, issuer: str, location: str) -> str:
    with pytest.raises(KeysError) as error:
        fetched(kind, issuer, location)
    return str(error.value)


def test_by_discovery(issuer: Issuer) -> None:
    assert fetched("discovery", issuer.url, issuer.url).kids == ["first"]


def test_by_discovery_of_plain_oauth(issuer: Issuer) -> None:
    name = f"{issuer.url}/tenant"
    document = json.dumps({"issuer": name, "jwks_uri": f"{issuer.url}/keys"}).encode()
    issuer.answers["/.well-known/oauth-authorization-server/tenant"] = (200, {}, document)
    assert fetched("discovery", name, name).kids == ["first"]
    assert issuer.fetches[0] == "/tenant/.well-known/openid-configuration"


def test_a_document_of_another_issuer_is_refused(issuer: Issuer) -> None:
    for named in (f"{issuer.url}/", "https://evil.example", None, 7):
        document = json.dumps({"issuer": named, "jwks_uri": f"{issuer.url}/keys"}).encode()
        issuer.answers["/.well-known/openid-configuration"] = (200, {}, document)
        assert "of the issuer" in failed("discovery", issuer.url, issuer.url)
    assert issuer.key_fetches() == 0


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (200, b"<html>", "not JSON"),
        (200, b"[]", "not a JSON object"),
        (500, b"", "status 500"),
        (404, b"", "no discovery document"),
    ],
)
def test_a_document_that_is_none(issuer: Issuer, status: int, body: bytes, word: str) -> None:
    issuer.answers["/.well-known/openid-configuration"] = (status, {}, body)
    assert word in failed("discovery", issuer.url, issuer.url)


def test_keys_that_lie_where_nothing_may_be_called(issuer: Issuer) -> None:
    document = json.dumps({"issuer": issuer.url, "jwks_uri": "http://169.254.169.254/keys"}).encode()
    issuer.answers["/.well-known/openid-configuration"] = (200, {}, document)
    assert "not encrypted" in failed("discovery", issuer.url, issuer.url)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "not JSON"),
        (b"{}", "no list `keys`"),
        (b'{"keys": []}', "no key that can be used"),
        (b'{"keys": [], "keys": []}', "twice"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "private part"),
        (json.dumps({"keys": [SigningKey("k").jwk] * 65}).encode(), "more than 64"),
    ],
)
def test_a_key_set_that_is_none(issuer: Issuer, body: bytes, word: str) -> None:
    issuer.answers["/keys"] = (200, {}, body)
    assert word in failed("url", issuer.url, f"{issuer.url}/keys")


def test_unusable_keys_are_told_and_the_others_used(issuer: Issuer) -> None:
    keys = [SigningKey("good").jwk, {"kty": "RSA", "kid": "small", "n": "AQAB", "e": "AQAB"}]
    issuer.answers["/keys"] = (200, {}, json.dumps({"keys": keys}).encode())
    found = fetched("url", issuer.url, f"{issuer.url}/keys")
    assert found.kids == ["good"]
    assert [key["kid"] for key in found.unusable] == ["small"]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("public, max-age=3600", 3600),
        ("max-age=1", 30),
        ("max-age=99999999", 86_400),
        ("no-store, max-age=60", None),
        ("no-cache", None),
        ("max-age=0", None),
        ("", None),
    ],
)
def test_how_long_keys_are_fresh(issuer: Issuer, said: str, seconds: int | None) -> None:
    issuer.headers = {"Cache-Control": said}
    assert fetched("url", issuer.url, f"{issuer.url}/keys").fresh_seconds == seconds


def test_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [SigningKey("k").jwk]}))
    assert fetched("file", "anything", str(file)).kids == ["k"]
    file.unlink()
    assert "no such file" in failed("file", "anything", str(file))
