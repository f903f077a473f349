"""`lockgate waf why` and `exclude`: of events that a real gate wrote, and in files of every form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from lockgate.config import load
from support.command import Ended, at_terminal, lockgate
from support.processes import Processes
from support.running import Running
from support.waiting import until

SQL = "1' UNION SELECT password FROM users-- "
SCRIPT = "<script>alert(document.cookie)</script>"
WAIVED = "owner: ann, reason: a test, until: 2099-01-01"
HEAD = "version: 1\nlisteners: {public: {address: '127.0.0.1:0'}}\nadmin: {address: '127.0.0.1:0'}\n"
API = "    path: /\n    upstream: http://127.0.0.1:9\n    public: {" + WAIVED + "}\n"
PLAIN = f"{HEAD}apis:\n  shop:\n{API}    waf:\n      rules: native  # detectors\n"
BY = ("--owner", "ann", "--reason", "free text", "--until", "2099-01-01")


@dataclass(frozen=True)
class Past:
    """Requests that a gate judged, by name, and the folder that tells of them."""

    ids: dict[str, str]
    state: Path


REQUESTS: dict[str, dict[str, Any]] = {
    "query": {"params": {"q": SQL}},
    "body": {"json": {"note": SQL}},
    "two": {"json": {"note": SQL, "title": SCRIPT}},
    "good": {"json": {"note": "O'Brien"}},
}


def past(folder: Path, waf: str, requests: dict[str, dict[str, Any]]) -> Past:
    """What a gate with this `waf` made of the requests."""
    started = Processes(folder)
    try:
        with AutoUpstream() as upstream:
            api = API.replace("127.0.0.1:9\n", f"127.0.0.1:{upstream.port}\n")
            (folder / "lockgate.yaml").write_text(f"{HEAD}apis:\n  shop:\n{api}    waf: {waf}\n")
            gate = Running(started, folder).ready()
            with httpx.Client(base_url=gate.url(), timeout=30) as client:
                answers = {
                    name: client.request(**{"method": "POST" if "json" in said else "GET", "url": "/notes", **said})
                    for name, said in requests.items()
                }
        ids = {name: answer.headers["x-request-id"] for name, answer in answers.items()}
        last = list(ids.values())[-1]
        until(lambda: last in lockgate("logs", "--json", cwd=folder).out, "the last event")
    finally:
        started.end()
    return Past(ids, folder / ".lockgate")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return past(tmp_path_factory.mktemp("native"), "{rules: native}", REQUESTS)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("core")
    told = lockgate("waf", "install", cwd=folder)
    if told.code != 0:
        pytest.skip(f"the Core Rule Set cannot be had here: {told.err}")
    return past(folder, "{rules: core}", {"query": {"params": {"q": SQL}}})


def exclude(past: Past, name: str, folder: Path, *words: str) -> Ended:
    return lockgate("waf", "exclude", past.ids[name], "--state", str(past.state), *words, cwd=folder)


def excluded(folder: Path, api: str = "shop") -> list[tuple[str, str | None]]:
    """What the configuration leaves alone: rules and places."""
    loaded = load(folder / "lockgate.yaml")
    placed = next(each["policies"]["waf"] for each in loaded.compile(0, 0)["apis"] if each["name"] == api)
    assert placed is not None
    return [(each["rule"], each["at"]) for each in placed["config"]["exclude"]]


def test_why_says_rule_place_shape_and_sum(native: Past, tmp_path: Path) -> None:
    ended = lockgate("waf", "why", native.ids["two"], "--state", str(native.state), cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    for words in ("sql-injection", "cross-site-scripting", "at: body/note", "at: body/title", "5 + 5 = 10 ≥ 5"):
        assert words in ended.out
    assert "password" not in ended.out
    told = json.loads(
        lockgate("waf", "why", native.ids["two"], "--json", "--state", str(native.state), cwd=tmp_path).out
    )
    assert (told["score"], told["threshold"], told["outcome"], told["reason"]) == (10, 5, "deny", "waf-refused")
    assert [one["at"] for one in told["findings"]] == [["body/note"], ["body/title"]]


def test_why_of_what_is_not_there_or_was_no_attack(native: Past, tmp_path: Path) -> None:
    state = ("--state", str(native.state))
    good = lockgate("waf", "why", native.ids["good"], *state, cwd=tmp_path)
    assert (good.code, "was let through, and nothing was found in it" in good.err) == (1, True)
    unknown = lockgate("waf", "why", "01J9Z0Q4N2W1X8Y7V6T5S4R3Q2", *state, cwd=tmp_path)
    assert (unknown.code, "There is no event with the id" in unknown.err) == (1, True)
    assert lockgate("waf", "exclude", "nonsense", "--dry-run", *state, cwd=tmp_path).code == 1
    assert lockgate("waf", "why", native.ids["good"], cwd=tmp_path).code == 2, "there is no state folder"


@pytest.mark.parametrize(
    ("waf", "outcome", "proposed", "words"),
    [
        ("{rules: native, threshold: 10}", "allow", False, "Nothing was refused for it"),
        ("{rules: native, mode: observe}", "observe-deny", True, "would have been refused"),
        ("{files: [own.conf]}", "allow", False, "let through, whatever the score"),
    ],
    ids=["below the threshold", "only observed", "rules only detect"],
)
def test_an_exclusion_is_proposed_only_where_something_was_refused(
    waf: str, outcome: str, proposed: bool, words: str, tmp_path: Path
) -> None:
    (tmp_path / "own.conf").write_text('SecAction "id:1,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly"\n')
    told = past(tmp_path, waf, {"query": {"params": {"q": SQL}}})
    ended = lockgate("waf", "why", told.ids["query"], cwd=tmp_path)
    assert ended.code == 0
    assert words in ended.out
    assert ("lockgate waf exclude" in ended.out) == proposed
    said = json.loads(lockgate("waf", "why", told.ids["query"], "--json", cwd=tmp_path).out)
    assert (said["outcome"], said["next"]) == (
        outcome,
        f"lockgate waf exclude {told.ids['query']}" if proposed else None,
    )
    # The filters of the log tell what is observed by its reason, and by its class what was refused.
    observed = lockgate("logs", "--reason", "waf-refused", "--json", cwd=tmp_path).out
    assert (told.ids["query"] in observed) == proposed
    assert told.ids["query"] not in lockgate("logs", "--class", "security", "--json", cwd=tmp_path).out


FORM_RULES = """\
SecRule &TX:allowed_methods "@eq 0" "id:1,phase:1,nolog,pass,setvar:'tx.allowed_methods=GET POST'"
SecRule &TX:refused_fields "@eq 0" "id:2,phase:1,nolog,pass,setvar:'tx.refused_fields=/x-old/ /x-odd/'"
SecRule REQUEST_METHOD "!@within %{tx.allowed_methods}" "id:3,phase:1,deny,msg:'Not allowed'"
SecRule REQUEST_HEADERS_NAMES "@rx ^.*$" \\
  "id:4,phase:1,deny,capture,t:lowercase,msg:'No (%{MATCHED_VAR})',setvar:'tx.field_%{tx.0}=/%{tx.0}/',chain"
  SecRule TX:/^field_/ "@within %{tx.refused_fields}" ""
