"""`lockgate demo --tls` in a browser that trusts its authority: HTTPS without a warning, over HTTP/2."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lockgate import _native
from lockgate.state import StateFolder
from support.processes import Processes
from support.waiting import until

CHROMIUM, CERTUTIL = shutil.which("chromium"), shutil.which("certutil")
START_SECONDS = 120.0
"""A browser's first start on a busy machine."""

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        CHROMIUM is None or CERTUTIL is None,
        reason="wants Debian's chromium and libnss3-tools (scripts/system-packages.sh installs them where it may)",
    ),
]


def trusting(home: Path, authority: Path) -> None:
    """Put an authority where Chromium looks for those that its user added."""
    assert CERTUTIL is not None
    for place in (home / ".pki/nssdb", home / ".local/share/pki/nssdb"):
        place.mkdir(parents=True)
        base = [CERTUTIL, "-d", f"sql:{place}"]
        subprocess.run([*base, "-N", "--empty-password"], check=True)
        subprocess.run([*base, "-A", "-n", "demo", "-t", "C,,", "-i", str(authority)], check=True)


def opened(home: Path, url: str) -> str:
    """What a browser shows of a page."""
    assert CHROMIUM is not None
    command = [
        *[CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"],
        *["--disable-background-networking", f"--user-data-dir={home / 'profile'}", "--dump-dom", url],
    ]
    env = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home / ".local/share")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=START_SECONDS, check=False)
    return done.stdout


def test_a_browser_opens_it_over_http_2(processes: Processes, tmp_path: Path) -> None:
    ends = ("--port", "0", "--admin-port", "0", "--tls", "--tls-port", "0")
    demo = processes.lockgate("demo", "--dir", str(tmp_path / "demo"), *ends)
    printed = demo.wait_for_output("Ctrl-C stops everything.")
    curl = next(shlex.split(line) for line in printed.splitlines() if "--cacert" in line)
    authority = Path(curl[curl.index("--cacert") + 1])
    url = next(re.match(r"https://[^/]+", word) for word in curl if word.startswith("https://"))
    assert url is not None

    stranger, friend = tmp_path / "stranger", tmp_path / "friend"
    stranger.mkdir()
    trusting(friend, authority)
    assert "key-missing" not in opened(stranger, f"{url[0]}/products"), "nobody trusts it who was not told to"
    assert "key-missing" in opened(friend, f"{url[0]}/products")

    events = StateFolder(tmp_path / "demo" / ".lockgate").gate_events
    asked = {"reason": "key-missing", "protocol": "h2", "tls": "1.3"}
    until(
        lambda: [each for each in _native.last_events(events, 1_000)[0] if asked.items() <= each.items()],
        "the event of a request over HTTP/2",
    )
