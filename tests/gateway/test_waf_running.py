"""`waf` in a whole `lockgate run`: the configuration of `init`, guards that guard nothing, rule files that change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from support.command import lockgate
from support.processes import Processes
from support.running import Running
from support.waiting import until

SQL = "x' UNION SELECT password FROM users-- "
GOOD: list[dict[str, Any]] = [
    {"name": "O'Brien", "city": "L'Aquila"},
    {"note": "# Title\n\n* one\n* two -- see `SELECT` in **chapter 3**\n\n```sh\nls -la | less\n```\n"},
    {"note": "<3 it! 5 < 6 && 7 > 2; 100% of us; a=b", "emoji": "🎉👩‍👩‍👧"},
    {"note": "Please select a table from the union of both lists, or drop us a line."},
    {"price": 12.5, "stock": 0, "open": True, "until": None, "id": "0f8fad5b-d9cb-469f-a165-70867728950e"},
    {"path": "docs/../README.md is where it was", "url": "https://example.com/a?b=c&d=%20e"},
]
CONFIG = """\
version: 1
listeners: {{public: {{address: "127.0.0.1:0"}}}}
admin: {{address: "127.0.0.1:0"}}
apis:
  shop:
    path: /
    upstream: "http://127.0.0.1:{port}"
    public: {{owner: me, reason: a test, until: 2099-01-01}}
{waf}"""
WAIVED = "owner: me, reason: a test, until: 2099-01-01"


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as upstream:
        yield upstream


def running(processes: Processes, folder: Path, port: int, waf: str) -> Running:
    (folder / "lockgate.yaml").write_text(CONFIG.format(port=port, waf=waf))
    return Running(processes, folder).ready()


def reason(answer: httpx.Response) -> str | None:
    """Why it was refused, if it was."""
    return None if answer.status_code == 200 else str(answer.json()["type"].rpartition("/")[2])


def readiness(gate: Running) -> dict[str, Any]:
    """What a probe is told, which shows no credential."""
    with gate.admin as admin:
        del admin.headers["Authorization"]
        answer = admin.get("/readyz")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def canaries(gate: Running, api: str = "shop") -> dict[str, int]:
    """What the metrics have of them, by their fate."""
    with gate.admin as admin:
        lines = admin.get("/metrics").text.splitlines()
    found = {}
    for line in lines:
        if line.startswith("lockgate_waf_canaries{"):
            labels, _, value = line.rpartition(" ")
            assert f'api="{api}",route=""' in labels
            found[labels.partition('fate="')[2].partition('"')[0]] = int(value)
    return found


def test_the_configuration_of_init_refuses_attacks_and_passes_people(
    tmp_path: Path, processes: Processes, upstream: AutoUpstream
) -> None:
    ended = lockgate("init", "--upstream", f"http://127.0.0.1:{upstream.port}", "--yes", cwd=tmp_path)
    key = next(word.strip("'") for word in ended.out.split() if word.startswith("lg_live_"))
    path = tmp_path / "lockgate.yaml"
    config = path.read_text()
    assert "waf: {rules: native}" in config
    path.write_text(config.replace("127.0.0.1:8080", "127.0.0.1:0") + 'admin: {address: "127.0.0.1:0"}\n')
    gate = Running(processes, tmp_path).ready()
    assert readiness(gate) == {"ready": True, "gate": "serving", "guards": "refuse"}
    assert canaries(gate, "api") == {"refused": 6, "passed": 0, "told-to-pass": 0}
    with httpx.Client(base_url=gate.url(), headers={"X-API-Key": key}, timeout=30) as client:
        until(lambda: client.get("/").status_code == 200, "the key to be known")
        for body in GOOD:
            assert reason(client.post("/orders", json=body)) is None, body
            assert reason(client.get("/orders", params={k: str(v) for k, v in body.items()})) is None, body
        before = len(upstream.requests)
        for answer in (client.get("/orders", params={"q": SQL}), client.post("/orders", json={"note": SQL})):
            assert (answer.status_code, reason(answer)) == (403, "waf-refused")
        assert len(upstream.requests) == before, "the API has seen neither"

    def written() -> list[dict[str, Any]] | None:
        ended = lockgate("logs", "--json", "--class", "security", cwd=tmp_path)
        events = [json.loads(line) for line in ended.out.splitlines()]
        found = [event for event in events if event.get("reason") == "waf-refused"]
        return found if len(found) == 2 else None

    by_query, by_body = until(written, "two events")
    assert (by_query["status"], by_query["method"], by_body["method"]) == (403, "GET", "POST")
    for event, place in ((by_query, "query/q"), (by_body, "body/note")):
        (found,) = event["waf"]["found"]
        assert (found["rule"], found["places"]) == ("sql-injection", [place])
        assert "password" not in json.dumps(event), "values are masked"


def test_a_guard_that_guards_nothing_says_so_everywhere_and_serves(
    tmp_path: Path, processes: Processes, upstream: AutoUpstream
) -> None:
    (tmp_path / "own.conf").write_text('SecAction "id:1,phase:1,pass,nolog,ctl:ruleEngine=Off"\n')
    gate = running(processes, tmp_path, upstream.port, "    waf: {rules: native, files: [own.conf]}\n")
    assert httpx.get(gate.url(), params={"q": SQL}).status_code == 200
    # It serves, and a probe that asks no more than whether it does goes on sending it requests.
    assert readiness(gate) == {"ready": True, "gate": "serving", "guards": "let-through"}
    assert canaries(gate) == {"refused": 0, "passed": 6, "told-to-pass": 0}
    assert "waf-passes-attacks" in gate.output
    (words,) = gate.status()["gate"]["stats"]["unguarded"]
    assert "the `waf` of the API `shop` lets attacks through" in words
    status = lockgate("status", cwd=tmp_path)
    assert (status.code, "lets attacks through that it was tried with" in status.out) == (1, True)
    assert lockgate("waf", "status", cwd=tmp_path).code == 1
    doctor = lockgate("doctor", cwd=tmp_path)
    assert doctor.code != 0
    assert "lets sql-injection in the query through" in doctor.out
    events = lockgate("logs", "--json", "--class", "system", cwd=tmp_path).out
    assert "waf-passes-attacks" in events

    # Mended while it runs: all of them say so.
    (tmp_path / "own.conf").write_text('SecRule ARGS "@streq evil" "id:1,phase:2,deny,status:403"\n')
    until(lambda: readiness(gate)["guards"] == "refuse", "guards that refuse")
    assert canaries(gate) == {"refused": 6, "passed": 0, "told-to-pass": 0}
    assert gate.status()["gate"]["stats"]["unguarded"] == []


def test_exclusions_that_let_every_attack_through_are_named(
    tmp_path: Path, processes: Processes, upstream: AutoUpstream
) -> None:
    excluded = "\n".join(
        f"        - {{rule: {name}, {WAIVED}}}" for name in ("sql-injection", "cross-site-scripting", "path-traversal")
    )
    gate = running(processes, tmp_path, upstream.port, f"    waf:\n      rules: native\n      exclude:\n{excluded}\n")
    assert readiness(gate)["guards"] == "told-to-let-through"
    assert canaries(gate) == {"refused": 0, "passed": 0, "told-to-pass": 6}
    assert "waf-told-to-pass-attacks" in gate.output
    (words,) = gate.status()["gate"]["stats"]["lenient"]
    assert "`exclude` has sql-injection, cross-site-scripting, path-traversal leave it alone" in words
    status = lockgate("status", cwd=tmp_path)
    assert (status.code, "Lenient" in status.out) == (0, True), "somebody answers for it"
    doctor = lockgate("doctor", cwd=tmp_path)
    assert "lets path-traversal in the body through" in doctor.out


def test_what_is_only_observed_is_no_guard(tmp_path: Path, processes: Processes, upstream: AutoUpstream) -> None:
    gate = running(processes, tmp_path, upstream.port, "    waf: {rules: native, mode: observe}\n")
    assert readiness(gate)["guards"] == "none"
    assert canaries(gate) == {}


def test_rule_files_are_followed_and_a_fault_keeps_the_old_ones(
    tmp_path: Path, processes: Processes, upstream: AutoUpstream
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    mine = rules / "mine.conf"
    mine.write_text('SecRule ARGS:q "@streq first" "id:1,phase:2,deny,status:403"\n')
    gate = running(processes, tmp_path, upstream.port, '    waf: {rules: native, files: ["rules/*.conf"]}\n')

    def refused(word: str) -> bool:
        return httpx.get(gate.url(), params={"q": word}).status_code == 403

    assert (refused("first"), refused("second")) == (True, False)
    mine.write_text('SecRule ARGS:q "@streq second" "id:1,phase:2,deny,status:403"\n')
    until(lambda: refused("second"), "the changed file")
    assert not refused("first")
    # One that is new, and that the pattern names.
    (rules / "more.conf").write_text('SecRule ARGS:q "@streq third" "id:2,phase:2,deny,status:403"\n')
    until(lambda: refused("third"), "the new file")

    mine.write_text('\nSecRule ARGS:q "@streqq third" "id:1,phase:2,deny,status:403"\n')
    gate.process.wait_for_output("mine.conf:2")
    assert "^" in gate.output.partition("mine.conf:2")[2], "a caret says where in the line"
    assert "@streqq" in gate.output
    assert (refused("second"), refused("third")) == (True, True), "the rules before go on"
    status = lockgate("status", cwd=tmp_path)
    assert (status.code, "are refused, an older one serves: see `lockgate check`" in status.out) == (1, True)
    assert "mine.conf:2" in lockgate("check", cwd=tmp_path).out

    mine.write_text('SecRule ARGS:q "@streq fourth" "id:1,phase:2,deny,status:403"\n')
    until(lambda: refused("fourth"), "the mended file")
    mine.unlink()
    until(lambda: not refused("fourth"), "the end of a file's rules")
    assert refused("third")


def test_installed_rules_are_followed(tmp_path: Path, processes: Processes, upstream: AutoUpstream) -> None:
    from support.rule_sets import RULES, release, zipped

    def install(version: str, rules: str = RULES) -> None:
        import hashlib

        content = zipped(release(version, rules=rules))
        (tmp_path / "release.zip").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        ended = lockgate("waf", "install", "release.zip", "--checksum", digest, cwd=tmp_path)
        assert ended.code == 0, ended.err

    install("4.90.1")
    gate = running(processes, tmp_path, upstream.port, "    waf: {rules: core}\n")

    def refused(word: str) -> bool:
        return httpx.get(gate.url(), params={"q": word}).status_code == 403

    assert (refused("<script>"), refused("newword")) == (True, False)
    install("4.91.0", RULES.replace("<script", "newword"))
    until(lambda: refused("newword"), "the rules of another version")
    assert not refused("<script>")
    assert lockgate("waf", "install", "--previous", cwd=tmp_path).code == 0
    until(lambda: refused("<script>"), "the rules before")
    # A list that a rule reads its words from, changed by hand.
    words = tmp_path / ".lockgate/rules/core/rules/REQUEST-942-X.conf"
    words.write_text(words.read_text().replace("<script", "by hand"))
    until(lambda: refused("by hand"), "what was changed by hand")
