"""What the engine says offline is what the gate does: any difference would make `lockgate explain` a liar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put, key_revoke
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Client, Message, request
from lockgate import _native
from lockgate.config.bundle_types import Bundle


@dataclass
class Both:
    """A gate and an engine with the same bundle and the same facts."""

    gate: Gate
    engine: _native.Engine
    upstream: AutoUpstream
    port: int
    keys: dict[str, str]


def shop(port: int) -> Bundle:
    key = bundles.api_key()
    apis = [
        bundles.api("root", "/", methods=["GET", "POST"]),
        bundles.api("keyed", "/keyed", keys=[key], strip_path=True),
        bundles.api("order", {"template": "/orders/{id}"}, methods=["GET"]),
        bundles.api("exact", {"exact": "/orders/open"}),
        bundles.api("small", "/small", body=bundles.body_limit(10)),
        bundles.api("shut", "/shut", addresses=bundles.ip_filter(deny=["127.0.0.0/8"])),
        bundles.api("watched", "/watched", addresses=bundles.ip_filter(deny=["127.0.0.0/8"], mode="observe")),
        bundles.api("hosted", "/", hosts=["shop.example.com"]),
        bundles.api("wild", "/x", hosts=["*.example.com"], keys=[key, bundles.api_key("X-Other-Key")]),
        bundles.api("past", "/past", public=bundles.waiver(1)),
    ]
    return bundles.bundle(apis, [bundles.upstream(port)])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with AutoUpstream() as upstream, Gate(tmp_path_factory.mktemp("explained") / "state") as gate:
        told = shop(upstream.port)
        gate.load(told)
        keys: dict[str, str] = {}
        facts: list[dict[str, Any]] = []
        for number, (name, apis) in enumerate([("good", None), ("revoked", None), ("other", ["nothing"])], start=1):
            keys[name], digest = _native.mint_key(gate.pepper)
            facts.append(key_put(number, name, digest, apis=apis))
        facts.append(key_revoke(4, "revoked"))
        keys["unknown"], _ = _native.mint_key(gate.pepper)
        keys["malformed"] = keys["good"][:-1] + "!"
        gate.facts(*facts)
        known = [json.dumps(fact).encode() for fact in facts]
        engine = _native.Engine(json.dumps(told).encode(), facts=known, pepper=gate.pepper)
        yield Both(gate, engine, upstream, gate.port(), keys)


PLAIN = ["", "a", "orders", "open", "7", "keyed", "small", "shut", "watched", "past", "x", "*"]
ODD = ["%6Frders", "..", ".", "%2e%2e", "a;b", "a%2fb", "a\\b", "%00", "%zz", "{id}", "%C3%A9", "a%20b"]
SEGMENTS = st.one_of(st.sampled_from(PLAIN), st.sampled_from(ODD))
TARGETS = (
    st.lists(SEGMENTS, max_size=4).map("/".join).flatmap(lambda path: st.sampled_from([f"/{path}", f"/{path}?q=/.."]))
)
HOSTS = st.sampled_from(
    ["a", "shop.example.com", "b.example.com", "example.com.", "SHOP.example.com:80", "[::1]:9", "a..b"]
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "get", "OPTIONS"])
KEYS = st.lists(
    st.tuples(
        st.sampled_from(["X-API-Key", "X-Other-Key"]),
        st.sampled_from(["good", "revoked", "other", "unknown", "malformed"]),
    ),
    max_size=2,
)


@given(method=METHODS, target=TARGETS, host=HOSTS, presented=KEYS, size=st.sampled_from([0, 5, 10, 11]))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_gate_does_what_the_engine_says(
    both: Both, method: str, target: str, host: str, presented: list[tuple[str, str]], size: int
) -> None:
    headers = [(name, both.keys[key]) for name, key in presented]
    body = b"x" * size
    asked: dict[str, Any] = {
        "method": method,
        "target": target,
        "headers": [("Host", host), *headers],
        "peer": "127.0.0.1",
    }
    if body:
        asked["body"] = body
    said = both.engine.evaluate(asked)
    before = len(both.upstream.requests)
    with Client(both.port) as client:
        lines = [f"{name}: {value}" for name, value in headers]
        client.send(request(target, *lines, host=host, method=method, body=body))
        got = client.message(bodiless=method == "HEAD")
    reached = both.upstream.requests[before:]
    if said["verdict"] == "allow":
        assert got.status == 200
        assert [message.target for message in reached] == [said["upstream"]["target"]]
        assert both.upstream.requests[-1].body == body
    else:
        assert (said["verdict"], got.status) == ("deny", said["status"])
        assert reached == []
        if method != "HEAD":
            assert got.reason == said["reason"]["code"]
    agrees(both, got, said)


def agrees(both: Both, got: Message, said: dict[str, Any]) -> None:
    """The event tells the same story."""
    event = both.gate.event(got.id)
    reason = None if said["reason"] is None else said["reason"]["code"]
    route = said["route"] or {"api": None, "pattern": None}
    told = (event["status"], event["reason"], event["api"], event["route"])
    assert told == (said["status"] or 200, reason, route["api"], route["pattern"])
    if said["identity"] is not None:
        assert (event["key"], event["identity"]) == (said["identity"]["credential"], said["identity"]["owner"])
    steps = [(step["policy"], step["verdict"], step["reason"]) for step in said["steps"]]
    assert [(step["policy"], step["outcome"], step["reason"]) for step in event["verdicts"]] == steps
    if said["route"] is not None:
        assert event["path"] == said["request"]["path"]
