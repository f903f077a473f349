"""The keys that sign tokens of this installation: made of its secret, so that none is kept."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (FIPS 186-5)."""
_BYTES: Final = 48
"""128 bits more than the order has: what is left of the division tells nothing (FIPS 186-5, A.2.1)."""
TYPE: Final = "at+jwt"


class OwnKeys:
    """One issuer's keys: the present one, and the one before, whose tokens are still good."""

    def __init__(self, pepper: bytes, issuer: str, rotation: int) -> None:
        """`rotation` counts them, from 1."""
        self._now = _key(pepper, issuer, rotation)
        self._all = [self._now] + ([_key(pepper, issuer, rotation - 1)] if rotation > 1 else [])

    def published(self) -> dict[str, Any]:
        """The public parts, as a key set (RFC 7517)."""
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": "ES256"} for key in self._all]}

    def text(self) -> bytes:
        """The same as text."""
        return json.dumps(self.published()).encode()

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token (RFC 9068)."""
        return jwt.encode({"alg": "ES256", "typ": TYPE, "kid": self._now.kid}, claims, self._now)

    def read(self, token: str) -> dict[str, Any] | None:
        """What a token of this issuer says, however old it is; nothing where it is none."""
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            return dict(jwt.decode(token, KeySet(list(self._all)), algorithms=["ES256"]).claims)
        except (JoseError, ValueError, TypeError):
            return None


@lru_cache(maxsize=64)
def _key(pepper: bytes, issuer: str, rotation: int) -> ECKey:
    info = f"lockgate tokens of {issuer} {rotation}".encode()
    wide = HKDF(algorithm=SHA256(), length=_BYTES, salt=None, info=info).derive(pepper)
    secret = ec.derive_private_key(int.from_bytes(wide) % (_ORDER - 1) + 1, ec.SECP256R1())
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = ECKey.import_key(pem)
    key.ensure_kid()
    return key
