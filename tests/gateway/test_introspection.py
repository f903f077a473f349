"""Tokens that their issuer is asked about, with a certified provider: asked once, and known for a while."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk, jwt

from gateway.harness.upstream import AutoUpstream
from support.client_key import client_key
from support.command import lockgate
from support.introspector import INACTIVE, Introspector, Said, active
from support.issuer import b64
from support.ports import free_port
from support.processes import Processes
from support.providers import Provider
from support.running import Running
from support.waiting import until

pytestmark = pytest.mark.full

SECRET = "hush: a & b"
AUDIENCE = "https://api.example.com"


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


@pytest.fixture
def provider(processes: Processes) -> Provider:
    return Provider(processes, "opaque_provider.mjs")


def asked(provider: Provider) -> int:
    """How often the provider was asked about tokens."""
    return int(httpx.get(f"{provider.url}/asked", trust_env=False).json()["asked"])


class Place:
    """A gate whose one API takes tokens that an issuer is asked about."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        upstream: AutoUpstream,
        issuer: str,
        *,
        entry: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
        ways: list[dict[str, Any]] | None = None,
        told: dict[str, Any] | None = None,
    ) -> None:
        secret = folder / "client.secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        self.port = free_port()
        config = {
            "version": 1,
            "listeners": {
                "public": {"address": f"127.0.0.1:{self.port}", "limits": {"connections_per_ip": 4000}},
            },
            "admin": {"address": "127.0.0.1:0"},
            "outgoing": {"allow": ["127.0.0.0/8"]},
            "issuers": {
                "company": {
                    "issuer": issuer,
                    "audience": AUDIENCE,
                    "client": {"id": "lockgate", "secret": "${file:client.secret}"},
                    **(more or {}),
                }
            },
            "upstreams": {"shop": {"targets": [f"http://127.0.0.1:{upstream.port}"], **(told or {})}},
            "apis": {
                "shop": {
                    "upstream": "shop",
                    "authenticate": [{"introspection": {"issuer": "company", **(entry or {})}}, *(ways or [])],
                    "authorize": "authenticated",
                }
            },
        }
        (folder / "lockgate.yaml").write_text(yaml.safe_dump(config))
        self.running = Running(processes, folder).ready()
        self.running.serving()

    def get(self, token: str, scheme: str = "Bearer") -> httpx.Response:
        """One request."""
        headers = {"Authorization": f"{scheme} {token}"}
        return httpx.get(f"http://127.0.0.1:{self.port}/orders", headers=headers, trust_env=False, timeout=30)

    def reason(self, token: str) -> str:
        """Why a request is refused; nothing where it is not."""
        answer = self.get(token)
        return "" if answer.status_code == 200 else str(answer.json()["reason"])

    def findings(self) -> list[str]:
        """What does not work, as people are told."""
        with self.running.admin as admin:
            items = admin.get("/v1/findings").json()["items"]
        return [item["message"] for item in items if item["code"] == "introspection-failing"]

    def metric(self, name: str, **labels: str) -> float:
        """A number of the gate's."""
        with self.running.admin as admin:
            text = admin.get("/metrics").text
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        assert lines, f"there is no {name}"
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(each in line for each in wanted))


def test_a_token_is_asked_about_once_whoever_sends_it(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, provider: Provider
) -> None:
    place = Place(processes, tmp_path, upstream, provider.url)
    token = provider.token(client_secret=SECRET)
    assert "." not in token, "it says nothing by itself"
    assert place.reason(token) == ""
    assert place.reason(token) == ""
    assert asked(provider) == 1
    passed = [name.lower() for request in upstream.requests for name, _ in request.headers]
    assert passed
    assert "authorization" not in passed
    made_up = place.get("nobody-has-this")
    assert (made_up.status_code, made_up.json()["reason"]) == (401, "introspection-inactive")
    assert made_up.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert place.reason("nobody-has-this") == "introspection-inactive"
    assert asked(provider) == 2
    # What nobody can have issued is not asked about.
    assert place.reason("what!") == "introspection-malformed"
    assert place.reason("a" * 9000) == "introspection-malformed"
    assert asked(provider) == 2


