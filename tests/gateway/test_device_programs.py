"""`device`: programs, known by the key that their tokens are bound to, and machines, known by a certificate."""

from __future__ import annotations

import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.harness.upstream import AutoUpstream
from gateway.test_bound_tokens import Place
from gateway.test_devices import command, devices
from support.certificates import Authority, Issued
from support.issuer import Issuer, SigningKey, b64
from support.processes import Processes
from support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


class Program:
    """A program with a key of its own (RFC 9449)."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._key = SigningKey("own")
        self._jwk = {name: self._key.jwk[name] for name in ("crv", "kty", "x", "y")}
        whole = json.dumps(self._jwk, separators=(",", ":"), sort_keys=True)
        self.thumbprint = b64(hashlib.sha256(whole.encode()).digest())

    def asks(self, url: str) -> str:
        """What it hears, with a fresh token and a proof of its key."""
        token = self._issuer.token(cnf={"jkt": self.thumbprint})
        proof = self._key.token(
            typ="dpop+jwt",
            header={"jwk": self._jwk},
            htm="GET",
            htu=url,
            jti=secrets.token_hex(16),
            ath=b64(hashlib.sha256(token.encode()).digest()),
        )
        return said(httpx.get(url, headers={"Authorization": f"DPoP {token}", "DPoP": proof}, trust_env=False))


def said(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["reason"])


def until_ok(asks: Callable[[], str]) -> None:
    until(lambda: asks() == "ok", "the gate to hear that the device was approved")


def stays_revoked(place: Place) -> None:
    """Nothing takes it back: neither an approval, nor tokens that are restored."""
    [revoked] = devices(place, state="revoked")
    assert "for good" in command(place, "approve", revoked["id"], code=2)
    with place.running.admin as admin:
        [revocation] = admin.get("/v1/tokens/revocations").json()["items"]
        answer = admin.delete(f"/v1/tokens/revocations/{revocation['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "device-revoked")
    assert revoked["id"] in answer.json()["detail"]


def test_a_program_is_known_by_its_key(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, issuer: Issuer
) -> None:
    place = Place(
        processes,
        tmp_path,
        upstream,
        {"issuer": issuer.url, "audience": "shop"},
        device={"unapproved": "deny"},
        headers={"request": {"set": {"X-Device": "{device}"}}},
    )
    url = f"http://127.0.0.1:{place.port}/orders"
    own, other = Program(issuer), Program(issuer)
    plain = httpx.get(url, headers={"Authorization": f"Bearer {issuer.token()}"}, trust_env=False)
    assert said(plain) == "device-missing", "a token that anybody can copy is bound to no device"
    assert own.asks(url) == "device-unapproved"
    [known] = devices(place)
    assert (known["kind"], known["subject"], known["issuer"], known["state"]) == ("dpop", "ann", issuer.url, "new")
    assert (known["name"], [look["agent"] for look in known["looks"]]) == ("python-httpx", ["python-httpx"])
    assert own.thumbprint not in json.dumps(known), "what it is known by is shown to nobody"

    command(place, "approve", known["id"])
    until_ok(lambda: own.asks(url))
    assert upstream.requests[-1].get("x-device") == known["id"]
    assert other.asks(url) == "device-unapproved", "another key of the same owner is another device"
    second = next(one for one in devices(place, state="unapproved") if one["id"] != known["id"])
    command(place, "approve", second["id"])
    until_ok(lambda: other.asks(url))

    # Whenever a token was issued for it, and at once.
    command(place, "revoke", known["id"])
    assert (own.asks(url), other.asks(url)) == ("jwt-revoked", "ok")
    stays_revoked(place)
    assert own.asks(url) == "jwt-revoked"


def machines(processes: Processes, folder: Path, upstream: AutoUpstream, issuer: Issuer, **api: Any) -> Machines:
    authority = Authority(folder)
    gate, *issued = (authority.issue(name, f"{name}.example") for name in ("gate", "one", "two"))
    tls = {
        "certificate": {"chain": str(gate.chain), "key": str(gate.key)},
        "client_certificates": {"trust": str(authority.pem), "require": False},
    }
    rules = {"issuer": issuer.url, "audience": "shop"}
    return Machines(Place(processes, folder, upstream, rules, tls=tls, **api), authority, issued)


class Machines:
    """A gate with TLS, and two machines with a certificate each."""

    def __init__(self, place: Place, authority: Authority, issued: list[Issued]) -> None:
        self.place = place
        self._authority = authority
        self.one, self.two = issued

    def asks(self, certificate: Issued, token: str | None = None) -> str:
        """What a machine hears, over a connection of its own."""
        context = ssl.create_default_context(cafile=str(self._authority.pem))
        context.load_cert_chain(certificate.chain, certificate.key)
        headers = {"Host": "gate.example", **({"Authorization": f"Bearer {token}"} if token is not None else {})}
        with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
            url = f"https://127.0.0.1:{self.place.port}/orders"
            return said(client.get(url, headers=headers, extensions={"sni_hostname": "gate.example"}))


def test_a_machine_is_known_by_its_certificate(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, issuer: Issuer
) -> None:
    ways = [{"mtls": {"allow": [{"dns": "*.example"}]}}]
    made = machines(processes, tmp_path, upstream, issuer, authenticate=ways, device={})
    place = made.place
    # A program can prove no more than it has, so an operator says whose it is.
    assert made.asks(made.one) == "step-up-impossible"
    [known] = devices(place)
    assert (known["kind"], known["issuer"], known["state"]) == ("certificate", "mtls", "new")
    command(place, "approve", known["id"])
    until_ok(lambda: made.asks(made.one))
    assert made.asks(made.two) == "step-up-impossible"
    second = next(one for one in devices(place) if one["id"] != known["id"])
    command(place, "approve", second["id"])
    until_ok(lambda: made.asks(made.two))

    command(place, "revoke", known["id"])
    assert (made.asks(made.one), made.asks(made.two)) == ("device-revoked", "ok")
    stays_revoked(place)
    assert made.asks(made.one) == "device-revoked"


def test_a_token_that_is_bound_to_a_certificate_is_of_its_device(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, issuer: Issuer
) -> None:
    made = machines(processes, tmp_path, upstream, issuer, device={"unapproved": "deny"})
    place = made.place
    thumbprint = b64(made.one.certificate.fingerprint(SHA256()))

    def asks(**more: Any) -> str:
        return made.asks(made.one, issuer.token(cnf={"x5t#S256": thumbprint}, **more))

    assert asks() == "device-unapproved"
    [known] = devices(place)
    assert (known["kind"], known["subject"], known["issuer"]) == ("certificate", "ann", issuer.url)
    command(place, "approve", known["id"])
    until_ok(asks)
    assert asks(sub="bob") == "device-unapproved", "who else has it is another owner, with a device of their own"

    command(place, "revoke", known["id"])
    assert asks() == "jwt-revoked"
    assert asks(iat=int(time.time()) + 5) == "jwt-revoked"
    stays_revoked(place)
