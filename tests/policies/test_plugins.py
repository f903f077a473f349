"""`plugins`, from the configuration to a process that is asked; what one can do to a gate is in `tests/gateway`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate import _native
from lockgate.config import ConfigErrors, load
from lockgate.plugin.launch import COMMAND
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import Run
from policies.conftest import written
from support.vectors import Case, cases, name

CASES = cases("plugins")
TAKEN = [case for case in CASES if "refused" not in case]
# An answer is judged where there is an upstream; Rust's run and the gateway's tests have those.
OF_REQUESTS = [case for case in TAKEN if case.get("hook") != "response"]

SAYS = """
from lockgate.plugin import Allow, Deny, Plugin, allow, deny

class Says(Plugin):
    def on_request(self, head):
        ((kind, said),) = self.options["said"].items()
        hidden = [name for name in self.options["sent"] if name not in head.headers]
        if hidden != self.options["hidden"]:
            raise AssertionError(f"hidden are {hidden}")
        match kind:
            case "allow":
                return Allow(tuple(map(tuple, said["request"])), tuple(map(tuple, said["answer"])))
            case "deny":
                return Deny(said["reason"], said["status"], detail=said.get("detail"))
            case "error":
                raise ValueError("no")
"""


def evaluated(folder: Path, api: dict[str, Any], *headers: tuple[str, str]) -> dict[str, Any]:
    """What the engine says with a process for plugins."""
    bundle = json.dumps(load(written(folder, api)).compile(1, 1)).encode()
    engine = _native.Engine(bundle, plugins=_native.Plugins(list(COMMAND)))
    sent = [("Host", "a.example"), *headers]
    return engine.evaluate({"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": sent})


@pytest.mark.parametrize("case", OF_REQUESTS, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    headers = [(key, value) for key, value in case.get("headers", [])]
    ((kind, said),) = case["said"].items()
    # The configuration knows no `null`: what is not said is left out.
    if kind == "deny":
        said = {key: value for key, value in said.items() if value is not None}
    options = {"said": {kind: said}, "sent": [key.lower() for key, _ in headers], "hidden": case.get("hidden", [])}
    entry = {"use": "says:Says", "options": options, "deadline": "10s", "credentials": case.get("credentials", [])}
    told = evaluated(tmp_path, {"plugins": [entry]}, *headers)
    (step,) = (step for step in told["steps"] if step["policy"] == "plugins")
    changes = {
        way: [
            f"{each['change']} {each['header']}" + ("" if each["value"] is None else f": {each['value']}")
            for each in told["changes"][way]
        ]
        for way in ("request", "response")
    }
    match case["verdict"]:
        case "allow":
            assert (told["verdict"], step["verdict"], told["errors"]) == ("allow", "allow", [])
            assert changes == {"request": case.get("request", []), "response": case.get("response", [])}
        case "deny":
            assert (told["verdict"], step["verdict"], told["status"]) == ("deny", "deny", case["status"])
            assert (told["reason"]["code"], told["reason"]["own"]) == ("plugin-denied", case["code"])
        case "failed":
            assert (told["verdict"], step["verdict"], told["status"]) == ("deny", "error", 500)
            assert (told["reason"]["code"], told["reason"]["own"]) == ("plugin-failed", None)
            assert "says:Says" in told["errors"][0]


def refused(folder: Path, api: dict[str, Any], code: str) -> Any:
    """The one error that the configuration is refused with."""
    with pytest.raises(ConfigErrors) as refusal:
        load(written(folder, api))
    (error,) = refusal.value.errors
    assert error.code == code, error
    return error


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=name)
def test_what_is_refused_at_load(case: Case, tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    entry = {"use": "says:Says", "credentials": case["credentials"]}
    ways = [{"api_key": {"header": header}} for header in case.get("authenticate", [])]
    who = {"authenticate": ways} if ways else {}
    error = refused(tmp_path, {"plugins": [entry], **who}, case["refused"])
    line = (tmp_path / "lockgate.yaml").read_text(encoding="utf-8").splitlines()[error.region.line - 1]
    assert case["credentials"][0] in line


PARTICULAR = """\
from lockgate.plugin import Plugin
class Says(Plugin):
    def __init__(self, options):
        raise ValueError('`header` is wanted')
    def on_request(self, head):
        pass