def fake(processes: Processes, folder: Path, upstream: AutoUpstream, asked: Introspector, **more: Any) -> Place:
    """A gate that asks one that answers as a test wants it."""
    how = {"url": asked.url, **more.pop("how", {})}
    return Place(processes, folder, upstream, "https://login.example.com", more={"introspection": how}, **more)


CROWD = 1_000


def test_a_thousand_requests_with_one_new_token_are_one_question(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    async def crowd(place: Place, release: threading.Event) -> list[bytes]:
        async def one(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            token = "Authorization: Bearer a-new-token"
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: a\r\n{token}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            try:
                return await reader.readline()
            finally:
                writer.close()

        asking = [asyncio.ensure_future(one(number)) for number in range(CROWD)]
        await asyncio.to_thread(
            until, lambda: place.metric("lockgate_connections") >= CROWD, "connections of all that ask"
        )
        release.set()
        return await asyncio.gather(*asking)

    with Introspector() as issuer:
        place = fake(processes, tmp_path, upstream, issuer, how={"timeout": "30s"})
        issuer.open.clear()
        lines = asyncio.run(crowd(place, issuer.open))
        assert lines == [b"HTTP/1.1 200 OK\r\n"] * CROWD
        assert len(issuer.asked) == 1
        assert place.metric("lockgate_introspection_asked_total", issuer="company") == 1
        assert place.metric("lockgate_introspection_questions_total", outcome="active") == 1


def test_an_upstream_gets_a_signed_token_for_one_that_says_nothing(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    """The pattern that is called phantom token: opaque outside, signed within."""
    with Introspector(lambda _: active(scope="orders:read", private="x")) as issuer:
        place = fake(
            processes, tmp_path, upstream, issuer, told={"assertion": {"audience": "orders", "claims": ["scope"]}}
        )
        assert place.get("opaque-1").status_code == 200
        published = httpx.get(f"http://127.0.0.1:{place.port}/.lockgate/jwks.json", trust_env=False).json()
    fields = {name.lower(): value for name, value in upstream.requests[-1].headers}
    token = jwt.decode(
        fields["authorization"].removeprefix("Bearer "), jwk.KeySet.import_key_set(published), algorithms=["ES256"]
    )
    claims = dict(token.claims)
    assert (claims["sub"], claims["scope"], claims["aud"]) == ("ann", "orders:read", "orders")
    assert claims["proved_by"] == "introspection"
    assert "private" not in claims
    assert "opaque-1" not in str(upstream.requests)


def test_who_makes_tokens_up_is_told_to_come_back_and_the_issuer_is_not_drowned(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    with Introspector(lambda _: INACTIVE) as issuer:
        place = fake(processes, tmp_path, upstream, issuer, how={"timeout": "30s", "concurrent": 4})
        issuer.open.clear()
        with ThreadPoolExecutor(300) as pool:
            waiting = [pool.submit(place.get, f"made-up-{number}") for number in range(300)]

            def done() -> list[httpx.Response]:
                return [each.result() for each in waiting if each.done()]

            until(lambda: len(done()) >= 300 - 256, "those for which there is no room are answered")
            until(lambda: len(issuer.asked) == 4, "as many as it may be asked at a time")
            busy = done()
            assert {(each.status_code, each.json()["reason"]) for each in busy} == {(503, "introspection-busy")}
            assert all(each.headers["retry-after"] == "1" for each in busy)
            assert len(issuer.asked) == 4, "the others wait for their turn"
            issuer.open.set()
            answers = [each.result() for each in waiting]
        told = [each.json()["reason"] for each in answers]
        # Address penalties may turn the guesser away by then, with what is theirs to say.
        assert told.count("introspection-busy") == len(busy)
        assert "introspection-inactive" in told


FAULTS = {
    "garbage": (Said(b"<html>"), "is not JSON"),
    "not an object": (Said(b"[true]"), "is not a JSON object"),
    "no active": (Said(b'{"sub":"ann"}'), "has no `active`"),
    "active as a text": (Said(b'{"active":"true"}'), "neither true nor false"),
    "a name twice": (Said(b'{"active":false,"active":true}'), "has a name twice"),
    "huge": (Said(b'{"active":true,"x":"' + b"a" * 70_000 + b'"}'), "more than 65536 bytes"),
    "deep": (Said(b'{"active":true,"x":' + b"[" * 40 + b"]" * 40 + b"}"), "nested too deeply"),
    "another type": (Said(active().body, type="text/html"), "answers with text/html"),
    "a redirect": (Said(b"", 307, headers=(("Location", "https://evil.example/"),)), "redirect"),
    "does not know us": (Said(b"{}", 401), "does not know the client"),
    "an error": (Said(b"{}", 500), "status 500"),
    "too many": (Said(b"{}", 429), "status 429"),
}


def errs(place: Place, issuer: Introspector, case: tuple[str, int], said: Said, told: str) -> None:
    """Nobody comes in by such an answer, and people are told why."""
    name, number = case
    issuer.answer = lambda _: said
    until(lambda: place.reason(f"{number}-x") == "introspection-unavailable", name)
    answer = place.get(f"{number}-y")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), name
    # After some faults it is left in peace for a while; a token tries it again.
    until(lambda: place.reason(f"{number}-z") != "" and told in "".join(place.findings()), f"a finding for {name}")


def test_what_is_no_answer_lets_nobody_in_and_is_told(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    with Introspector() as issuer:
        place = fake(processes, tmp_path, upstream, issuer)
        for number, (name, (said, told)) in enumerate(FAULTS.items()):
            errs(place, issuer, (name, number), said, told)
        assert FAULTS["garbage"][1] in place.running.output, "the log says how it began"
        issuer.answer = lambda _: active()
        until(lambda: place.reason("good") == "", "it answers again")
        until(lambda: not place.findings(), "the finding is gone")
        assert not upstream.requests[1:], "nobody else came in"
        assert SECRET not in place.running.output
        with place.running.admin as admin:
            shown = admin.get("/v1/findings").text + admin.get("/v1/status").text
        assert SECRET not in shown


def test_a_slow_issuer_is_not_waited_for_by_everybody(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    with Introspector() as issuer:
        place = fake(processes, tmp_path, upstream, issuer, how={"timeout": "500ms"}, entry={"cache": "1h"})
        until(lambda: place.reason("known") == "", "it is known, however long the first question takes")
        issuer.open.clear()
        assert place.reason("new") == "introspection-unavailable"
        until(lambda: "did not answer within" in "".join(place.findings()), "a finding")
        assert place.reason("known") == "", "what is known is known"
        issuer.open.set()
        until(lambda: place.reason("new") == "", "it answers again")


def test_what_an_answer_says_is_held_against_the_rules(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    cases: dict[str, tuple[Said, str]] = {
        "good": (active(scope="a orders:read"), ""),
        "by-a-program": (active(sub=None, scope="orders:read"), ""),
        "another-api": (active(aud=["https://other.example"]), "introspection-audience"),
        "no-audience": (active(aud=None), "introspection-claims"),
        "another-issuer": (active(iss="https://evil.example"), "introspection-claims"),
        "refresh": (active(token_type=None), "introspection-claims"),
        "refresh-said": (active(token_type="refresh_token"), "introspection-claims"),
        "use": (active(token_use="id_token"), "introspection-claims"),
        "nobody": (active(sub=None, client_id=None), "introspection-claims"),
        "expired": (active(exp=1), "introspection-inactive"),
        "ahead": (active(nbf=2**40), "introspection-inactive"),
        "no-time": (active(exp="soon"), "introspection-claims"),
        "bound": (active(cnf={"x5t#S256": "A" * 43}, scope="orders:read"), "jwt-certificate"),
        "bound-to-what": (active(cnf={"kid": "k"}, scope="orders:read"), "jwt-bound"),
        "lacking": (active(scope="orders"), "introspection-scope"),
        "inactive": (INACTIVE, "introspection-inactive"),
    }
    with Introspector(lambda token: cases[token][0]) as issuer:
        place = fake(processes, tmp_path, upstream, issuer, entry={"scopes": ["orders:read"]})
        for name, (_, reason) in cases.items():
            assert place.reason(name) == reason, name
        lacking = place.get("lacking")
        assert lacking.status_code == 403
        assert 'error="insufficient_scope"' in lacking.headers["www-authenticate"]
        assert 'scope="orders:read"' in lacking.headers["www-authenticate"]
        assert len(issuer.asked) == len(cases)


def test_what_was_revoked_at_the_provider_opens_nothing_once_its_time_has_passed(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, provider: Provider
) -> None:
    place = Place(processes, tmp_path, upstream, provider.url, entry={"cache": "500ms", "negative": "100ms"})
    token, other = (provider.token(client_secret=SECRET) for _ in range(2))
    assert (place.reason(token), place.reason(other)) == ("", "")
    form = {"token": token, "client_id": "crm", "client_secret": SECRET}
    assert httpx.post(f"{provider.url}/token/revocation", data=form, trust_env=False).status_code == 200
    until(lambda: place.reason(token) == "introspection-inactive", "the revoked token is refused")
    assert place.reason(other) == ""
    # A revocation of ours is known at once, by what the provider says of the token.
    with place.running.admin as admin:
        made = admin.post("/v1/tokens/revocations", json={"issuer": "company", "by": "client", "value": "crm"})
        assert made.status_code == 201, made.text
    until(lambda: place.reason(other) == "jwt-revoked", "all tokens of the client are refused")


def test_a_provider_that_is_away_and_processes_that_start_again(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    provider = Provider(processes, "opaque_provider.mjs")
    place = Place(processes, tmp_path, upstream, provider.url, entry={"cache": "1h"})
    token = provider.token(client_secret=SECRET)
    assert place.reason(token) == ""
    before = place.running.pids()
    os.kill(before["control"], signal.SIGKILL)
    assert place.reason(token) == "", "what is known needs no control process"
    until(lambda: place.running.pids()["control"] != before["control"], "another control process")
    until(lambda: place.reason("new") == "introspection-inactive", "which asks again")
    os.kill(before["gate"], signal.SIGKILL)
    until(lambda: place.running.pids()["gate"] != before["gate"], "another gate")
    place.running.serving()
    until(lambda: place.reason(token) == "", "which knows nothing, and asks")
    provider.process.stop()
    assert place.reason(token) == "", "what is known needs no provider"
    away = place.get("another")
    assert (away.status_code, away.json()["reason"]) == (503, "introspection-unavailable")
    assert "retry-after" in away.headers
    until(lambda: "cannot be reached" in "".join(place.findings()), "a finding")
    again = Provider(processes, "opaque_provider.mjs", port=provider.port)
    fresh = again.token(client_secret=SECRET)
    until(lambda: place.reason(fresh) == "", "it is there again")
    until(lambda: not place.findings(), "and nobody is told otherwise")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_client_shows_its_secret_as_the_provider_wants_it(
    method: str, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    provider = Provider(processes, "opaque_provider.mjs", method)
    client = {"id": "lockgate", "secret": "${file:client.secret}", "method": method}
    place = Place(processes, tmp_path, upstream, provider.url, more={"client": client})
    assert place.reason(provider.token(client_secret=SECRET)) == ""
    assert SECRET not in place.running.output
    kept = [path for path in (tmp_path / ".lockgate").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()], "no bundle and no database holds it"


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_the_client_proves_itself_by_its_own_key(
    kind: str, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    public = client_key(kind, tmp_path)
    provider = Provider(processes, "opaque_provider.mjs", "private_key_jwt", json.dumps(public))
    client = {"id": "lockgate", "key": "${file:client.key}", "kid": "client-1"}
    place = Place(processes, tmp_path, upstream, provider.url, more={"client": client})
    assert place.reason(provider.token(client_secret=SECRET)) == ""
    client_key(kind, tmp_path)  # Another one, which the provider does not know.
    assert place.reason(provider.token(client_secret=SECRET)) == "introspection-unavailable"
    until(lambda: any("private_key_jwt" in message for message in place.findings()), "people are told")
    doctor = json.loads(lockgate("doctor", "--offline", "--json", cwd=tmp_path).out)
    [result] = [each for each in doctor["results"] if each["check"] == "issuers"]
    assert (result["level"], "private_key_jwt" in result["found"]) == ("error", True)
    (tmp_path / "client.key").write_text("no key at all")
    message = "the private key of the client lockgate cannot be read"

    def told() -> bool:
        place.reason(provider.token(client_secret=SECRET))
        return any(message in each for each in place.findings())

    until(told, "that it is no key")
    assert "no key at all" not in place.running.output


def test_signed_tokens_are_judged_here_and_others_there(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, provider: Provider
) -> None:
    place = Place(
        processes,
        tmp_path,
        upstream,
        provider.url,
        ways=[{"jwt": {"issuer": "company"}}],
        more={"audience": [AUDIENCE, "https://jwt.example.com"], "algorithms": ["RS256"]},
    )
    signed = provider.token(client_secret=SECRET, resource="https://jwt.example.com")
    assert signed.count(".") == 2
    assert place.reason(signed) == ""
    assert asked(provider) == 0
    assert place.reason(provider.token(client_secret=SECRET)) == ""
    assert asked(provider) == 1
    head, claims, _ = signed.split(".")
    assert place.reason(f"{head}.{claims}.AAAA") == "jwt-signature", "it is the issuer's by its own word"
    assert asked(provider) == 1
    refused = place.get("opaque")
    assert refused.json()["reason"] == "introspection-inactive"
    assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert asked(provider) == 2


class Prover:
    """A client's key, and the proofs of it (DPoP, RFC 9449)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def proof(self, method: str, url: str, token: str | None = None) -> str:
        point = self._key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": b64(point.x.to_bytes(32)), "y": b64(point.y.to_bytes(32))}
        claims = {"jti": b64(os.urandom(12)), "htm": method, "htu": url, "iat": int(time.time())}
        if token is not None:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        parts = ({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}, claims)
        content = ".".join(b64(json.dumps(part).encode()) for part in parts)
        r, s = decode_dss_signature(self._key.sign(content.encode(), ec.ECDSA(SHA256())))
        return f"{content}.{b64(r.to_bytes(32) + s.to_bytes(32))}"

    def token(self, url: str, **form: str) -> str:
        form = {"grant_type": "client_credentials", **form}
        headers = {"DPoP": self.proof("POST", url)}
        answer = httpx.post(url, data=form, headers=headers, trust_env=False)
        assert answer.json()["token_type"] == "DPoP", answer.text
        return str(answer.json()["access_token"])


def test_a_token_that_is_bound_to_a_key_wants_its_proof(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream, provider: Provider
) -> None:
    place = Place(processes, tmp_path, upstream, provider.url, entry={"sender_constrained": ["dpop"]})
    client = Prover()
    token = client.token(f"{provider.url}/token", client_id="crm", client_secret=SECRET)
    assert "." not in token
    url = f"http://127.0.0.1:{place.port}/orders"

    def reason(scheme: str, proof: str | None) -> str:
        headers = {"Authorization": f"{scheme} {token}", **({"DPoP": proof} if proof else {})}
        answer = httpx.get(url, headers=headers, trust_env=False)
        return "" if answer.status_code == 200 else str(answer.json()["reason"])

    proof = client.proof("GET", url, token)
    assert reason("DPoP", proof) == ""
    assert reason("DPoP", proof) == "jwt-proof-replayed"
    assert reason("DPoP", None) == "jwt-proof-missing"
    assert reason("DPoP", Prover().proof("GET", url, token)) == "jwt-proof"
    assert reason("Bearer", client.proof("GET", url, token)) == "jwt-proof-missing"
    assert place.reason(provider.token(client_secret=SECRET)) == "jwt-unbound"
    assert asked(provider) == 2
