"""Servers that fall ill, flap, stop and come back, through a running gate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer, request
from lockgate.config import bundle_types as types
from support.ports import free_port
from support.waiting import until

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Shop:
    """An upstream that is ill when the test says so."""

    def __init__(self, ends: ExitStack) -> None:
        self.ill = False
        self.failing = False
        self.server = ends.enter_context(AutoUpstream(self.reply))
        self.url = bundles.server(self.server.port)
        self.name = f"127.0.0.1:{self.server.port}"

    def reply(self, message: Message) -> bytes:
        if message.target == "/healthz":
            return answer(b"", status="503 Ill" if self.ill else "200 OK")
        return answer(status="503 No" if self.failing else "200 OK")

    def served(self) -> int:
        return sum(message.target != "/healthz" for message in self.server.requests)

    def asked(self) -> int:
        return sum(message.target == "/healthz" for message in self.server.requests)


@pytest.fixture
def shops(ends: ExitStack) -> list[Shop]:
    return [Shop(ends) for _ in range(3)]


def check(every_ms: int = 100, **more: int) -> types.HealthCheck:
    return {
        "path": "/healthz",
        "host": None,
        "every_ms": every_ms,
        "timeout_ms": more.get("timeout_ms", 500),
        "expect": [{"low": 200, "high": 299}],
        "unhealthy_after": more.get("unhealthy_after", 2),
        "healthy_after": more.get("healthy_after", 2),
    }


def upstream(*servers: types.Server, health: types.HealthCheck | None = None, passive: int = 0) -> types.Upstream:
    told = bundles.upstream(free_port(), within=bundles.timeouts(connect_ms=500, first_byte_ms=500))
    told["targets"] = list(servers)
    told["health"] = health
    told["passive"] = bundles.passive(passive)
    return told


def load(gate: Gate, told: types.Upstream) -> None:
    gate.load(bundles.bundle([bundles.api()], [told]))


def states(gate: Gate) -> dict[str, str]:
    [told] = gate.tell("stats")["upstreams"]
    return {target["target"]: target["state"] for target in told["targets"]}


def in_state(gate: Gate, shop: Shop, state: str) -> None:
    until(lambda: states(gate)[shop.name] == state, f"{shop.name} to be {state}")


def test_an_ill_server_gets_no_requests_until_it_is_well(gate: Gate, shops: list[Shop]) -> None:
    load(gate, upstream(*(shop.url for shop in shops), health=check()))
    until(lambda: set(states(gate).values()) == {"healthy"}, "all to be healthy")
    client = gate.client()
    for _ in range(9):
        assert client.get().status == 200
    assert [shop.served() for shop in shops] == [3, 3, 3]
    shops[0].ill = True
    in_state(gate, shops[0], "unhealthy")
    [event] = gate.written(code="upstream-target-unhealthy")
    assert shops[0].name in event["message"]
    assert "status 503" in event["message"]
    assert gate.count("lockgate_upstream_target_available", target=shops[0].name) == 0
    for _ in range(10):
        assert client.get().status == 200
    assert [shop.served() for shop in shops] == [3, 8, 8]
    shops[0].ill = False
    in_state(gate, shops[0], "healthy")
    assert gate.written(code="upstream-target-healthy")
    for _ in range(9):
        assert client.get().status == 200
    assert shops[0].served() == 6


def test_one_prober_asks_for_all_workers(ends: ExitStack, tmp_path: os.PathLike[str]) -> None:
    from pathlib import Path

    shop = Shop(ends)
    gate = ends.enter_context(Gate(Path(tmp_path) / "state", workers=4))
    load(gate, upstream(shop.url, health=check(every_ms=60_000)))
    in_state(gate, shop, "healthy")
    for _ in range(3):
        load(gate, upstream(shop.url, health=check(every_ms=60_000)))
        assert gate.client().get().status == 200
    assert shop.asked() == 1, "neither each worker nor a reload asks anew"


def test_nobody_is_well(gate: Gate, shops: list[Shop]) -> None:
    for shop in shops:
        shop.ill = True
    load(gate, upstream(*(shop.url for shop in shops), health=check()))
    until(lambda: set(states(gate).values()) == {"unhealthy"}, "all to be unhealthy")
    client = gate.client()
    client.send(request())
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (503, "upstream-unhealthy")
    assert 1 <= int(refusal.get("retry-after") or 0) <= 3
    assert gate.tell("stats")["upstreams"][0]["available"] is False
    assert gate.count("lockgate_upstream_unavailable_total") == 1
    [event] = gate.written(code="upstream-down")
    assert "shop" in event["message"]
    assert sum(shop.served() for shop in shops) == 0
    shops[1].ill = False
    until(lambda: client.get().status == 200, "one to be well")
    assert gate.written(code="upstream-up")


def test_a_server_that_stops(gate: Gate, ends: ExitStack, shops: list[Shop]) -> None:
    """A stopped process takes connections, by its backlog, and answers nothing."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    ends.callback(process.wait)
    ends.callback(process.kill)
    assert process.stdout is not None
    ends.callback(process.stdout.close)
    port = int(process.stdout.readline())
    load(gate, upstream(bundles.server(port), shops[0].url, health=check(timeout_ms=200)))
    until(lambda: set(states(gate).values()) == {"healthy"}, "both to be healthy")
    process.send_signal(signal.SIGSTOP)
    name = f"127.0.0.1:{port}"
    until(lambda: states(gate)[name] == "unhealthy", "the stopped one to be unhealthy")
    assert "no answer within 200 ms" in gate.written(code="upstream-target-unhealthy")[0]["message"]
    client = gate.client()
    for _ in range(10):
        assert client.get().status == 200
    process.send_signal(signal.SIGCONT)
    until(lambda: states(gate)[name] == "healthy", "it to be healthy again")


