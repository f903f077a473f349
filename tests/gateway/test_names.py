"""Upstreams by name: DNS that answers, changes its mind, is down, says nothing or too much."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.names import NameServer
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, request
from lockgate.config.bundle_types import Bundle
from support.ports import free_port
from support.waiting import until


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def named(names: NameServer, *urls: str, least_ms: int = 100, most_ms: int = 200) -> Bundle:
    upstream = bundles.upstream(*urls, within=bundles.timeouts(connect_ms=2_000))
    upstream["insecure"] = bundles.waiver()
    upstream["dns"] = {"servers": [names.address], "least_ms": least_ms, "most_ms": most_ms}
    return bundles.bundle([bundles.api()], [upstream])


def refused(client: Client, status: int, reason: str) -> None:
    client.send(request())
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (status, reason)


def test_a_name_is_looked_up_and_followed_through_others(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    names.set("shop.test", "CNAME", "real.test.")
    names.set("real.test", "A", "127.0.0.1")
    gate.load(named(names, f"shop.test:{auto.port}"))
    # The very first request waits for the answer, and is not refused.
    client = gate.client()
    assert client.get().status == 200
    assert auto.requests[0].get("host") == "a.example"
    assert names.asked["shop.test", "A"] >= 1
    assert names.asked["shop.test", "AAAA"] >= 1


def test_an_answer_holds_for_its_time(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    names.set("shop.test", "A", "127.0.0.1", ttl=3600)
    gate.load(named(names, f"shop.test:{auto.port}", most_ms=3_600_000))
    client = gate.client()
    assert client.get().status == 200
    for _ in range(50):
        assert client.get().status == 200
    assert names.asked["shop.test", "A"] == 1


def test_a_change_is_noticed_and_old_connections_go(gate: Gate, names: NameServer) -> None:
    with Upstream("127.0.0.1") as old:
        names.set("shop.test", "A", "127.0.0.1", ttl=0)
        gate.load(named(names, f"shop.test:{old.port}"))
        client = gate.client()
        client.send(request())
        wire, _ = old.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert client.message().status == 200
        names.set("shop.test", "A", "127.0.0.2", ttl=0)
        # The connection to the address that is no longer named is closed, though it might have rested for longer.
        assert wire.rest() == b""


def test_what_was_known_is_kept_while_dns_is_down(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    names.set("shop.test", "A", "127.0.0.1", ttl=0)
    gate.load(named(names, f"shop.test:{auto.port}"))
    client = gate.client()
    assert client.get().status == 200
    names.failing = True
    [event] = gate.written(code="upstream-name-unresolved")
    assert "shop.test" in event["message"]
    assert client.get().status == 200
    # Nor does a name that is gone take away what was known.
    names.failing = False
    names.records.clear()
    before = names.asked["shop.test", "A"]
    until(lambda: names.asked["shop.test", "A"] > before + 2, "further look-ups")
    assert client.get().status == 200
    names.set("shop.test", "A", "127.0.0.1")
    assert gate.written(code="upstream-name-resolved")


def test_a_name_that_is_none(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    gate.load(named(names, f"shop.test:{auto.port}"))
    refused(gate.client(), 502, "upstream-name-unresolved")
    names.set("shop.test", "A", "127.0.0.1")
    until(lambda: gate.client().get().status == 200, "the name to be found")


def test_dns_that_says_nothing_keeps_nobody_for_long(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    """And no worker: other upstreams are served meanwhile."""
    names.silent = True
    told = named(names, f"shop.test:{auto.port}")
    told["upstreams"][0]["timeouts"] = bundles.timeouts(connect_ms=300)
    told["upstreams"].append(bundles.upstream(auto.port, name="other"))
    told["apis"] = [bundles.api(), bundles.api("other", "/other", to="other")]
    gate.load(told)
    waiting, other = gate.client(), gate.client()
    waiting.send(request())
    for _ in range(20):
        assert other.get("/other").status == 200
    assert waiting.message().reason == "upstream-name-unresolved"


def test_an_address_that_is_dead_costs_one_request_little(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    """The next address is asked at once; here nobody listens on the others."""
    names.set("shop.test", "A", "127.0.0.9", "127.0.0.8", "127.0.0.1", ttl=60)
    gate.load(named(names, f"shop.test:{auto.port}"))
    for _ in range(6):
        client = gate.client()
        assert client.get("/", "Connection: close").status == 200
    assert gate.count("lockgate_refusals_total") == 0


def test_dns_that_names_thousands(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    many = [f"127.0.{high}.{low}" for high in range(12) for low in range(1, 251)]
    names.set("shop.test", "A", *many, ttl=60)
    gate.load(named(names, f"shop.test:{auto.port}"))
    client = gate.client()
    client.send(request())
    # The server is on the one address 127.0.0.1, which is named first; whichever is kept, the gate lives on.
    assert client.message().status in {200, 502}
    assert names.over_tcp >= 1, "it did not fit into a packet"
    [event] = gate.written(code="upstream-name-too-large")
    assert "2936 of them are left out" in event["message"]
    assert gate.tell("alive")


def test_services_name_servers_with_ports_and_priorities(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    with AutoUpstream() as heavy, AutoUpstream() as spare:
        names.set(
            "_http._tcp.shop.test",
            "SRV",
            f"10 3 {heavy.port} a.test.",
            f"10 1 {auto.port} b.test.",
            f"20 1 {spare.port} c.test.",
        )
        for host in ("a", "b", "c"):
            names.set(f"{host}.test", "A", "127.0.0.1")
        gate.load(named(names, "http+srv://_http._tcp.shop.test"))
        client = gate.client()
        for _ in range(40):
            assert client.get().status == 200
        assert [len(one.requests) for one in (heavy, auto, spare)] == [30, 10, 0]
        names.set("_http._tcp.shop.test", "SRV", f"10 1 {spare.port} c.test.")

        def asked() -> bool:
            assert client.get().status == 200
            return bool(spare.requests)

        until(asked, "the new server")
        before = len(auto.requests)
        for _ in range(10):
            assert client.get().status == 200
        assert len(auto.requests) == before


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("_http._tcp.shop.test", "CNAME", "_http._tcp.shop.test."),
        ("_http._tcp.shop.test", "SRV", "0 0 80 _http._tcp.shop.test."),
        ("_http._tcp.shop.test", "SRV", "0 0 0 ."),
        ("other.test", "A", "127.0.0.1"),
    ],
    ids=["a name for itself", "a service of itself", "decidedly none", "no such service"],
)
def test_services_that_lead_nowhere(gate: Gate, names: NameServer, name: str, kind: str, data: str) -> None:
    names.set(name, kind, data)
    gate.load(named(names, "http+srv://_http._tcp.shop.test"))
    refused(gate.client(), 502, "upstream-name-unresolved")
    assert gate.tell("alive")


def test_a_reload_asks_dns_nothing_that_is_known(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    names.set("shop.test", "A", "127.0.0.1", ttl=3600)
    told = named(names, f"shop.test:{auto.port}", most_ms=3_600_000)
    gate.load(told)
    client = gate.client()
    assert client.get().status == 200
    for _ in range(3):
        gate.load(told)
        assert client.get().status == 200
    assert names.asked["shop.test", "A"] == 1
    assert auto.connections == 1


def test_a_name_server_that_is_not_there(gate: Gate, names: NameServer, auto: AutoUpstream) -> None:
    """The next one answers."""
    names.set("shop.test", "A", "127.0.0.1")
    told = named(names, f"shop.test:{auto.port}")
    told["upstreams"][0]["dns"]["servers"].insert(0, f"127.0.0.1:{free_port()}")
    gate.load(told)
    assert gate.client().get().status == 200
