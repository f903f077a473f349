"""`lockgate keys`, with nothing running and with everything running."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockgate import _native
from lockgate.state import StateFolder
from support.command import at_terminal
from support.processes import Processes
from support.running import Running, write_config


class Cli:
    """The command in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "lockgate", "keys", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        self.err = done.stderr
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    StateFolder.open(tmp_path / ".lockgate")
    return Cli(tmp_path)


@pytest.fixture
def running(processes: Processes, tmp_path: Path, shop_port: int) -> Running:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    return Running(processes, tmp_path).ready()


def create(cli: Cli, *words: str) -> dict[str, Any]:
    made: dict[str, Any] = cli.json("create", "--name", "export", "--owner", "sales", *words)
    return made


def test_the_key_alone_is_on_standard_output(cli: Cli) -> None:
    key = cli("create", "--name", "export", "--owner", "sales").strip()
    assert _native.key_digest(key, bytes(32))
    assert "cannot be shown again" in cli.err
    assert key not in cli.err


def test_a_key_can_be_listed_shown_and_revoked_with_nothing_running(cli: Cli) -> None:
    made = create(cli, "--api", "a", "--api", "b", "--environment", "test")
    assert made["key"].startswith("lg_test_")
    [row] = cli.json("list")
    shown = cli.json("show", made["id"])
    assert row == shown
    assert (shown["apis"], shown["status"]) == (["a", "b"], "active")
    assert made["key"] not in json.dumps(shown)
    said = cli("revoke", made["id"], "--reason", "left")
    assert "Revoked" in said
    assert "when it starts" in said
    text = cli("show", made["id"])
    assert "revoked" in text
    assert "left" in text


def test_lists_are_for_people_too(cli: Cli) -> None:
    assert "keys create" in cli("list")
    made = create(cli)
    assert made["id"] in cli("list")


def test_an_id_is_never_broken(tmp_path: Path, cli: Cli) -> None:
    made = cli.json("create", "--name", "n" * 100, "--owner", "o" * 60)
    assert any(made["id"] in line and "active" in line for line in cli("list").splitlines())
    narrow = at_terminal("keys", "list", cwd=tmp_path, answers=[])
    assert narrow.code == 0
    assert made["id"] in narrow.out


def test_a_name_or_a_key_is_no_id_and_is_not_repeated(cli: Cli) -> None:
    made = create(cli)
    for word in ("export", made["key"]):
        cli("revoke", word, status=2)
        assert "lockgate keys list" in cli.err
        assert word not in cli.err
    assert cli.json("show", made["id"])["status"] == "active"


def test_a_second_revocation_says_when_the_first_was(cli: Cli) -> None:
    made = create(cli)
    assert "already" not in cli("revoke", made["id"])
    assert "Revoked already, on 2" in cli("revoke", made["id"])


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("12h", 0.5)])
def test_an_end_may_be_a_duration(cli: Cli, text: str, days: float) -> None:
    made = create(cli, "--expires", text)
    assert made["expires_ms"] - made["created_ms"] == pytest.approx(days * 86_400_000, abs=60_000)


def test_an_end_may_be_a_day(cli: Cli) -> None:
    assert create(cli, "--expires", "2199-01-01")["expires_ms"] == 7_226_582_400_000


@pytest.mark.parametrize("text", ["soon", "90", "2001-01-01", "2199-13-01", "-5d"])
def test_an_end_that_is_none_is_refused_with_what_to_write(cli: Cli, text: str) -> None:
    cli("create", "--name", "n", "--owner", "o", f"--expires={text}", status=2)
    assert "--expires" in cli.err
    assert cli.json("list") == []


def test_an_unknown_key_says_where_to_look(cli: Cli) -> None:
    cli("show", "key_" + "a" * 20, status=2)
    assert "keys list" in cli.err


