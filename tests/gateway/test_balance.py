"""Which of an upstream's servers gets a request, through a running gate."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2
from gateway.harness.unix import UnixUpstream
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import answer, request
from lockgate.config import bundle_types as types
from support.certificates import Authority
from support.ports import free_port
from support.waiting import until


def several(ends: ExitStack, count: int) -> list[AutoUpstream]:
    return [ends.enter_context(AutoUpstream()) for _ in range(count)]


def load(gate: Gate, servers: Sequence[types.Server], balance: types.Balance | None = None) -> None:
    told = bundles.upstream(free_port())
    told["targets"] = list(servers)
    if balance is not None:
        told["balance"] = balance
    gate.load(bundles.bundle([bundles.api()], [told]))


def counts(upstreams: Sequence[AutoUpstream]) -> list[int]:
    return [len(one.requests) for one in upstreams]


def by_hash(kind: str, name: str = "") -> types.Balance:
    key: types.HashKey = {"kind": kind, "name": name}  # type: ignore[typeddict-item]  # One of the four.
    return {"by": "hash", "key": key, "cookie": None}


STICKY: types.Balance = {"by": "sticky", "key": None, "cookie": {"name": "lg", "max_age_s": 0}}
LEAST: types.Balance = {"by": "least_requests", "key": None, "cookie": None}


def test_turns_are_taken_by_weight(gate: Gate, ends: ExitStack) -> None:
    heavy, light, none = several(ends, 3)
    load(
        gate,
        [
            bundles.server(heavy.port, weight=3),
            bundles.server(light.port, weight=1),
            bundles.server(none.port, weight=0),
        ],
    )
    client = gate.client()
    for _ in range(40):
        assert client.get().status == 200
    assert counts([heavy, light, none]) == [30, 10, 0]


def test_turns_are_those_of_the_process(tmp_path: Path, ends: ExitStack) -> None:
    """Two workers share the turns: neither begins with the first server."""
    upstreams = several(ends, 4)
    gate = ends.enter_context(Gate(tmp_path / "state", workers=2))
    load(gate, [bundles.server(one.port) for one in upstreams])
    for _ in range(10):
        clients = [gate.client() for _ in range(4)]
        for client in clients:
            assert client.get().status == 200
            client.close()
    assert counts(upstreams) == [10, 10, 10, 10]


def test_the_less_busy_server_is_asked(gate: Gate, ends: ExitStack) -> None:
    slow, quick = ends.enter_context(Upstream()), ends.enter_context(AutoUpstream())
    load(gate, [bundles.server(slow.port), bundles.server(quick.port)], LEAST)
    held = gate.client()
    while slow.untouched():
        # Of two that are idle whoever is drawn; sooner or later it is the slow one.
        held = gate.client()
        held.send(request("/held"))
        until(lambda: not slow.untouched() or not held.silent(), "one of them to be asked")  # noqa: B023 -- Called at once.
    wire = slow.accept()
    wire.message()
    assert gate.count("lockgate_upstream_in_flight", target=f"127.0.0.1:{slow.port}") == 1
    before = len(quick.requests)
    client = gate.client()
    for _ in range(50):
        assert client.get().status == 200
    assert len(quick.requests) == before + 50
    wire.send(answer())
    assert held.message().status == 200


@pytest.mark.parametrize("kind", ["header", "cookie", "path"])
def test_the_same_key_finds_the_same_server_and_few_keys_move(gate: Gate, ends: ExitStack, kind: str) -> None:
    upstreams = several(ends, 4)
    balance = by_hash(kind, "x-tenant" if kind == "header" else "id" if kind == "cookie" else "")

    def ask_all() -> dict[int, int]:
        for one in upstreams:
            one.requests.clear()
        connection = gate.client()
        for tenant in range(120):
            line = {"header": f"X-Tenant: t{tenant}", "cookie": f"Cookie: a=b; id=t{tenant}", "path": "X: y"}[kind]
            connection.send(request(f"/{tenant}", line))
            assert connection.message().status == 200
        return {
            int(message.target.strip("/")): number for number, one in enumerate(upstreams) for message in one.requests
        }

    load(gate, [bundles.server(one.port) for one in upstreams], balance)
    before = ask_all()
    assert before == ask_all()
    assert all(count >= 12 for count in Counter(before.values()).values()), "each has its share or so"
    load(gate, [bundles.server(one.port) for one in upstreams[:3]], balance)
    after = ask_all()
    assert {tenant for tenant in before if before[tenant] != after[tenant]} == {
        tenant for tenant in before if before[tenant] == 3
    }


def test_a_client_keeps_its_server_by_its_address(gate: Gate, ends: ExitStack) -> None:
    upstreams = several(ends, 3)
    load(gate, [bundles.server(one.port) for one in upstreams], by_hash("client"))
    for last in range(2, 42):
        before = counts(upstreams)
        client = gate.client(source=f"127.0.0.{last}")
        for _ in range(2):
            assert client.get().status == 200
        assert sorted(now - then for now, then in zip(counts(upstreams), before, strict=True)) == [0, 0, 2]
    assert all(counts(upstreams))


def test_a_client_keeps_its_server_by_a_cookie(gate: Gate, ends: ExitStack) -> None:
    upstreams = several(ends, 3)
    load(gate, [bundles.server(one.port) for one in upstreams], STICKY)
    client = gate.client()
    client.send(request())
    first = client.message()
    cookie = first.get("set-cookie")
    assert cookie is not None
    assert cookie.startswith("lg=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    pair = cookie.partition(";")[0]
    before = counts(upstreams)
    for _ in range(20):
        client.send(request("/", f"Cookie: {pair}"))
        assert client.message().get("set-cookie") is None
    assert sorted(now - then for now, then in zip(counts(upstreams), before, strict=True)) == [0, 0, 20]
    client.send(request("/", "Cookie: lg=00112233445566778899aabbccddeeff"))
    assert client.message().get("set-cookie") is not None, "a cookie that the gate did not make is replaced"
    kept = next(one for one, now, then in zip(upstreams, counts(upstreams), before, strict=True) if now - then >= 20)
    rest = [one for one in upstreams if one is not kept]
    load(gate, [bundles.server(one.port) for one in rest], STICKY)
    client.send(request("/", f"Cookie: {pair}"))
    gone = client.message()
    assert (gone.status, gone.get("set-cookie") is not None) == (200, True)


def test_a_cookie_that_was_set_over_tls_goes_over_nothing_else(gate: Gate, ends: ExitStack, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("sticky", "shop.example")))
    upstream = bundles.upstream(free_port())
    upstream["targets"] = [bundles.server(one.port) for one in several(ends, 2)]
    upstream["balance"] = STICKY
    gate.load(bundles.bundle([bundles.api()], [upstream], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as web:
        cookies = [value for name, value in web.get().headers if name == "set-cookie"]
    assert [cookie.partition("; ")[2] for cookie in cookies] == ["Path=/; HttpOnly; SameSite=Lax; Secure"]


def test_lower_priorities_are_asked_first(gate: Gate, ends: ExitStack) -> None:
    spare = ends.enter_context(AutoUpstream())
    first = AutoUpstream()
    with first:
        load(gate, [bundles.server(spare.port, priority=1), bundles.server(first.port)])
        client = gate.client()
        for _ in range(10):
            assert client.get().status == 200
        assert counts([first, spare]) == [10, 0]
    for _ in range(10):
        assert client.get().status == 200
    assert len(spare.requests) == 10


def test_a_socket_in_the_file_system(gate: Gate, tmp_path: Path) -> None:
    with UnixUpstream(tmp_path / "shop.sock") as shop:
        load(gate, [bundles.server(f"unix:{shop.path}")])
        client = gate.client()
        for _ in range(3):
            assert client.get("/a").status == 200
        assert [message.target for message in shop.requests] == ["/a"] * 3
        assert shop.connections == 1, "the connection is kept"
    client.send(request())
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (502, "upstream-connect-failed")
    assert gate.event(refusal.id)["target"] == f"unix:{shop.path}"
    # What is there is the file of a program that is gone; and then, no file at all.
    [told] = gate.written(code="upstream-socket-failed")
    assert f"unix:{shop.path}: nobody listens there: what made the socket is gone" in told["message"]
    shop.path.unlink()
    assert gate.client().get().reason == "upstream-connect-failed"
    until(
        lambda: any("no such socket" in each["message"] for each in gate.written(code="upstream-socket-failed")),
        "the other cause",
    )


def test_connections_to_a_server_that_was_taken_out_are_closed(gate: Gate, upstream: Upstream, ends: ExitStack) -> None:
    """What is under way ends; what rests is closed."""
    other = ends.enter_context(AutoUpstream())
    load(gate, [bundles.server(upstream.port)])
    idle, busy = gate.client(), gate.client()
    idle.send(request("/1"))
    busy.send(request("/2"))
    rests, works = upstream.accept(), upstream.accept()
    for wire in (rests, works):
        wire.message()
    rests.send(answer())
    works.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    until(lambda: not idle.silent() and not busy.silent(), "both answers to begin")
    load(gate, [bundles.server(other.port)])
    assert rests.rest() == b"", "closed without waiting for its time"
    works.send(b"done")
    bodies = {client.message().body for client in (idle, busy)}
    assert b"done" in bodies
    assert works.rest() == b""
    assert idle.get().status == 200
    assert len(other.requests) == 1


def test_many_workers_and_clients_lose_no_request(tmp_path: Path, ends: ExitStack) -> None:
    upstreams = several(ends, 3)
    gate = ends.enter_context(Gate(tmp_path / "state", workers=2))
    load(gate, [bundles.server(one.port, weight=weight) for weight, one in enumerate(upstreams, 1)], LEAST)
    clients = [gate.client() for _ in range(8)]

    def ask(number: int) -> None:
        for _ in range(50):
            assert clients[number].get().status == 200

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts(upstreams)) == 400
    assert gate.count("lockgate_upstream_requests_total") == 400
    assert gate.count("lockgate_upstream_in_flight") == 0
