"""`lockgate test`: the command around the tables."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from support.command import Ended, lockgate

CONFIG = """\
version: 1
apis:
  shop: {path: /shop, upstream: "http://127.0.0.1:9000", authenticate: [api_key], authorize: authenticated}
"""
GOOD = "  - {name: keys are wanted, request: GET /shop, expect: key-missing}\n"
MORE = "  - {name: a key opens, request: GET /shop, key: true, expect: allow}\n"
BAD = "  - {name: anyone may come, request: GET /shop, expect: allow}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    return tmp_path


def outcome(folder: Path, cases: str, *words: str) -> Ended:
    (folder / "lockgate.tests.yaml").write_text(f"version: 1\ncases:\n{cases}")
    return lockgate("test", *words, cwd=folder)


def test_all_as_expected_is_0(folder: Path) -> None:
    ended = outcome(folder, GOOD + MORE)
    assert ended.code == 0, ended.err
    assert "2 cases as expected." in ended.out
    assert "1 of 1 routes" in ended.out


def test_a_failure_is_1_and_shows_line_caret_and_explanation(folder: Path) -> None:
    ended = outcome(folder, GOOD + BAD)
    assert ended.code == 1
    assert "FAILED anyone may come" in ended.out
    assert "lockgate.tests.yaml:4:57: error: expected `allow`, but the verdict is `deny`" in ended.out
    assert f"4 | {BAD.rstrip()}" in ended.out
    assert "^^^^^" in ended.out
    # What the engine said, with the configuration's line.
    assert "Refused with 401: key-missing  lockgate.yaml:3" in ended.out
    assert "1 case not, 1 case as expected." in ended.out


def test_a_table_that_is_wrong_is_2(folder: Path) -> None:
    ended = outcome(folder, GOOD.replace("expect", "expct"))
    assert ended.code == 2
    assert "lockgate.tests.yaml:3:49: error: there is no `expct` here" in ended.err
    assert "did you mean `expect`?" in ended.err


def test_a_case_that_cannot_be_meant_is_2_and_shows_the_very_value(folder: Path) -> None:
    wrong = "  - {name: nobody signs in, request: GET /shop, session: {claims: {sub: ann}}, expect: allow}\n"
    ended = outcome(folder, GOOD + BAD + wrong)
    assert ended.code == 2
    assert "lockgate.tests.yaml:5:49: error: the API `shop` takes no sessions; see its `authenticate`" in ended.out
    assert "1 case could not be run, 1 case not, 1 case as expected." in ended.out
    (told,) = (case for case in json.loads(outcome(folder, wrong, "--json").out)["cases"] if case["error"])
    assert told["passed"] is False


DEVICES = """\
version: 1
issuers: {company: {issuer: "https://login.example.com", client: {id: lockgate}}}
sign_in: {staff: {issuers: [company]}}
apis:
  shop:
    path: /shop
    methods: [GET]
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: staff}}]
    authorize: authenticated
    waf: {}
    device: {new: deny}
"""


@pytest.mark.parametrize(
    ("case", "asked"),
    [
        (
            "request: GET http://localhost:9/shop, device: travel",
            ("GET", "http://localhost:9/shop", "--device", "travel"),
        ),
        ("request: DELETE /shop", ("DELETE", "/shop")),
        ("request: GET /shop, headers: {Accept: text/html}", ("GET", "/shop", "-H", "Accept: text/html")),
    ],
)
def test_a_failure_has_the_lines_of_explain(tmp_path: Path, case: str, asked: tuple[str, ...]) -> None:
    (tmp_path / "lockgate.yaml").write_text(DEVICES)
    said = outcome(tmp_path, f"  - {{name: it, {case}, expect: allow}}\n").out.partition("\n\n")[2]
    explained = lockgate("explain", *asked, cwd=tmp_path).out
    lines = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    wanted = [
        line.replace("--listener", "listener").replace("--device", "device").strip() for line in explained.splitlines()
    ]
    assert [" ".join(line.split()) for line in lines] == [" ".join(line.split()) for line in wanted if line]


def test_a_number_beyond_what_an_option_takes_is_told_in_plain_words(folder: Path) -> None:
    ended = outcome(folder, GOOD, "--coverage-min", "101")
    assert (ended.code, "101 is too large: at most 100 is taken." in ended.err) == (2, True)
    assert "-1 is too small: at least 0 is taken." in outcome(folder, GOOD, "--coverage-min", "-1").err
    assert "'most' is no number." in outcome(folder, GOOD, "--coverage-min", "most").err


def test_no_table_and_a_refused_configuration_are_2(folder: Path) -> None:
    ended = lockgate("test", cwd=folder)
    assert ended.code == 2
    assert "lockgate test --init" in ended.err
    (folder / "lockgate.yaml").write_text("version: 1\n")
    ended = outcome(folder, GOOD)
    assert ended.code == 2
    assert "no `apis`" in ended.err


def test_only_some_are_run(folder: Path) -> None:
    ended = outcome(folder, GOOD + BAD, "--filter", "KEYS", "-v")
    assert ended.code == 0
    assert "1 case as expected." in ended.out
    assert "ok    keys are wanted" in ended.out
    assert outcome(folder, GOOD + BAD, "-k", "keys * wanted").code == 0
    assert outcome(folder, GOOD + BAD, "-k", "nothing").code == 2


def test_too_little_covered_is_1_and_says_what_is_missing(folder: Path) -> None:
    ended = outcome(folder, GOOD, "--coverage-min", "90")
    assert ended.code == 1
    assert "lockgate.yaml:3: no case that api_key of shop lets through" in ended.out
    assert "less than --coverage-min 90" in ended.err
    assert outcome(folder, GOOD, "--coverage-min", "10").code == 0


def test_json_tells_all(folder: Path) -> None:
    ended = outcome(folder, GOOD + BAD, "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["passed"], told["failed"]) == (1, 1, 1)
    bad = told["cases"][1]
    assert bad["misses"] == [{"field": "verdict", "expected": "allow", "found": "deny"}]
    assert (bad["file"], bad["line"]) == ("lockgate.tests.yaml", 4)
    assert bad["explained"]["reason"]["code"] == "key-missing"
    assert told["coverage"]["routes"] == [1, 1]


def test_junit_is_written(folder: Path) -> None:
    ended = outcome(folder, GOOD + BAD, "--junit", "out.xml")
    assert ended.code == 1
    root = ET.parse(folder / "out.xml").getroot()  # noqa: S314 -- Our own.
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    text = root.findtext(".//failure") or ""
    assert "expected `allow`" in text
    assert "\x1b" not in text
    ended = outcome(folder, GOOD, "--junit", "no/such/out.xml")
    assert (ended.code, "cannot be written" in ended.err) == (2, True)


def test_init_writes_a_table_that_passes_and_overwrites_none(folder: Path) -> None:
    ended = lockgate("test", "--init", cwd=folder)
    assert ended.code == 0, ended.err
    assert lockgate("test", "--coverage-min", "50", cwd=folder).code == 0
    ended = lockgate("test", "--init", cwd=folder)
    assert (ended.code, "is there already" in ended.err) == (1, True)


def test_the_schema_is_printed(folder: Path) -> None:
    told = json.loads(lockgate("test", "--schema", cwd=folder).out)
    assert set(told["required"]) == {"version", "cases"}


def test_another_configuration_and_table_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/open.yaml").write_text(CONFIG)
    (tmp_path / "more/table.yaml").write_text(f"version: 1\ncases:\n{GOOD}")
    ended = lockgate("test", "more/table.yaml", "--config", "more/open.yaml", cwd=tmp_path)
    assert ended.code == 0, ended.err
