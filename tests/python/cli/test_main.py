"""The command line as a whole: help, versions, mistakes, faults of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lockgate
from lockgate.cli import _main, _output
from lockgate.state import StateFolder
from support import command


def test_help_lists_every_command(tmp_path: Path) -> None:
    ended = command.lockgate("--help", cwd=tmp_path)
    assert ended.code == 0
    for name in _main.names():
        assert f"\n  {name} " in ended.out
    # Each with its whole first sentence, over as many lines as it takes.
    assert "..." not in ended.out.partition("Commands:")[2]
    assert "refused and why." in " ".join(ended.out.split())


def test_help_is_a_word_as_well(tmp_path: Path) -> None:
    """As with git, docker and others."""
    for words in ([], ["keys", "create"]):
        assert command.lockgate("help", *words, cwd=tmp_path) == command.lockgate(*words, "--help", cwd=tmp_path)


def test_an_example_in_help_stays_one_line_to_copy(tmp_path: Path) -> None:
    ended = command.lockgate("keys", "create", "--help", cwd=tmp_path)
    assert '\n  Example: lockgate keys create --name "nightly export" --owner sales --api orders' in ended.out
    assert "--expires 90d\n" in ended.out


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lockgate", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"rich", "pydantic", "sqlalchemy", "duckdb", "httpx", "fastapi", "cryptography", "yaml"}
    assert set(_main.names()) >= {"init", "check", "config"}


@pytest.mark.parametrize("name", _main.names())
def test_every_command_has_help_with_an_example(tmp_path: Path, name: str) -> None:
    for words in [[name], *([name, word] for word in subcommands(name))]:
        ended = command.lockgate(*words, "--help", cwd=tmp_path)
        assert ended.code == 0
        assert f"Example: lockgate {' '.join(words)}" in " ".join(ended.out.split()), words


@pytest.mark.parametrize("name", _main.names())
def test_help_reads_as_that_of_other_tools(tmp_path: Path, name: str) -> None:
    for words in [[name, word] for word in subcommands(name)] or [[name]]:
        shown = command.lockgate(*words, "--help", cwd=tmp_path).out
        assert not re.findall(r"<\w+(?: range|\[\w+\])?>|\{[A-Z]+\}", shown), words


def test_every_command_that_reads_something_takes_the_configuration(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lockgate.yaml").write_text(
        "version: 1\napis: {a: {upstream: 'http://127.0.0.1:1', authenticate: [api_key], authorize: authenticated}}\n",
        encoding="utf-8",
    )
    StateFolder.open(elsewhere / ".lockgate")
    config = ["--config", "elsewhere/lockgate.yaml"]
    audit = ["tls", "audit", "--only", "upstreams"]
    for words in (["check"], ["routes"], ["config", "show"], ["logs"], ["keys", "list"], audit):
        ended = command.lockgate(*words, *config, cwd=tmp_path)
        assert ended.code == 0, (words, ended.err)
    for words in (["status"], ["reload"]):
        assert str(elsewhere / ".lockgate") in command.lockgate(*words, *config, cwd=tmp_path).err
    twice = command.lockgate("check", "elsewhere/lockgate.yaml", *config, cwd=tmp_path)
    assert (twice.code, "given twice" in twice.err) == (2, True)
    said = command.lockgate("keys", "list", *config, "--state", "none", cwd=tmp_path)
    assert "none" in said.err


def subcommands(name: str) -> list[str]:
    module = __import__(f"lockgate.cli.{name}", fromlist=["app"])
    app = getattr(module, "app", None)
    return [entry.name or entry.callback.__name__ for entry in app.registered_commands] if app else []


def test_version(tmp_path: Path) -> None:
    assert command.lockgate("--version", cwd=tmp_path).out == f"lockgate {lockgate.__version__}\n"


def test_a_slip_is_a_usage_error(tmp_path: Path) -> None:
    ended = command.lockgate("chekc", cwd=tmp_path)
    assert ended.code == 2
    assert "check" in ended.err
    assert "Traceback" not in ended.err
    assert command.lockgate("check", "--colour", cwd=tmp_path).code == 2


def test_a_value_that_an_option_does_not_take_is_told_in_plain_words(tmp_path: Path) -> None:
    ended = command.lockgate("devices", "list", "--only", "unapprovd", cwd=tmp_path)
    assert ended.code == 2
    assert (
        "'unapprovd' is none of new, confirmed, unapproved, approved, revoked; did you mean `unapproved`?" in ended.err
    )
    ended = command.lockgate("devices", "list", "--only", "nope", cwd=tmp_path)
    assert "'nope' is none of new, confirmed, unapproved, approved, revoked." in ended.err


def test_only_what_is_asked_for_is_imported(tmp_path: Path) -> None:
    """`lockgate check` in an editor or a hook must not pay for the control process."""
    (tmp_path / "lockgate.yaml").write_text("version: 2\n", encoding="utf-8")
    code = (
        "import sys; from lockgate.cli import main\n"
        "try: main(['check'])\nexcept SystemExit: pass\n"
        "print(sorted({'fastapi', 'sqlalchemy', 'uvicorn', 'httpx', 'lockgate.admin'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("[]\n")


def test_a_fault_of_its_own_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(_main, "application", broken)
    monkeypatch.delenv("LOCKGATE_DEBUG", raising=False)
    with pytest.raises(SystemExit) as left:
        _main.main(["check"])
    assert left.value.code == _main.EXIT_INTERNAL
    assert "internal error: RuntimeError: two lines" in capsys.readouterr().err
    monkeypatch.setenv("LOCKGATE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        _main.main(["check"])


def unread(folder: Path, *words: str, closed: str = "stdout") -> tuple[int, str]:
    """What becomes of a command whose reader has gone before it says anything: its exit code, and what else it says."""
    reader, writer = os.pipe()
    os.close(reader)
    out_to, err_to = (writer, subprocess.PIPE) if closed == "stdout" else (subprocess.PIPE, writer)
    command = [sys.executable, "-m", "lockgate", *words]
    with subprocess.Popen(command, cwd=folder, text=True, stdout=out_to, stderr=err_to) as child:
        os.close(writer)
        out, err = child.communicate(timeout=60)
    return child.returncode, (out or "") + (err or "")


API = """\
version: 1
apis: {{{name}: {{upstream: 'http://127.0.0.1:1', authenticate: [api_key], authorize: authenticated}}}}
"""


@pytest.mark.parametrize(
    "words",
    [
        ["config", "schema"],
        ["--help"],
        ["check"],
        ["diff", "lockgate.yaml", "other.yaml"],  # 1 with somebody who reads it.
        ["routes"],  # A table, which Rich prints.
        ["explain", "GET", "/a"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_fault_and_no_finding(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(API.format(name="a"))
    (tmp_path / "other.yaml").write_text(API.format(name="b"))
    assert unread(tmp_path, *words) == (_output.EXIT_UNREAD, "")


def test_a_reader_of_standard_error_that_has_gone_is_no_other_fault(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text("version: 2\n")
    assert unread(tmp_path, "routes", closed="stderr") == (_output.EXIT_UNREAD, "")


def test_no_standard_output_at_all_is_no_fault(tmp_path: Path) -> None:
    closed = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m lockgate --version >&-; echo $?"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (closed.stdout, closed.stderr) == ("0\n", "")


def test_an_argument_that_is_no_text_is_told(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lockgate", "explain", "GET", b"/\xff"], cwd=tmp_path, capture_output=True, check=False
    )
    assert ended.returncode == 2
    assert b"not UTF-8" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_commands_in_help_stay_lines_to_copy(tmp_path: Path) -> None:
    ended = command.lockgate("completion", "--help", cwd=tmp_path)
    assert "bash-completion/completions/lockgate\n" in ended.out
    assert "\n  fish: lockgate completion fish > ~/.config/fish/completions/lockgate.fish\n" in ended.out


@pytest.mark.parametrize(
    ("missing", "words"), [("_native", "`make build` builds it"), ("elsewhere", "internal error: ImportError")]
)
def test_what_cannot_be_imported_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str, words: str
) -> None:
    def broken(_: object) -> None:
        raise ImportError(f"cannot import name '{missing}'")

    monkeypatch.setattr(_main, "application", broken)
    with pytest.raises(SystemExit) as ended:
        _main.main(["check"])
    assert ended.value.code == 70
    assert words in capsys.readouterr().err