def test_without_a_folder_it_says_how_to_get_one(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli("list", status=2)
    assert "lockgate run" in cli.err
    assert not (tmp_path / ".lockgate").exists()


def test_an_import_may_be_repeated(cli: Cli, tmp_path: Path) -> None:
    key, digest = _native.mint_key(StateFolder.existing(tmp_path / ".lockgate").pepper(), "live")
    rows = [{"digest": digest, "name": "a", "owner": "o"}, {"digest": "0" * 64, "name": "b", "owner": "o"}]
    (tmp_path / "keys.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert cli.json("import", "keys.jsonl") == {"added": 2, "known": 0}
    assert cli.json("import", "keys.jsonl") == {"added": 0, "known": 2}
    assert sorted(row["name"] for row in cli.json("list")) == ["a", "b"]
    assert key not in cli("list")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 1 is not JSON"),
        ("[" * 100_000, "Line 1 is not JSON"),
        ("lg_live_x", "Line 1 is not JSON"),
        ("[]", "Line 1 is not a JSON object"),
        ('{"name":"n","owner":"o","digest":"abc"}', "64 hex digits"),
        ('{"name":"n","owner":"o"}', "has not one of digest, sha256 and key"),
        ('{"name":"n","sha256":"abc"}', "no sha256 in hex or Base64"),
        ('{"name":"n","key":"lg_live_x0123456789"}', "has a key that cannot be one"),
        ('{"name":"n","owner":"o","digest":"' + "0" * 64 + '","key":"0123456789abcdef"}', "has not one of"),
        ('{"name":"n","owner":"o","digest":"' + "0" * 64 + '","colour":"red"}', "'colour'"),
        ('{"name":"","owner":"o","digest":"' + "0" * 64 + '"}', "has no name"),
        ('{"name":"n","owner":"o","digest":"' + "0" * 64 + '","environment":"P1"}', "lower-case letters"),
        ('{"name":"n","owner":"o","digest":"' + "0" * 64 + '","apis":"shop"}', "list of words"),
        ('{"name":"n","owner":"o","digest":"' + "0" * 64 + '","expires_ms":"soon"}', "milliseconds"),
    ],
)
def test_an_import_names_the_line_that_is_wrong(cli: Cli, tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "keys.jsonl").write_text(line + "\n")
    cli("import", "keys.jsonl", status=2)
    assert said in cli.err
    assert '{"sha256": "64 hex digits, or Base64", "name": "nightly export", "owner": "sales"}' in cli.err
    assert "lg_live_x" not in cli.err
    assert cli.json("list") == []


def test_the_environment_is_a_label_that_lists_show(cli: Cli) -> None:
    assert create(cli, "--environment", "prod")["key"].startswith("lg_prod_")
    assert "prod" in cli("list")
    assert "env      prod" in cli("show", cli.json("list")[0]["id"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--name", ""), "--name: write 1 to 200 characters"),
        (("--owner", " "), "--owner: write 1 to 200 characters"),
        (("--name", "a\nb"), "on one line"),
        (("--environment", "P1"), "--environment: an environment is 1 to 16 lower-case letters"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused_in_one_line(cli: Cli, words: tuple[str, str], said: str) -> None:
    cli("create", "--name", "n", "--owner", "o", *words, status=2)
    assert said in cli.err
    assert cli.err.count("\n") == 1
    assert cli.json("list") == []


def test_an_import_of_no_file_is_refused(cli: Cli) -> None:
    cli("import", "none.jsonl", status=2)
    assert "none.jsonl" in cli.err


def test_a_running_gate_acts_before_the_command_returns(running: Running, tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    made = create(cli, "--api", "shop")
    headers = {"X-API-Key": made["key"]}
    assert made["gate"] == "applied"
    assert httpx.get(f"{running.url()}/products", headers=headers).status_code == 200
    assert "acts on it already" in cli("revoke", made["id"])
    assert httpx.get(f"{running.url()}/products", headers=headers).status_code == 401
    cli("create", "--name", "n", "--owner", "o", "--api", "shp", status=2)
    assert "shop" in cli.err


def test_a_key_that_was_made_before_the_start_opens(tmp_path: Path, processes: Processes, shop_port: int) -> None:
    StateFolder.open(tmp_path / ".lockgate")
    made = create(Cli(tmp_path))
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    running = Running(processes, tmp_path).ready()
    url = f"{running.url()}/products"
    assert running.serving()["gate"]["facts_behind"] is False
    assert httpx.get(url, headers={"X-API-Key": made["key"]}).status_code == 200


def test_audit_events_name_one_actor_whether_or_not_something_runs(
    cli: Cli, processes: Processes, tmp_path: Path, shop_port: int
) -> None:
    create(cli)
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    Running(processes, tmp_path).ready()
    create(cli)
    command = [sys.executable, "-m", "lockgate", "logs", "--class", "audit", "--json"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    actors = [event["actor"] for event in map(json.loads, told.splitlines()) if event["action"] == "key.create"]
    assert len(actors) == 2
    assert set(actors) == {f"admin:{pwd.getpwuid(os.geteuid()).pw_name}"}
