"""Tokens made for one case, and the keys that the engine believes them by: no issuer is asked, and none takes them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from lockgate.rehearsal.credentials import CaseError, api_of
from lockgate.rehearsal.model import Token

LIFE_SECONDS: Final = 300
"""How long a case's token holds, and how long ago an expired one ended."""
CONFIRMED_MS: Final = 2**53 - 1
"""When the keys were last confirmed: later than any case, so that they never grow old."""
RSA_BITS: Final = 2048
PLACEHOLDER: Final = "tests"
"""What a claim says that the issuer's rules require, and the case leaves open."""

Claims = dict[str, Any]


class Signer(Protocol):
    """A key for one algorithm."""

    def sign(self, content: bytes) -> bytes:
        """Sign as RFC 7518 wants it."""

    def jwk(self) -> dict[str, str]:
        """Its public part (RFC 7517)."""


class _Rsa:
    def __init__(self, digest: hashes.HashAlgorithm, scheme: padding.AsymmetricPadding) -> None:
        self._key = rsa.generate_private_key(65_537, RSA_BITS)
        self._digest, self._scheme = digest, scheme

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content, self._scheme, self._digest)

    def jwk(self) -> dict[str, str]:
        public = self._key.public_key().public_numbers()
        return {"kty": "RSA", "n": _number(public.n, RSA_BITS // 8), "e": _number(public.e, 3)}


class _Ec:
    def __init__(self, digest: hashes.HashAlgorithm, curve: ec.EllipticCurve) -> None:
        self._key = ec.generate_private_key(curve)
        self._digest, self._size = digest, (curve.key_size + 7) // 8

    def sign(self, content: bytes) -> bytes:
        r, s = utils.decode_dss_signature(self._key.sign(content, ec.ECDSA(self._digest)))
        return r.to_bytes(self._size, "big") + s.to_bytes(self._size, "big")

    def jwk(self) -> dict[str, str]:
        point = self._key.public_key().public_numbers()
        curve = f"P-{self._key.curve.key_size}"
        return {"kty": "EC", "crv": curve, "x": _number(point.x, self._size), "y": _number(point.y, self._size)}


class _Ed25519:
    def __init__(self) -> None:
        self._key = ed25519.Ed25519PrivateKey.generate()

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content)

    def jwk(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(self._key.public_key().public_bytes_raw())}


class _Hmac:
    def __init__(self, secret: bytes, digest: hashes.HashAlgorithm) -> None:
        self._secret, self._digest = secret, digest.name

    def sign(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, self._digest)

    def jwk(self) -> dict[str, str]:
        raise TypeError("a shared secret is not published")


DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "256": ec.SECP256R1(),
    "384": ec.SECP384R1(),
    "512": ec.SECP521R1(),
}


def signer(algorithm: str, secret: str) -> Signer:
    """A new key for an algorithm of RFC 7518 or RFC 8037; of a shared secret, this one."""
    family, size = algorithm[:2], algorithm[2:]
    if algorithm == "EdDSA":
        return _Ed25519()
    digest = DIGESTS[size]
    match family:
        case "ES":
            return _Ec(digest, CURVES[size])
        case "RS":
            return _Rsa(digest, padding.PKCS1v15())
        case "PS":
            return _Rsa(digest, padding.PSS(padding.MGF1(digest), digest.digest_size))
        case _:
            return _Hmac(secret.encode(), digest)


