"""Tokens through a whole `lockgate run`: keys that are fetched, rotate, go stale, and come back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.harness.upstream import AutoUpstream
from support.issuer import Issuer
from support.ports import free_port
from support.processes import Processes
from support.providers import Provider
from support.running import Running
from support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


class Place:
    """A gate whose one API takes tokens."""

    def __init__(self, processes: Processes, folder: Path, upstream: int, issuers: dict[str, Any]) -> None:
        self.folder = folder
        self.upstream = upstream
        self.port = free_port()
        self.write(issuers)
        self.running = Running(processes, folder).ready()
        self.url = f"http://127.0.0.1:{self.port}"
        self.running.serving()

    def write(self, issuers: dict[str, Any]) -> None:
        """The configuration with these issuers."""
        config = {
            "version": 1,
            "listeners": {"public": {"address": f"127.0.0.1:{self.port}"}},
            "admin": {"address": "127.0.0.1:0"},
            "outgoing": {"allow": ["127.0.0.0/8"]},
            "issuers": issuers,
            "apis": {
                "shop": {
                    "upstream": f"http://127.0.0.1:{self.upstream}",
                    "authenticate": [{"jwt": {"issuer": name}} for name in issuers],
                    "authorize": "authenticated",
                }
            },
        }
        (self.folder / "lockgate.yaml").write_text(yaml.safe_dump(config))

    def get(self, token: str) -> httpx.Response:
        """One request with a token."""
        return httpx.get(f"{self.url}/x", headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)

    def reason(self, token: str) -> str:
        """Why it is refused; `ok` where it is not."""
        answer = self.get(token)
        return "ok" if answer.status_code == 200 else str(answer.json()["type"]).rpartition("/")[2]

    def state(self, name: str = "company") -> dict[str, Any]:
        """How an issuer's keys are."""
        issuers = {issuer["name"]: issuer for issuer in self.running.status().get("issuers", [])}
        found: dict[str, Any] = issuers.get(name, {})
        return found

    def findings(self) -> list[str]:
        """Codes of the open findings about issuers."""
        with self.running.admin as admin:
            found = admin.get("/v1/findings").json()
        return [row["code"] for row in found["items"] if row["source"] == "issuers"]


Start = Callable[[dict[str, Any]], tuple[Place, AutoUpstream]]


@pytest.fixture
def start(processes: Processes, tmp_path: Path) -> Iterator[Start]:
    with AutoUpstream() as upstream:

        def started(issuers: dict[str, Any]) -> tuple[Place, AutoUpstream]:
            return Place(processes, tmp_path, upstream.port, issuers), upstream

        yield started


def company(issuer: Issuer, **more: Any) -> dict[str, Any]:
    return {"company": {"issuer": issuer.url, "audience": "shop", **more}}


def test_a_token_opens_the_api_and_does_not_reach_it(start: Start, issuer: Issuer) -> None:
    place, upstream = start(company(issuer))
    token = issuer.token(client_id="crm")
    assert place.reason(token) == "ok"
    passed = {name.lower() for name, _ in upstream.requests[-1].headers}
    assert "authorization" not in passed
    refused = place.get(issuer.token(aud="other"))
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert place.reason(issuer.keys[0].token(iss="https://evil.example")) == "jwt-issuer"
    state = place.state()
    assert (state["kids"], state["stale"], state["error"]) == (["first"], False, None)
    with place.running.admin as admin:
        metrics = admin.get("/metrics").text
    assert 'lockgate_issuer_keys{issuer="company"} 1' in metrics
    assert "lockgate_token_cache_misses_total" in metrics
    # The event says who called.
    with place.running.admin as admin:
        events = admin.get("/v1/events").text
    assert "company/ann" in events
    assert token not in events


def test_a_rotated_key_is_fetched_within_the_first_request_that_needs_it(start: Start, issuer: Issuer) -> None:
    place, _ = start(company(issuer))
    assert place.reason(issuer.token()) == "ok"
    old, before = issuer.token(), issuer.key_fetches()
    issuer.rotate()
    assert place.reason(issuer.token()) == "ok", "the very first request with the new key"
    assert issuer.key_fetches() == before + 1
    assert place.reason(old) == "jwt-key-unknown", "the old key is gone"
    assert place.state()["kids"] == [issuer.keys[0].kid]


