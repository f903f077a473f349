"""Routes that ask for more than a path, and targets that servers read in different ways."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate, Refused
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import request
from lockgate.config.bundle_types import Api, Condition


def condition(part: Any, name: str, **test: Any) -> Condition:
    return {"part": part, "name": name, "test": test}  # type: ignore[typeddict-item]


def load(gate: Gate, auto: AutoUpstream, apis: list[Api]) -> None:
    gate.load(bundles.bundle(apis, [bundles.upstream(auto.port)]))


def to(gate: Gate, path: str, *lines: str, method: str = "GET") -> str:
    """The API that took the request, or the reason why none did."""
    client = gate.client()
    client.send(request(path, *lines, method=method))
    got = client.message()
    return str(gate.event(got.id)["api"]) if got.status == 200 else got.reason


@pytest.mark.parametrize("backwards", [False, True])
def test_what_asks_for_most_wins_and_nothing_falls_through(gate: Gate, auto: AutoUpstream, *, backwards: bool) -> None:
    beta = condition("header", "X-Beta", present=True)
    apis = [
        bundles.api("all", "/"),
        bundles.api("plain", "/orders"),
        bundles.api("beta", "/orders", conditions=[beta]),
        bundles.api("both", "/orders", conditions=[beta, condition("query", "v", exact="2")]),
        bundles.api("gold", "/orders", conditions=[condition("cookie", "tier", regex="gold|silver")]),
        bundles.api("only", {"exact": "/only"}, conditions=[beta], methods=["POST"]),
    ]
    load(gate, auto, apis[::-1] if backwards else apis)
    assert to(gate, "/orders/1") == "plain"
    assert to(gate, "/orders/1", "X-Beta: x") == "beta"
    assert to(gate, "/orders/1?v=2", "X-Beta: x") == "both"
    assert to(gate, "/orders/1?%76=2", "X-Beta: x") == "both", "names are compared decoded"
    assert to(gate, "/orders/1", "Cookie: tier=silver") == "gold"
    assert to(gate, "/orders/1", "Cookie: tier=goldx") == "plain"
    # Leaving a header out opens no less specific API, and neither does a method.
    assert to(gate, "/only") == "route-not-matched"
    assert to(gate, "/only", "X-Beta: x") == "method-not-allowed"
    assert to(gate, "/only", "X-Beta: x", method="POST") == "only"
    assert to(gate, "/elsewhere", "X-Beta: x") == "all"
    reached = len(auto.requests)
    assert to(gate, "/orders/1?v=2&v=3", "X-Beta: x") == "route-ambiguous"
    assert len(auto.requests) == reached


def test_expressions_stand_between_templates_and_prefixes(gate: Gate, auto: AutoUpstream) -> None:
    apis = [
        bundles.api("prefix", "/orders"),
        bundles.api("short", {"regex": "/orders/.*"}),
        bundles.api("digits", {"regex": "/orders/[0-9]+/items"}),
        bundles.api("template", {"template": "/orders/{id}/notes"}),
    ]
    load(gate, auto, apis)
    assert to(gate, "/orders") == "prefix"
    assert to(gate, "/orders/7") == "short"
    assert to(gate, "/orders/7/items") == "digits"
    assert to(gate, "/orders/%37/items") == "digits"
    assert to(gate, "/orders/7/notes") == "template"


def test_what_two_routes_claim_alike_is_refused(gate: Gate, auto: AutoUpstream) -> None:
    one, other = (condition("header", name, exact="1") for name in ("X-A", "x-a"))
    with pytest.raises(Refused, match="already taken"):
        load(gate, auto, [bundles.api("one", conditions=[one]), bundles.api("two", conditions=[other])])
    with pytest.raises(Refused, match="look-around"):
        load(gate, auto, [bundles.api("one", {"regex": "/a(?!b)"})])


def test_each_api_keeps_what_its_server_understands(gate: Gate, auto: AutoUpstream) -> None:
    apis = [
        bundles.api("site", "/"),
        bundles.api("files", {"template": "/files/{name}"}, normal_form={"encoded_slash": "keep"}),
        bundles.api("ocsp", "/ocsp", normal_form={"double_slash": "keep"}),
        bundles.api("secret", "/files/secret"),
        bundles.api("strict", "/strict", normal_form={"dot_segments": "reject", "duplicate_parameters": "reject"}),
        bundles.api("last", "/last", normal_form={"duplicate_parameters": "last"}),
    ]
    load(gate, auto, apis)
    assert to(gate, "/files/a%2fb") == "files"
    assert auto.requests[-1].target == "/files/a%2Fb"
    assert to(gate, "/ocsp/MFMw//Td") == "ocsp"
    assert auto.requests[-1].target == "/ocsp/MFMw//Td"
    assert to(gate, "/last?a=1&b=2&a=3") == "last"
    assert auto.requests[-1].target == "/last?b=2&a=3"
    reached = len(auto.requests)
    assert to(gate, "/files/secret%2fx") == "target-ambiguous"
    assert to(gate, "/a%2fb") == "target-encoded-slash"
    assert to(gate, "/strict/./x") == "target-dot-segment"
    assert to(gate, "/strict?a=1&a=2") == "target-duplicate-parameter"
    assert len(auto.requests) == reached
