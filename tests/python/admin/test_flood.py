"""A whole `lockgate run`, whose admin port another program floods."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.admin.connections import CONNECTIONS
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until

USUAL_DESCRIPTORS = 1024
"""What a shell gives a program where nobody changed it."""

pytestmark = pytest.mark.full


@pytest.fixture
def many() -> Iterator[int]:
    """As many connections as this machine lets a test have, up to 10,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 20_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(USUAL_DESCRIPTORS, most), hard))
    try:
        yield min(10_000, most - 500)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_heads_do_not_stop_the_operator(processes: Processes, tmp_path: Path, many: int) -> None:
    write_config(tmp_path, "http://127.0.0.1:9")
    running = Running(processes, tmp_path).ready()
    host, _, port = running.state.admin_address_file.read_text().strip().rpartition(":")
    made = running.make_key()["id"]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    stop = threading.Event()
    held: list[socket.socket] = []

    def hold() -> None:
        """Open them, then go on opening as the server closes."""
        while not stop.is_set():
            with contextlib.suppress(OSError):
                client = socket.create_connection((host, int(port)), timeout=5)
                client.sendall(b"GET /v1/keys HTTP/1.1\r\nX-A: ")
                held.append(client)
            if len(held) > many:
                held.pop(0).close()

    opening = threading.Thread(target=hold)
    opening.start()
    try:
        until(lambda: len(held) >= many or None, f"{many} half heads", within=60)
        for _ in range(5):
            command = [sys.executable, "-m", "lockgate", "keys", "list"]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
            assert done.returncode == 0, done.stdout + done.stderr
            assert made in done.stdout
        with running.admin as admin:
            text = admin.get("/metrics").text
        cut = next(line for line in text.splitlines() if 'refusals_total{code="admin-connections"}' in line)
        assert int(cut.split()[-1]) >= many - CONNECTIONS
    finally:
        stop.set()
        opening.join()
        for client in held:
            client.close()
    assert "Traceback" not in running.output
    assert "out of system resource" not in running.output