"""


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Of rules that say what an API may be sent."""
    folder = tmp_path_factory.mktemp("form")
    (folder / "own.conf").write_text(FORM_RULES)
    requests: dict[str, dict[str, Any]] = {"put": {"method": "PUT"}, "odd": {"headers": {"X-Odd": "1", "X-More": "2"}}}
    return past(folder, "{files: [own.conf]}", requests)


FORMS_OF_REQUESTS = [
    ("put", "3", "allowed_methods", "GET POST PUT", "REQUEST_METHOD"),
    ("odd", "4", "refused_fields", "/x-old/", "header field `x-odd`"),
]


@pytest.mark.parametrize(("name", "rule", "setting", "value", "where"), FORMS_OF_REQUESTS, ids=["a method", "a field"])
def test_what_an_api_may_be_sent_is_set_and_not_excluded(
    name: str, rule: str, setting: str, value: str, where: str, form: Past, tmp_path: Path
) -> None:
    folder = form.state.parent
    why = lockgate("waf", "why", form.ids[name], cwd=folder)
    assert why.code == 0, why.err
    assert f"setup: {{{setting}: {value}}}" in why.out
    assert where in why.out
    assert "x-more" not in why.out.lower(), "only what decided is told"
    (finding,) = json.loads(lockgate("waf", "why", form.ids[name], "--json", cwd=folder).out)["findings"]
    assert (finding["setup"]["setup"], finding["setup"]["value"]) == (setting, value)
    before = (folder / "lockgate.yaml").read_text()
    ended = lockgate("waf", "exclude", form.ids[name], *BY, "--yes", cwd=folder)
    assert (ended.code, f"setup: {{{setting}: {value}}}" in ended.out) == (1, True), ended.out + ended.err
    assert "leaves alone" not in ended.out
    assert (folder / "lockgate.yaml").read_text() == before
    told = json.loads(lockgate("waf", "exclude", form.ids[name], "--dry-run", "--json", cwd=folder).out)
    assert (told["exclude"], told["request_would_pass"]) == ([], True)
    # What it says can be taken as it stands, and does what it says.
    (tmp_path / "own.conf").write_text(FORM_RULES)
    (tmp_path / "lockgate.yaml").write_text(
        before.replace("{files: [own.conf]}", "{files: [own.conf], " + told["setup"][0]["line"] + "}")
    )
    asked = ["PUT"] if name == "put" else ["GET", "-H", "X-Odd: 1"]
    url = "http://127.0.0.1/notes"
    for place, verdict in ((folder, "deny"), (tmp_path, "allow")):
        explained = lockgate("explain", asked[0], url, *asked[1:], "--json", cwd=place).out
        assert json.loads(explained)["verdict"] == verdict, explained
    assert f"setup: {{{setting}: {value}}}" in lockgate("explain", asked[0], url, *asked[1:], cwd=folder).out