def test_a_herd_of_made_up_keys_is_a_fetch_a_second(start: Start, issuer: Issuer) -> None:
    place, _ = start(company(issuer))
    assert place.reason(issuer.token()) == "ok"
    before, asked = issuer.key_fetches(), len(issuer.fetches)
    issuer.hold.clear()
    began = time.monotonic()
    with ThreadPoolExecutor(48) as pool:
        made_up = [pool.submit(place.reason, issuer.token(kid=f"made-up-{number}")) for number in range(96)]
        # The issuer's document comes before its keys, and is held as well.
        until(lambda: len(issuer.fetches) > asked, "the fetch that they bring about")
        # Tokens whose key is known are not kept waiting meanwhile.
        assert place.reason(issuer.token()) == "ok"
        issuer.hold.set()
        assert {one.result(30) for one in made_up} == {"jwt-key-unknown"}
    # One at once, one for those who came while it was under way, and one a second.
    assert before < issuer.key_fetches() <= before + 2 + int(time.monotonic() - began)
    assert place.reason(issuer.token()) == "ok"


def test_an_issuer_that_is_down_and_comes_back(start: Start, issuer: Issuer) -> None:
    place, _ = start(company(issuer, stale_for="4s"))
    token = issuer.token()
    assert place.reason(token) == "ok"
    issuer.answers["/keys"] = (503, {}, b"")
    until(lambda: "503" in str(place.state().get("error")), "the failure to be told")
    assert place.reason(token) == "ok", "the last keys are believed"
    assert "issuer-keys-failing" in place.findings()
    until(lambda: place.reason(token) == "jwt-keys-stale", "the keys to be too old")
    assert place.reason(issuer.token(sub="bob")) == "jwt-keys-stale"
    answer = place.get(token)
    assert answer.status_code == 503
    del issuer.answers["/keys"]
    until(lambda: place.reason(token) == "ok", "the issuer to be back")
    until(lambda: place.findings() == [], "the finding to be closed")


def test_a_gate_verifies_after_a_restart_without_issuer_and_control(start: Start, issuer: Issuer) -> None:
    place, _ = start(company(issuer))
    assert place.reason(issuer.token()) == "ok"
    issuer.hold.clear()
    pids = place.running.pids()
    os.kill(pids["control"], signal.SIGSTOP)
    try:
        os.kill(pids["gate"], signal.SIGKILL)

        def again() -> bool:
            try:
                return place.reason(issuer.token(sub="bob")) == "ok"
            except httpx.TransportError:
                return False

        until(lambda: place.running.restarts()["gate"] == 1, "the gate to be started again")
        until(again, "a token to be verified")
        assert place.reason(issuer.token(kid="unknown")) == "jwt-key-unknown"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids["control"], signal.SIGCONT)


def test_beside_a_refused_configuration_the_last_good_ones_issuers_are_asked(start: Start, issuer: Issuer) -> None:
    place, _ = start(company(issuer))
    assert place.reason(issuer.token()) == "ok"
    place.running.again(beside="colour: red\n")
    place.running.serving()
    assert "ATTENTION" in place.running.output
    assert place.reason(issuer.token()) == "ok"
    issuer.rotate()
    assert place.reason(issuer.token()) == "ok", "the new key is fetched"


def test_two_issuers_and_one_that_is_taken_out(start: Start, issuer: Issuer) -> None:
    with Issuer() as other:
        issuers = {**company(issuer), "partner": {"issuer": other.url, "audience": "shop"}}
        place, _ = start(issuers)
        assert place.reason(issuer.token()) == "ok"
        assert place.reason(other.token()) == "ok"
        # The refusal is that of the issuer whose token it is.
        assert place.reason(other.token(aud="x")) == "jwt-audience"
        assert place.reason(issuer.token(aud="x")) == "jwt-audience"
        place.write(company(issuer))
        until(lambda: place.reason(other.token()) == "jwt-issuer", "the other's tokens to be refused")
        assert place.state("partner") == {}


def test_the_name_of_an_issuer_that_means_another_one_now(start: Start, issuer: Issuer) -> None:
    with Issuer() as other:
        place, _ = start(company(issuer))
        token = issuer.token()
        assert place.reason(token) == "ok"
        place.write(company(other))
        until(lambda: place.reason(other.token()) == "ok", "the new issuer's keys")
        assert place.reason(token) == "jwt-issuer"
        assert place.reason(issuer.keys[0].token(iss=other.url)) == "jwt-signature"


