"""What `lockgate explain` tells of `waf`: what was found, what looked, and what was left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import lockgate

URL = "http://127.0.0.1/notes"
ATTACK = json.dumps({"note": "1' UNION SELECT password FROM users-- "})
CONFIG = """\
version: 1
apis:
  shop:
    path: /
    upstream: http://127.0.0.1:9
    public: {owner: ann, reason: a test, until: 2099-01-01}
    waf:
      rules: native
      files: [own.conf]
      exclude:
        - {rule: xpath-injection, at: body/note, request: POST /notes, owner: bob, reason: free text, until: 2099-01-01}
        - {rule: ldap-injection, request: /other, owner: bob, reason: elsewhere, until: 2099-01-01}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    (tmp_path / "own.conf").write_text('SecRule ARGS "@contains password" "id:7,phase:2,deny,status:403,msg:mine"\n')
    return tmp_path


def explain(folder: Path, *words: str, code: int) -> str:
    ended = lockgate("explain", *words, "-H", "Content-Type: application/json", cwd=folder)
    assert ended.code == code, ended.out + ended.err
    return ended.out


def test_a_blocked_request(folder: Path) -> None:
    out = explain(folder, "POST", URL, "--body", ATTACK, code=1)
    for words in ("7  mine", "own.conf:1", "refuses by itself", "sql-injection", "at: body/note"):
        assert words in out
    assert "FROM users" not in out, "values are masked"
    assert "Looked    by detectors and rules (own)\n" in out
    assert "Not at    body/note, for xpath-injection: `exclude`, of bob until 2099-01-01 (free text)" in out
    assert "Not at    answers: `answers` is not said" in out
    assert "ldap-injection" not in out, "that is for other requests"


def test_a_request_that_passes(folder: Path) -> None:
    out = explain(folder, "POST", URL, "--body", json.dumps({"note": "O'Brien"}), code=0)
    assert "Looked    by detectors and rules (own), and found nothing" in out
    out = explain(folder, "POST", URL, code=0)
    assert "Not at    the body: none was given, --body does" in out
    told = json.loads(explain(folder, "GET", URL, "--json", code=0))
    assert told["looked"] == {"by": ["detectors", "rules (own)"], "not_at": ["answers: `answers` is not said"]}


def test_what_was_never_asked_looked_at_nothing(folder: Path) -> None:
    path = folder / "lockgate.yaml"
    path.write_text(CONFIG.replace("    waf:\n", "    waf:\n      mode: 'off'\n"))
    told = json.loads(explain(folder, "POST", URL, "--json", "--body", ATTACK, code=0))
    assert (told["looked"], told["waf"]) == (None, None)


HEADERS = ("-H", "Content-Type: application/json")


def given(folder: Path, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """The command with something on its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "lockgate", "explain", "POST", URL, *HEADERS, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_body_comes_from_a_file_or_from_standard_input(folder: Path) -> None:
    (folder / "attack.json").write_text(ATTACK)
    (folder / "packed.bin").write_bytes(b"\x00\xff\xfe\n")
    assert "sql-injection" in explain(folder, "POST", URL, "--body", "@attack.json", code=1)
    code, out, _ = given(folder, "--body", "@-", stdin=ATTACK.encode())
    assert (code, "sql-injection" in out) == (1, True)
    # Bytes that are no text go as they are.
    code, out, err = given(folder, "--body", "@packed.bin")
    assert (code, "json-" in out, err) == (1, True, ""), out


def test_a_body_that_begins_with_the_sign_stays_possible(folder: Path) -> None:
    words = ("--body-raw", "@attack.json", "-H", "Content-Type: text/plain")
    ended = lockgate("explain", "POST", URL, *words, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "none was given" not in ended.out
    raw = explain(folder, "POST", URL, "--body-raw", ATTACK, code=1)
    assert "sql-injection" in raw


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--body", "@nowhere.json"), "nowhere.json cannot be read: No such file or directory"),
        (("--body", "@."), ". cannot be read: Is a directory"),
        (("--body", "@"), "name a file behind the @"),
        (("--body", "@long.bin"), "has more than 64 MiB"),
        (("--body", "x", "--body-raw", "x"), "keep one"),
        (("--body", "@-", "--key-file", "-"), "both read standard input"),
        (("--request", "01J9Z0Q4N2W1X8Y7V6T5S4R3Q2", "--body-raw", "x"), "leave METHOD, URL"),
    ],
)
def test_a_body_that_cannot_be_had_is_told(words: tuple[str, ...], told: str, folder: Path) -> None:
    if "@long.bin" in words:
        with (folder / "long.bin").open("wb") as file:
            file.truncate((64 << 20) + 1)
    where = () if "--request" in words else ("POST", URL)
    ended = lockgate("explain", *where, *words, cwd=folder)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert "Traceback" not in ended.err
