"""The life of API keys, through a whole `lockgate run`: what a gate takes, from the command to the answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.harness.upstream import AutoUpstream
from support.ports import free_port
from support.processes import Processes
from support.running import Running
from support.waiting import until

pytestmark = pytest.mark.full

FOREIGN = "AKEY-0123456789abcdef.XYZ"
HOUR_MS = 3_600_000


class Place:
    """A gate whose APIs take keys: `shop` any, `live` those of one environment, `old` imported ones."""

    def __init__(self, processes: Processes, folder: Path, upstream: AutoUpstream) -> None:
        self.folder = folder
        self.upstream = upstream
        self.url = f"http://127.0.0.1:{free_port()}"
        to = f"http://127.0.0.1:{upstream.port}"
        told = {"headers": {"request": {"set": {"X-Scope": "{claim:scope}", "X-Who": "{credential}"}}}}
        config = {
            "version": 1,
            "listeners": {"public": {"address": self.url.removeprefix("http://")}},
            "admin": {"address": "127.0.0.1:0"},
            "api_keys": {"max_lifetime": "365d", "default_lifetime": "90d"},
            "apis": {
                "shop": {
                    "path": "/shop",
                    "upstream": to,
                    "authenticate": ["api_key"],
                    "authorize": "authenticated",
                    **told,
                },
                "live": {
                    "path": "/live",
                    "upstream": to,
                    "authenticate": [{"api_key": {"environments": ["live"]}}],
                    "authorize": "authenticated",
                },
                "old": {
                    "path": "/old",
                    "upstream": to,
                    "authenticate": [{"api_key": {"imported": True}}],
                    "authorize": "authenticated",
                },
            },
        }
        (folder / "lockgate.yaml").write_text(yaml.safe_dump(config))
        self.running = Running(processes, folder).ready()
        self.running.serving()

    def keys(self, *words: str, given: str | None = None, status: int = 0) -> str:
        """The command, and what it says."""
        return self._command("keys", *words, given=given, status=status)

    def explained(self, *words: str, status: int) -> str:
        """What `lockgate explain` says."""
        return self._command("explain", *words, status=status)

    def _command(self, *words: str, given: str | None = None, status: int = 0) -> str:
        command = [sys.executable, "-m", "lockgate", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, input=given, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        self.err = done.stderr
        return done.stdout

    def json(self, *words: str, given: str | None = None, status: int = 0) -> Any:
        """The same as JSON."""
        return json.loads(self.keys(*words, "--json", given=given, status=status))

    def made(self, **rules: Any) -> dict[str, Any]:
        """A new key, by way of the admin API: a command of its own is slow."""
        made: dict[str, Any] = self.ask("POST", "/v1/keys", json={"name": "export", "owner": "sales", **rules}).json()
        return made

    def row(self, key: dict[str, Any]) -> dict[str, Any]:
        """What is known of it."""
        row: dict[str, Any] = self.ask("GET", f"/v1/keys/{key['id']}").json()
        return row

    def changed(self, key: dict[str, Any], **rules: Any) -> None:
        """Change what it is for."""
        assert self.ask("PATCH", f"/v1/keys/{key['id']}", json=rules).json()["gate"] == "applied"

    def reason(self, key: str, path: str = "/shop", method: str = "GET") -> str:
        """Why a key is refused; `ok` where it is not."""
        answer = httpx.request(method, self.url + path, headers={"X-API-Key": key}, timeout=30, trust_env=False)
        return "ok" if answer.status_code == 200 else str(answer.json()["reason"])

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        told: list[dict[str, Any]] = self.ask("GET", "/v1/events", params={"limit": 1000}).json()["items"]
        return told

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """What the admin API answers."""
        with self.running.admin as admin:
            return admin.request(method, path, **more)

    def metric(self, name: str) -> float:
        """A number of the gate's."""
        text = self.ask("GET", "/metrics").text
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


@pytest.fixture
def place(processes: Processes, tmp_path: Path) -> Iterator[Place]:
    with AutoUpstream() as upstream:
        yield Place(processes, tmp_path, upstream)


