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
        subprocess.run(command, cwd=ROOT, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"the gate does not build with {command}: {error}") from error
    shutil.rmtree(package, ignore_errors=True)
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(package)
    return package
