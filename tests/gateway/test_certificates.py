"""Certificates from a real authority (Pebble), whole: control process, gates, clients that verify."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from gateway.harness.upstream import AutoUpstream
from support.acme import Pebble
from support.certified import Certified, ask
from support.command import lockgate
from support.ports import free_port
from support.processes import Processes
from support.waiting import until


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    folder = tmp_path_factory.mktemp("pebble")
    processes = Processes(folder)
    try:
        yield Pebble(processes, folder)
    finally:
        processes.end()


@pytest.fixture
def certified(processes: Processes, tmp_path: Path, pebble: Pebble, auto: AutoUpstream) -> Certified:
    return Certified(processes, tmp_path / "gate", pebble, auto.port)


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_each_host_gets_a_certificate_by_itself(certified: Certified, challenge: str) -> None:
    hosts = (f"a.{challenge}.example.com", f"b.{challenge}.example.com")
    certified.write({"acme": certified.acme(challenge)}, *hosts)
    certified.start()
    for host in hosts:
        row = certified.good(host)
        assert (row["source"], row["hosts"], row["listeners"]) == ("acme", [host], ["public"])
        with certified.connect(host) as sock:
            assert ask(sock, host) == 200
    done = lockgate("certs", "list", cwd=certified.folder)
    assert done.code == 0, done.out + done.err
    assert all(host in done.out for host in hosts)
    status = lockgate("status", cwd=certified.folder)
    assert status.code == 0, status.out
    assert f"{hosts[0]}: a certificate of Pebble" in status.out
    doctor = lockgate("doctor", "--offline", cwd=certified.folder)
    assert "certificates: all that the configuration wants are there (2)" in doctor.out


def test_a_renewal_needs_no_reload_and_ends_no_connection(certified: Certified) -> None:
    host = "renewed.example.com"
    certified.write({"acme": certified.acme("http-01")}, host)
    running = certified.start()
    row = certified.good(host)
    # By the authority's word, as it is when it has to take certificates back.
    with certified.connect(host) as sock, running.admin as admin:
        assert ask(sock, host) == 200
        reloads = running.status()["control"]["last_reload"]
        first = certified.shown(host)
        refused = lockgate("certs", "renew", host, cwd=certified.folder)
        assert (refused.code, "Not due" in refused.out) == (0, True), refused.out + refused.err
        assert certified.shown(host) == first
        done = lockgate("certs", "renew", host, "--force", cwd=certified.folder)
        assert (done.code, "Renewed" in done.out) == (0, True), done.out + done.err + running.output
        until(lambda: certified.shown(host) != first, "the new certificate to be shown")
        assert ask(sock, host) == 200
        assert running.status()["control"]["last_reload"] == reloads
        assert admin.get(f"/v1/certificates/{host}").json()["fingerprint"] != row["fingerprint"]
    events = lockgate("logs", "--class", "audit", "--json", cwd=certified.folder)
    assert '"certificate.renew"' in events.out


def test_a_gate_serves_on_without_control_process_and_authority(
    processes: Processes, tmp_path: Path, auto: AutoUpstream
) -> None:
    folder = tmp_path / "pebble"
    folder.mkdir()
    pebble = Pebble(processes, folder)
    certified = Certified(processes, tmp_path / "gate", pebble, auto.port)
    host = "kept.example.com"
    certified.write({"acme": certified.acme("http-01")}, host)
    running = certified.start()
    certified.good(host)
    before = certified.shown(host)
    assert running.process.stop() == 0
    pebble.process.stop()
    running = certified.start()
    assert certified.shown(host) == before
    assert certified.good(host)["fingerprint"] == before.fingerprint(hashes.SHA256()).hex()
    done = lockgate("certs", "renew", host, "--force", cwd=certified.folder)
    assert (done.code, "Not renewed" in done.err) == (1, True), done.out + done.err
    assert certified.rows()[host]["state"] == "failing"
    with certified.connect(host) as sock:
        assert ask(sock, host) == 200


def test_what_the_authority_refuses_is_told(certified: Certified) -> None:
    good, bad = "fine.example.com", "blocked.example"
    certified.write({"acme": certified.acme("http-01")}, good, bad)
    running = certified.start()
    certified.good(good)  # One that cannot be had holds up no other.

    def told() -> str | None:
        error: str | None = certified.rows()[bad]["last_error"]
        return error

    assert "policy" in until(told, "the authority's refusal")
    with pytest.raises(ssl.SSLError):
        certified.connect(bad)
    listed = lockgate("certs", "list", cwd=certified.folder)
    assert (listed.code, "rejectedIdentifier" in listed.out) == (1, True), listed.out
    assert "tried again at" in listed.out
    status = lockgate("status", cwd=certified.folder)
    assert (status.code, f"there is no certificate for {bad}" in status.out) == (1, True), status.out
    assert "tried again at" in status.out
    assert "not been issued yet" not in status.out, "the same is said once"
    doctor = lockgate("doctor", "--offline", cwd=certified.folder)
    assert f"there is none for {bad}" in doctor.out
    assert "put a good one there" not in doctor.out
    with running.admin as admin:
        findings = admin.get("/v1/findings").json()["items"]
    assert [one["object"] for one in findings if one["code"] == "certificate-missing"] == [bad]
    # One that is wanted in another way is not put off.
    failed = certified.rows()[bad]["last_error_ms"]
    certified.write({"acme": certified.acme("tls-alpn-01")}, good, bad)
    until(lambda: certified.rows()[bad]["last_error_ms"] not in {None, failed}, "the order", within=60)
    # A reload that no longer wants it ends it, and leaves the other be.
    before = certified.shown(good)
    certified.write({"acme": certified.acme("http-01")}, good)
    until(lambda: bad not in certified.rows(), "the reload")
    assert certified.shown(good) == before


def test_an_imported_certificate_is_shown_at_once(certified: Certified, tmp_path: Path) -> None:
    from support.acme import TestAuthority

    authority = TestAuthority("Corporate")
    host = "imported.example.com"
    certified.root.write_text(authority.pem)
    certified.write({"imported": host}, host)
    certified.start()
    with pytest.raises(ssl.SSLError):
        certified.connect(host)
    missing = lockgate("certs", "list", cwd=certified.folder)
    assert (missing.code, "certs import" in missing.out) == (1, True), missing.out
    request = lockgate("certs", "csr", host, cwd=certified.folder)
    assert request.code == 0, request.err
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = x509.load_pem_x509_csr(request.out.encode()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    (tmp_path / "issued.pem").write_text(authority.issue_for(key, host))
    done = lockgate("certs", "import", str(tmp_path / "issued.pem"), cwd=certified.folder)
    assert (done.code, "Shown by public" in done.out) == (0, True), done.out + done.err
    first = until(lambda: certified.shows(host), "the imported certificate")
    # Another one, with a key that came with it, takes its place.
    chain, private = authority.issue(host)
    (tmp_path / "next.pem").write_text(chain)
    (tmp_path / "next.key").write_text(private)
    done = lockgate(
        "certs", "import", "--key", str(tmp_path / "next.key"), str(tmp_path / "next.pem"), cwd=certified.folder
    )
    assert done.code == 0, done.err
    until(lambda: certified.shows(host) not in {None, first}, "the next one")
    shown = lockgate("certs", "show", host, cwd=certified.folder)
    assert shown.out == chain
    assert "PRIVATE" not in shown.out + shown.err
    renewing = lockgate("certs", "renew", host, cwd=certified.folder)
    assert (renewing.code, "was imported" in renewing.err) == (2, True), renewing.err


def test_renewed_by_itself_when_the_authority_suggests_it(certified: Certified) -> None:
    host = "suggested.example.com"
    certified.write({"acme": certified.acme("http-01")}, host)
    running = certified.start()
    certified.good(host)
    first = certified.shown(host)
    with running.admin as admin:
        chain = admin.get(f"/v1/certificates/{host}").json()["chain"]
    now = datetime.now(UTC)
    certified.pebble.suggest(
        chain.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n",
        now - timedelta(hours=2),
        now - timedelta(hours=1),
    )
    # It is a day old, and what is known of its window forgotten, as after the hours until it is asked for again.
    assert running.process.stop() == 0
    for path in (certified.folder / ".lockgate/certificates").glob("*/status.json"):
        status = json.loads(path.read_text())
        status |= {"next_check": None, "issued": (now - timedelta(days=1)).isoformat()}
        path.write_text(json.dumps(status))
    certified.start()
    until(lambda: certified.shown(host) != first, "the renewal", within=60)


def test_one_that_was_lost_is_had_again(certified: Certified) -> None:
    host = "lost.example.com"
    certified.write({"acme": certified.acme("http-01")}, host)
    running = certified.start()
    first = certified.good(host)["fingerprint"]
    assert running.process.stop() == 0
    for kept in (certified.folder / ".lockgate/certificates").glob(f"{host}*"):
        shutil.rmtree(kept)
    certified.start()
    certified.another(host, first)


def test_gates_elsewhere_get_certificates_and_answer_for_them(certified: Certified) -> None:
    host, link = "everywhere.example.com", free_port()
    certified.write({"acme": certified.acme("http-01")}, host, more=f'gates: {{address: "127.0.0.1:{link}"}}\n')
    running = certified.start("--role", "control")
    with running.admin as admin:
        # The port listens a moment before the control process says so.
        until(lambda: admin.get("/v1/gates").json()["listens"], "the port for gates")
        made = admin.post("/v1/gates/tokens", json={"name": "edge"})
    assert made.status_code == 201, made.text
    edge = certified.folder / "edge"
    edge.mkdir()
    (edge / "token").write_text(made.json()["token"])
    enrolled = lockgate("gates", "enrol", "--token-file", "token", cwd=edge)
    assert enrolled.code == 0, enrolled.err
    # The order waits for a gate that can answer, and this one is the first.
    started = certified.processes.lockgate("run", "--role", "gate", "--workers", "1", cwd=edge)
    row = certified.good(host)
    kept = edge / ".lockgate/gate/certificates.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    before = row["fingerprint"]
    done = lockgate("certs", "renew", host, "--force", cwd=certified.folder)
    assert done.code == 0, done.out + done.err
    assert certified.shows(host) != before, "it was told of it when the gate had it"
    # It serves on without the control process, and finds its certificates when it is started again.
    assert running.process.stop() == 0
    assert started.stop() == 0
    after = certified.processes.lockgate("run", "--role", "gate", "--workers", "1", cwd=edge)
    after.wait_for_output("The gate")
    assert certified.shows(host) not in {None, before}
    told = "".join(each.output for each in (running.process, started, after))
    assert "PRIVATE KEY" not in told
    assert "BEGIN CERT" not in told