def test_a_secret_is_changed_without_downtime(place: Place) -> None:
    old = place.made()
    assert place.reason(old["key"]) == "ok"
    new = place.json("reroll", old["id"], "--grace", "24h")
    assert (new["id"], new["gate"]) == (old["id"], "applied")
    assert [place.reason(each["key"]) for each in (old, new)] == ["ok", "ok"]
    # Who looks sees that somebody still uses the old one.
    assert until(lambda: place.metric("lockgate_key_previous_secret_requests_total"), "the count") == 1
    by = until(
        lambda: (
            (told := [event.get("secret") for event in place.events() if event.get("key") == old["id"]])[2:] and told
        ),
        "all three to be written",
    )
    assert by == [None, "previous", None]
    used = until(lambda: (row := place.row(old))["used_ms"] and row["previous_used_ms"] and row, "both uses to be told")
    assert (used["used_ms"] % HOUR_MS, used["previous_used_ms"] % HOUR_MS) == (0, 0)
    assert "two secrets" in place.keys("report", status=1)
    # And ends it, at once.
    assert "acts on it already" in place.keys("end-grace", old["id"])
    assert [place.reason(each["key"]) for each in (old, new)] == ["key-replaced", "ok"]
    place.keys("end-grace", old["id"], status=2)
    assert "has no other secret" in place.err


def test_a_key_has_two_secrets_at_most_and_they_outlive_a_restart(place: Place) -> None:
    old = place.made()
    new, third = (
        place.ask("POST", f"/v1/keys/{old['id']}/reroll", json={"grace_ms": grace_ms}).json()
        for grace_ms in (HOUR_MS, 0)
    )
    told = [place.reason(each["key"]) for each in (old, new, third)]
    assert told == ["key-unknown", "key-replaced", "ok"]
    place.keys("reroll", old["id"], "--grace", "91d", status=2)
    place.running.again()
    place.running.serving()
    assert [place.reason(each["key"]) for each in (old, new, third)] == told
    place.ask("POST", f"/v1/keys/{old['id']}/revoke")
    assert [place.reason(each["key"]) for each in (new, third)] == ["key-revoked", "key-revoked"]


def test_a_third_secret_does_not_close_the_first_unsaid(place: Place) -> None:
    old = place.made()
    asked = f"/v1/keys/{old['id']}/reroll"
    new = place.ask("POST", asked, json={"grace_ms": HOUR_MS}).json()
    refused = place.ask("POST", asked, json={"grace_ms": HOUR_MS})
    assert (refused.status_code, refused.json()["code"]) == (409, "key-grace-running")
    assert [place.reason(each["key"]) for each in (old, new)] == ["ok", "ok"]
    place.keys("reroll", old["id"], "--grace", "1h", status=2)


def test_what_a_key_may_be_used_for_is_changed_while_it_is_used(place: Place, tmp_path: Path) -> None:
    words = ("--scope", "orders:write", "--scope", "orders:read", "--method", "get", "--api", "shop")
    made = place.json("create", "--name", "export", "--owner", "sales", *words)
    key = made["key"]
    assert made["expires_ms"] - made["created_ms"] == pytest.approx(90 * 24 * HOUR_MS, abs=60_000)
    assert place.reason(key) == "ok"
    assert dict(place.upstream.requests[-1].headers)["x-scope"] == "orders:read orders:write"
    assert place.reason(key, method="POST") == "key-not-for-method"
    assert place.reason(key, "/live") == "key-not-for-api"
    place.keys("edit", made["id"], "--from", "10.0.0.0/8", "--lift", "methods", "--scope", "orders:read")
    assert place.reason(key, method="POST") == "key-not-from-network"
    (tmp_path / "key").write_text(key)
    said = place.explained("GET", f"{place.url}/shop", "--key-file", "key", status=1)
    assert "key-not-from-network" in said
    assert "comes from 127.0.0.1" in said
    place.changed(made, networks=["127.0.0.0/8"], owner="ann@example.com")
    assert place.reason(key, method="POST") == "ok"
    assert dict(place.upstream.requests[-1].headers)["x-scope"] == "orders:read"
    assert place.row(made)["owner"] == "ann@example.com"


