"""The systemd unit and the container file, judged by what can judge them without running them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from lockgate.cli._main import application
from support.tree import ROOT

UNIT = ROOT / "deploy/systemd/lockgate.service"
CONTAINER = ROOT / "deploy/container/Containerfile"
EXPOSURE = 20
"""systemd's own measure, in tenths: 0 is none, 100 is all. An ordinary service has 96."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the command of this environment: `verify` looks whether it is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")  # scripts/system-packages.sh names it.
    here = tmp_path / UNIT.name
    command = Path(sys.executable).parent / "lockgate"
    here.write_text(UNIT.read_text("utf-8").replace("/opt/lockgate/bin/lockgate", str(command)))
    return here


def test_systemd_understands_the_unit(unit: Path) -> None:
    told = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert unit.name not in told.stderr, told.stderr


def test_systemd_finds_the_unit_well_closed(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(unit)]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Overall exposure level" in told.stdout


def test_the_units_command_exists() -> None:
    """Its options are those of this version."""
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    _, word, *rest = shlex.split(command)
    known = typer.main.get_command(application()).commands[word]  # type: ignore[attr-defined]
    options = {option for each in known.params for option in each.opts}
    assert {each for each in rest if each.startswith("--")} <= options


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", CONTAINER.read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_container_is_built_in_one_image_and_runs_in_another() -> None:
    found = instructions()
    stages = [rest for name, rest in found if name == "FROM"]
    assert [stage.split(" AS ")[1] for stage in stages] == ["build", "run"]
    assert all(re.fullmatch(r"docker\.io/library/[a-z]+:[0-9][\w.-]* AS \w+", stage) for stage in stages), "pinned"
    last = found[[name for name, _ in found].index("FROM", 1) :]
    by_name: dict[str, list[str]] = {}
    for name, rest in last:
        by_name.setdefault(name, []).append(rest)
    assert "ADD" not in dict(found)
    assert "COPY" not in by_name, "nothing of the source is in what runs"
    (user,) = by_name["USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "a number, so that an orchestrator can see that it is not root"
    assert [name for name, _ in last].index("USER") > max(i for i, (name, _) in enumerate(last) if name == "RUN")
    assert "lockgate.health" in by_name["HEALTHCHECK"][0]
    assert by_name["STOPSIGNAL"] == ["SIGTERM"]
    for name in ("ENTRYPOINT", "CMD"):
        assert by_name[name][0].startswith("["), "no shell stands between the signal and the supervisor"


def test_the_containers_shell_lines_are_good() -> None:
    for name, rest in instructions():
        if name == "RUN":
            script = re.sub(r"^--mount=\S+ ", "", rest)
            checked = subprocess.run(["/bin/sh", "-n", "-c", script], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr


def test_what_the_build_copies_is_there() -> None:
    kept = [
        line[1:]
        for line in (CONTAINER.parent / f"{CONTAINER.name}.dockerignore").read_text().splitlines()
        if line[:1] == "!"
    ]
    assert kept
    assert [name for name in kept if not (ROOT / name).exists()] == []
