"""Rules in SecLang: which files are read, and put into the bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate.config import ConfigErrors, load, rule_sets

RULE = 'SecRule ARGS "@contains {word}" "id:{number},phase:2,deny,status:403"\n'


def configured(folder: Path, *guards: dict[str, Any]) -> Path:
    """A configuration with an API for each."""
    apis = {
        f"a{number}": {
            "path": f"/{number}",
            "upstream": "http://127.0.0.1:9000",
            "authenticate": ["api_key"],
            "authorize": "authenticated",
            "waf": guard,
        }
        for number, guard in enumerate(guards)
    }
    file = folder / "lockgate.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "apis": apis}))
    return file


def core(folder: Path) -> None:
    """A rule set where the Core Rule Set is looked for."""
    rules = folder / rule_sets.CORE / "rules"
    rules.mkdir(parents=True)
    (rules.parent / "crs-setup.conf").write_text('SecAction "id:900990,phase:1,nolog,pass,setvar:tx.a=1"\n')
    (rules / "REQUEST-1.conf").write_text('SecRule ARGS "@pmFromFile words.data" "id:901,phase:2,deny"\n')
    (rules / "words.data").write_text("one\ntwo\n")
    (rules / "README.md").write_text("not read")


def test_the_core_rule_set_is_read_from_beside_the_configuration(tmp_path: Path) -> None:
    core(tmp_path)
    loaded = load(configured(tmp_path, {"rules": "core"}, {"rules": ["core", "native"]}))
    bundle = loaded.compile(1, 1)
    (made,) = bundle["rule_sets"]
    names = [file["name"] for file in made["files"]]
    assert names == ["core/crs-setup.conf", "core/rules/REQUEST-1.conf", "core/rules/words.data"]
    assert made["entries"] == ["core/crs-setup.conf", "core/rules/*.conf"]
    configs = [api["policies"]["waf"]["config"] for api in bundle["apis"]]
    assert [(config["set"], config["native"]) for config in configs] == [(0, False), (0, True)]
    assert configs[0]["variables"]["blocking_paranoia_level"] == "1"
    watched = {path.name for path in loaded.files}
    assert {"crs-setup.conf", "REQUEST-1.conf", "words.data"} <= watched


def test_rules_of_ones_own_are_read_behind_the_core_rule_set(tmp_path: Path) -> None:
    core(tmp_path)
    (tmp_path / "b.conf").write_text(RULE.format(word="x", number=2))
    (tmp_path / "a.conf").write_text(RULE.format(word="y", number=3))
    bundle = load(configured(tmp_path, {"rules": "core", "files": ["*.conf"]}, {"files": ["a.conf"]})).compile(1, 1)
    both, own = bundle["rule_sets"]
    assert both["entries"] == ["core/crs-setup.conf", "core/rules/*.conf", "own/a.conf", "own/b.conf"]
    assert (own["entries"], own["name"]) == (["own/a.conf"], "own")


def test_what_own_rules_name_is_read_from_beside_them(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    place = tmp_path / "place"
    (place / "waf/more").mkdir(parents=True)
    elsewhere.mkdir()
    (place / "waf/a.conf").write_text(
        'SecRule REMOTE_ADDR "@ipMatchFromFile allow.txt" "id:1,phase:1,pass"\nInclude more/*.conf\n'
        f"Include {elsewhere}/whole.conf\nIncludeOptional not-there.conf\n"
    )
    (place / "waf/allow.txt").write_text("192.0.2.0/24\n")
    (place / "waf/unasked.txt").write_text("a secret")
    (place / "waf/more/b.conf").write_text('SecRule ARGS "@pmFromFile ../words" "id:2,phase:2,deny"\n')
    (place / "waf/words").write_text("one\n")
    (elsewhere / "whole.conf").write_text('SecRule ARGS "@pmFromFile list" "id:3,phase:2,deny"\n')
    (elsewhere / "out.conf").write_text('SecRule ARGS "@pmFromFile list" "id:4,phase:2,deny"\n')
    (elsewhere / "list").write_text("two\n")
    loaded = load(configured(place, {"files": ["waf/a.conf", str(elsewhere / "out.conf")]}))
    (made,) = loaded.compile(1, 1)["rule_sets"]
    assert made["entries"] == ["own/waf/a.conf", "own/@1/out.conf"]
    assert {file["name"] for file in made["files"]} == {
        *("own/waf/a.conf", "own/waf/allow.txt", "own/waf/more/b.conf", "own/waf/words"),
        *("own/@1/out.conf", "own/@1/list", f"{elsewhere}/whole.conf", f"{elsewhere}/list"),
    }
    assert {"allow.txt", "words", "list", "b.conf", "whole.conf"} <= {path.name for path in loaded.files}


def test_what_own_rules_name_and_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text('SecRule ARGS "@pmFromFile words" "id:2,phase:2,deny"\n')
    os.mkfifo(tmp_path / "words")
    with pytest.raises(ConfigErrors, match=r"own.conf:1:27: There is no file `words`"):
        load(configured(tmp_path, {"files": ["own.conf"]})).compile(1, 1)


@pytest.mark.parametrize(("level", "wrong"), [({"paranoia": 2}, False), ({"paranoia": 1}, True), ({}, True)])
def test_what_a_rule_file_sets_otherwise_than_a_field_is_told(
    tmp_path: Path, level: dict[str, Any], wrong: bool
) -> None:
    core(tmp_path)
    setup = tmp_path / rule_sets.CORE / "crs-setup.conf"
    setup.write_text('SecAction "id:900000,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level=2"\n')
    rules = setup.parent / "rules/REQUEST-1.conf"
    rules.write_text('SecRule TX:BLOCKING_PARANOIA_LEVEL "@lt 2" "id:901,phase:1,nolog,pass"\n')
    file = configured(tmp_path, {"rules": "core", **level})
    if not wrong:
        load(file)
        return
    with pytest.raises(ConfigErrors) as refused:
        load(file)
    (problem,) = refused.value.errors
    assert problem.code == "waf-setup-overwritten"
    assert "crs-setup.conf:1 sets `blocking_paranoia_level` to 2 for every request" in problem.message
    line = file.read_text().splitlines()[problem.region.line - 1]
    assert line.strip() == ("paranoia: 1" if level else "waf:")


def test_detectors_alone_need_no_rules(tmp_path: Path) -> None:
    bundle = load(configured(tmp_path, {})).compile(1, 1)
    assert bundle["rule_sets"] == []
    assert bundle["apis"][0]["policies"]["waf"]["config"]["set"] is None


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda file: file.write_bytes(b"\xff\xfe"), "file-unreadable"),
        (lambda file: file.write_bytes(b"#" * (rule_sets.MAX_FILE + 1)), "file-too-large"),
        (lambda file: file.mkdir(), "file-unreadable"),
        (os.mkfifo, "file-unreadable"),
        (lambda file: file.symlink_to("/dev/zero"), "file-unreadable"),
    ],
    ids=["no text", "too large", "a folder", "a pipe", "a device"],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, prepare: Any, code: str) -> None:
    prepare(tmp_path / "own.conf")
    with pytest.raises(ConfigErrors) as refused:
        load(configured(tmp_path, {"files": ["own.conf"]}))
    (problem,) = refused.value.errors
    assert problem.code == code
    named = (tmp_path / "lockgate.yaml").read_text().splitlines()[problem.region.line - 1]
    assert named[problem.region.column - 1 : problem.region.end_column - 1] == "own.conf"


@pytest.mark.parametrize("name", ["rules/REQUEST-2.conf", "rules/words.data"])
def test_a_pipe_in_the_core_rule_set_is_told(tmp_path: Path, name: str) -> None:
    core(tmp_path)
    pipe = tmp_path / rule_sets.CORE / name
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(ConfigErrors) as refused:
        load(configured(tmp_path, {"rules": "core"}))
    told = [(problem.code, problem.message) for problem in refused.value.errors]
    assert told[0] == ("file-unreadable", f"`.lockgate/rules/core/{name}` is not a regular file")


def test_rules_that_are_too_large_together_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.conf").write_text(RULE.format(word="x", number=2))
    monkeypatch.setattr(rule_sets, "MAX_BYTES", 10)
    with pytest.raises(ConfigErrors) as refused:
        load(configured(tmp_path, {"files": ["own.conf"]}))
    assert [problem.code for problem in refused.value.errors] == ["waf-rules-too-large"]
