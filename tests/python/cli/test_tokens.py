"""`lockgate tokens`, with nothing running: what is not asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_known_device_is_revoked_by_another_command(tmp_path: Path) -> None:
    words = ["tokens", "revoke", "--issuer", "company", "--device", "dev_w5k2xlcris2uirba4wl3"]
    done = subprocess.run(
        [sys.executable, "-m", "lockgate", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "`lockgate devices revoke dev_w5k2xlcris2uirba4wl3`" in " ".join(done.stderr.split())
