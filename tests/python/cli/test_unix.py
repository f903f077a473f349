"""A whole Lockgate whose gate listens at a Unix socket: what each command says of it, and what becomes of the file."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.harness.servers import program
from gateway.harness.upstream import AutoUpstream
from support.command import lockgate
from support.processes import Processes
from support.running import Running, write_config


@pytest.fixture
def auto() -> Iterator[AutoUpstream]:
    with AutoUpstream() as serving:
        yield serving


def port_result(folder: Path) -> dict[str, str]:
    """What `doctor` says of the listener."""
    ended = lockgate("doctor", "--json", "--offline", cwd=folder)
    (found,) = [each for each in json.loads(ended.out)["results"] if "the listener public" in each["found"]]
    return dict(found)


def test_every_command_knows_it(tmp_path: Path, auto: AutoUpstream, processes: Processes) -> None:
    path = tmp_path / "gate.sock"
    write_config(tmp_path, f"http://127.0.0.1:{auto.port}", gate=f"unix:{path}")
    assert "can be made" in port_result(tmp_path)["found"]
    assert lockgate("check", cwd=tmp_path).code == 0
    running = Running(processes, tmp_path, "--workers", "2").ready()
    assert f"The gate   unix:{path}  (listener public)" in running.output
    running.serving()
    key = running.make_key()["key"]
    assert f"unix:{path} (public)" in lockgate("status", cwd=tmp_path).out
    assert "is held, and Lockgate runs on this folder" in port_result(tmp_path)["found"]
    asked = [sys.executable, "-m", "lockgate.health", str(tmp_path / ".lockgate")]
    assert subprocess.run(asked, check=False).returncode == 0
    curl = [program("curl"), "-sS", "--unix-socket", str(path), "-o", "/dev/null", "-w", "%{http_code}"]
    done = subprocess.run(
        [*curl, "-H", f"X-API-Key: {key}", "http://shop.example/orders"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "200"
    told = json.loads(lockgate("explain", "--json", "GET", "/orders", "-H", f"X-API-Key: {key}", cwd=tmp_path).out)
    assert told["listener"]["address"] == f"unix:{path}"
    assert told["client"] == "0.0.0.0"  # noqa: S104 -- Who has no address.
    running.process.signal(signal.SIGTERM)
    assert running.process.wait() == 0
    assert not path.exists(), "it takes its socket along"


def test_doctor_says_what_is_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    write_config(tmp_path, "http://127.0.0.1:1", gate=f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    found = port_result(tmp_path)
    assert (found["level"], "the gate replaces it" in found["found"]) == ("ok", True)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        found = port_result(tmp_path)
        assert (found["level"], "another program listens there" in found["found"]) == ("error", True)
    path.unlink()
    path.write_text("of somebody")
    found = port_result(tmp_path)
    assert (found["level"], "is no socket" in found["found"]) == ("error", True)
    write_config(tmp_path, "http://127.0.0.1:1", gate=f"unix:{tmp_path}/none/gate.sock")
    found = port_result(tmp_path)
    assert (found["level"], "RuntimeDirectory=" in found["advice"]) == ("error", True)
