#!/usr/bin/env python3
"""Register the sources as an installed package in the environment that runs this.

What `maturin develop` does after building, without asking pip to look through
every dependency each time, and without wanting a newer pip than Python brings.
"""

import stat
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """\
#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


def main() -> None:
    """Write the path file, the metadata and the command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    version = cargo["workspace"]["package"]["version"]
    site = Path(sysconfig.get_path("purelib"))
    (site / "lockgate-source.pth").write_text(f"{ROOT / 'python'}\n", encoding="utf-8")

    for old in site.glob("lockgate-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = site / f"lockgate-{version}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {line}\n" for line in project["dependencies"])
    metadata = f"Metadata-Version: 2.1\nName: lockgate\nVersion: {version}\n{requires}"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "INSTALLER").write_text("make\n", encoding="utf-8")
    entries = "".join(f"{name} = {place}\n" for name, place in project["scripts"].items())
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{entries}", encoding="utf-8")

    for name, place in project["scripts"].items():
        module, function = place.split(":")
        command = Path(sysconfig.get_path("scripts")) / name
        command.write_text(SCRIPT.format(python=sys.executable, module=module, function=function), encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


main()
