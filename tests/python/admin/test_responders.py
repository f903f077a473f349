"""Responders that are asked and remembered: over HTTP on loopback, with answers that hold and that do not."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lockgate.admin import responders
from lockgate.admin.responders import Responders, asked_once
from lockgate.config.bundle_types import Clients
from lockgate.outgoing import Outgoing, Rules
from support.certificates import Authority
from support.ports import free_port
from support.responder import GOOD, REVOKED, UNKNOWN, OddResponder, answer, signer

LOOPBACK = Rules((ipaddress.ip_network("127.0.0.0/8"),))
IsAuthority = (x509.BasicConstraints(ca=True, path_length=None), True)


def rules(authority: Authority, url: str, *, timeout_ms: int = 20_000, max_age_ms: int = 60_000) -> Clients:
    """Rules by which this responder is asked."""
    return {
        "trust": [str(authority.pem)],
        "require": True,
        "crl": [],
        "unknown_revocation": "deny",
        "ocsp": {"rules": "r", "responder": url, "timeout_ms": timeout_ms, "max_age_ms": max_age_ms},
    }


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def client(authority: Authority) -> x509.Certificate:
    return authority.issue("client", "client.example").certificate


@pytest.fixture
def asking() -> Responders:
    made = Responders()
    made.outgoing = Outgoing(LOOPBACK)
    return made


def test_many_who_ask_at_once_are_one_question(
    authority: Authority, client: x509.Certificate, asking: Responders
) -> None:
    body = answer(client, authority.certificate, signer(authority))

    async def herd(clients: Clients) -> None:
        told = await asyncio.gather(*(asking.standing(clients, [client]) for _ in range(50)))
        assert {each.state for each in told} == {"good"}
        assert (await asking.standing(clients, [client])).state == "good"

    with OddResponder(lambda _: body) as odd:
        asyncio.run(herd(rules(authority, odd.url)))
        assert odd.asked == 1
    assert asking.counts == {"good": 1, "revoked": 0, "unknown": 0, "failed": 0}


def test_the_worst_of_all_on_the_way_counts(authority: Authority, asking: Responders) -> None:
    between = authority.below("between", IsAuthority)
    client = between.issue("client", "client.example").certificate
    said = {"leaf": GOOD, "between": GOOD}

    def says(question: bytes) -> bytes:
        if x509.ocsp.load_der_ocsp_request(question).serial_number == client.serial_number:
            return answer(client, between.certificate, signer(between), said["leaf"])
        return answer(between.certificate, authority.certificate, signer(authority), said["between"])

    with OddResponder(says) as odd:
        clients = rules(authority, odd.url, max_age_ms=60_000)
        for number, (leaf, above, wanted) in enumerate(
            [
                (GOOD, GOOD, "good"),
                (GOOD, REVOKED, "revoked"),
                (UNKNOWN, REVOKED, "revoked"),
                (GOOD, UNKNOWN, "unknown"),
            ]
        ):
            said.update(leaf=leaf, between=above)
            fresh = Responders()
            fresh.outgoing = asking.outgoing
            told = asyncio.run(fresh.standing(clients, [client, between.certificate]))
            assert (number, told.state) == (number, wanted)
        assert odd.asked == 8


def test_one_that_cannot_be_had_is_tried_by_one(
    authority: Authority, asking: Responders, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = [authority.issue(f"client-{number}").certificate for number in range(20)]
    clients = rules(authority, f"http://127.0.0.1:{free_port()}")

    async def ask() -> None:
        for certificate in certificates:
            told = await asking.standing(clients, [certificate])
            assert told.state == "unknown"
            assert "cannot be reached" in told.why
        assert asking.counts["failed"] == 1
        assert [each.error is not None for each in asking.failing] == [True]
        # Once its time has come, many who ask try it once.
        for each in asking.failing:
            each.retry_at = time.monotonic()
        await asyncio.gather(*(asking.standing(clients, [certificate]) for certificate in certificates))
        assert asking.counts["failed"] <= 3

    monkeypatch.setattr(responders, "RETRY_SECONDS", 60.0)
    asyncio.run(ask())


def test_an_answer_that_does_not_hold_shuts_nobody_else_out(authority: Authority, asking: Responders) -> None:
    """Else a client could keep it from being known that another was revoked."""
    one, other = (authority.issue(name).certificate for name in ("one", "other"))
    body = answer(other, authority.certificate, signer(authority), REVOKED)

    async def ask(clients: Clients) -> None:
        assert (await asking.standing(clients, [one])).state == "unknown"
        assert asking.failing[0].error == "its answer is about another certificate"
        assert (await asking.standing(clients, [other])).state == "revoked"
        assert asking.failing == []

    with OddResponder(lambda _: body) as odd:
        asyncio.run(ask(rules(authority, odd.url)))


def test_silence_brings_nobody_back(authority: Authority, asking: Responders) -> None:
    good, revoked = (authority.issue(name).certificate for name in ("good", "revoked"))

    def says(question: bytes) -> bytes:
        of = good if x509.ocsp.load_der_ocsp_request(question).serial_number == good.serial_number else revoked
        return answer(of, authority.certificate, signer(authority), GOOD if of is good else REVOKED)

    def due() -> None:
        for key, told in asking._known.items():
            asking._known[key] = type(told)(told.state, told.why, time.monotonic(), told.until)

    async def ask(odd: OddResponder) -> None:
        clients = rules(authority, odd.url)
        for say in (says, lambda _: b"", lambda _: b""):
            odd.says = say
            assert (await asking.standing(clients, [good])).state == "good"
            assert (await asking.standing(clients, [revoked])).state == "revoked"
            due()
        assert asking.counts == {"good": 1, "revoked": 1, "unknown": 0, "failed": 4}
        # Its own end is its end.
        for key, told in asking._known.items():
            asking._known[key] = type(told)(told.state, told.why, time.monotonic(), time.monotonic())
        assert (await asking.standing(clients, [good])).state == "unknown"
        assert (await asking.standing(clients, [revoked])).state == "revoked"

    with OddResponder(says) as odd:
        asyncio.run(ask(odd))


def test_what_is_remembered_is_bounded(
    authority: Authority, asking: Responders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responders, "KNOWN", 5)
    monkeypatch.setattr(responders, "RESPONDERS", 3)
    certificates = {each.serial_number: each for each in (authority.issue(f"c-{n}").certificate for n in range(8))}

    def says(question: bytes) -> bytes:
        of = certificates[x509.ocsp.load_der_ocsp_request(question).serial_number]
        return answer(of, authority.certificate, signer(authority))

    async def ask(odd: OddResponder) -> None:
        for number, certificate in enumerate(certificates.values()):
            clients = rules(authority, f"{odd.url}/{number}")
            assert (await asking.standing(clients, [certificate])).state == "good"
        assert (len(asking._known), len(asking._responders)) == (5, 3)

    with OddResponder(says) as odd:
        asyncio.run(ask(odd))


def test_nobody_is_asked_about_a_stranger_or_within_the_network(
    authority: Authority, client: x509.Certificate, asking: Responders, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    stranger = Authority(folder, "authority").issue("stranger", "client.example").certificate
    body = answer(client, authority.certificate, signer(authority))
    pem = client.public_bytes(Encoding.PEM)
    with OddResponder(lambda _: body) as odd:
        clients = rules(authority, odd.url)
        told = asyncio.run(asking.standing(clients, [stranger]))
        assert (told.state, told.why) == (
            "refused",
            "no authority of `trust` vouches for the certificate by what was shown",
        )
        state, why = asked_once(Rules(), clients, pem)
        assert state == "unknown"
        assert "no public address" in why
        assert odd.asked == 0
        assert asked_once(LOOPBACK, clients, pem) == ("good", "")
        assert asked_once(LOOPBACK, clients, b"-----BEGIN CERTIFICATE-----")[0] == "refused"
        clients["trust"] = [str(tmp_path / "absent.pem")]
        assert asked_once(LOOPBACK, clients, pem)[0] == "refused"
        assert odd.asked == 1
