"""What gates hear of clients' certificates where nobody can be asked: they are refused, by whatever rules."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from lockgate.admin.findings import Findings
from lockgate.admin.gate_said import Question
from lockgate.admin.revocations import Revocations
from lockgate.admin.store import Store
from lockgate.config.bundle_types import Clients
from support.certificates import Authority


class PanicError(BaseException):
    """As a library in Rust has them."""


@pytest.fixture
def asked(store: Store, journal: Any, tmp_path: Path) -> tuple[Revocations, Authority]:
    authority = Authority(tmp_path)
    clients: Clients = {
        "trust": [str(authority.pem)],
        "require": True,
        "crl": [],
        "unknown_revocation": "allow",
        "ocsp": {"rules": "r", "responder": None, "timeout_ms": 1_000, "max_age_ms": 60_000},
    }
    made = Revocations(Findings(store), journal, SimpleNamespace())  # type: ignore[arg-type]
    made._rules = {"r": clients}
    return made, authority


def told(revocations: Revocations, *chain: bytes, rules: str = "r") -> tuple[str, str]:
    question = Question(id="a" * 64, rules=rules, chain=[base64.b64encode(der).decode() for der in chain])
    answer = asyncio.run(revocations._standing(question))
    return answer.state, answer.why


def test_who_cannot_be_asked_about_is_refused(
    asked: tuple[Revocations, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations, authority = asked
    client = authority.issue("client", "client.example").certificate.public_bytes(Encoding.DER)
    folder = authority.folder / "elsewhere"
    folder.mkdir()
    stranger = Authority(folder).issue("client", "client.example").certificate.public_bytes(Encoding.DER)
    # Silence is for the rules to decide about, and no certificate changes it.
    for chain in ([client], [client, b""], [client, stranger]):
        state, why = told(revocations, *chain)
        assert (state, "names no responder" in why) == ("unknown", True)
    assert told(revocations, client, rules="gone")[0] == "unknown"
    for chain in ([stranger], [b"\x30\x00", client], [client[:-1], client]):
        assert told(revocations, *chain)[0] == "refused"
    question = Question(id="a" * 64, rules="r", chain=["no Base64"])
    assert asyncio.run(revocations._standing(question)).state == "refused"
    for fault in (RuntimeError, PanicError):

        async def fail(*_: object, fault: type[BaseException] = fault) -> None:
            raise fault

        monkeypatch.setattr(revocations.responders, "standing", fail)
        assert told(revocations, client) == ("refused", "a fault of Lockgate's")
