"""Tokens that are revoked, through a whole `lockgate run`: at once, on open streams too, and for good."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from gateway.harness.upstream import AutoUpstream, Upstream
from support.issuer import Issuer
from support.ports import free_port
from support.processes import Processes
from support.running import Running
from support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


class Place:
    """A gate whose API takes tokens of an issuer, and keys."""

    def __init__(self, processes: Processes, folder: Path, upstream: int, issuer: Issuer) -> None:
        self.folder = folder
        self.issuer = issuer
        self.url = f"http://127.0.0.1:{free_port()}"
        config = {
            "version": 1,
            "listeners": {"public": {"address": self.url.removeprefix("http://")}},
            "admin": {"address": "127.0.0.1:0"},
            "outgoing": {"allow": ["127.0.0.0/8"]},
            "issuers": {"company": {"issuer": issuer.url, "audience": "shop"}},
            "apis": {
                "shop": {
                    "upstream": f"http://127.0.0.1:{upstream}",
                    "authenticate": [{"jwt": {"issuer": "company"}}, "api_key"],
                    "authorize": "authenticated",
                }
            },
        }
        (folder / "lockgate.yaml").write_text(yaml.safe_dump(config))
        self.running = Running(processes, folder).ready()
        self.running.serving()

    def tokens(self, *words: str, given: str | None = None, status: int = 0) -> str:
        """The command, and what it says."""
        command = [sys.executable, "-m", "lockgate", "tokens", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, input=given, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def reason(self, token: str) -> str:
        """Why a token is refused; `ok` where it is not."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{self.url}/x", headers=headers, timeout=30, trust_env=False)
        return "ok" if answer.status_code == 200 else str(answer.json()["reason"])


@pytest.fixture
def place(processes: Processes, tmp_path: Path, issuer: Issuer) -> Iterator[Place]:
    with AutoUpstream() as upstream:
        yield Place(processes, tmp_path, upstream.port, issuer)


def test_each_way_of_telling_tokens(place: Place) -> None:
    long_ago = int(time.time()) - 100
    claims = {"jti": "t1", "sid": "s1", "client_id": "crm", "device": "d1", "iat": long_ago}
    token = place.issuer.token(**claims)
    others = {
        "--jti": place.issuer.token(**{**claims, "jti": "t2"}),
        "--session": place.issuer.token(**{**claims, "sid": "s2"}),
        "--device": place.issuer.token(**{**claims, "device": "d2"}),
        "--client": place.issuer.token(**{**claims, "client_id": "shop"}),
        "--subject": place.issuer.token(**claims, sub="bob"),
    }
    for option, value in [
        ("--jti", ["t1"]),
        ("--session", ["s1"]),
        ("--device", ["d1"]),
        ("--client", ["crm"]),
        ("--subject", ["ann"]),
        ("--all", []),
    ]:
        assert place.reason(token) == "ok", option
        said = place.tokens("revoke", "--issuer", "company", option, *value, "--reason", "a test")
        assert "The gate acts on it already." in said
        assert place.reason(token) == "jwt-revoked", option
        # Clocks may differ by half a minute: what is issued just after is as if it were.
        other = others.get(option) or place.issuer.token(iat=int(time.time()) + 2)
        assert place.reason(other) == "ok", option
        [row] = json.loads(place.tokens("list", "--json"))
        assert row["reason"] == "a test"
        assert "Taken back" in place.tokens("restore", row["id"])
    assert place.reason(token) == "ok"
    assert "No tokens were revoked" in place.tokens("list")


def test_a_token_that_leaked_is_revoked_by_itself(place: Place) -> None:
    token = place.issuer.token(jti="t1")
    assert place.reason(token) == "ok"
    said = place.tokens("revoke", "--token", "-", given=f"Bearer {token}\n")
    assert "`jti` t1" in said
    assert token not in said
    assert place.reason(token) == "jwt-revoked"
    assert place.reason(place.issuer.token(jti="t2")) == "ok"
    assert "jti" in place.tokens("revoke", "--token", "-", given=place.issuer.token(), status=2)


def test_a_revocation_outlives_every_restart(place: Place) -> None:
    token = place.issuer.token(iat=int(time.time()) - 100)
    place.tokens("revoke", "--issuer", "company", "--subject", "ann")
    place.running.again()
    place.running.serving()
    assert place.reason(token) == "jwt-revoked"
    with place.running.admin as admin:
        assert "lockgate_facts_revocations 1" in admin.get("/metrics").text
    # And is made while nothing runs.
    place.running.process.stop()
    assert "when it starts" in place.tokens("revoke", "--issuer", "company", "--subject", "bob")
    place.running.again()
    place.running.serving()
    assert place.reason(place.issuer.token(sub="bob", iat=int(time.time()) - 100)) == "jwt-revoked"


def test_explain_says_the_same(place: Place) -> None:
    token = place.issuer.token(iat=int(time.time()) - 100)
    assert place.reason(token) == "ok"
    place.tokens("revoke", "--issuer", "company", "--subject", "ann")
    words = ["explain", "GET", f"{place.url}/x", "-H", f"Authorization: Bearer {token}", "--json"]
    command = [sys.executable, "-m", "lockgate", *words]
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["reason"]["code"] == "jwt-revoked", done.stdout + done.stderr


class Stream:
    """An answer that has begun, and goes on for as long as the upstream likes."""

    def __init__(self, place: Place, upstream: Upstream, headers: dict[str, str]) -> None:
        self._client = httpx.Client(trust_env=False, timeout=30)
        asked = self._client.build_request("GET", f"{place.url}/events", headers=headers)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        with ThreadPoolExecutor(1) as beside:
            answer = beside.submit(self._client.send, asked, stream=True)
            self.upstream, _ = upstream.serve(head + b"4\r\none\n\r\n")
        self.pieces = answer.result().iter_raw()
        assert next(self.pieces) == b"one\n"

    def broken_off(self) -> None:
        """Waits until it is."""
        with pytest.raises(httpx.RemoteProtocolError):
            next(self.pieces)

    def close(self) -> None:
        """Lets go of it."""
        self._client.close()


def test_an_answer_that_is_under_way_is_broken_off(processes: Processes, tmp_path: Path, issuer: Issuer) -> None:
    with Upstream() as upstream, contextlib.ExitStack() as stack:
        place = Place(processes, tmp_path, upstream.port, issuer)
        key = place.running.make_key()

        def opened(**headers: str) -> Stream:
            stream = Stream(place, upstream, headers)
            stack.callback(stream.close)
            return stream

        ann = opened(Authorization=f"Bearer {issuer.token()}")
        bob = opened(Authorization=f"Bearer {issuer.token(sub='bob')}")
        keyed = opened(**{"X-API-Key": key["key"]})
        place.tokens("revoke", "--issuer", "company", "--subject", "ann")
        ann.broken_off()
        with place.running.admin as admin:
            admin.post(f"/v1/keys/{key['id']}/revoke").raise_for_status()
        keyed.broken_off()
        bob.upstream.send(b"4\r\ntwo\n\r\n0\r\n\r\n")
        assert b"".join(bob.pieces) == b"two\n", "nobody has revoked this one"

        def ended() -> list[str] | None:
            with place.running.admin as admin:
                events = admin.get("/v1/events", params={"limit": 100}).json()["items"]
            who = [event["identity"] for event in events if event.get("reason") == "credential-ended"]
            return who if len(who) == 2 else None

        assert set(until(ended, "both events")) == {"ann", "tests"}
