"""`lockgate replay`: requests that a real gate served, through a proposed configuration."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from lockgate.admin.keys import create_key
from lockgate.history.compact import Compactor
from lockgate.state import StateFolder
from support.command import Ended, lockgate
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until

CONFIG = """\
version: 1
apis:
  shop: {path: /, upstream: "http://127.0.0.1:9000", authenticate: [api_key], authorize: authenticated}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    return tmp_path


def line(**fields: Any) -> str:
    event = {
        "class": "access",
        "at_ms": int(time.time() * 1000) - 5000,
        "id": "r1",
        "method": "GET",
        "host": "localhost",
        "path": "/orders",
        "listener": "public",
        "peer": "203.0.113.7",
        "api": "shop",
        "route": "/*",
        "key": "key_1",
        "identity": "crm",
        "status": 200,
        "verdicts": [{"policy": "api_key", "outcome": "identify"}, {"policy": "authorize", "outcome": "allow"}],
    }
    return json.dumps({**event, **fields}) + "\n"


def replayed(folder: Path, config: str, *words: str) -> Ended:
    (folder / "new.yaml").write_text(config)
    return lockgate("replay", "new.yaml", *words, cwd=folder)


def test_events_of_a_file_are_judged(folder: Path) -> None:
    (folder / "events.ndjson").write_text(line() + line(id="r2", path="/old/x") + "no json\n")
    ended = replayed(folder, CONFIG.replace("path: /,", "path: /orders,"), "--from", "events.ndjson")
    assert ended.code == 1, ended.err
    assert "2 requests" in ended.out
    assert "Newly refused: 1 request" in ended.out
    assert "no-route" in ended.out
    assert "key_1 of crm" in ended.out
    assert "1 line could not be read" in ended.out
    assert "not kept any more" in ended.out, "no bundle of then is known here"
    same = replayed(folder, CONFIG, "--from", "events.ndjson")
    assert same.code == 0, same.out
    assert "nothing changes for any of them." in same.out
    (folder / "one.ndjson").write_text(line(id="r2", path="/old/x"))
    none = replayed(folder, CONFIG.replace("path: /,", "path: /orders,"), "--from", "one.ndjson")
    assert "none of them fares as it did, or that cannot be told." in none.out
    assert (
        replayed(
            folder, CONFIG.replace("path: /,", "path: /orders,"), "--from", "events.ndjson", "--allow-refusals"
        ).code
        == 0
    )


def test_what_cannot_be_told_is_counted_with_why(folder: Path) -> None:
    (folder / "events.ndjson").write_text(
        line(key=None, identity=None, verdicts=[{"policy": "authorize", "outcome": "allow"}])
    )
    ended = replayed(folder, CONFIG, "--from", "events.ndjson", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["undecidable"]) == (0, 1)
    assert told["why_undecidable"] == {"credential-not-looked-at": 1}
    assert told["groups"][0]["words"].startswith("whether it carried the credential")
    assert replayed(folder, CONFIG, "--from", "events.ndjson", "--strict").code == 1


def test_the_time_is_kept_to(folder: Path) -> None:
    (folder / "events.ndjson").write_text(line(at_ms=1_700_000_000_000) + line(id="r2"))
    told = json.loads(replayed(folder, CONFIG, "--from", "events.ndjson", "--json").out)
    assert told["requests"] == 1
    told = json.loads(replayed(folder, CONFIG, "--from", "events.ndjson", "--json", "--since", "all").out)
    assert told["requests"] == 2
    told = json.loads(
        replayed(folder, CONFIG, "--from", "events.ndjson", "--json", "--since", "all", "--until", "2024-01-01").out
    )
    assert told["requests"] == 1


def test_wrong_calls_are_2(folder: Path) -> None:
    (folder / "events.ndjson").write_text("")
    nothing = replayed(folder, CONFIG, "--from", "events.ndjson")
    assert (nothing.code, "no requests of that time" in nothing.out) == (2, True)
    assert replayed(folder, CONFIG, "--from", "no-such-file").code == 2
    assert replayed(folder, CONFIG).code == 2, "there is no state folder"
    assert replayed(folder, CONFIG, "--from", "events.ndjson", "--since", "yesterday").code == 2
    assert replayed(folder, "version: 1\n", "--from", "events.ndjson").code == 2
    twice = replayed(folder, CONFIG, "--config", "lockgate.yaml")
    assert (twice.code, "given twice" in twice.err) == (2, True)


def test_what_a_gate_served_is_judged_from_the_log_and_from_the_history(tmp_path: Path, processes: Processes) -> None:
    with AutoUpstream() as upstream:
        path = write_config(tmp_path, f"http://127.0.0.1:{upstream.port}")
        _judged(path, Running(processes, tmp_path).ready())


