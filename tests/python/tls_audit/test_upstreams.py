"""Upstreams that speak TLS badly, each in its way: what is found, what it costs, and within which bounds."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from lockgate.config import load
from lockgate.tls_audit.audit import Graded, audit
from lockgate.tls_audit.hello import MESSAGE_BYTES
from lockgate.tls_audit.subjects import Wanted, subjects
from support.processes import Processes
from support.weak import Made, made, openssl_server, secured, serving, written

CONFIG = """\
version: 1
upstreams:
  orders:
    targets:
      - https://localhost:{port}
    {tls}
apis:
  shop: {{upstream: orders, authenticate: [api_key], authorize: authenticated}}
"""


@pytest.fixture(scope="module")
def root() -> Made:
    """An authority."""
    return made("Root", authority=True, ends=1000)


@pytest.fixture
def trust(root: Made, tmp_path: Path) -> str:
    (tmp_path / "root.pem").write_bytes(root.pem)
    return "tls: {trust: root.pem}"


def graded(folder: Path, port: int, tls: str, seconds: float = 5) -> Graded:
    path = folder / "lockgate.yaml"
    path.write_text(CONFIG.format(port=port, tls=tls))
    [found] = audit(subjects(load(path), Wanted(kinds=frozenset({"upstream"}))), seconds=seconds)
    assert found.subject.place.file == str(path)
    assert found.subject.place.line == 5
    return found


def lost(found: Graded) -> dict[str, int]:
    assert all(each.advice and each.message for each in found.findings)
    return {each.code: each.lost for each in found.findings}


@contextmanager
def shown(folder: Path, *chain: Made, old: bool = False) -> Iterator[int]:
    with secured(*written(folder, "server", *chain), old=old) as port:
        yield port


def test_a_good_one_lacks_nothing_but_what_its_library_lacks(tmp_path: Path, root: Made, trust: str) -> None:
    with shown(tmp_path, made("good", root)) as port:
        found = graded(tmp_path, port, trust)
    assert set(lost(found)) <= {"no-post-quantum", "post-quantum-not-preferred"}
    assert found.grade in {"A", "A+"}
    assert found.facts["versions"] == ["TLS 1.3", "TLS 1.2"]
    assert found.facts["certificates"][0]["believed"] is True
    assert found.facts["certificates"][0]["key"] == "ECDSA secp256r1"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"begins": -30, "ends": -1}, "expired"),
        ({"begins": 1}, "not-valid-yet"),
        ({"names": ("elsewhere.example", "*.localhost")}, "wrong-name"),
        ({"names": ()}, "wrong-name"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "weak-key"),  # noqa: S505 -- It is to be found.
    ],
)
def test_a_bad_certificate_is_an_f(tmp_path: Path, root: Made, trust: str, how: dict[str, Any], code: str) -> None:
    with shown(tmp_path, made("bad", root, **how)) as port:
        found = graded(tmp_path, port, trust)
    assert code in lost(found)
    assert found.grade == "F"
    assert {"self-signed", "untrusted", "incomplete-chain"}.isdisjoint(lost(found)), "the chain itself is good"


def test_one_fault_hides_no_other(tmp_path: Path, trust: str) -> None:
    with shown(tmp_path, made("own", begins=-30, ends=-1, names=("elsewhere.example",))) as port:
        found = graded(tmp_path, port, trust)
    assert {"expired", "wrong-name", "self-signed"} <= set(lost(found))


def test_one_that_ends_soon_loses_a_little(tmp_path: Path, root: Made, trust: str) -> None:
    with shown(tmp_path, made("soon", root, begins=-80, ends=10)) as port:
        assert lost(graded(tmp_path, port, trust))["ends-soon"] == 10
    # One of six days is renewed late by design.
    with shown(tmp_path, made("short", root, begins=-3, ends=3)) as port:
        assert "ends-soon" not in lost(graded(tmp_path, port, trust))


def test_a_name_is_matched_as_clients_do(tmp_path: Path, root: Made, trust: str) -> None:
    with shown(tmp_path, made("wild", root, names=("*.orders.example",))) as port:
        assert "wrong-name" in lost(graded(tmp_path, port, trust))
        for name, good in [("a.orders.example", True), ("a.b.orders.example", False), ("orders.example", False)]:
            said = f"tls: {{trust: root.pem, server_name: {name}}}"
            assert ("wrong-name" not in lost(graded(tmp_path, port, said))) is good, name


def test_a_missing_intermediate_is_told_from_a_foreign_authority(tmp_path: Path, root: Made, trust: str) -> None:
    middle = made("Middle", root, authority=True)
    leaf = made("leaf", middle)
    with shown(tmp_path, leaf) as port:
        found = graded(tmp_path, port, trust)
    [finding] = [each for each in found.findings if each.code == "incomplete-chain"]
    assert "Middle" in finding.message
    assert "whole chain" in finding.advice
    with shown(tmp_path, leaf, middle) as port:
        assert "incomplete-chain" not in lost(graded(tmp_path, port, trust))
    other = made("Other", authority=True)
    with shown(tmp_path, made("stranger", other), other) as port:
        assert "untrusted" in lost(graded(tmp_path, port, trust))


def test_what_is_not_verified_is_a_d_at_best(tmp_path: Path, root: Made) -> None:
    skip = "tls: {skip_verify: {owner: orders, reason: a trial, until: 2199-01-01}}"
    with shown(tmp_path, made("own", names=("elsewhere.example",))) as port:
        found = graded(tmp_path, port, skip)
    assert lost(found)["not-verified"] == 50
    assert found.grade in {"D", "F"}


def test_another_key_than_the_pins_is_found(tmp_path: Path, root: Made) -> None:
    with shown(tmp_path, made("pinned", root)) as port:
        said = f"tls: {{trust: root.pem, pins: sha256/{'A' * 43}=}}"
        (tmp_path / "root.pem").write_bytes(root.pem)
        assert "pin-mismatch" in lost(graded(tmp_path, port, said))


def test_old_versions_and_weak_ciphers_are_found(tmp_path: Path, root: Made, trust: str, processes: Processes) -> None:
    leaf = made("old", root, key=rsa.generate_private_key(65537, 2048))
    files = written(tmp_path, "server", leaf)
    only = openssl_server(processes, *files, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
    found = graded(tmp_path, only, trust)
    assert {"no-modern-version", "old-versions", "no-forward-secrecy", "cbc"} <= set(lost(found))
    assert found.grade == "F"
    too = openssl_server(processes, *files, "-cipher", "ALL:@SECLEVEL=0")
    found = graded(tmp_path, too, trust)
    assert found.facts["versions"] == ["TLS 1.3", "TLS 1.2", "TLS 1.1", "TLS 1.0"]
    assert {"old-versions", "no-forward-secrecy", "null-ciphers"} <= set(lost(found))
    twelve = openssl_server(processes, *files, "-tls1_2", "-cipher", "ECDHE+AESGCM")
    found = graded(tmp_path, twelve, trust)
    assert lost(found) == {"no-tls-1.3": 15, "no-post-quantum": 5}
    assert found.grade == "B"


def test_nobody_there_is_not_known_and_not_graded(tmp_path: Path, trust: str) -> None:
    (tmp_path / "root.pem").write_bytes(made("Root", authority=True).pem)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = graded(tmp_path, port, trust)
    assert (found.grade, found.unknown) == (None, True)
    assert "cannot be reached" in (found.note or "")


def test_a_hostile_server_costs_little(tmp_path: Path, trust: str) -> None:
    """One that never answers, one that sends for ever, one that speaks something else, one with no end of a chain."""

    def silent(sock: socket.socket) -> None:
        while sock.recv(4096):
            pass

    def noisy(sock: socket.socket) -> None:
        sock.recv(4096)
        while True:
            sock.sendall(b"\x16\x03\x03\x40\x00" + b"\x00" * 0x4000)

    def large(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"\x16\x03\x03\x40\x00" + b"\x0b\xff\xff\xff" + b"\x00" * (0x4000 - 4))
        for _ in range(2 * MESSAGE_BYTES // 0x4000):
            sock.sendall(b"\x16\x03\x03\x40\x00" + b"\x00" * 0x4000)
        sock.recv(1)

    def http(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def hello(sock: socket.socket) -> None:
        """A ServerHello whose lengths lead nowhere."""
        sock.recv(4096)
        body = b"\x03\x03" + b"\x01" * 32 + b"\xff" * 40
        sock.sendall(b"\x16\x03\x03" + (len(body) + 4).to_bytes(2, "big") + b"\x02\x00\x00" + bytes([len(body)]) + body)

    for each in (silent, noisy, large, http, hello):
        with serving(each) as port:
            found = graded(tmp_path, port, trust, seconds=0.3)
        assert found.grade == "F", each.__name__
        assert "no-handshake" in lost(found), each.__name__
        assert found.facts["versions"] == [] or each is hello


def test_the_clear_is_an_f_elsewhere_and_nothing_here(tmp_path: Path) -> None:
    path = tmp_path / "lockgate.yaml"
    insecure = "insecure: {owner: orders, reason: not yet, until: 2199-01-01}"
    text = CONFIG.format(port=1, tls=insecure).replace("https://localhost:1", "http://192.0.2.1:80")
    path.write_text(text)
    [found] = audit(subjects(load(path), Wanted(kinds=frozenset({"upstream"}))))
    assert (found.grade, lost(found)) == ("F", {"plain": 100})
    path.write_text(text.replace("http://192.0.2.1:80", "http://127.0.0.1:1").replace(insecure, ""))
    [found] = audit(subjects(load(path), Wanted(kinds=frozenset({"upstream"}))))
    assert (found.grade, found.unknown) == (None, False)


def test_a_certificate_that_cannot_be_read_is_an_f(tmp_path: Path, root: Made, trust: str) -> None:
    """Years and lengths of a stranger's own making: the audit goes on, and says so."""
    good = made("good", root)
    pem, key = written(tmp_path, "server", good)
    der = bytearray(good.certificate.public_bytes(Encoding.DER))
    # The version that the certificate says it has, in a field of its own (RFC 5280 section 4.1.2.1): there is no 200.
    at = der.index(b"\xa0\x03\x02\x01\x02")
    der[at + 4] = 200
    pem.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
    with secured(pem, key) as port:
        found = graded(tmp_path, port, trust)
    assert found.grade == "F"
    assert lost(found).keys() & {"unreadable-certificate", "no-handshake"}


