"""What a client's program looks like from outside, told to those who ask."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Http3
from gateway.harness.secure import Http2, connect, context
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Wire
from lockgate.config.bundle_types import Bundle
from support.certificates import Authority

FIELDS = ["User-Agent", "accept", "Accept-Language"]
TOLD = bundles.headers(
    {
        "request": {
            "remove": [],
            "set": {"x-ja4": "{ja4}", "x-http2": "{http2}", "x-order": "{header_order}"},
            "add": {},
        },
        "response": {"hide": [], "set": {}, "add": {}},
    }
)


def expected(version: str, letters: str, *names: str) -> str:
    """The fingerprint of these names in their order."""
    text = ",".join(names).lower().encode()
    return f"{version}{letters}{len(names):02}_{hashlib.sha256(text).hexdigest()[:12]}"


def plain(auto: AutoUpstream, *, told: bool = False, header_order: bool = True) -> Bundle:
    """One public API, whose events tell of the order, or whose upstream is told."""
    api = bundles.api(fields=TOLD if told else None)
    return bundles.bundle([api], [bundles.upstream(auto.port)], header_order=header_order)


def test_order_and_letters_are_told_where_it_is_asked_for(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(plain(auto, header_order=False))
    with gate.client() as client:
        fields = [f"{name}: x" for name in FIELDS]
        assert gate.event(client.get("/", *fields).id)["header_order"] is None
        gate.load(plain(auto))
        first = gate.event(client.get("/", *fields, "Cookie: a=1", "Referer: https://a.example/").id)
        assert first["header_order"] == expected("11", "m", *FIELDS), "what depends on the request is left out"
        other = gate.event(client.get("/", *reversed(fields)).id)
        assert other["header_order"] == expected("11", "m", *reversed(FIELDS))
        titled = gate.event(client.get("/", "User-Agent: x", "Accept: x").id)
        assert titled["header_order"] == expected("11", "t", "user-agent", "accept")
        client.send(b"GET / HTTP/1.0\r\nhost: a.example\r\nuser-agent: x\r\n\r\n")
        assert gate.event(client.message().id)["header_order"] == expected("10", "s", "user-agent")


def test_what_is_refused_is_told_of_too(gate: Gate, auto: AutoUpstream) -> None:
    api = bundles.api(keys=[bundles.api_key()])
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port)], header_order=True))
    refused = gate.client().get("/", "User-Agent: x")
    assert refused.status == 401
    assert gate.event(refused.id)["header_order"] == expected("11", "t", "user-agent")


@pytest.mark.parametrize("speaks", ["http/1.1", "h2", "h3"])
def test_the_upstream_is_told_over_every_protocol(speaks: str, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")), http3=True)
    api = bundles.api(fields=TOLD)
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port)], listeners=[listener]))
    names = [name.lower() for name in FIELDS]
    # What a client says of itself under these names is not the gate's word.
    fields = [(name, "x") for name in names] + [("x-order", "a lie"), ("x-http2", "a lie")]
    if speaks == "http/1.1":
        with Wire(connect(gate.port(), context(authority.pem), "shop.example")) as wire:
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
            wire.send(f"GET / HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n".encode())
            assert wire.message().status == 200
    else:
        client = Http2 if speaks == "h2" else Http3
        with client(gate.port(), authority.pem) as web:
            assert web.get("/", *fields).status == 200
    got = auto.requests[-1]
    version = {"http/1.1": "11", "h2": "20", "h3": "30"}[speaks]
    assert got.get("x-order") == expected(version, "s", *names, "x-order", "x-http2")
    assert str(got.get("x-ja4")).startswith("q13d" if speaks == "h3" else "t13d")
    http2 = got.get("x-http2")
    assert str(http2).endswith("|m,s,a,p") if speaks == "h2" else http2 is None
    (event,) = gate.written(host="shop.example")
    assert event["header_order"] is None, "events were not asked to tell"


def test_what_is_not_known_is_not_told(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(plain(auto, told=True))
    assert gate.client().get("/", "X-JA4: a lie", "X-HTTP2: a lie").status == 200
    got = auto.requests[-1]
    assert (got.get("x-ja4"), got.get("x-http2")) == (None, None)
    assert got.get("x-order") == expected("11", "m", "x-ja4", "x-http2")
