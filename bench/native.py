"""Builds the gate as people install it (a release wheel), into the bench's cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from bench.load import CACHE
from bench.machine import ROOT
from bench.process import BenchError


def built() -> Path:
    """The release wheel that was built last."""
    package = CACHE / "gate-release"
    if not package.exists():
        raise BenchError("no release wheel has been built yet; leave --gate out and one will be")
    return package


def build(profile: str = "release") -> Path:
    """Builds a wheel with a cargo profile, unpacks it, and gives the folder to import from.

    `profiling` is `release` with symbols, for `perf`.
    """
    wheels, package = CACHE / f"wheel-{profile}", CACHE / f"gate-{profile}"
    shutil.rmtree(wheels, ignore_errors=True)
    maturin = Path(sys.executable).with_name("maturin")
    command = [str(maturin), "build", "--quiet", "--profile", profile, "--out", str(wheels)]
    command += ["--interpreter", sys.executable]
    command += ["--strip", "false"] if profile == "profiling" else []
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{maturin} does not run ({error}); `make venv` installs it") from error
    if done.returncode != 0:
        raise BenchError(f"the gate does not build: {' '.join(command)}\n{done.stderr[-2000:]}")
    shutil.rmtree(package, ignore_errors=True)
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(package)
    return package