def _judged(path: Path, running: Running) -> None:
    tmp_path = path.parent
    running.serving()
    state = StateFolder.existing(tmp_path / ".lockgate")
    with running.admin as admin:
        made = admin.post("/v1/keys", json={"name": "n", "owner": "crm@example.com"}).json()
    with httpx.Client(base_url=running.url(), timeout=30) as client:
        until(
            lambda: client.get("/orders", headers={"X-API-Key": made["key"]}).status_code == 200, "the key to be known"
        )
        client.get("/orders")
        client.post("/orders", headers={"X-API-Key": made["key"]}, content=b"x" * 2000)

    def requests() -> dict[str, Any]:
        told: dict[str, Any] = json.loads(lockgate("replay", "--config", "lockgate.yaml", "--json", cwd=tmp_path).out)
        return told

    told = until(lambda: told if (told := requests())["requests"] >= 3 else None, "the events to be written")
    assert (told["same"], told["unknown_bundle"]) == (told["requests"], 0), told["groups"]

    new = path.read_text().replace("authenticate: [api_key]", "authenticate: [api_key]\n    body_limit: {bytes: 1KiB}")
    assert "body_limit" in new
    told = {}
    for compacted in (False, True):
        if compacted:
            # The control process does this every minute; here it is done beside it, once.
            assert Compactor(state, least=1).round(1 << 30).events >= 3
        (tmp_path / "new.yaml").write_text(new)
        ended = lockgate("replay", "--config", "new.yaml", "--json", cwd=tmp_path)
        told = json.loads(ended.out)
        assert ended.code == 1
        assert told["newly_refused"] == 1, told["groups"]
        (group,) = told["groups"]
        assert (group["after"], group["owner"], group["method"]) == ("body-too-large", "crm@example.com", "POST")
        assert group["place"]["file"] == "new.yaml"
    explained = lockgate("explain", "--request", told["groups"][0]["examples"][0], cwd=tmp_path)
    assert "crm@example.com" in explained.out


def test_a_key_that_opens_one_api_is_known_to(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    created = create_key(tmp_path / ".lockgate", name="n", owner="crm", apis=None)
    (tmp_path / "events.ndjson").write_text(line(key=created.record.id))
    assert replayed(tmp_path, CONFIG, "--from", "events.ndjson", "--state", ".lockgate").code == 0


GUARDED = """\
version: 1
listeners: {{public: {{address: "127.0.0.1:0"}}}}
admin: {{address: "127.0.0.1:0"}}
apis:
  shop:
    path: /
    upstream: "http://127.0.0.1:{port}"
    public: {{owner: me, reason: a test, until: 2099-01-01}}
    waf: {{rules: native, files: [own.conf]}}
"""
RULE = 'SecRule ARGS:q "@streq {word}" "id:{number},phase:2,deny,status:403"\n'


def test_other_rules_of_waf_are_told_and_what_they_would_find_is_not_made_up(
    tmp_path: Path, processes: Processes
) -> None:
    own = tmp_path / "own.conf"
    own.write_text(RULE.format(word="evil", number=1) + RULE.format(word="worse", number=2))
    with AutoUpstream() as upstream:
        (tmp_path / "lockgate.yaml").write_text(GUARDED.format(port=upstream.port))
        gate = Running(processes, tmp_path).ready()
        with httpx.Client(base_url=gate.url(), timeout=30) as client:
            statuses = [client.get("/", params={"q": word}).status_code for word in ("good", "evil")]
        assert statuses == [200, 403]

        def requests() -> dict[str, Any]:
            told: dict[str, Any] = json.loads(lockgate("replay", "--json", cwd=tmp_path).out)
            return told

        told = until(lambda: told if (told := requests())["requests"] >= 2 else None, "the events to be written")
    assert (told["same"], told["other_rules"]) == (2, [])
    own.write_text(f"# A remark.\n{own.read_text()}")
    assert requests()["same"] == 2, "a remark changes nothing"
    own.write_text(RULE.format(word="bad", number=1) + RULE.format(word="worst", number=3))
    told = requests()
    assert (told["undecidable"], told["why_undecidable"]) == (2, {"rules-changed": 2})
    assert told["other_rules"] == [
        {"api": "shop", "before": "own", "after": "own", "added": 1, "gone": 1, "changed": 1, "requests": 2}
    ]
    out = " ".join(lockgate("replay", cwd=tmp_path).out.split())
    assert "The `waf` of `shop` has other rules than those that judged 2 requests then" in out
    assert "own (1 more, 1 gone, 1 changed)" in out
    assert "cannot be replayed: what they look at (query, header fields, body) is not recorded" in out
    (tmp_path / "lockgate.yaml").write_text(GUARDED.format(port=1).replace("[own.conf]", "[own.conf], mode: observe"))
    observed = json.loads(lockgate("replay", "--json", cwd=tmp_path).out)
    assert (observed["newly_allowed"], observed["same"]) == (1, 1), "what is only observed refuses nobody"
