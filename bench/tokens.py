"""An issuer for the row with tokens: its keys, as facts tell them, and tokens that live as long as a run."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

ISSUER = "https://login.example.com/realms/main"
AUDIENCE = "https://api.example.com"
SOURCE = f"discovery:{ISSUER}"
RULES = {
    "issuer": ISSUER,
    "audiences": [AUDIENCE],
    "algorithms": ["ES256", "RS256"],
    "types": ["at+jwt"],
    "skew_ms": 30_000,
    "max_age_ms": None,
    "require": [],
    "token_bytes": 8192,
    "stale_for_ms": 86_400_000,
    "keys": {"published": SOURCE},
}


def write(count: int, facts: Path, tokens: Path, *, revoked: int = 0) -> None:
    """Writes a file with the fact of the issuer's keys, and so many of revoked tokens; and one with good tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "kid": "bench", "x": _number(point.x), "y": _number(point.y)}
    now = int(time.time())
    keyset = {"issuer": "company", "source": SOURCE, "confirmed_ms": now * 1000, "keys": [jwk]}
    fact = {"seq": 1, "at_ms": now * 1000, "kind": "keyset.put", "keyset": keyset}
    with facts.open("w") as file:
        file.write(json.dumps(fact) + "\n")
        for number in range(revoked):
            gone = {
                "issuer": ISSUER,
                "by": "token",
                "value": f"revoked-{number:012}",
                "until_ms": (now + 86_400) * 1000,
            }
            said = {"seq": number + 2, "at_ms": now * 1000, "kind": "token.revoke", **gone}
            file.write(json.dumps(said) + "\n")
    tokens.write_text("".join(f"{_token(key, number, now)}\n" for number in range(count)))


def follow(facts: Path, others: Path) -> None:
    """Has the facts of another file follow those of the first."""
    seq = len(facts.read_text().splitlines())
    with facts.open("a") as file:
        for line in others.read_text().splitlines():
            seq += 1
            file.write(json.dumps({**json.loads(line), "seq": seq}) + "\n")


def _token(key: ec.EllipticCurvePrivateKey, number: int, now: int) -> str:
    """A token as Keycloak and its like make them: some 700 characters."""
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "bench"}
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": f"5f2c7d1e-0000-4000-8000-{number:012}",
        "exp": now + 86_400,
        "iat": now,
        "jti": f"9b1deb4d-0000-4000-8000-{number:012}",
        "client_id": "shop-frontend",
        "scope": "openid profile orders:read orders:write",
        "realm_access": {"roles": ["customer", "offline_access", "uma_authorization"]},
        "email_verified": True,
        "preferred_username": f"customer-{number}",
    }
    signed = ".".join(_b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _number(number: int) -> str:
    return _b64(number.to_bytes(32, "big"))


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