def test_one_rule_can_be_left_out_where_it_found_something_all_the_same(form: Past, tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(FORM_RULES)
    text = (form.state.parent / "lockgate.yaml").read_text()
    (tmp_path / "lockgate.yaml").write_text(text)
    ended = exclude(form, "odd", tmp_path, *BY, "--yes", "--rule", "4")
    assert (ended.code, ended.err) == (0, "")
    assert excluded(tmp_path) == [("4", "header/x-odd")]
    explained = lockgate("explain", "GET", "http://127.0.0.1/notes", "-H", "X-Odd: 1", "--json", cwd=tmp_path).out
    assert json.loads(explained)["verdict"] == "allow"
    refused = exclude(form, "put", tmp_path, *BY, "--yes", "--rule", "3")
    assert (refused.code, "stands in no value that could be named" in refused.err) == (2, True), refused.err
    assert exclude(form, "put", tmp_path, *BY, "--yes", "--rule", "3", "--broad").code == 0


def test_what_is_asked_wrongly_is_told_before_anything_is_tried(
    native: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration is not even there: it would be the first thing to be missed."""
    monkeypatch.chdir(tmp_path)
    for words, told in (
        (("--yes",), "add --owner, --reason"),
        ((*BY[:4], "--until", "soon", "--yes"), "--until"),
        ((*BY, "--yes", "--at", "ARGS:note"), "here it is `query/note` or `body/note`"),
        ((*BY, "--yes", "--requests", "notes"), "--requests"),
        ((*BY, "--yes", "--since", "yesterday"), "--since"),
    ):
        ended = exclude(native, "body", tmp_path, *words)
        assert (ended.code, told in ended.err) == (2, True), ended.err
        assert "lockgate.yaml" not in ended.err


def test_where_nobody_can_be_asked_it_is_shown_and_not_written(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    for words in ((), BY):
        ended = exclude(native, "body", tmp_path, *words)
        assert ended.code == 2
        assert "Proposed for the API shop" in ended.out
        assert "add --yes to have it written" in ended.err
        assert ("with --owner and --reason" in ended.err) is (words == ())
    assert (tmp_path / "lockgate.yaml").read_text() == PLAIN


def test_a_place_where_nothing_was_found_is_told(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    ended = exclude(native, "body", tmp_path, *BY, "--yes", "--at", "query/zzz")
    assert ended.code == 2
    assert "nothing was found at query/zzz in this request; it was at body/" in ended.err
    assert (tmp_path / "lockgate.yaml").read_text() == PLAIN


OTHERS = f"""\
{HEAD}apis:
  a:
{API.replace("path: /", "path: /a")}  shop:
{API}    waf: {{rules: native}}
  # of z
  z:
{API.replace("path: /", "path: /z")}    waf: {{rules: native}}
"""
FORMS = {
    "a block": (PLAIN, []),
    "braces": (f"{HEAD}apis:\n  shop:\n{API}    waf: {{rules: native}}  # kept\n", []),
    "braces on lines": (f"{HEAD}apis:\n  shop:\n{API}    waf: {{\n      rules: native,\n    }}\n", []),
    "an API in braces": (
        f"{HEAD}apis:\n  shop: {{{', '.join(line.strip() for line in API.splitlines())}, waf: {{rules: native}}}}\n",
        [],
    ),
    "a list in a block": (
        f"{PLAIN}      exclude:\n        # why\n        - {{rule: ldap-injection, at: query/dn, {WAIVED}}}  # kept\n",
        [("ldap-injection", "query/dn")],
    ),
    "a list in brackets": (
        f"{PLAIN}      exclude: [{{rule: ldap-injection, at: query/dn, {WAIVED}}}]  # kept\n",
        [("ldap-injection", "query/dn")],
    ),
    "an anchor that nobody uses": (f"{HEAD}apis:\n  shop:\n{API}    waf: &mine {{rules: native}}  # kept\n", []),
    "nothing of its own": (f"{HEAD}defaults: {{waf: {{rules: native}}}}  # kept\napis:\n  shop:\n{API}", []),
    "lines of Windows": (PLAIN.replace("\n", "\r\n"), []),
    "no end of line": (PLAIN.rstrip("\n"), []),
    "a mark of bytes": ("\ufeff" + PLAIN, []),
    "other APIs around": (OTHERS, []),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_exclusion_is_written_into_every_form(form: str, native: Past, tmp_path: Path) -> None:
    text, there = FORMS[form]
    path = tmp_path / "lockgate.yaml"
    path.write_bytes(text.encode())
    ended = exclude(native, "body", tmp_path, *BY, "--yes")
    assert (ended.code, ended.err) == (0, "")
    assert excluded(tmp_path) == [*there, ("sql-injection", "body/note")]
    after = path.read_bytes().decode()
    assert all(remark in after for remark in ("# kept", "# why", "# detectors", "# of z") if remark in text)
    assert after.startswith("\ufeff") == text.startswith("\ufeff")
    assert ("\r\n" in after, "\n" in after.replace("\r\n", "")) == ("\r\n" in text, "\r\n" not in text)
    again = exclude(native, "body", tmp_path, *BY, "--yes")
    assert (again.code, "All of it is left alone already" in again.err) == (1, True)
    assert path.read_bytes().decode() == after


SHARED = f"""\
{HEAD}apis:
  other:
{API.replace("path: /", "path: /other")}    waf: &guard {{rules: native}}
  shop:
{API}    waf: *guard
"""
BY_HAND = {
    "braces with a remark in them": f"{HEAD}apis:\n  shop:\n{API}    waf: {{\n      rules: native,  # why\n    }}\n",
    "an alias": SHARED,
    "an anchor that another uses": SHARED.replace("&guard {rules: native}", "*guard")
    .replace("    waf: *guard\n  shop", "  shop")
    .replace(f"{API}    waf: *guard\n", f"{API}    waf: &guard {{rules: native}}\n")
    + f"  third:\n{API.replace('path: /', 'path: /third')}    waf: *guard\n",
}


@pytest.mark.parametrize("form", BY_HAND)
def test_what_others_share_is_not_changed_and_what_to_write_is_told(form: str, native: Past, tmp_path: Path) -> None:
    path = tmp_path / "lockgate.yaml"
    path.write_text(BY_HAND[form])
    ended = exclude(native, "body", tmp_path, *BY, "--yes")
    assert ended.code == 2
    assert "by hand" in ended.err
    assert "rule: sql-injection" in ended.err
    assert path.read_text() == BY_HAND[form]


def test_what_is_to_be_written_is_written_where_nobody_reads_what_it_comes_to(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    reader, writer = os.pipe()
    os.close(reader)
    words = ("waf", "exclude", native.ids["body"], "--state", str(native.state), *BY)
    codes = [
        subprocess.run([sys.executable, "-m", "lockgate", *words, *more], cwd=tmp_path, stdout=writer, check=False)
        for more in (["--dry-run"], ["--yes"])
    ]
    os.close(writer)
    assert [ended.returncode for ended in codes] == [141, 0]
    assert excluded(tmp_path) == [("sql-injection", "body/note")]


def test_an_included_file_is_the_one_that_is_changed(native: Past, tmp_path: Path) -> None:
    main, part = tmp_path / "lockgate.yaml", tmp_path / "shop.yaml"
    main.write_text(f"{HEAD}include: [shop.yaml]\n")
    part.write_text(f"apis:\n  shop:\n{API}    waf: {{rules: native}}\n")
    before = main.read_text()
    ended = exclude(native, "body", tmp_path, *BY, "--yes")
    assert (ended.code, str(part) in ended.out or "shop.yaml" in ended.out) == (0, True), ended.err
    assert main.read_text() == before
    assert excluded(tmp_path) == [("sql-injection", "body/note")]


def test_a_file_that_cannot_be_written_is_told_of(native: Past, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    path = place / "lockgate.yaml"
    path.write_text(PLAIN)
    # Root writes whatever the mode says; what cannot be changed at all stands for it.
    if os.geteuid() == 0:
        if subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode != 0:
            pytest.skip("this file system keeps nothing from root")
    else:
        place.chmod(0o500)
    try:
        ended = exclude(native, "body", place, *BY, "--yes")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", path], check=True)
        place.chmod(0o700)
    assert (ended.code, "cannot be written" in ended.err) == (2, True)
    assert "Traceback" not in ended.err
    assert path.read_text() == PLAIN


def test_two_findings_have_an_exclusion_each(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    ended = exclude(native, "two", tmp_path, *BY, "--yes", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["written"], told["request_would_pass"]) == (0, True, True)
    assert excluded(tmp_path) == [("sql-injection", "body/note"), ("cross-site-scripting", "body/title")]
    assert told["recorded"]["refused"] == 2
    assert set(told["recorded"]["would_pass"]) == {native.ids["body"], native.ids["two"]}
    assert sum(one["tried"] for one in told["attacks"]) > 100


def test_one_of_two_is_not_enough_and_what_is_there_is_not_said_again(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    ended = exclude(native, "two", tmp_path, *BY, "--yes", "--rule", "sql-injection")
    assert (ended.code, "would still be refused" in ended.out) == (0, True)
    ended = exclude(native, "two", tmp_path, *BY, "--yes")
    assert (ended.code, "Said already" in ended.out) == (0, True), ended.err
    assert excluded(tmp_path) == [("sql-injection", "body/note"), ("cross-site-scripting", "body/title")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*BY[:4], "--until", "2020-01-01", "--yes"), "2020-01-01"),
        ((*BY[:4], "--until", "soon", "--yes"), "soon"),
        (BY, "add --yes to have it written"),
        (("--yes",), "--owner"),
        ((*BY, "--yes", "--rule", "no-such-rule"), "no-such-rule"),
        ((*BY, "--yes", "--at", "nowhere/x"), "nowhere"),
        ((*BY, "--yes", "--requests", "POST notes"), "notes"),
        ((*BY, "--yes", "--since", "yesterday"), "--since"),
    ],
    ids=[
        "a day that is over",
        "no day",
        "no terminal",
        "nobody answers for it",
        "no rule",
        "no place",
        "no path",
        "no time",
    ],
)
def test_what_is_asked_wrongly_writes_nothing(words: tuple[str, ...], told: str, native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    ended = exclude(native, "body", tmp_path, *words)
    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert (tmp_path / "lockgate.yaml").read_text() == PLAIN


def test_at_a_terminal_it_asks(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    words = ("waf", "exclude", native.ids["body"], "--state", str(native.state), *BY)
    assert "Nothing is written." in at_terminal(*words, cwd=tmp_path, answers=["n"]).out
    assert (tmp_path / "lockgate.yaml").read_text() == PLAIN
    assert "Written to" in at_terminal(*words, cwd=tmp_path, answers=["y"]).out
    assert excluded(tmp_path) == [("sql-injection", "body/note")]


def test_a_dry_run_shows_all_and_writes_nothing(native: Past, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(PLAIN)
    ended = exclude(native, "query", tmp_path, "--dry-run")
    assert (ended.code, "query parameter `q`" in ended.out) == (0, True), ended.err
    told = json.loads(exclude(native, "query", tmp_path, "--dry-run", "--json").out)
    assert (told["written"], told["exclude"][0]["at"]) == (False, "query/q")
    assert (tmp_path / "lockgate.yaml").read_text() == PLAIN


def test_rules_of_the_core_rule_set_are_told_of_and_left_out(core: Past) -> None:
    folder = core.state.parent
    ended = lockgate("waf", "why", core.ids["query"], cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    assert "REQUEST-942-APPLICATION-ATTACK-SQLI.conf:" in ended.out
    assert "(at: query/q)" in ended.out
    told = json.loads(lockgate("waf", "why", core.ids["query"], "--json", cwd=folder).out)
    assert told["score"] == sum(one["counted"] for one in told["findings"]) >= told["threshold"] == 5
    assert "942100" in {one["rule"] for one in told["findings"]}
    ended = exclude(core, "query", folder, *BY, "--yes", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["written"], told["request_would_pass"]) == (0, True, True), ended.err
    assert set(excluded(folder)) == {(one["rule"], "query/q") for one in told["exclude"]}
    url = "http://127.0.0.1/notes?q=1%27%20UNION%20SELECT%20password%20FROM%20users--%20"
    explained = lockgate("explain", "GET", url, "--json", cwd=folder).out
    assert json.loads(explained)["verdict"] == "allow"


def test_events_of_older_versions_are_read(native: Past, tmp_path: Path) -> None:
    from lockgate.admin.event_log import find
    from lockgate.rehearsal.waf.found import Inspected
    from lockgate.state import StateFolder

    event = find(StateFolder.existing(native.state), native.ids["two"])
    assert event is not None
    now = Inspected.read(event["waf"])
    older = {
        **{key: event["waf"][key] for key in ("score", "threshold")},
        "found": [
            {key: one[key] for key in ("rule", "at", "message", "masked", "score")} for one in event["waf"]["found"]
        ],
    }
    then = Inspected.read(older)
    assert [one.rule for one in then.findings] == [one.rule for one in now.findings]
    assert [one.places for one in then.findings] == [(), ()]
    assert (then.by, then.left_out, then.arithmetic()) == ("", 0, now.arithmetic())
    from lockgate.cli._waf_shown import lines

    assert any("ARGS_POST:json.note" in line or "ARGS:json.note" in line for line in lines(then)), list(lines(then))


def test_status_says_the_level_that_holds_and_who_lets_attacks_pass(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(
        'SecAction "id:1,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level=4"\n'
        'SecRule ARGS "@rx (?i)union|<script" "id:2,phase:2,deny"\n'
        'SecRule TX:blocking_paranoia_level "@lt 1" "id:3,phase:2,deny"\n'
    )
    every = "sql-injection, cross-site-scripting, path-traversal, code-injection, command-injection"
    left_out = ", ".join(f"{{rule: {rule}, {WAIVED}}}" for rule in ["2", *every.split(", ")])
    (tmp_path / "lockgate.yaml").write_text(
        f"{HEAD}apis:\n  shop:\n{API}    waf: {{files: [own.conf], exclude: [{left_out}]}}\n"
    )
    ended = lockgate("waf", "status", cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert "shop: native, own.conf at paranoia 4, 3 rules, " in ended.out
    assert "of them asked at this level" in ended.out
    assert f"Lets pass  xss in the query: `exclude` has 2, {every} leave it alone" in ended.out
    assert "setup" not in ended.out
