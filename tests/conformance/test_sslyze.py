"""sslyze: a listener's TLS as a stranger sees it. Nothing weak is spoken, and none of the known holes is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.conftest import Told
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from support.certificates import Authority
from support.suites import installed, judge

pytestmark = pytest.mark.full

OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
GOOD = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}
"""Forward secrecy and authenticated ciphers alone, as the presets promise."""
CURVES = {"X25519", "secp256r1", "secp384r1"}
"""What sslyze can try; the key exchange that holds against quantum computers is not among them."""


def scanned(port: int, folder: Path) -> dict[str, Any]:
    """What sslyze found out, by what it looked at."""
    report = folder / f"sslyze-{port}.json"
    ended = subprocess.run(
        [
            str(installed("sslyze") / "sslyze"),
            *("--quiet", "--mozilla_config", "disable", "--json_out", str(report)),
            *("--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"),
            *("--reneg", "--compression", "--early_data", "--openssl_ccs"),
            *("--heartbleed", "--robot", "--elliptic_curves", "--ems", "--certinfo"),
            *("--sni", "shop.example", f"127.0.0.1:{port}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert report.exists(), ended.stdout + ended.stderr
    [server] = json.loads(report.read_text(encoding="utf-8"))["server_scan_results"]
    assert server["connectivity_status"] == "COMPLETED", server
    return dict(server["scan_result"])


def outcomes(found: dict[str, Any], *, spoken: set[str]) -> dict[str, str | None]:
    """Each thing that has to hold, and in which words it does not."""
    for name, each in found.items():
        if name.endswith(("_cipher_suites", "_curves", "_renegotiation")) or name in WANTED:
            assert each["status"] == "COMPLETED", f"{name}: {each}"
    took = {
        version: {
            each["cipher_suite"]["name"]
            for each in found[f"{version}_cipher_suites"]["result"]["accepted_cipher_suites"]
        }
        for version in (*OLD, "tls_1_2", "tls_1_3")
    }
    curves = {each["name"] for each in found["elliptic_curves"]["result"]["supported_curves"] or ()}
    renegotiation = found["session_renegotiation"]["result"]
    said: dict[str, bool] = {f"{version} is refused": not took[version] for version in OLD}
    for version in ("tls_1_2", "tls_1_3"):
        said[f"{version} is {'spoken' if version in spoken else 'refused'}"] = bool(took[version]) == (
            version in spoken
        )
        said[f"{version} has good ciphers alone"] = took[version] <= GOOD
    said["curves are good alone"] = bool(curves) and curves <= CURVES
    said["a client cannot renegotiate"] = not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    said["nothing is compressed (CRIME)"] = not result(found, "tls_compression")["supports_compression"]
    said["no early data, which could be sent twice"] = not result(found, "tls_1_3_early_data")["supports_early_data"]
    said["no Heartbleed (CVE-2014-0160)"] = not result(found, "heartbleed")["is_vulnerable_to_heartbleed"]
    said["no CCS injection (CVE-2014-0224)"] = not result(found, "openssl_ccs_injection")[
        "is_vulnerable_to_ccs_injection"
    ]
    said["no ROBOT"] = result(found, "robot")["robot_result"].startswith("NOT_VULNERABLE")
    if "tls_1_2" in spoken:
        said["renegotiation is secure (RFC 5746)"] = renegotiation["supports_secure_renegotiation"]
        said["the master secret is extended (RFC 7627)"] = result(found, "tls_extended_master_secret")[
            "supports_ems_extension"
        ]
    [deployment] = result(found, "certificate_info")["certificate_deployments"]
    said["the chain is in order"] = deployment["received_chain_has_valid_order"]
    said["nothing is signed with SHA-1"] = not deployment["verified_chain_has_sha1_signature"]
    return {each: None if good else "it is not so" for each, good in said.items()}


WANTED = (
    "tls_compression",
    "tls_1_3_early_data",
    "heartbleed",
    "openssl_ccs_injection",
    "robot",
    "certificate_info",
)


def result(found: dict[str, Any], what: str) -> dict[str, Any]:
    """What it says about one thing."""
    return dict(found[what]["result"])


@pytest.fixture(scope="module")
def modern(tmp_path_factory: pytest.TempPathFactory, authority: Authority, place: Place) -> Iterator[Gate]:
    """A gate that speaks TLS 1.3 alone."""
    tls = bundles.tls(authority.issue("modern", "shop.example"), minimum="1.3")
    with Gate(tmp_path_factory.mktemp("modern") / "state") as running:
        upstream = bundles.upstream(place.upstream.port)
        running.load(bundles.bundle([bundles.api()], [upstream], listeners=[bundles.listener(tls=tls)]))
        yield running


def test_intermediate(place: Place, folder: Path, summary: Told) -> None:
    found = outcomes(scanned(place.port, folder), spoken={"tls_1_2", "tls_1_3"})
    assert len(found) > 15
    summary("sslyze, intermediate", judge("sslyze", found))


def test_modern(modern: Gate, folder: Path, summary: Told) -> None:
    found = outcomes(scanned(modern.port(), folder), spoken={"tls_1_3"})
    assert len(found) > 15
    summary("sslyze, modern", judge("sslyze", found))