def test_what_is_not_shown_is_not_graded(tmp_path: Path, trust: str) -> None:
    """A server with a certificate of its own making, that hangs up on who would verify it."""
    with shown(tmp_path, made("own")) as behind:
        connections = 0
        bearing = 1_000

        def relay(sock: socket.socket) -> None:
            nonlocal connections
            connections += 1
            if connections > bearing:
                return
            with socket.create_connection(("127.0.0.1", behind)) as other:
                back = threading.Thread(target=piped, args=(other, sock))
                back.start()
                piped(sock, other)
                back.join()

        with serving(relay) as port:
            honest = graded(tmp_path, port, trust)
            bearing, connections = connections - 1, 0
            found = graded(tmp_path, port, trust)
    assert honest.grade == "F"
    assert (found.grade, found.unknown) == (None, True)
    assert "whether the chain is believed" in (found.note or "")


def piped(source: socket.socket, sink: socket.socket) -> None:
    """Passes on what comes, to its end."""
    with contextlib.suppress(OSError):
        while came := source.recv(65_536):
            sink.sendall(came)
        sink.shutdown(socket.SHUT_WR)


def test_one_that_fails_hides_no_other(tmp_path: Path, root: Made, trust: str) -> None:
    with shown(tmp_path, made("good", root)) as port:
        graded(tmp_path, port, trust)
        [good] = subjects(load(tmp_path / "lockgate.yaml"), Wanted(kinds=frozenset({"upstream"})))
        bad = replace(good, ways=(replace(good.ways[0], protocols=("",)),))
        failed, fine = audit([bad, good])
    assert (failed.grade, failed.unknown) == (None, True)
    assert "please report it" in (failed.note or "")
    assert fine.grade in {"A", "A+"}
