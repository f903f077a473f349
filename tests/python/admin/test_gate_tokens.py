"""Tokens that gates enrol with, without a gate."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lockgate.admin.gates.authority import Authority
from lockgate.admin.gates.registry import TOKEN_PREFIX, EnrolmentError, Registry
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.state import StateFolder

MINUTE_MS = 60_000


def secret(token: str) -> str:
    packed = token.removeprefix(TOKEN_PREFIX)
    told = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return str(told["s"])


def request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_a_gate_that_is_shut_out_has_no_other_token(state: StateFolder, store: Store, journal: Journal) -> None:
    registry = Registry(store, journal, Authority(state))
    first, second, other = (
        registry.token("me", name, "127.0.0.1:1", MINUTE_MS).token for name in ("edge-1", "edge-1", "edge-2")
    )
    registry.enrol(secret(first), request())
    registry.revoke("me", "edge-1")
    with pytest.raises(EnrolmentError, match="not one of ours"):
        registry.enrol(secret(second), request())
    assert registry.enrol(secret(other), request())[0] == "edge-2"
    again = registry.token("me", "edge-1", "127.0.0.1:1", MINUTE_MS).token
    assert registry.enrol(secret(again), request())[0] == "edge-1", "a token that is made afterwards is good"
