"""How a client proves itself to a provider: by a secret (RFC 6749 section 2.3.1), or by its own key (RFC 7523)."""

from __future__ import annotations

import base64
import functools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote

from joserfc import jwk, jwt

ASSERTION_SECONDS: Final = 60
RSA_BITS: Final = 2048
SHARED_METHODS: Final = ("client_secret_basic", "client_secret_post")
KEY_METHOD: Final = "private_key_jwt"


class Registered(Protocol):
    """What a client is to a provider, as the configuration says it."""

    @property
    def issuer(self) -> str:
        """The provider, as it calls itself."""

    @property
    def client_id(self) -> str:
        """Its name there."""

    @property
    def secret(self) -> str | None:
        """A reference to its secret."""

    @property
    def key(self) -> str | None:
        """A reference to its private key, PEM."""

    @property
    def kid(self) -> str | None:
        """How the provider names that key."""

    @property
    def method(self) -> str | None:
        """How it proves itself; none where it follows from what there is."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What goes along with a request."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)


def method_of(client: Registered, offered: Sequence[str]) -> str | None:
    """How it proves itself at an endpoint that offers these ways (none: it does not say); none where it need not."""
    if client.method is not None:
        return client.method
    if client.key is not None:
        return KEY_METHOD
    if client.secret is None:
        return None
    # What is not said is `client_secret_basic` (OpenID Connect Discovery section 3).
    return next((one for one in SHARED_METHODS if one in offered), SHARED_METHODS[0])


def prove(
    client: Registered, method: str | None, read: Callable[[str], str], *, algorithms: Sequence[str] = (), now: float
) -> Proof:
    """The proof. `read` gives what a reference names; `algorithms` are those of the endpoint, empty where it says none.

    Raises `ValueError` where a secret or a key is not there or cannot be used.
    """
    named = {"client_id": client.client_id}
    if method == KEY_METHOD and client.key is not None:
        return Proof(form={**named, **_assertion(client, read(client.key), algorithms, int(now))})
    if client.secret is None:
        return Proof(form=named)
    secret = read(client.secret)
    if method == "client_secret_post":
        return Proof(form={**named, "client_secret": secret})
    # Spaces as `%20`, which those who decode a form and those who decode a URL both read.
    pair = f"{quote(client.client_id, safe='')}:{quote(secret, safe='')}"
    return Proof(headers={"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"})


def _assertion(client: Registered, pem: str, offered: Sequence[str], now: int) -> dict[str, str]:
    """A proof by our own key, for this provider alone and for a minute (RFC 7523 section 3)."""
    try:
        key = _key(pem)
    except ValueError as error:
        raise ValueError(f"the private key of the client {client.client_id} {error}") from None
    usual = "ES256" if isinstance(key, jwk.ECKey) else "PS256"
    algorithm = "RS256" if usual == "PS256" and offered and "PS256" not in offered else usual
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.issuer,
        "jti": secrets.token_urlsafe(24),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    header = {"alg": algorithm} | ({"kid": client.kid} if client.kid is not None else {})
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(header, claims, key, algorithms=[algorithm]),
    }


# OpenSSL looks for a quarter of a second whether an RSA key is one, and nothing else runs meanwhile; and strangers
# choose how often a proof is wanted.
@functools.lru_cache(maxsize=16)
def _key(pem: str) -> jwk.ECKey | jwk.RSAKey:
    """A client's key. Raises `ValueError`, whose message goes on from what the key is called."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("cannot be read: it has to be PEM, and not encrypted") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return jwk.ECKey.import_key(pem)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= RSA_BITS:
        return jwk.RSAKey.import_key(pem)
    raise ValueError(f"is neither of P-256 nor of RSA with {RSA_BITS} bits or more")
