"""A client's own key, by which it proves itself to a provider (RFC 7523)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwk


def client_key(kind: str, folder: Path) -> dict[str, Any]:
    """Write `client.key`, of kind `EC` or `RSA`, into a folder; its public part, as a provider has it."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "client.key").write_bytes(pem)
    (folder / "client.key").chmod(0o600)
    made = jwk.ECKey.import_key(pem) if kind == "EC" else jwk.RSAKey.import_key(pem)
    return {**made.as_dict(private=False), "kid": "client-1", "use": "sig"}
