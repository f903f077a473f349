"""Which API a request goes to, and that what was judged is what the upstream gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate, Refused
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from lockgate.config.bundle_types import Api

VECTORS = yaml.safe_load((Path(__file__).parents[1] / "vectors" / "target.yaml").read_text(encoding="utf-8"))
# The gate runs with the default switches; cases for others are the normal form's own tests.
TARGETS: list[dict[str, Any]] = [case for case in VECTORS["targets"] if "switches" not in case]


def route(gate: Gate, auto: AutoUpstream, apis: list[Api]) -> None:
    gate.load(bundles.bundle(apis, [bundles.upstream(auto.port)]))


def to(gate: Gate, path: str, host: str = "a.example", method: str = "GET") -> str | None:
    """The API that took the request, or the reason why none did."""
    got = gate.client().get(path, host=host, method=method)
    event = gate.event(got.id)
    if got.status == 200:
        assert event["api"] is not None
        return str(event["api"])
    return got.reason if method != "HEAD" else str(event["reason"])


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/orders/open", "exact"),
        ("/orders/7", "template"),
        ("/orders/7/items/9", "deep template"),
        ("/orders/7/items", "orders"),
        ("/orders", "orders"),
        ("/orders/", "orders"),
        ("/orders/open/more", "orders"),
        ("/orders-x", "all"),
        ("/order", "all"),
        ("/", "all"),
        ("/shop/a/b", "deeper"),
        ("/shop/ab", "shop"),
        ("/Orders/open", "all"),
    ],
)
def test_an_exact_path_then_a_template_then_the_longest_prefix(
    gate: Gate, auto: AutoUpstream, path: str, api: str
) -> None:
    apis = [
        bundles.api("all", "/"),
        bundles.api("orders", "/orders"),
        bundles.api("template", {"template": "/orders/{id}"}),
        bundles.api("deep template", {"template": "/orders/{id}/items/{item}"}),
        bundles.api("exact", {"exact": "/orders/open"}),
        bundles.api("shop", "/shop"),
        bundles.api("deeper", "/shop/a"),
    ]
    # The order of the file has no meaning.
    route(gate, auto, apis if len(path) % 2 else apis[::-1])
    assert to(gate, path) == api


@pytest.mark.parametrize(
    ("host", "api"),
    [
        ("shop.example.com", "exact"),
        ("SHOP.Example.com", "exact"),
        ("shop.example.com.", "exact"),
        ("shop.example.com:8443", "exact"),
        ("a.example.com", "wildcard"),
        ("a.b.example.com", "wildcard"),
        ("x.deep.example.com", "longer wildcard"),
        ("example.com", "any"),
        ("notexample.com", "any"),
        ("192.0.2.7", "any"),
        ("[::1]:80", "any"),
    ],
)
def test_an_exact_host_then_the_longest_wildcard_then_any(gate: Gate, auto: AutoUpstream, host: str, api: str) -> None:
    apis = [
        bundles.api("any", "/"),
        bundles.api("wildcard", "/", hosts=["*.example.com"]),
        bundles.api("longer wildcard", "/", hosts=["*.deep.example.com"]),
        bundles.api("exact", "/", hosts=["shop.example.com"]),
    ]
    route(gate, auto, apis)
    assert to(gate, "/", host=host) == api


def test_a_less_specific_host_serves_paths_that_the_other_has_not(gate: Gate, auto: AutoUpstream) -> None:
    apis = [bundles.api("any", "/other"), bundles.api("exact", "/shop", hosts=["shop.example.com"])]
    route(gate, auto, apis)
    assert to(gate, "/shop", host="shop.example.com") == "exact"
    assert to(gate, "/other", host="shop.example.com") == "any"
    assert to(gate, "/shop", host="elsewhere.example") == "no-route"


def test_methods_come_last(gate: Gate, auto: AutoUpstream) -> None:
    """The most specific path decides; a method that it does not take is 405, never another API."""
    apis = [
        bundles.api("read", {"exact": "/x"}, methods=["GET"]),
        bundles.api("write", {"exact": "/x"}, methods=["PUT", "DELETE"]),
        bundles.api("all", "/"),
    ]
    route(gate, auto, apis)
    assert to(gate, "/x") == "read"
    assert to(gate, "/x", method="HEAD") == "read", "a GET is also a HEAD (RFC 9110, 9.3.2)"
    assert to(gate, "/x", method="PUT") == "write"
    assert auto.requests[1].method == "HEAD"
    reached = len(auto.requests)
    refusal = gate.client().get("/x", method="POST")
    assert (refusal.status, refusal.reason) == (405, "method-not-allowed")
    assert refusal.get("allow") == "DELETE, GET, HEAD, PUT"
    assert gate.event(refusal.id)["class"] == "security"
    gate.refused("method-not-allowed")
    assert len(auto.requests) == reached
    assert to(gate, "/x", method="get") == "method-lower-case", "methods are told apart by case (RFC 9110, 9.1)"
    assert to(gate, "/y", method="POST") == "all"


def test_head_may_have_an_api_of_its_own(gate: Gate, auto: AutoUpstream) -> None:
    apis = [bundles.api("get", "/", methods=["GET"]), bundles.api("head", "/", methods=["HEAD"])]
    route(gate, auto, apis)
    assert to(gate, "/", method="HEAD") == "head"
    assert to(gate, "/") == "get"


def test_nothing_is_served_where_no_api_is(gate: Gate, auto: AutoUpstream) -> None:
    route(gate, auto, [bundles.api("shop", "/shop")])
    refusal = gate.client().get("/other?secret=1")
    assert (refusal.status, refusal.reason) == (404, "no-route")
    event = gate.event(refusal.id)
    assert (event["api"], event["route"], event["path"], event["reason"]) == (None, None, "/other", "no-route")
    assert auto.connections == 0


def test_two_apis_cannot_claim_the_same(gate: Gate, auto: AutoUpstream) -> None:
    with pytest.raises(Refused) as refused:
        route(gate, auto, [bundles.api("one", "/x"), bundles.api("two", "/x")])
    assert refused.value.code == "bundle-config"
    assert "already taken by the API `one`" in str(refused.value)


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("/shop", "/"),
        ("/shop/", "/"),
        ("/shop/a/b?c=%2f", "/a/b?c=%2f"),
        ("/shop?q", "/?q"),
        ("/sh%6Fp/a", "/a"),
        ("/shop/./a/../b", "/b"),
    ],
)
def test_a_prefix_is_taken_off(gate: Gate, auto: AutoUpstream, path: str, stripped: str) -> None:
    route(gate, auto, [bundles.api("shop", "/shop", strip_path=True)])
    got = gate.client().get(path)
    assert got.status == 200
    assert auto.requests[-1].target == stripped


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, AutoUpstream]]:
    def echo(message: Message) -> bytes:
        return answer(message.target.encode())

    with ExitStack() as stack:
        upstream = stack.enter_context(AutoUpstream(echo))
        gate = stack.enter_context(Gate(tmp_path_factory.mktemp("targets") / "state"))
        gate.load(bundles.plain(upstream.port))
        yield gate, upstream


# What cannot stand on a request line at all is the framing's to refuse.
FRAMING = {"target-form", "target-byte"}


@pytest.mark.parametrize("case", TARGETS, ids=lambda case: str(case["name"]))
def test_the_upstream_gets_the_normal_form(serving: tuple[Gate, AutoUpstream], case: dict[str, Any]) -> None:
    gate, upstream = serving
    before = len(upstream.requests)
    if case["raw"] == "http://a/b":
        return  # absolute-form: the framing's vectors have it.
    method = "OPTIONS" if case["raw"] == "*" else "GET"
    raw = f"{method} {case['raw']} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with gate.client() as client:
        client.send(raw)
        got = client.message()
    if "reason" in case:
        assert got.status == 400
        assert got.reason == case["reason"] or (case["reason"] in FRAMING and got.reason.startswith("framing-"))
        assert len(upstream.requests) == before
        return
    wanted = case["path"] + ("" if case.get("query") is None else f"?{case['query']}")
    assert got.body.decode() == wanted
    assert gate.event(got.id)["path"] == case["path"], "what was judged is what is written down"


def test_absolute_form_reaches_the_upstream_in_origin_form(serving: tuple[Gate, AutoUpstream]) -> None:
    gate, upstream = serving
    with gate.client() as client:
        client.send(b"GET http://A.example:8080/a/../b?c HTTP/1.1\r\nHost: a.example:8080\r\n\r\n")
        assert client.message().body == b"/b?c"
    assert upstream.requests[-1].get("host") == "a.example:8080"