"""
WRONG: dict[str, tuple[str | None, str, int | None]] = {
    "missing": (None, "No module named 'says'", None),
    "no such class": ("import lockgate.plugin\n", "has no 'Says'", None),
    "no plugin": ("class Says:\n    pass\n", "no class made from lockgate.plugin.Plugin", None),
    "a function": ("def Says(options):\n    return None\n", "no class made from lockgate.plugin.Plugin", None),
    "no hook": ("from lockgate.plugin import Plugin\nclass Says(Plugin):\n    pass\n", "neither on_request", None),
    "a slip of syntax": ("x = 1\ndef broken(:\n", "SyntaxError", 2),
    "an error": ("x = 1\n\nraise RuntimeError('no  database')\n", "RuntimeError: no database", 3),
    "an exit": ("import sys\nsys.exit(0)\n", "SystemExit", 2),
    "an end": ("import os\nos._exit(0)\n", "its process ended while it was imported", None),
    "a crash": ("import ctypes\nctypes.string_at(0)\n", "its process ended while it was imported", None),
    "a process": ("import subprocess\nsubprocess.run(['true'])\n", "a plugin starts no process", 2),
    "a call out": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "PermissionError", 2),
    "a file": ("open('written', 'w')\n", "PermissionError", 1),
    "the gate's state": ("open('.lockgate/keys')\n", "the gate's state is not for plugins", 1),
    "a refused option": (
        PARTICULAR,
        "`header` is wanted",
        4,
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_imported_is_an_error_of_its_line(what: str, tmp_path: Path) -> None:
    source, why, line = WRONG[what]
    if source is not None:
        (tmp_path / "says.py").write_text(source, encoding="utf-8")
    error = refused(tmp_path, {"plugins": ["says:Says"]}, "plugin-import")
    assert why in error.message
    where = f", in says.py, line {line}"
    assert error.message.endswith(where) if line is not None else "says.py" not in error.message
    text = (tmp_path / "lockgate.yaml").read_text(encoding="utf-8").splitlines()[error.region.line - 1]
    assert text[error.region.column - 1 :].startswith("says:Says")
    # Writing it is what mends it.
    with pytest.raises(ConfigErrors) as refusal:
        load(tmp_path / "lockgate.yaml")
    assert tmp_path / "says.py" in refusal.value.files
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("says", "plugin-malformed"),
        ("says.Says", "plugin-malformed"),
        ("../says:Says", "plugin-malformed"),
        ("says:Says()", "plugin-malformed"),
        ({"use": "says:Says", "deadline": "0s"}, "out-of-range"),
        ({"use": "says:Says", "deadline": "11s"}, "out-of-range"),
        ({"use": "says:Says", "options": ["a"]}, "plugin-options"),
        ({"use": "says:Says", "options": {"a": "x" * 20_000}}, "plugin-options"),
        ({"use": "says:Says", "header": "X"}, "unknown-key"),
        ({"options": {}}, "missing-key"),
    ],
)
def test_what_is_no_plugin_is_refused(entry: Any, code: str, tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    with pytest.raises(ConfigErrors) as refusal:
        load(written(tmp_path, {"plugins": [entry]}))
    assert [error.code for error in refusal.value.errors] == [code]


def test_all_that_cannot_be_imported_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as refusal:
        load(written(tmp_path, {"plugins": ["one:One", "two:Two", "one:One"]}))
    assert [error.code for error in refusal.value.errors] == ["plugin-import", "plugin-import"]


def test_changed_code_is_another_bundle_and_its_files_are_watched(tmp_path: Path) -> None:
    source = tmp_path / "says.py"
    digests = []
    for text in (SAYS, SAYS + "\n# More.\n"):
        source.write_text(text, encoding="utf-8")
        loaded = load(written(tmp_path, {"plugins": ["says:Says"]}))
        assert source in loaded.files
        bundle = loaded.compile(1, 1)
        digests.append(bundle["apis"][0]["policies"]["plugins"][0]["config"]["digest"])
        assert bundle["plugins"]["digest"] == digests[-1]
    assert digests[0] != digests[1]


def test_without_a_process_a_plugin_fails_closed(tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    bundle = json.dumps(load(written(tmp_path, {"plugins": ["says:Says"]})).compile(1, 1)).encode()
    asked = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": [("Host", "a.example")]}
    told = _native.Engine(bundle).evaluate(asked)
    assert (told["verdict"], told["reason"]["code"]) == ("deny", "plugin-failed")
    assert told["errors"] == ["the policy plugins could not decide: says:Says: nothing runs plugins here"]


def test_a_table_of_tests_asks_plugins_and_knows_their_reasons(tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(
        "from lockgate.plugin import deny, on_request\n@on_request\ndef check(head):\n    return deny('closed', 503)\n",
        encoding="utf-8",
    )
    table = tmp_path / "lockgate.tests.yaml"
    table.write_text(
        "version: 1\ncases:\n"
        "  - {name: right, request: GET /, expect: {code: closed, status: 503}}\n"
        "  - {name: wrong, request: GET /, expect: {code: open}}\n",
        encoding="utf-8",
    )
    api = {"plugins": [{"use": "says:check", "deadline": "10s"}]}
    right, wrong = Run(load(written(tmp_path, api)).compile(0, 0), read([table]))
    assert right.passed
    assert [(miss.field, miss.expected, miss.found) for miss in wrong.misses] == [("code", "open", "closed")]
