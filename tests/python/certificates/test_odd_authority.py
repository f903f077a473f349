"""An authority that answers well but for one thing: what Pebble never does."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.certificates import (
    AcmeError,
    Authority,
    Challenge,
    DnsHook,
    Kept,
    Names,
    Store,
    Wanted,
    obtain,
    order,
    renewal,
)
from lockgate.certificates.chain import read_chain
from support.acme import LOOPBACK, Answer, StandIn, TestAuthority

TOKEN = "abcdefghijklmnopqrstuvwxyz"


class Odd:
    """Its answers by path; a test replaces one, or puts some before it."""

    def __init__(self) -> None:
        self.signer = TestAuthority()
        self.bodies: dict[str, Any] = {}
        """In the place of what a path answers."""
        self.first: dict[str, list[Answer]] = {}
        """Before what a path answers, one each time."""
        self.said: dict[str, dict[str, Any]] = {}
        """The last payload for each path."""
        self.leaf: tuple[str, ...] = ("odd.test",)
        self.key: ec.EllipticCurvePrivateKey | None = None
        self.answered = 0.0
        """When it was last told to look at a challenge."""
        self.nonces = iter(range(10**6))
        self.certificate = b""
        self.valid = False
        self.server = StandIn(self.answer)

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if self.first.get(path):
            status, more, content = self.first[path].pop(0)
            return status, {"Replay-Nonce": "AAAA", **more}, content
        headers = {"Replay-Nonce": f"nonce{next(self.nonces):07}"}
        at = self.server.url
        if payload := json.loads(body or b"{}").get("payload"):
            self.said[path] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        if path == "/finalize":
            self._sign(self.said[path]["csr"])
        if path == "/challenge":
            self.answered = time.time()
        if path == "/certificate":
            return 200, headers, self.certificate
        order = {
            "status": "valid" if self.certificate else "ready" if self.valid else "pending",
            "authorizations": [f"{at}/authorization"],
            "finalize": f"{at}/finalize",
            "certificate": f"{at}/certificate",
        }
        self.valid |= path == "/challenge"
        bodies = {
            "/dir": {"newNonce": f"{at}/nonce", "newAccount": f"{at}/account", "newOrder": f"{at}/new"},
            "/account": {"status": "valid"},
            "/new": order,
            "/order": order,
            "/authorization": {
                "status": "valid" if self.valid else "pending",
                "identifier": {"type": "dns", "value": "odd.test"},
                "challenges": [{"type": "http-01", "token": TOKEN, "url": f"{at}/challenge", "status": "pending"}],
            },
        }
        if path in ("/account", "/new"):
            headers["Location"] = f"{at}/{'order' if path == '/new' else 'account/1'}"
        return 200, headers, json.dumps(self.bodies.get(path, bodies.get(path, {}))).encode()

    def _sign(self, wanted: str) -> None:
        request = x509.load_der_x509_csr(base64.urlsafe_b64decode(wanted + "=="))
        key = self.key.public_key() if self.key else request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        self.certificate = self.signer.issue_for(key, *self.leaf).encode()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Odd]:
    monkeypatch.setattr(order, "FIRST_POLL_SECONDS", 0.01)
    authority = Odd()
    with authority.server:
        yield authority


class Publishes:
    def __init__(self) -> None:
        self.names: list[str] = []

    async def publish(self, challenge: Challenge) -> None:
        self.names.append(challenge.name)

    async def withdraw(self, challenge: Challenge) -> None:
        self.names.remove(challenge.name)


def had(odd: Odd, store: Store, **more: Any) -> Kept:
    publisher = Publishes()
    wish = Wanted(Names.of(["odd.test"]), Authority(f"{odd.server.url}/dir", rules=LOOPBACK), **more)
    try:
        return asyncio.run(obtain(wish, store, publisher))
    finally:
        assert publisher.names == []


def refused(odd: Odd, store: Store) -> str:
    with pytest.raises(AcmeError) as caught:
        had(odd, store)
    status = store.load(Names.of(["odd.test"])).status
    assert status.attempts == 1
    assert status.last_error == str(caught.value)
    return str(caught.value)


def test_all_is_well_but_for_nothing(odd: Odd, store: Store) -> None:
    kept = had(odd, store)
    assert kept.chain is not None
    assert kept.chain.issuer == "Test authority"


def test_what_an_order_and_an_account_say(odd: Odd, store: Store) -> None:
    identifiers = [{"type": "dns", "value": "odd.test"}]
    had(odd, store)
    assert odd.said["/new"] == {"identifiers": identifiers}
    assert odd.said["/account"] == {}
    assert odd.said["/challenge"] == {}
    good = json.loads(odd.answer("GET", "/dir", b"")[2])
    odd.bodies["/dir"] = {**good, "meta": {"profiles": {"short": "Six days"}}}
    odd.certificate, odd.valid = b"", False
    had(odd, store, profile="short")
    # No `replaces`, for the directory speaks of no renewal information.
    assert odd.said["/new"] == {"identifiers": identifiers, "profile": "short"}


def test_another_email_is_told_and_none_is_taken_back(odd: Odd, store: Store) -> None:
    authority = Authority(f"{odd.server.url}/dir", email="one@example.com", rules=LOOPBACK)
    for number, (email, contact) in enumerate([("one", None), ("two", ["mailto:two@example.com"]), ("", [])]):
        odd.certificate, odd.valid = b"", False
        odd.said.clear()
        named = replace(authority, email=f"{email}@example.com" if email else None)
        wish = Wanted(Names.of(["odd.test"]), named)
        asyncio.run(obtain(wish, store, Publishes()))
        assert odd.said.get("/account/1") == (None if contact is None else {"contact": contact})
        assert ("/account" in odd.said) == (number == 0)
        store.remove(wish.names)


def test_records_are_given_time_to_be_seen(odd: Odd, store: Store, tmp_path: Path) -> None:
    program = tmp_path / "hook"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/$1\n")
    program.chmod(0o700)
    authorization = json.loads(odd.answer("POST", "/authorization", b"")[2])
    authorization["challenges"][0]["type"] = "dns-01"
    odd.first["/authorization"] = [(200, {}, json.dumps(authorization).encode())]
    had(odd, store, challenge="dns-01", hook=DnsHook([str(program)], settle_seconds=0.5))
    assert odd.answered - (tmp_path / "present").stat().st_mtime > 0.4
    assert (tmp_path / "cleanup").exists()


@pytest.mark.parametrize(("said", "seconds"), [("1", 60), ("999999", 86_400), ("3600", 3600), (None, 6 * 3600)])
def test_how_soon_the_window_is_asked_for_again(said: str | None, seconds: int, odd: Odd) -> None:
    """RFC 9773 section 4.3.2: between a minute and a day."""
    now = datetime.now(UTC)
    chain = read_chain(odd.signer.issue("odd.test")[0])
    good = json.loads(odd.answer("GET", "/dir", b"")[2])
    odd.bodies["/dir"] = {**good, "renewalInfo": f"{odd.server.url}/renewal"}
    window = {"suggestedWindow": {"start": now.isoformat(), "end": (now + timedelta(days=1)).isoformat()}}
    headers = {} if said is None else {"Retry-After": said}
    odd.first[f"/renewal/{chain.renewal_id}"] = [(200, headers, json.dumps(window).encode())]
    info = asyncio.run(renewal.ask(Authority(f"{odd.server.url}/dir", rules=LOOPBACK), chain, lambda: now))
    assert info.window is not None
    assert now <= info.window.chosen <= now + timedelta(days=1)
    assert info.next_check == now + timedelta(seconds=seconds)


def test_an_authority_without_renewal_information_is_asked_once_a_day(odd: Odd) -> None:
    now = datetime.now(UTC)
    chain = read_chain(odd.signer.issue("odd.test")[0])
    info = asyncio.run(renewal.ask(Authority(f"{odd.server.url}/dir", rules=LOOPBACK), chain, lambda: now))
    assert info == renewal.RenewalInfo(None, now + timedelta(days=1))


def problem(kind: str, status: int) -> Answer:
    return status, {}, json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": "busy"}).encode()


@pytest.mark.parametrize("answer", [problem("serverInternal", 500), problem("rateLimited", 429)])
@pytest.mark.parametrize("path", ["/order", "/authorization"])
def test_a_fault_while_waiting_is_waited_out(path: str, answer: Answer, odd: Odd, store: Store) -> None:
    """An order that goes on need not be begun again for one answer that did not come."""
    reads = 1 if path == "/authorization" else 0
    good = odd.answer("POST", path, b"")
    odd.first[path] = [*[good] * reads, answer, answer]
    assert had(odd, store).chain is not None


def test_an_account_that_cannot_be_used(odd: Odd, store: Store) -> None:
    odd.bodies["/account"] = {"status": "deactivated"}
    assert "the account is deactivated" in refused(odd, store)


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/new", {"authorizations": 1}, "no list of authorizations"),
        ("/new", {"authorizations": [1]}, "no list of authorizations"),
        ("/new", {"authorizations": ["http://127.0.0.1:1/"] * 2}, "no list of authorizations"),
        ("/new", {"authorizations": ["http://169.254.169.254/latest"]}, "not encrypted"),
        ("/new", {"authorizations": ["https://169.254.169.254/latest"]}, "no public address"),
        ("/authorization", {"identifier": {"type": "dns", "value": "bank.test"}}, "a name that was not ordered"),
        ("/authorization", {"identifier": {"type": "dns", "value": "\x1b[31m"}}, "a name that was not ordered"),
        ("/authorization", {"identifier": 1}, "a name that was not ordered"),
        ("/authorization", {"status": "revoked"}, "is revoked"),
        ("/authorization", {"status": ["\x1b[31m"]}, "is ['\\x1b[31m']"),
        ("/authorization", {"challenges": 1}, "but nothing; choose"),
        ("/authorization", {"challenges": [1, {"type": "http-01"}]}, "no `token`"),
        ("/authorization", {"challenges": [{"type": "http-01", "url": "u", "token": "../../x" * 9}]}, "is none"),
        ("/authorization", {"challenges": [{"type": "http-01", "url": "u", "token": "a"}]}, "is none"),
        ("/order", {"status": "invalid"}, "does not say why"),
        ("/order", {"status": "invalid", "error": {"detail": "no room"}}, 'says "no room"'),
        ("/order", {"status": "valid", "certificate": 1}, "no `certificate`"),
    ],
)
def test_an_answer_that_is_none(path: str, body: dict[str, Any], word: str, odd: Odd, store: Store) -> None:
    good = json.loads(odd.answer("POST", path, b"")[2])
    odd.bodies[path] = {**good, **body}
    assert word in refused(odd, store)


def test_a_certificate_for_another_key(odd: Odd, store: Store) -> None:
    odd.key = ec.generate_private_key(ec.SECP256R1())
    assert "it is for another key" in refused(odd, store)


def test_a_certificate_for_other_names(odd: Odd, store: Store) -> None:
    odd.leaf = ("bank.test",)
    assert "it is not for odd.test" in refused(odd, store)


def test_a_certificate_that_is_none(odd: Odd, store: Store) -> None:
    odd.first["/certificate"] = [(200, {}, b"rubbish")]
    assert "no certificate in PEM" in refused(odd, store)


def test_a_finalized_order_whose_answer_was_lost(odd: Odd, store: Store) -> None:
    """The order says whether the signing request came; it need not be sent again."""
    real = odd.answer

    def lost(method: str, path: str, body: bytes) -> Answer:
        answer = real(method, path, body)
        if path == "/finalize":
            return 200, {"Content-Length": "999999", "Replay-Nonce": "AAAA"}, b"cut"
        return answer

    odd.server.answer = lost
    assert had(odd, store).chain is not None