def test_a_key_is_suspended_and_resumed(place: Place) -> None:
    made = place.made()
    place.keys("suspend", made["id"])
    assert place.reason(made["key"]) == "key-suspended"
    place.keys("resume", made["id"])
    assert place.reason(made["key"]) == "ok"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "here"), "--from"),
        (("--lift", "owner"), "--lift"),
        (("--lift", "scopes", "--scope", "a"), "one of both"),
        (("--method", "G T"), "--method"),
        (("--limit", "many"), "100/s"),
        (("--burst", "3"), "--limit as well"),
        ((), "Say what to change"),
    ],
)
def test_an_edit_that_says_nothing_sound_changes_nothing(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "lockgate", "keys", "edit", "key_" + "a" * 20, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_key_has_a_limit_of_its_own(place: Place) -> None:
    bound = place.json("create", "--name", "n", "--owner", "o", "--limit", "2/h")
    free = place.made()
    assert "2/h, 2 at once" in place.keys("show", bound["id"])
    # Its counter is the key's, whichever API it is used at and by whichever secret.
    new = place.ask("POST", f"/v1/keys/{bound['id']}/reroll").json()
    asked = [(bound, "/shop"), (new, "/live"), (bound, "/live"), (new, "/shop")]
    told = [place.reason(each["key"], path) for each, path in asked]
    assert told == ["ok", "ok", "key-rate-limited", "key-rate-limited"]
    answer = httpx.get(f"{place.url}/shop", headers={"X-API-Key": new["key"]}, trust_env=False)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert place.reason(free["key"]) == "ok"
    place.changed(bound, rate={"allow": 1, "per_ms": HOUR_MS, "burst": 100})
    assert place.reason(new["key"]) == "ok"
    place.keys("edit", bound["id"], "--lift", "limit")
    assert place.row(bound)["rate"] is None


def test_what_a_limit_of_an_api_refuses_costs_the_key_nothing(place: Place) -> None:
    config = place.folder / "lockgate.yaml"
    document = yaml.safe_load(config.read_text())
    document["apis"]["shop"]["limits"] = [{"name": "all", "by": "api", "allow": "1/h"}]
    config.write_text(yaml.safe_dump(document))
    subprocess.run([sys.executable, "-m", "lockgate", "reload"], cwd=place.folder, check=True, capture_output=True)
    made = place.made(rate={"allow": 3, "per_ms": HOUR_MS, "burst": 3})
    told = [place.reason(made["key"]) for _ in range(5)]
    assert told == ["ok", *["rate-limited"] * 4]
    assert [place.reason(made["key"], "/live") for _ in range(3)] == ["ok", "ok", "key-rate-limited"]


def test_an_api_takes_keys_of_its_environments(place: Place) -> None:
    live, test = place.made(), place.made(environment="test")
    assert [place.reason(each["key"], "/live") for each in (live, test)] == ["ok", "key-wrong-environment"]
    assert place.reason(test["key"]) == "ok"


def test_what_has_leaked_is_closed_by_who_finds_it(place: Place) -> None:
    one, two, three = place.made(), place.made(), place.made()
    text = f"curl -H 'X-API-Key: {one['key']}' https://api\nlg_live_{'a' * 38}\n"
    said = place.keys("leaked", "-", "--url", "https://paste.example/1", given=text, status=1)
    assert one["id"] in said
    assert "1 text that is no key" in said
    assert one["key"] not in said
    assert [place.reason(each["key"]) for each in (one, two)] == ["key-revoked", "ok"]
    found = [{"token": two["key"], "type": "lockgate", "url": f"https://x/{two['key']}", "source": "commit"}]
    [leak] = place.json("leaked", "-", given=json.dumps(found), status=1)
    assert (leak["label"], leak["done"], leak["token_type"]) == ("true_positive", "revoked", "lockgate")
    assert place.reason(two["key"]) == "key-revoked"
    [again] = place.json("leaked", "-", given=two["key"])
    assert (again["label"], again["done"]) == ("true_positive", "nothing")
    # As a forwarder of GitHub's reports asks.
    answer = place.ask("POST", "/v1/keys/leaks", json=[{"token": three["key"]}, {"token": "ghp_nothing"}])
    assert [leak["label"] for leak in answer.json()] == ["true_positive", "false_positive"]
    assert place.reason(three["key"]) == "key-revoked"
    for body in ([], [{"token": ""}], [{"token": "x" * 1001}], [{"token": "x"}] * 1001, {"token": "x"}):
        refused = place.ask("POST", "/v1/keys/leaks", json=body)
        assert refused.json()["code"] == "admin-body-malformed"
    told = [event for event in place.events() if event.get("action") == "key.leak"]
    assert [event["object"] for event in told] == [one["id"], two["id"], two["id"], three["id"]]
    assert told[1]["detail"]["url"] == "https://x/[key]"
    place.keys("leaked", one["key"], status=2)
    place.keys("leaked", "-", given="nothing that may be one", status=2)
    # No key is anywhere in what was written down.
    written = b"".join(path.read_bytes() for path in place.running.state.root.rglob("*") if path.is_file())
    assert not [
        each["id"] for each in (one, two, three) if each["key"].encode() in written + place.running.output.encode()
    ]


def test_keys_of_another_gateway_go_on(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(f"name,key,scopes,environment\npartner,{FOREIGN},a b,live\n")
    assert place.json("import", "--owner", "partners", "other.csv") == {"added": 1, "known": 0}
    assert place.json("import", "other.csv") == {"added": 0, "known": 1}
    assert [place.reason(FOREIGN, path) for path in ("/old", "/shop")] == ["ok", "key-malformed"]
    assert place.reason(FOREIGN + "a", "/old") == "key-unknown"
    [row] = place.json("list")
    assert (row["owner"], row["scopes"]) == ("partners", ["a", "b"])
    new = place.json("reroll", row["id"])
    assert [place.reason(key, "/old") for key in (FOREIGN, new["key"])] == ["ok", "ok"]
    assert place.reason(new["key"]) == "ok", "its new secret is of Lockgate's form"
    assert FOREIGN not in place.keys("export")
    exported = [json.loads(line) for line in place.keys("export").splitlines()]
    assert [each["id"] for each in exported] == [row["id"]]
    assert not {"digest", "key", "sha256"} & exported[0].keys()
    header, line = place.keys("export", "--csv").splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True))["scopes"] == "a b"
    (tmp_path / "wrong.csv").write_text("name,key\nfine,0123456789abcdef\nx,y,z\n")
    place.keys("import", "wrong.csv", status=2)
    assert "Line 3 has more cells" in place.err
    for body, code in [
        ({"name": "n"}, "key-rule-refused"),
        ({"name": "n", "sha256": "0" * 64, "networks": ["x"]}, "key-rule-refused"),
        ({"name": "n", "sha256": "0" * 64, "expires_ms": 9 * 10**12}, "key-lifetime-exceeded"),
    ]:
        refused = place.ask("POST", "/v1/keys/import", json={"source": "tests", "keys": [body]})
        assert refused.json()["code"] == code


def test_the_admin_api_says_why_it_changes_nothing(place: Place) -> None:
    made = place.made()
    path = f"/v1/keys/{made['id']}"
    assert place.ask("POST", f"{path}/end-grace").json()["code"] == "key-grace-absent"
    assert place.ask("PATCH", path, json={"owner": None}).json()["code"] == "key-rule-refused"
    assert place.ask("PATCH", path, json={"environment": "test"}).json()["code"] == "admin-body-malformed"
    assert place.ask("PATCH", path, json={"apis": ["nowhere"]}).json()["code"] == "api-unknown"
    place.ask("POST", f"{path}/revoke")
    for word in ("reroll", "end-grace", "suspend", "resume"):
        assert place.ask("POST", f"{path}/{word}").json()["code"] == "key-closed"
    assert place.ask("GET", "/v1/keys", params={"unused_ms": 0}).json()["items"] == []