def test_failures_in_a_row_take_a_server_out(gate: Gate, shops: list[Shop]) -> None:
    load(gate, upstream(shops[0].url, shops[1].url, passive=3))
    client = gate.client()
    shops[0].failing = True
    statuses = [client.get().status for _ in range(20)]
    assert statuses.count(503) == 3
    assert set(statuses[6:]) == {200}
    assert states(gate)[shops[0].name] == "ejected"
    assert gate.count("lockgate_upstream_ejections_total", target=shops[0].name) == 1
    [event] = gate.written(code="upstream-target-ejected")
    assert "3 times in a row (status 503)" in event["message"]
    # What is known outlives a reload, for as long as the target is there.
    load(gate, upstream(shops[0].url, shops[1].url, shops[2].url, passive=3))
    assert states(gate)[shops[0].name] == "ejected"
    for _ in range(10):
        assert client.get().status == 200


def test_a_server_comes_back_by_itself(gate: Gate, shops: list[Shop]) -> None:
    told = upstream(shops[0].url, shops[1].url)
    told["passive"] = bundles.passive(2, eject_ms=300)
    load(gate, told)
    client = gate.client()
    shops[0].failing = True
    until(lambda: client.get().status == 200 and states(gate)[shops[0].name] == "ejected", "it to be out")
    shops[0].failing = False
    before = shops[0].served()

    def back() -> bool:
        assert client.get().status == 200
        return shops[0].served() > before

    until(back, "it to be asked again")
    assert gate.written(code="upstream-target-returned")


def test_never_is_the_last_one_taken_out(gate: Gate, shops: list[Shop]) -> None:
    for shop in shops:
        shop.failing = True
    load(gate, upstream(*(shop.url for shop in shops), passive=1))
    client = gate.client()
    assert {client.get().status for _ in range(30)} == {503}
    assert sorted(states(gate).values()) == ["ejected", "healthy", "healthy"], "half of three, and no more"
    assert gate.refusals("upstream-unhealthy") == 0


def test_a_closed_port_is_a_failure(gate: Gate, shops: list[Shop]) -> None:
    dead = free_port()
    load(gate, upstream(bundles.server(dead), shops[0].url, passive=3))
    client = gate.client()
    for _ in range(20):
        assert client.get().status == 200, "another one takes the request"
    assert states(gate)[f"127.0.0.1:{dead}"] == "ejected"
    assert gate.count("lockgate_upstream_failures_total", target=f"127.0.0.1:{dead}") == 3


def test_a_server_that_flaps_is_out_for_longer_and_longer(gate: Gate, shops: list[Shop]) -> None:
    flapping, steady = shops[:2]
    told = upstream(flapping.url, steady.url)
    told["passive"] = {**bundles.passive(1, eject_ms=200), "eject_most_ms": 60_000}
    load(gate, told)
    client = gate.client()
    flapping.failing = True

    def times(count: int) -> bool:
        client.get()
        return gate.count("lockgate_upstream_ejections_total", target=flapping.name) >= count

    until(lambda: times(4), "it to be out for the fourth time", within=60)
    messages = [event["message"] for event in gate.written(4, code="upstream-target-ejected")]
    assert messages[0].endswith("for 1 s")
    assert messages[-1].endswith("for 2 s"), "eight times as long"


def test_a_server_warms_up_by_and_by(gate: Gate, shops: list[Shop]) -> None:
    told = upstream(shops[0].url, shops[1].url, health=check())
    told["slow_start_ms"] = 600_000
    load(gate, told)
    until(lambda: set(states(gate).values()) == {"healthy"}, "both to be healthy")
    client = gate.client()
    for _ in range(20):
        assert client.get().status == 200
    assert [shop.served() for shop in shops[:2]] == [10, 10], "new ones are warm"
    shops[0].ill = True
    in_state(gate, shops[0], "unhealthy")
    shops[0].ill = False
    in_state(gate, shops[0], "healthy")
    before = shops[0].served()
    for _ in range(200):
        assert client.get().status == 200
    assert 1 <= shops[0].served() - before <= 40, "a tenth of its half or so"


def test_answers_that_break_off_are_failures(gate: Gate, ends: ExitStack) -> None:
    def broken(_message: Message) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nX\r\n\r\nHTTP/1.1"

    with AutoUpstream(broken) as bad, AutoUpstream() as good:
        load(gate, upstream(bundles.server(bad.port), bundles.server(good.port), passive=2))
        name = f"127.0.0.1:{bad.port}"
        until(lambda: asked_once(gate) and states(gate)[name] == "ejected", "the broken one to be out")


def asked_once(gate: Gate) -> bool:
    client = gate.client()
    client.send(request())
    client.until(b"\r\n\r\n")
    client.close()
    return True