class ScratchTokens:
    """Tokens of a run's cases, under keys that this run alone knows."""

    def __init__(self, bundle: Mapping[str, Any], folder: Path) -> None:
        """`folder` is for the scratch secret, and is gone after the run."""
        self._issuers = {issuer["name"]: issuer["rules"] for issuer in bundle["issuers"]}
        self._secret = secrets.token_urlsafe(64)
        self._file = folder / "secret"
        self._keys: dict[str, Signer] = {}
        self._wrong: dict[str, Signer] = {}

    def instead(self, bundle: Mapping[str, Any]) -> dict[str, Any]:
        """The bundle with the scratch secret in the place of those that issuers share: theirs are not even read."""
        self._file.write_text(self._secret, encoding="ascii")
        source = {"secret": f"file:{self._file}"}
        issuers = [
            {**issuer, "rules": {**issuer["rules"], "keys": source}} if "secret" in issuer["rules"]["keys"] else issuer
            for issuer in bundle["issuers"]
        ]
        return {**bundle, "issuers": issuers, "apis": [_without_nonces(api) for api in bundle["apis"]]}

    def facts(self, after: int, cases: Iterable[Token]) -> list[bytes]:
        """The keys that issuers publish for these cases, as the engine is told of them; numbered after `after`."""
        wanted = list(cases)
        if not wanted:
            return []
        told: list[bytes] = []
        named = {token.algorithm for token in wanted}
        for name, rules in self._issuers.items():
            if "published" not in rules["keys"]:
                continue
            used = [one for number, one in enumerate(rules["algorithms"]) if number == 0 or one in named]
            keys = [self._jwk(algorithm) for algorithm in used]
            keyset = {
                "issuer": name,
                "source": rules["keys"]["published"],
                "confirmed_ms": CONFIRMED_MS,
                "keys": keys,
            }
            fact = {"seq": after + len(told) + 1, "at_ms": 1, "kind": "keyset.put", "keyset": keyset}
            told.append(json.dumps(fact).encode())
        return told

    def make(
        self, wanted: Token, issuer: str, now_ms: int, *, lasts_ms: int = 0, bound: Mapping[str, str] | None = None
    ) -> str:
        """A token as the case wants it, of the issuer's first algorithm, type and audience where it says nothing.

        `bound` is what its `cnf` says (RFC 7800), where it is bound to something.
        """
        rules = self._issuers[issuer]
        algorithm = wanted.algorithm or rules["algorithms"][0]
        header = {"alg": algorithm, "typ": wanted.type or rules["types"][0], "kid": _kid(algorithm)}
        if wanted.unknown:
            header["kid"] = "nobody-has-this-key"
        claims = _usual(rules, now_ms // 1000, lasts_ms // 1000, expired=wanted.expired)
        claims |= {"cnf": dict(bound)} if bound is not None else {}
        claims |= wanted.claims
        claims = {name: value for name, value in claims.items() if name not in wanted.without}
        return _signed(self._signer(self._wrong if wanted.forged else self._keys, algorithm), header, claims)

    def make_opaque(
        self, wanted: Token, taken: Taken, now_ms: int, *, lasts_ms: int = 0, bound: Mapping[str, str] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """A token that says nothing by itself, and what its issuer would answer about it."""
        token = f"case-{secrets.token_urlsafe(24)}"
        if wanted.expired or wanted.forged or wanted.unknown:
            return token, {"active": False}
        rules = self._issuers[taken.issuer]
        claims: Claims = dict.fromkeys(taken.require, PLACEHOLDER)
        claims |= _usual(rules, now_ms // 1000, lasts_ms // 1000, expired=False)
        claims |= {"token_type": "Bearer", "client_id": PLACEHOLDER}
        claims |= {"aud": taken.audiences[0]} if taken.audiences else {}
        claims |= {"scope": " ".join(taken.scopes)} if taken.scopes else {}
        claims |= {"cnf": dict(bound)} if bound is not None else {}
        claims |= wanted.claims
        said = {name: value for name, value in claims.items() if name not in wanted.without}
        return token, {"active": True, **said}

    def _jwk(self, algorithm: str) -> dict[str, str]:
        return {**self._signer(self._keys, algorithm).jwk(), "kid": _kid(algorithm), "alg": algorithm, "use": "sig"}

    def _signer(self, among: dict[str, Signer], algorithm: str) -> Signer:
        """One key for each algorithm serves all issuers: what tells their tokens apart is what they say."""
        if algorithm not in among:
            among[algorithm] = signer(algorithm, self._secret if among is self._keys else self._secret[::-1])
        return among[algorithm]


class Prover:
    """A key to which a case's token is bound, and the proofs of it (DPoP, RFC 9449): one for each request."""

    def __init__(self) -> None:
        """A new key."""
        self._signer = signer("ES256", "")
        self._claims: Claims = {}

    @property
    def bound(self) -> dict[str, str]:
        """What a token's `cnf` says (RFC 9449 section 6.1)."""
        text = json.dumps(self._signer.jwk(), separators=(",", ":"), sort_keys=True)
        return {"jkt": _base64url(hashlib.sha256(text.encode()).digest())}

    def proves(self, token: str, request: Mapping[str, Any], scheme: str) -> None:
        """What the proofs are for: a token, and a request as it was explained."""
        ath = _base64url(hashlib.sha256(token.encode()).digest())
        self._claims = {"htm": request["method"], "htu": f"{scheme}://{request['host']}{request['path']}", "ath": ath}

    def proof(self, now_ms: int) -> str:
        """A proof that holds for one request."""
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._signer.jwk()}
        claims = {**self._claims, "jti": secrets.token_urlsafe(16), "iat": now_ms // 1000}
        return _signed(self._signer, header, claims)


class Taken(NamedTuple):
    """A token that an API takes."""

    issuer: str
    header: str
    """Where it stands."""
    before: str
    """What stands before it."""
    bound: Sequence[str]
    """Ways of which it has to be bound in one, if there are any."""
    opaque: bool = False
    """Whether its issuer is asked about it."""
    audiences: Sequence[str] = ()
    """What the answer has to name one of, where that is not what the issuer's rules say."""
    scopes: Sequence[str] = ()
    require: Sequence[str] = ()


def taken_by(bundle: Mapping[str, Any], route: Mapping[str, Any], wanted: Token) -> Taken:
    """The token that an API of the bundle takes.

    Raises `CaseError` where the API takes none.
    """
    api = api_of(bundle, route)
    entries = api["policies"]["authenticate"] if api else []
    known = [(room, way[room]["config"]) for room in ("jwt", "introspection") for way in entries if room in way]
    ways = [way for room, way in known if wanted.opaque in {None, room == "introspection"}]
    if known and not ways:
        kinds = "signed ones alone (`jwt`)" if wanted.opaque else "those alone that their issuer is asked about"
        raise CaseError(f"of tokens the API `{route['api']}` takes {kinds}: leave `opaque` out", "token", "opaque")
    issuers = list(dict.fromkeys(way["issuer"] for way in ways))
    name = wanted.issuer or next(iter(issuers), None)
    way = next((way for way in ways if way["issuer"] == name), None)
    if name is None or way is None:
        taken = f", but of {', '.join(f'`{issuer}`' for issuer in issuers)}" if issuers else ""
        whose = f" of `{wanted.issuer}`" if wanted.issuer else ""
        words = f"the API `{route['api']}` takes no tokens{whose}{taken}; see its `authenticate`"
        raise CaseError(words, "token", "issuer")
    place = way["place"]
    header, before = ("Cookie", f"{place['cookie']}=") if "cookie" in place else (place["header"], "")
    before = "Bearer " if header.lower() == "authorization" else before
    if "cache_ms" not in way:
        return Taken(name, header, before, way["bound"])
    if wanted.algorithm is not None or wanted.type is not None:
        field = "type" if wanted.algorithm is None else "algorithm"
        words = f"the API `{route['api']}` has `{name}` asked about tokens, which are not signed"
        raise CaseError(words, "token", field)
    said = {key: way[key] for key in ("audiences", "scopes", "require")}
    return Taken(name, header, before, way["bound"], opaque=True, **said)


def _without_nonces(api: Mapping[str, Any]) -> dict[str, Any]:
    """The API, asking for no nonces in proofs: a case asks once, and would have to ask again."""
    ways = [
        {room: {**said, "config": _no_nonce(said["config"])} if "proof" in said["config"] else said}
        for way in api["policies"]["authenticate"]
        for room, said in way.items()
    ]
    return {**api, "policies": {**api["policies"], "authenticate": ways}}


def _no_nonce(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "proof": {**config["proof"], "nonce": False}}


def _signed(signer: Signer, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    content = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{content}.{_base64url(signer.sign(content.encode()))}"


def _usual(rules: Mapping[str, Any], now: int, lasts: int, *, expired: bool) -> Claims:
    """Claims that the issuer's rules take."""
    begun = now - 2 * LIFE_SECONDS - rules["skew_ms"] // 1000 if expired else now
    claims: Claims = dict.fromkeys(rules["require"], PLACEHOLDER)
    ends = begun + LIFE_SECONDS + (0 if expired else lasts)
    claims |= {"iss": rules["issuer"], "sub": "tests@example.com", "iat": begun, "exp": ends}
    if rules["audiences"]:
        claims["aud"] = rules["audiences"][0]
    return claims


def _kid(algorithm: str) -> str:
    return f"case-{algorithm}"


def _number(value: int, size: int) -> str:
    return _base64url(value.to_bytes(size, "big"))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
