"""What is written down and counted of each request, whatever became of it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import now_ms
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import answer, chunked, request
from lockgate.config.bundle_types import Bundle
from support.waiting import until


def keyed(auto: AutoUpstream, *, access: bool = True) -> Bundle:
    shop = bundles.api("shop", {"template": "/orders/{id}"}, keys=[bundles.api_key()], body=bundles.body_limit(100))
    return bundles.bundle([shop], [bundles.upstream(auto.port)], access=access)


def test_an_answered_request_is_written_down_whole(gate: Gate, auto: AutoUpstream) -> None:
    loaded = gate.load(keyed(auto))
    key = gate.key(1, "key_7", owner="shop team")
    before = now_ms()
    client = gate.client(source="127.0.0.9")
    client.send(request("/orders/8?secret=1", f"X-API-Key: {key}", "User-Agent: tests/1", method="PUT", body=b"12345"))
    got = client.message()
    event = gate.event(got.id)
    assert before - 1000 <= event.pop("at_ms") <= now_ms()
    took, first = event.pop("took_us"), event.pop("upstream_us")
    assert 0 < first <= took < 20_000_000
    assert len(event.pop("trace")) == 32
    assert event == {
        "v": 1,
        "id": got.id,
        "node": "gate",
        "class": "access",
        "method": "PUT",
        "host": "a.example",
        "path": "/orders/8",
        "listener": "public",
        "api": "shop",
        "route": "/orders/{id}",
        "peer": "127.0.0.9",
        "key": "key_7",
        "secret": None,
        "identity": "shop team",
        "status": 200,
        "reason": None,
        "room": None,
        "span": None,
        "verdicts": [
            {"policy": "api_key", "outcome": "identify", "reason": None},
            {"policy": "authorize", "outcome": "allow", "reason": None},
            {"policy": "body_limit", "outcome": "allow", "reason": None},
        ],
        "bytes_in": 5,
        "bytes_out": 2,
        "upstream": None,
        "version": None,
        "operation": None,
        "own": None,
        "target": f"127.0.0.1:{auto.port}",
        "bundle": loaded["hash"],
        "worker": 0,
        "user_agent": "tests/1",
        "protocol": None,
        "tls": None,
        "ja4": None,
        "http2": None,
        "header_order": None,
        "waf": None,
        "country": None,
        "network": None,
        "device": None,
        "app": None,
        "grounds": None,
        "dropped": None,
        "ended": None,
        "risk": None,
        "looked": None,
        "noted_own": None,
        "noted_partly": None,
        "noted_empty": None,
    }


def test_a_refused_request_is_written_down_whole(gate: Gate, auto: AutoUpstream) -> None:
    loaded = gate.load(keyed(auto))
    key = gate.key(1, "key_7", apis=["other"])
    got = gate.client().get("/orders/8", f"X-API-Key: {key}")
    assert (got.status, got.reason, got.get("www-authenticate")) == (403, "key-not-for-api", None)
    event = gate.event(got.id)
    told = {
        name: event[name] for name in ("class", "status", "reason", "room", "span", "target", "upstream_us", "bundle")
    }
    assert told == {
        "class": "security",
        "status": 403,
        "reason": "key-not-for-api",
        "room": "api_key",
        "span": {"file": "lockgate.yaml", "line": 32, "column": 1},
        "target": None,
        "upstream_us": None,
        "bundle": loaded["hash"],
    }
    assert event["bytes_out"] == len(got.body)


def test_access_events_can_be_left_out_and_refusals_cannot(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(keyed(auto, access=False))
    key = gate.key(1)
    client = gate.client()
    answered = client.get("/orders/1", f"X-API-Key: {key}")
    refused = client.get("/orders/1")
    assert (answered.status, refused.status) == (200, 401)
    gate.event(refused.id)
    assert gate.now_written(**{"class": "access"}) == []
    assert gate.count("lockgate_requests_total", api="shop", status="2xx") == 1, "it is counted all the same"


def test_requests_are_counted_by_api_and_class_of_status(gate: Gate) -> None:
    def reply(message: Any) -> bytes:
        return answer(b"four", status=f"{message.target[-3:]} Whatever")

    with AutoUpstream(reply) as upstream:
        gate.load(bundles.bundle([bundles.api("shop", "/shop")], [bundles.upstream(upstream.port)]))
        client = gate.client()
        for status in (200, 201, 301, 404, 404, 404, 500):
            assert client.get(f"/shop/{status}").status == status
        client.get("/elsewhere")
        # A request is counted once its answer has been sent.
        until(lambda: gate.count("lockgate_requests_total", api="", status="4xx") == 1, "the last to be counted")
        counted = {
            name: gate.count("lockgate_requests_total", api="shop", status=name)
            for name in ("2xx", "3xx", "4xx", "5xx")
        }
        assert counted == {"2xx": 2, "3xx": 1, "4xx": 3, "5xx": 1}
        assert gate.count("lockgate_request_duration_seconds_count", api="shop") == 7
        assert gate.count("lockgate_response_bytes_total", api="shop") == 7 * 4
        assert gate.count("lockgate_refusals_total") == 1, "what an upstream says is no refusal of the gate's"


def test_bytes_are_counted_as_content(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    client = gate.client()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"), chunked(b"a" * 1000, b"b" * 234))
    assert client.message().status == 200
    until(lambda: gate.count("lockgate_request_bytes_total", api="shop") == 1234, "the count")


def test_a_body_that_crosses_the_bound_is_cut_and_told(gate: Gate, upstream: Upstream) -> None:
    """The client is still sending when it is refused, and must be able to read why."""
    limited = bundles.api(body=bundles.body_limit(10_000))
    gate.load(bundles.bundle([limited], [bundles.upstream(upstream.port)]))
    client = gate.client()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"), b"1388\r\n" + b"x" * 5000 + b"\r\n")
    wire = upstream.accept()
    wire.until(b"\r\n\r\n")
    assert wire.chunk() == b"x" * 5000
    client.send((b"1388\r\n" + b"x" * 5000 + b"\r\n") * 20)
    refusal = client.message()
    assert (refusal.status, refusal.reason, refusal.get("connection")) == (413, "body-too-large", "close")
    assert refusal.problem["detail"] == "The limit is 10000 bytes."
    rest = wire.rest()
    assert b"0\r\n\r\n" not in rest[-5:], "the upstream sees that the request is not whole"
    assert len(rest) < 10_000
    event = gate.event(refusal.id)
    assert (event["class"], event["reason"], event["span"]["line"]) == ("security", "body-too-large", 33)
    assert {step["policy"]: step["outcome"] for step in event["verdicts"]}["body_limit"] == "deny"


def test_a_refused_upload_can_be_read_while_it_is_sent(gate: Gate, auto: AutoUpstream) -> None:
    """As curl does: all of the body first, then the answer. A reset in between would take the answer away."""
    gate.load(bundles.bundle([bundles.api(body=bundles.body_limit(10))], [bundles.upstream(auto.port)]))
    client = gate.client()
    body = b"x" * 300_000
    sending = threading.Thread(target=client.send, args=[request("/", method="POST", body=body)])
    sending.start()
    sending.join()
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (413, "body-too-large")
    assert auto.connections == 0


def test_every_request_has_one_event(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.bundle([bundles.api("shop", "/shop")], [bundles.upstream(auto.port)]))
    client = gate.client()
    ids = [client.get(path).id for path in ("/shop", "/nowhere", "/shop/%00", "/shop?x") for _ in range(25)]

    def all_written() -> list[str] | None:
        found = [event["id"] for event in gate.now_written() if event["class"] in {"access", "security"}]
        return found if len(found) >= len(ids) else None

    assert sorted(until(all_written, "all events")) == sorted(ids)
    assert gate.tell("stats")["events_dropped"] == 0
    assert gate.tell("stats")["requests"] == len(ids)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_gates_own_pages(gate: Gate, auto: AutoUpstream, method: str) -> None:
    """The `type` of a refusal leads somewhere: to the gate itself, for whoever was refused."""
    shut = bundles.api(keys=[bundles.api_key()], addresses=bundles.ip_filter(deny=["127.0.0.0/8"]))
    gate.load(bundles.bundle([shut], [bundles.upstream(auto.port)]))
    client = gate.client()
    refusal = client.get()
    page = client.get(refusal.problem["type"], method=method)
    assert (page.status, page.get("content-type")) == (200, "application/json")
    if method == "GET":
        told = json.loads(page.body)
        assert (told["reason"], told["status"], told["given_by"]) == ("address-denied", 403, "ip_filter")
        assert told["advice"]
    event = gate.event(page.id)
    assert (event["class"], event["reason"], event["api"]) == ("access", None, None)
    assert client.get("/.lockgate/reasons/nonsense").reason == "no-route"
    assert client.get("/.lockgate/anything").reason == "no-route"
    assert client.get("/x/../%2elockgate/anything").reason == "no-route", "by its normal form"
    assert client.get("/.lockgatekeeper").reason == "address-denied", "an API's own"
    assert auto.connections == 0
