"""gRPC's own interoperability cases: the client and the server of its Go implementation, with a gate between.

The client chooses the case and judges the outcome; its exit code says which it is.
"""

from __future__ import annotations

import os
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

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
)
# Left out, since they are about something else than the wire: `*_creds`, `*_credentials` and `oauth2_auth_token` want
# Google's accounts, and `pick_first_unary`, `orca_per_rpc` and `orca_oob` a server that this one is not (without a
# gate between they fail as well).


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


def outcome(gate: Gate, trust: Path, case: str) -> str | None:
    """What went wrong with a case."""
    ended = subprocess.run(
        [
            str(installed("grpc-interop") / "client"),
            *("-use_tls", "-server_host", "127.0.0.1", "-server_port", str(gate.port())),
            *("-server_host_override", "shop.example", "-test_case", case),
        ],
        env={**os.environ, "SSL_CERT_FILE": str(trust)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return None if ended.returncode == 0 else (ended.stdout + ended.stderr).strip()[-500:] or "it ended with an error"


def test_every_case_passes(gate: Gate, authority: Authority, request: pytest.FixtureRequest, summary: Told) -> None:
    outcomes = {case: outcome(gate, authority.pem, case) for case in CASES}
    over = request.node.callspec.params["gate"]
    summary(f"gRPC interop, {over} upstream", judge("grpc-interop", outcomes))
    # A case that went past the gate would show nothing.
    assert gate.count("lockgate_requests_total") >= len(CASES)
