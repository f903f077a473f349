"""How a client proves itself: which keys it may have, and what is said of others."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwk, jwt

from lockgate.identity.client import method_of, prove

NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Said:
    issuer: str = "https://login.example.com"
    client_id: str = "lock gate"
    secret: str | None = None
    key: str | None = "file:client.key"
    kid: str | None = None
    method: str | None = None


def pem(key: PrivateKeyTypes, password: bytes | None = None) -> str:
    kept = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept).decode()


def proof(text: str, *algorithms: str, kid: str | None = None) -> dict[str, str]:
    return prove(Said(kid=kid), "private_key_jwt", lambda _: text, algorithms=algorithms, now=NOW).form


@pytest.mark.parametrize(
    ("key", "offered", "wanted"),
    [
        (ec.generate_private_key(ec.SECP256R1()), [], "ES256"),
        (rsa.generate_private_key(65537, 2048), [], "PS256"),
        (rsa.generate_private_key(65537, 2048), ["RS256", "ES256"], "RS256"),
    ],
)
def test_a_proof_is_for_one_provider_and_for_a_minute(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, offered: list[str], wanted: str
) -> None:
    form = proof(pem(key), *offered, kid="2026-1")
    public = jwk.import_key(pem(key), "EC" if isinstance(key, ec.EllipticCurvePrivateKey) else "RSA")
    token = jwt.decode(form["client_assertion"], public, algorithms=[wanted])
    assert token.header == {"typ": "JWT", "alg": wanted, "kid": "2026-1"}
    assert token.claims.pop("jti")
    said = {"iss": "lock gate", "sub": "lock gate", "aud": "https://login.example.com", "iat": NOW, "exp": NOW + 60}
    assert token.claims == said
    assert form["client_id"] == "lock gate"
    assert proof(pem(key), *offered)["client_assertion"] != form["client_assertion"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (pem(ec.generate_private_key(ec.SECP384R1())), "neither of P-256 nor of RSA"),
        (pem(ec.generate_private_key(ec.BrainpoolP256R1())), "neither of P-256 nor of RSA"),
        (pem(rsa.generate_private_key(65537, 1024)), "neither of P-256 nor of RSA"),  # noqa: S505 - the weak key
        (pem(ed25519.Ed25519PrivateKey.generate()), "neither of P-256 nor of RSA"),
        (pem(ec.generate_private_key(ec.SECP256R1()), b"hush"), "not encrypted"),
        ("no key at all", "cannot be read"),
    ],
)
def test_other_keys_are_refused_and_not_shown(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        proof(text)
    assert "the private key of the client lock gate" in str(caught.value)
    assert text.splitlines()[-1][:20] not in str(caught.value)


def test_how_it_proves_itself_follows_from_what_there_is() -> None:
    assert method_of(Said(), ["client_secret_basic"]) == "private_key_jwt"
    assert method_of(Said(secret="env:X", key=None), []) == "client_secret_basic"
    assert method_of(Said(secret="env:X", key=None), ["client_secret_post"]) == "client_secret_post"
    assert method_of(Said(key=None), []) is None
    assert method_of(Said(method="client_secret_post"), []) == "client_secret_post"
    assert prove(Said(key=None), None, lambda _: "", now=NOW).form == {"client_id": "lock gate"}
