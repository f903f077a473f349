"""The whole harness, for a moment: real proxies, real load, a valid result."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench.gate import SHAPES
from bench.load import build, started
from bench.process import BenchError
from bench.results import read
from bench.rows import ROWS
from bench.subjects import Site, peers

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(
        not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="wants two cores"
    ),
    pytest.mark.skipif(
        shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") is None,
        reason="wants nginx (scripts/system-packages.sh)",
    ),
    pytest.mark.xdist_group("bench"),
]


def bench(folder: Path, *words: str) -> Path:
    command = [sys.executable, "-m", "bench", "--name", "smoke", "--out", str(folder), *words]
    command += ["--gate", "installed", "--rounds", "1", "--seconds", "0.2", "--idle-connections", "50"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*-smoke.json")
    return file


def test_nginx_gives_a_valid_result(tmp_path: Path) -> None:
    file = bench(tmp_path, "--subjects", "nginx", "--sections", "cpu,latency,memory", "--rate", "500")
    results = read(file)
    rows = [row.id for row in ROWS if row.subject == "nginx"]
    assert [row.id for row in results.cpu] == rows
    assert {"nginx/tls-handshakes", "nginx/tls-resumptions", "nginx/h2", "nginx/grpc", "nginx/websocket"} <= set(rows)
    for row in results.cpu:
        (each,) = row.rounds
        assert each.requests > 0
        assert 1 < row.us < 5_000
        assert each.us_per_request * each.requests / 1e6 < each.seconds * 1.5, "more CPU than one core has"
    (latency,) = results.latency
    assert 0 < latency.latency.p50 <= latency.latency.p999
    assert [row.id for row in results.memory] == ["nginx/plain", "nginx/tls"]
    for memory in results.memory:
        assert memory.idle.pss > 100
        assert memory.idle_connections == 50
    assert results.versions["nginx"]


def test_lockgate_gives_a_valid_result(tmp_path: Path) -> None:
    measured(tmp_path, "lockgate/plain,lockgate/events,lockgate/key,lockgate/routes-10")


def test_lockgate_is_loaded_with_calls_and_messages(tmp_path: Path) -> None:
    measured(tmp_path, "lockgate/grpc,lockgate/websocket")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_lockgate_is_loaded_over_http3(tmp_path: Path) -> None:
    build("h3load")  # Minutes on a machine that has never built it.
    measured(tmp_path, "lockgate/h3")


def measured(folder: Path, rows: str) -> None:
    """All these rows come to something."""
    results = read(bench(folder, "--subjects", "lockgate", "--rows", rows, "--sections", "cpu"))
    assert [row.id for row in results.cpu] == ["nginx/plain", *rows.split(",")]
    assert all(1 < row.us < 20_000 for row in results.cpu)
    assert not results.failed


@pytest.mark.parametrize("name", ["nginx", "haproxy", "envoy", "traefik", "caddy"])
def test_a_peer_serves_with_its_configuration(name: str, tmp_path: Path) -> None:
    peer = next(each for each in peers() if each.name == name)
    try:
        peer.path()
    except BenchError as error:
        pytest.skip(str(error))
    core = min(os.sched_getaffinity(0))
    with started(build(), core, tmp_path / "log", connections=8) as load:
        tmp_path.chmod(0o755)
        running = peer.start("plain", Site(core, tmp_path, load.origin))
        try:
            assert load.closed(running.target, seconds=20, count=200).requests == 200
            assert running.process.cpu_ns() > 0
        finally:
            running.process.stop()
    assert peer.version().count(".") == 2


def test_every_row_of_lockgate_has_a_bundle() -> None:
    assert {row.variant for row in ROWS if row.subject == "lockgate"} == set(SHAPES)
