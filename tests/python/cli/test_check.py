"""`lockgate check`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command import at_terminal, lockgate

GOOD = """\
version: 1
apis:
  shop: {upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def test_a_good_configuration(folder: Path) -> None:
    ended = lockgate("check", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "Fine: 1 API, 1 listener, 1 file.\n"
    assert list(folder.iterdir()) == [folder / "lockgate.yaml"], "checking leaves nothing behind"


def test_a_refused_one_with_its_place(folder: Path) -> None:
    (folder / "lockgate.yaml").write_text(GOOD.replace("upstream:", "upstraem:"), encoding="utf-8")
    ended = lockgate("check", "lockgate.yaml", cwd=folder)
    assert ended.code == 2
    assert "lockgate.yaml:3:10: error: there is no `upstraem` in `apis.shop`  [unknown-key]" in ended.out
    assert "\n    |          ^^^^^^^^\n" in ended.out
    assert "hint: did you mean `upstream`?" in ended.out
    assert ended.out.endswith("Refused: 1 error.\n"), "a misspelt key is not missing too"


def test_each_fault_of_rule_files_counts(folder: Path) -> None:
    rules = "\n".join(f'SecRule ARGS "@contians {number}" "id:{number},phase:2,deny"' for number in range(1, 4))
    (folder / "bad.conf").write_text(rules + "\nSecFoo on\n", encoding="utf-8")
    guarded = GOOD.replace("authenticated}", "authenticated, waf: {files: [bad.conf]}}")
    (folder / "lockgate.yaml").write_text(guarded, encoding="utf-8")
    ended = lockgate("check", cwd=folder)
    told = [line.split()[0] for line in ended.out.splitlines() if line.startswith("  bad.conf:")]
    assert told == ["bad.conf:1:16:", "bad.conf:2:16:", "bad.conf:3:16:", "bad.conf:4:1:"]
    assert ended.out.endswith("Refused: 4 errors.\n")
    (folder / "bad.conf").write_text("SecFoo on\n" * 60, encoding="utf-8")
    assert lockgate("check", cwd=folder).out.endswith("Refused: 60 errors.\n")


def test_paths_are_those_that_lead_there_from_here(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / "lockgate.yaml").write_text("version: 2\n", encoding="utf-8")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert lockgate("check", str(folder / "lockgate.yaml"), cwd=folder.parent).out.startswith(
        f"{folder.name}/lockgate.yaml:1:1: "
    )
    assert lockgate("check", str(folder / "lockgate.yaml"), cwd=elsewhere).out.startswith(f"{folder}/lockgate.yaml:")


def test_warnings_let_it_pass_unless_strict(folder: Path) -> None:
    text = GOOD + 'upstreams:\n  old: {targets: ["http://127.0.0.1:9001"]}\n'
    (folder / "lockgate.yaml").write_text(text, encoding="utf-8")
    ended = lockgate("check", cwd=folder)
    assert ended.code == 0
    assert "warning: no API uses the upstream `old`  [upstream-unused]" in ended.out
    assert ended.out.endswith("1 file; 1 warning.\n")
    assert lockgate("check", "--strict", cwd=folder).code == 1


def test_an_expired_waiver_is_a_finding(folder: Path) -> None:
    text = "version: 1\napis:\n  shop:\n    upstream: http://127.0.0.1:9000\n"
    text += "    public: {owner: me, reason: x, until: 2020-01-01}\n"
    (folder / "lockgate.yaml").write_text(text, encoding="utf-8")
    ended = lockgate("check", cwd=folder)
    assert ended.code == 0
    assert "the waiver of `apis.shop.public` ended on 2020-01-01: closed since  [waiver-expired]" in ended.out
    assert lockgate("check", "--strict", cwd=folder).code == 1
    found = json.loads(lockgate("check", "--json", cwd=folder).out)["findings"]
    assert [(row["code"], row["owner"], row["line"]) for row in found] == [("waiver-expired", "me", 5)]


def test_json_for_programs(folder: Path) -> None:
    assert json.loads(lockgate("check", "--json", cwd=folder).out) == {
        "ok": True,
        "errors": [],
        "warnings": [],
        "findings": [],
    }
    (folder / "lockgate.yaml").write_text(GOOD.replace("9000", "99999"), encoding="utf-8")
    ended = lockgate("check", "--json", cwd=folder)
    said = json.loads(ended.out)
    assert (ended.code, said["ok"]) == (2, False)
    [error] = said["errors"]
    assert (error["code"], error["line"], error["column"]) == ("target-malformed", 3, 20)
    assert error["file"] == str(folder / "lockgate.yaml")


def test_no_file_and_no_traceback(tmp_path: Path) -> None:
    for name in ("none.yaml", ".", "a\ud800b"):
        ended = lockgate("check", name.encode("utf-8", "replace").decode(), cwd=tmp_path)
        assert ended.code == 2
        assert "Traceback" not in ended.out + ended.err
    assert "`lockgate init` writes a first one" in lockgate("check", cwd=tmp_path).out


def test_many_errors_are_cut_off_on_paper_only(folder: Path) -> None:
    apis = "".join(f"  a{number}: {{path: /a{number}, upstream: none}}\n" for number in range(150))
    (folder / "lockgate.yaml").write_text(f"version: 1\napis:\n{apis}", encoding="utf-8")
    ended = lockgate("check", cwd=folder)
    assert "… and 100 more; `lockgate check --json` lists them all" in ended.out
    assert ended.out.endswith("Refused: 300 errors.\n")
    assert len(json.loads(lockgate("check", "--json", cwd=folder).out)["errors"]) == 300


def test_a_terminal_gets_colours_and_a_pipe_does_not(folder: Path) -> None:
    (folder / "lockgate.yaml").write_text("version: 2\n", encoding="utf-8")
    assert "\033[" not in lockgate("check", cwd=folder, env={"NO_COLOR": ""}).out
    assert "\033[31;1merror\033[0m" in at_terminal("check", cwd=folder, answers=[]).out
