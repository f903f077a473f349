"""The wheel is all that a user needs: no Rust, no repository."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import signal
import subprocess
import sys
import venv
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import httpx
import pytest

from support.processes import Processes
from support.tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel"), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    environment = Path(sys.executable).parent.parent
    subprocess.run([ROOT / "scripts" / "wheel.sh", environment, folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    return python


def test_it_is_for_every_python_from_3_11(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name


def test_it_holds_what_it_should(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"lockgate/_native.abi3.so", "lockgate/_native.pyi", "lockgate/py.typed"} <= set(names)
    assert not [name for name in names if re.search(r"(^|/)tests?/|__pycache__|\.rs$", name)]
    assert {name.rpartition("licenses/")[2] for name in names} >= {"LICENSE", "NOTICE"}


def test_it_does_not_tell_where_it_was_built(wheel: Path) -> None:
    places = {str(ROOT), str(Path.home()), *(os.environ.get(name, "") for name in ("CARGO_HOME", "CARGO_TARGET_DIR"))}
    with zipfile.ZipFile(wheel) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    # Where a panic happened is still told, by a path that is the same on every machine.
    assert b"/cargo/registry/" in contents["lockgate/_native.abi3.so"]
    told = {
        (name, place) for name, content in contents.items() for place in places if place and place.encode() in content
    }
    assert not told


def test_its_record_fits_what_it_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (record,) = (name for name in opened.namelist() if name.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(opened.read(record).decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(opened.namelist())
        for name, digest, size in rows:
            if name != record:
                content = opened.read(name)
                assert int(size) == len(content)
                assert digest == "sha256=" + urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def test_its_command_says_its_version(python: Path) -> None:
    said = subprocess.run([python.parent / "lockgate", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"lockgate \d+\.\d+\.\d+\n", said.stdout)


def test_the_demonstration_runs_from_it(python: Path, processes: Processes, tmp_path: Path) -> None:
    # Without Rust and without the repository: nothing but the environment's own folder is on the path.
    command = [
        str(python.parent / "lockgate"),
        "demo",
        "--port",
        "0",
        "--admin-port",
        "0",
        "--dir",
        str(tmp_path / "d"),
    ]
    demo = processes.start(command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ""})
    printed = demo.wait_for_output("Ctrl-C stops everything.", within=60)
    gate = re.search(r"The gate +(\S+)", printed)
    assert gate is not None
    assert httpx.get(f"{gate[1]}/products").status_code == 401
    demo.signal(signal.SIGINT)
    assert demo.wait(within=30) == 0
