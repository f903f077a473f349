"""gRPC's own interoperability cases: the client and the server of its Go implementation, with a gate between.

The client chooses the case and judges the outcome; its exit code says which it is.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.conftest import Told
from gateway.harness import bundles
from gateway.harness.gate import Gate
from support.certificates import Authority
from support.ports import free_port, listens
from support.suites import installed, judge
from support.waiting import until

pytestmark = pytest.mark.full

SOAK = ("-soak_iterations", "10", "-soak_num_threads", "2")
"""Of 270 KB there and 310 KB back each."""
LOADS = ("-service_config_json", '{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}')
"""What tells the client to listen to how busy the server says it is (ORCA), in trailers and in a stream beside."""
PATIENT = ("-soak_per_iteration_max_acceptable_latency_ms", "50000", "-soak_overall_timeout_seconds", "50")
"""It is not time that is measured here."""


@pytest.fixture(scope="module", params=["http", "https"])
def gate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Gate]:
    """A gate before the server, to which it speaks HTTP/2 by prior knowledge, or over TLS."""
    port, tls = free_port(), request.param == "https"
    words = [str(installed("grpc-interop") / "server"), "-port", str(port)]
    if tls:
        own = authority.issue("server", "127.0.0.1")
        words += ["-use_tls", "-tls_cert_file", str(own.chain), "-tls_key_file", str(own.key)]
    folder = tmp_path_factory.mktemp("interop")
    with (folder / "server.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as server:
        try:
            until(lambda: listens(port), "gRPC's server to listen")
            upstream = bundles.upstream(
                f"https://127.0.0.1:{port}" if tls else port,
                protocol="h2",
                tls=bundles.upstream_tls(authority.pem) if tls else None,
            )
            listener = bundles.listener(tls=bundles.tls(authority.issue("interop", "shop.example")))
            with Gate(folder / "state") as running:
                running.load(bundles.bundle([bundles.api()], [upstream], listeners=[listener]))
                yield running
        finally:
            server.terminate()


def cases() -> list[str]:
    """All that the client has, by its own help: a list, and two more that only their options tell of."""
    told = subprocess.run([str(client()), "-help"], capture_output=True, text=True, check=False)
    options = told.stdout + told.stderr
    lines = options.partition("Valid options are:")[2].partition("\n  -")[0].strip().splitlines()
    listed = [line.partition(":")[0].strip() for line in lines]
    soaks = sorted(set(re.findall(r"\b\w+_soak\b", options)))
    assert all(re.fullmatch(r"\w+", name) for name in listed), options
    assert (len(listed) > 20, soaks) == (True, ["channel_soak", "rpc_soak"]), options
    return listed + soaks


def client() -> Path:
    """Its program."""
    return installed("grpc-interop") / "client"


def outcome(gate: Gate, trust: Path, case: str) -> str | None:
    """What went wrong with a case."""
    ended = subprocess.run(
        [
            *(str(client()), "-use_tls", "-server_host", "127.0.0.1", "-server_port", str(gate.port())),
            *("-server_host_override", "shop.example", "-test_case", case, *SOAK, *PATIENT),
            *(LOADS if case.startswith("orca_") else ()),
        ],
        # Where Google's machines are asked who they are, nobody is: no test asks beyond this one.
        env={**os.environ, "SSL_CERT_FILE": str(trust), "GCE_METADATA_HOST": f"127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return None if ended.returncode == 0 else (ended.stdout + ended.stderr).strip()[-500:] or "it ended with an error"


def test_every_case_passes(gate: Gate, authority: Authority, request: pytest.FixtureRequest, summary: Told) -> None:
    outcomes = {case: outcome(gate, authority.pem, case) for case in cases()}
    over = request.node.callspec.params["gate"]
    summary(f"gRPC interop, {over} upstream", judge("grpc-interop", outcomes))
    # A case that went past the gate would show nothing.
    passed = sum(words is None for words in outcomes.values())
    assert gate.count("lockgate_requests_total") >= passed
