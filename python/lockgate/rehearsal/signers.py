"""Signatures and webhooks made for one case, under keys that a run alone knows: yours are not even read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lockgate.rehearsal.credentials import CaseError, api_of
from lockgate.rehearsal.model import Signed, SignedWebhook
from lockgate.rehearsal.tokens import Signer, signer

JOSE: Final = {
    "ed25519": "EdDSA",
    "ecdsa-p256-sha256": "ES256",
    "ecdsa-p384-sha384": "ES384",
    "rsa-pss-sha512": "PS512",
    "rsa-v1_5-sha256": "RS256",
    "hmac-sha256": "HS256",
}
"""The same algorithms, as keys of JOSE have them."""
LABEL: Final = "case"
ID: Final = "case-1"
PORTS: Final = {"http": ":80", "https": ":443"}

Fields = list[tuple[str, str]]
Asked = Mapping[str, Any]


class ScratchSigners:
    """Who signs in a run's cases."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for the scratch secret, and is gone after the run."""
        # Both what it is in base64, and a secret as it stands there.
        self._secret = base64.b64encode(secrets.token_bytes(48)).decode()
        self._file = folder / "signing-secret"
        self._keys: dict[str, Signer] = {}
        self._wrong: dict[str, Signer] = {}

    def instead(self, bundle: Mapping[str, Any]) -> dict[str, Any]:
        """The bundle with scratch keys in the place of those that sign."""
        self._file.write_text(self._secret, encoding="ascii")
        return {**bundle, "apis": [self._api(api) for api in bundle["apis"]]}

    def _api(self, api: Mapping[str, Any]) -> dict[str, Any]:
        ways = [
            {room: {**placed, "config": self._config(room, placed["config"])}}
            for way in api["policies"]["authenticate"]
            for room, placed in way.items()
        ]
        return {**api, "policies": {**api["policies"], "authenticate": ways}}

    def _config(self, room: str, config: dict[str, Any]) -> dict[str, Any]:
        if room == "signature":
            return {**config, "keys": [{**key, "key": self._key(key["algorithm"])} for key in config["keys"]]}
        if room == "webhook":
            # A public key's owner alone could sign for it.
            return {**config, "secrets": [f"file:{self._file}"], "public_keys": []}
        return config

    def _key(self, algorithm: str) -> dict[str, Any]:
        if algorithm == "hmac-sha256":
            return {"secret": {"reference": f"file:{self._file}", "encoding": "text"}}
        return {"public": self._signer(self._keys, algorithm).jwk()}

    def _signer(self, keys: dict[str, Signer], algorithm: str) -> Signer:
        if algorithm not in keys:
            keys[algorithm] = signer(JOSE[algorithm], self._secret if keys is self._keys else self._secret[::-1])
        return keys[algorithm]

    def sign(self, wanted: Signed, asked: tuple[Mapping[str, Any], Asked, str, Asked], at_ms: int) -> Fields:
        """What is sent with a request that is signed; `asked` is the bundle, the route, the scheme, the request."""
        bundle, route, scheme, request = asked
        ways = [way["signature"]["config"] for way in _ways(bundle, route) if "signature" in way]
        named = [(key, way) for way in ways for key in way["keys"] if wanted.key in (None, key["name"])]
        if not named:
            there = ", ".join(f"`{key['name']}`" for way in ways for key in way["keys"]) or "none"
            words = f"the API `{route['api']}` has no such key for signatures, but {there}"
            raise CaseError(words, "signature", "key")
        key, way = named[0]
        body: bytes = request["body"] or b""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        more: Fields = [("Content-Digest", f"sha-256=:{digest}:")] if body else []
        covered = [*way["components"], *(['"content-digest"'] if body else [])]
        covered = [one for one in covered if one.strip('"') not in wanted.without]
        made = at_ms // 1000 - (way["max_age_ms"] + way["skew_ms"]) // 1000 - 1 if wanted.expired else at_ms // 1000
        params = f'({" ".join(covered)});created={made};keyid="{"nobody" if wanted.unknown else key["keyid"]}"'
        params += f";expires={made + 60}" if way["expires"] else ""
        params += f';nonce="{secrets.token_urlsafe(16)}"' if way["nonce"] else ""
        params += f';tag="{way["tag"]}"' if way["tag"] is not None else ""
        lines = [f"{one}: {_value(one.strip(chr(34)), scheme, request, more)}" for one in covered]
        base = "\n".join([*lines, f'"@signature-params": {params}'])
        keys = self._wrong if wanted.forged else self._keys
        signature = base64.b64encode(self._signer(keys, key["algorithm"]).sign(base.encode())).decode()
        label = way["label"] or LABEL
        return [*more, ("Signature-Input", f"{label}={params}"), ("Signature", f"{label}=:{signature}:")]

    def deliver(self, wanted: SignedWebhook, asked: tuple[Mapping[str, Any], Asked, Asked], at_ms: int) -> Fields:
        """What is sent with a webhook that is signed; `asked` is the bundle, the route, the request."""
        bundle, route, request = asked
        ways = [way["webhook"]["config"] for way in _ways(bundle, route) if "webhook" in way]
        way = next((way for way in ways if wanted.name in (None, way["name"])), None)
        if way is None:
            there = ", ".join(f"`{one['name']}`" for one in ways) or "none"
            words = f"the API `{route['api']}` takes no such webhooks; there are: {there}"
            raise CaseError(words, "webhook", "name")
        form = way["form"]
        made = str(at_ms // 1000 - (way["tolerance_ms"] // 1000 + 1 if wanted.expired else 0))
        parts = {"id": ID, "timestamp": made, "body": (request["body"] or b"").decode("utf-8", "surrogateescape")}
        signed = "".join(parts[part] if isinstance(part, str) else part["text"] for part in form["signed"])
        secret = self._secret[::-1] if wanted.forged else self._secret
        raw = base64.b64decode(secret) if form["secret_prefix"] is not None else secret.encode()
        tag = hmac.digest(raw, signed.encode("utf-8", "surrogateescape"), "sha256")
        written = tag.hex() if form["encoding"] == "hex" else base64.b64encode(tag).decode()
        value = form["prefix"] + written
        if form["timestamp_prefix"] is not None:
            value = f"{form['timestamp_prefix']}{made}{form['separator']}{value}"
        named = ((form["id"], ID), (form["timestamp"], made), (form["header"], value))
        return [(name, text) for name, text in named if name is not None]


def _ways(bundle: Mapping[str, Any], route: Asked) -> list[dict[str, Any]]:
    api = api_of(bundle, route)
    return list(api["policies"]["authenticate"]) if api is not None else []


def _value(name: str, scheme: str, request: Asked, more: Fields) -> str:
    """The value of a component (RFC 9421 section 2)."""
    headers: Fields = [*request["headers"], *more]
    target: str = request["target"]
    path, _, query = target.partition("?")
    hosts = [value for field, value in headers if field.lower() == "host"]
    authority = hosts[0].lower().removesuffix(PORTS[scheme]) if hosts else ""
    derived = {
        "@method": request["method"],
        "@target-uri": f"{scheme}://{authority}{target}",
        "@authority": authority,
        "@scheme": scheme,
        "@request-target": target,
        "@path": path,
        "@query": f"?{query}",
    }
    if name in derived:
        return str(derived[name])
    values = [value.strip() for field, value in headers if field.lower() == name]
    if ";" in name or not values:
        raise CaseError(f"a case cannot sign `{name}`: only fields that it sends, as they are", "signature")
    return ", ".join(values)
