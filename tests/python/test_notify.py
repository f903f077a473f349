"""Words to systemd, and to a container's health check."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.harness.upstream import AutoUpstream
from lockgate import notify
from support.ports import free_port
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(tmp_path / "n"))
        hearing.settimeout(30)
        yield hearing


def health(state: Path) -> tuple[int, str]:
    words = [sys.executable, "-m", "lockgate.health", str(state)]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    return told.returncode, told.stderr


def test_systemd_is_told(
    tmp_path: Path, heard: socket.socket, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AutoUpstream() as auto:
        write_config(tmp_path, f"http://127.0.0.1:{auto.port}", gate=f"127.0.0.1:{free_port()}")
        state = tmp_path / ".lockgate"
        assert health(state)[0] == 1
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        running = Running(processes, tmp_path)
        assert heard.recv(4096).splitlines()[0] == b"READY=1"
        assert running.serving()["gate"]["up"], "it is told no sooner"
        for pid in running.pids().values():
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes(), "a child may not speak for all"
        assert health(state) == (0, "")
        told = json.loads(running.state.supervisor_file.read_text())
        assert len(told["addresses"]["gate"]) == len(told["addresses"]["control"]) == 1
        os.kill(told["processes"]["gate"]["pid"], signal.SIGSTOP)
        assert health(state)[0] == 0, "the kernel accepts for it: what hangs is the supervisor's to find"
        os.kill(told["processes"]["gate"]["pid"], signal.SIGCONT)
        running.process.signal(signal.SIGTERM)
        assert heard.recv(4096) == b"STOPPING=1"
        until(lambda: health(state)[0] == 1, "the health check to say that nothing serves")


def test_where_nobody_listens_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "relative", str(tmp_path / "gone"), "@nobody-hears-this"):
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify.tell("READY=1")


def test_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(f"\0lockgate-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@lockgate-test-{os.getpid()}")
        notify.tell("READY=1", "STATUS=well")
        assert hearing.recv(100) == b"READY=1\nSTATUS=well"


def test_the_health_check_wants_a_folder() -> None:
    told = subprocess.run([sys.executable, "-m", "lockgate.health"], capture_output=True, check=False)
    assert told.returncode == 2