def test_keys_that_come_late_of_an_issuer_that_was_meant_before(start: Start, issuer: Issuer) -> None:
    with Issuer() as other, ThreadPoolExecutor(1) as pool:
        place, _ = start(company(issuer))
        assert place.reason(issuer.token()) == "ok"
        issuer.hold.clear()
        asked, before = len(issuer.fetches), issuer.key_fetches()
        waiting = pool.submit(place.reason, issuer.token(kid="made-up"))
        until(lambda: len(issuer.fetches) > asked, "the fetch that it brings about")
        place.write(company(other))
        until(lambda: place.reason(other.token()) == "ok", "the new issuer's keys")
        issuer.hold.set()
        until(lambda: issuer.key_fetches() > before, "the old issuer's keys to be sent")
        waiting.result(30)
        for _ in range(30):
            assert place.reason(other.token()) == "ok"


def test_a_key_file_that_changes(start: Start, issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [issuer.keys[0].jwk]}))
    place, _ = start(company(issuer, jwks={"file": "keys.json"}))
    old = issuer.token()
    assert place.reason(old) == "ok"
    new = issuer.rotate()
    file.write_text(json.dumps({"keys": [new.jwk]}))
    until(lambda: place.reason(issuer.token()) == "ok", "the file to be taken over")
    assert place.reason(old) == "jwt-key-unknown"
    assert issuer.fetches == []


def test_what_may_not_be_called_is_not(start: Start, issuer: Issuer) -> None:
    issuers = company(issuer, jwks={"url": "https://169.254.169.254/keys"})
    place, _ = start(issuers)
    until(lambda: "no public address" in str(place.state().get("error")), "the refusal to be told")
    assert place.reason(issuer.token()) == "jwt-keys-missing"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_a_certified_provider(algorithm: str, start: Start, processes: Processes) -> None:
    provider = Provider(processes, "oidc_provider.mjs", "one", algorithm)
    place, _ = start({"company": {"issuer": provider.url, "audience": "https://api.example.com", "types": ["at+jwt"]}})
    answer = place.get(provider.token(scope="orders:read"))
    assert answer.status_code == 200, answer.text
    with place.running.admin as admin:
        until(lambda: "company/crm" in admin.get("/v1/events").text, "the event")
    if algorithm == "ES256":
        # It stops answering, as a machine does that hangs.
        token = provider.token(scope="orders:read")
        provider.process.signal(signal.SIGSTOP)
        assert place.reason(token) == "ok"
        provider.process.signal(signal.SIGCONT)
        # And comes back with another key.
        provider.process.stop()
        again = Provider(processes, "oidc_provider.mjs", "two", algorithm, port=provider.port)
        assert place.reason(again.token(scope="orders:read")) == "ok"
        assert place.reason(token) == "jwt-key-unknown"


def test_a_provider_that_signs_whatever_it_is_asked_to(start: Start, processes: Processes) -> None:
    provider = Provider(processes, "mock_server.mjs")
    place, _ = start({"company": {"issuer": provider.url, "audience": "shop", "require": ["scope"]}})
    now = int(time.time())
    good = {"aud": "shop", "sub": "ann", "scope": "a"}
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (good, {}, "ok"),
        ({**good, "aud": ["x", "shop"]}, {}, "ok"),
        ({**good, "aud": "x"}, {}, "jwt-audience"),
        ({**good, "exp": now - 60}, {}, "jwt-expired"),
        ({**good, "exp": str(now + 60)}, {}, "jwt-claims"),
        ({**good, "nbf": now + 600}, {}, "jwt-early"),
        ({**good, "iss": "https://evil.example"}, {}, "jwt-issuer"),
        ({**good, "sub": ["ann"]}, {}, "jwt-claims"),
        ({"aud": "shop", "sub": "ann"}, {}, "jwt-claims"),
        ({**good, "cnf": {"jkt": "x"}}, {}, "jwt-proof-missing"),
        ({**good, "cnf": {"kid": "x"}}, {}, "jwt-bound"),
        ({**good, "groups": ["g" * 20] * 1000}, {}, "jwt-too-large"),
        (good, {"typ": "logout+jwt"}, "jwt-type"),
        (good, {"kid": "unknown"}, "jwt-key-unknown"),
        (good, {"jku": "https://evil.example/keys"}, "ok"),
        (good, {"cty": "JWT"}, "jwt-nested"),
    ]
    for claims, header, reason in cases:
        token = provider.token(claims=json.dumps(claims), header=json.dumps(header))
        assert place.reason(token) == reason, (claims, header)
