"""Signers for the rows with signed requests: their keys, as a bundle has them, and what is sent, good for a day."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import waf

DAY_MS = 86_400_000
SECRET = hashlib.sha256(b"bench").hexdigest()
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench").digest())
HOST = "shop.example.com"
TARGET = "/orders/1017"


def way(what: str, folder: Path) -> dict[str, object]:
    """The room of a row, and its config. Requests are the same each time, so that nothing counts once."""
    secret = folder / "signing-secret"
    secret.write_text(SECRET, encoding="ascii")
    if what == "webhook":
        return {
            "webhook": {
                "name": "sender",
                "secrets": [f"file:{secret}"],
                "public_keys": [],
                "form": {
                    "header": "webhook-signature",
                    "separator": " ",
                    "prefix": "v1,",
                    "public_prefix": None,
                    "encoding": "base64",
                    "secret_prefix": None,
                    "id": "webhook-id",
                    "timestamp": "webhook-timestamp",
                    "timestamp_prefix": None,
                    "signed": ["id", {"text": "."}, "timestamp", {"text": "."}, "body"],
                },
                "tolerance_ms": DAY_MS,
                "once": False,
                "body_bytes": 1 << 20,
                "forward": False,
            }
        }
    x = base64.urlsafe_b64encode(KEY.public_key().public_bytes_raw()).rstrip(b"=").decode()
    forms: dict[str, object] = {
        "hmac-sha256": {"secret": {"reference": f"file:{secret}", "encoding": "text"}},
        "ed25519": {"public": {"kty": "OKP", "crv": "Ed25519", "x": x}},
    }
    return {
        "signature": {
            "keys": [{"name": kind, "keyid": kind, "algorithm": kind, "key": form} for kind, form in forms.items()],
            "issuer": None,
            "components": ['"@method"', '"@authority"', '"@path"', '"@query"'],
            "content_digest": True,
            "max_age_ms": DAY_MS,
            "skew_ms": 30_000,
            "expires": False,
            "nonce": False,
            "tag": None,
            "label": None,
            "body_bytes": 1 << 20,
            "forward": False,
        }
    }


def requests(what: str) -> bytes:
    """What a row sends."""
    now = int(time.time())
    if what == "webhook":
        body = waf.order(waf.LINES["post"], False)[:1024]
        tag = hmac.digest(SECRET.encode(), f"msg_1.{now}.".encode() + body, "sha256")
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "webhook-id": "msg_1",
            "webhook-timestamp": str(now),
            "webhook-signature": f"v1,{base64.b64encode(tag).decode()}",
        }
        return _request("POST", fields) + body
    kind = {"signature-hmac": "hmac-sha256", "signature-ed25519": "ed25519"}[what]
    params = f'("@method" "@authority" "@path" "@query");created={now};keyid="{kind}"'
    lines = ['"@method": GET', f'"@authority": {HOST}', f'"@path": {TARGET}', '"@query": ?']
    base = "\n".join([*lines, f'"@signature-params": {params}']).encode()
    made = KEY.sign(base) if kind == "ed25519" else hmac.digest(SECRET.encode(), base, "sha256")
    fields = {"Signature-Input": f"sig={params}", "Signature": f"sig=:{base64.b64encode(made).decode()}:"}
    return _request("GET", fields)


def _request(method: str, fields: dict[str, str]) -> bytes:
    usual = {"Host": HOST, "User-Agent": "lockgate-load", "Accept": "application/json"}
    lines = [f"{name}: {value}" for name, value in {**usual, **fields}.items()]
    return "\r\n".join([f"{method} {TARGET} HTTP/1.1", *lines, "", ""]).encode()
