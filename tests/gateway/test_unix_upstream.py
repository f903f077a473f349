"""Upstreams at a Unix socket, with nginx behind it: both protocols, health checks, and what is said of none."""

from __future__ import annotations

from pathlib import Path

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.servers import nginx
from gateway.harness.unix import UnixUpstream
from lockgate.config import bundle_types as types
from support.waiting import until


def state(gate: Gate) -> str:
    [told] = gate.tell("stats")["upstreams"]
    [target] = told["targets"]
    return str(target["state"])


def checked(path: Path) -> types.Upstream:
    told = bundles.upstream(f"unix:{path}")
    told["health"] = {
        "path": "/healthz",
        "host": None,
        "every_ms": 100,
        "timeout_ms": 5_000,
        "expect": [{"low": 200, "high": 299}],
        "unhealthy_after": 1,
        "healthy_after": 1,
    }
    return told


def test_nginx_serves_http1_and_http2(gate: Gate, tmp_path: Path) -> None:
    one, two = tmp_path / "one.sock", tmp_path / "two.sock"
    server = f"listen unix:{one}; listen unix:{two} http2; location / {{ return 200 $server_protocol; }}"
    with nginx(tmp_path / "nginx", server, "$host $server_protocol $uri", ready=tmp_path / "nginx" / "pid") as behind:
        upstreams = [
            bundles.upstream(f"unix:{one}", name="one"),
            bundles.upstream(f"unix:{two}", name="two", protocol="h2"),
        ]
        apis = [bundles.api("one", "/one", to="one"), bundles.api("two", "/two", to="two")]
        gate.load(bundles.bundle(apis, upstreams))
        with gate.client() as client:
            assert client.get("/one", host="shop.example").body == b"HTTP/1.1"
            assert client.get("/two", host="shop.example").body == b"HTTP/2.0"
            # Who names no host gets one that every server knows.
            client.send(b"GET /one HTTP/1.0\r\n\r\n")
            assert client.message().status == 200
        expected = ["shop.example HTTP/1.1 /one", "shop.example HTTP/2.0 /two", "localhost HTTP/1.1 /one"]
        until(lambda: sorted(behind.seen) == sorted(expected), f"nginx to have seen {expected}; it saw {behind.seen}")


def test_its_health_is_looked_after(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    gate.load(bundles.bundle([bundles.api()], [checked(path)]))
    until(lambda: state(gate) == "unhealthy", "a socket that is not there to be unhealthy")
    [event] = gate.written(code="upstream-target-unhealthy")
    assert f"unix:{path}" in event["message"]
    assert "there is no such socket; see that the API runs" in event["message"]
    with UnixUpstream(path):
        until(lambda: state(gate) == "healthy", "it to be healthy")
        with gate.client() as client:
            assert client.get().status == 200
    until(lambda: state(gate) == "unhealthy", "one that is gone to be unhealthy")
    events = gate.written(2, code="upstream-target-unhealthy")
    assert any("nobody listens there: what made the socket is gone" in event["message"] for event in events)
