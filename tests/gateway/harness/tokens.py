"""Tokens that a gate believes: an issuer's rules in a bundle, and its key as the control process tells it."""

from __future__ import annotations

from typing import Any, Final

from gateway.harness import bundles
from gateway.harness.gate import Gate
from lockgate.config.bundle_types import Bundle
from support.issuer import SigningKey

_URL: Final = "https://login.example"
_SOURCE: Final = f"url:{_URL}/keys"


class Tokens:
    """An issuer that a gate was told of, and what it signs."""

    name: Final = "company"

    def __init__(self) -> None:
        self._key = SigningKey("first")

    def add_to(self, bundle: Bundle) -> Bundle:
        """The bundle, with this issuer in it."""
        rules: dict[str, Any] = {
            "issuer": _URL,
            "keys": {"published": _SOURCE},
            "audiences": ["shop"],
            "algorithms": ["ES256"],
            "types": ["at+jwt"],
            "skew_ms": 0,
            "max_age_ms": None,
            "require": [],
            "token_bytes": 8192,
            "stale_for_ms": 3_600_000,
        }
        bundle["issuers"] = [{"name": self.name, "rules": rules, "span": bundles.span(5)}]  # type: ignore[typeddict-item]
        return bundle

    def publish(self, gate: Gate) -> None:
        """Tells the gate the key."""
        keyset = {"issuer": self.name, "source": _SOURCE, "confirmed_ms": bundles.now_ms(), "keys": [self._key.jwk]}
        seq = int(gate.tell("facts_seq")) + 1
        gate.facts({"seq": seq, "at_ms": 1, "kind": "keyset.put", "keyset": keyset})

    def bearer(self, expires: int, **claims: Any) -> str:
        """What `Authorization` says, until then; seconds since the epoch."""
        return f"Bearer {self._key.token(iss=_URL, exp=expires, **claims)}"
