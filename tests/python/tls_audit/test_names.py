"""Upstreams whose servers DNS says, and name servers of the configuration's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.harness.names import NameServer
from lockgate.config import load
from lockgate.tls_audit.audit import Graded, audit
from lockgate.tls_audit.names import NamelessError, addresses, services
from lockgate.tls_audit.subjects import Wanted, subjects
from support.weak import Made, made, secured, written

CONFIG = """\
version: 1
upstreams:
  orders:
    targets: ["{target}"]
    dns: {{servers: ["{server}"]}}
    tls: {{trust: root.pem{more}}}
apis:
  shop: {{upstream: orders, authenticate: [api_key], authorize: authenticated}}
"""
SERVICE = "_https._tcp.orders.example"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Made:
    root = made("Root", authority=True, ends=1000)
    (tmp_path / "root.pem").write_bytes(root.pem)
    return root


def graded(folder: Path, target: str, names: NameServer, more: str = "") -> list[Graded]:
    path = folder / "lockgate.yaml"
    path.write_text(CONFIG.format(target=target, server=names.address, more=more))
    return list(audit(subjects(load(path), Wanted(kinds=frozenset({"upstream"})))))


def test_each_server_of_a_service_is_graded(tmp_path: Path, root: Made, names: NameServer) -> None:
    good, bad = made("good", root, names=("orders.internal",)), made("bad", names=("orders.internal",))
    with secured(*written(tmp_path, "good", good)) as one, secured(*written(tmp_path, "bad", bad)) as other:
        names.set(SERVICE, "SRV", f"1 1 {one} a.example.", f"2 1 {other} b.example.")
        for each in ("a.example", "b.example"):
            names.set(each, "A", "127.0.0.1")
        fine, poor = graded(tmp_path, f"https+srv://{SERVICE}", names, ", server_name: orders.internal")
    assert (fine.grade in {"A", "A+"}, poor.grade) == (True, "F")
    assert fine.subject.object == f"upstreams.orders https+srv://{SERVICE} a.example:{one}"
    assert {each.code for each in poor.findings} >= {"self-signed"}


def test_a_name_that_only_its_name_server_knows(tmp_path: Path, root: Made, names: NameServer) -> None:
    with secured(*written(tmp_path, "good", made("good", root, names=("orders.example",)))) as port:
        names.set("orders.example", "A", "127.0.0.1")
        [found] = graded(tmp_path, f"https://orders.example:{port}", names)
        assert found.grade in {"A", "A+"}
        [other] = graded(tmp_path, f"https://elsewhere.example:{port}", names)
    assert (other.grade, other.unknown) == (None, True)
    assert "no name server of `dns` knows elsewhere.example" in (other.note or "")


def test_a_service_that_nobody_knows_is_not_known(tmp_path: Path, root: Made, names: NameServer) -> None:
    def looked_at() -> str:
        [found] = graded(tmp_path, f"https+srv://{SERVICE}", names)
        assert (found.grade, found.unknown) == (None, True)
        return found.note or ""

    assert "DNS has no servers" in looked_at()
    names.set(SERVICE, "SRV", "0 0 0 .")
    assert "DNS has no servers" in looked_at()
    names.set(SERVICE, "SRV", "0 0 443 a\\027[31m.example.")
    assert "cannot be read" in looked_at()
    names.failing = True
    assert "cannot be read" in looked_at()


def test_a_long_answer_comes_by_tcp_and_is_sorted(names: NameServer) -> None:
    names.set(SERVICE, "SRV", *(f"{40 - each} 1 {9000 + each} host-{each}.orders.example." for each in range(40)))
    found = services(SERVICE, (names.address,))
    assert names.over_tcp == 1
    assert found == [(f"host-{each}.orders.example", 9000 + each) for each in reversed(range(40))]


def test_anothers_answer_is_not_believed() -> None:
    """A datagram from elsewhere, or to another question, is passed over; silence ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        host, port = server.getsockname()
        with pytest.raises(NamelessError, match="no name server answers"):
            services(SERVICE, (f"{host}:{port}",))
        asked, client = server.recvfrom(4096)
        assert asked[2:4] == b"\x01\x00"
        assert client[0] == "127.0.0.1"


def test_addresses_want_nobody() -> None:
    assert addresses("127.0.0.1", ("192.0.2.1",)) == ["127.0.0.1"]
    assert addresses("orders.example", ()) == ["orders.example"]
