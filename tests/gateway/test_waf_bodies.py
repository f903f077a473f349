"""`waf` and bodies that are large, packed, cut short or other than they say: through a running gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, answer, chunked, request
from lockgate.config import load
from lockgate.config.bundle_types import Bundle
from policies.conftest import written
from support.certificates import Authority
from support.codings import bomb, packed
from support.waiting import until

MIB = 1 << 20
ATTACK = json.dumps({"note": "1' UNION SELECT password FROM users-- "}).encode()
GOOD = json.dumps({"note": "O'Brien's shoes"}).encode()
CODINGS = ["gzip", "deflate", "br", "zstd"]


def guarded(port: int, folder: Path, config: dict[str, Any], inflate: dict[str, Any] | None = None) -> Bundle:
    """An API that is guarded, and unpacks bodies where that is said."""
    policies = {"waf": config} if inflate is None else {"waf": config, "inflate": inflate}
    placed = load(written(folder, policies)).compile(1, 1)["apis"][0]["policies"]
    return bundles.bundle([bundles.api(guards=placed["waf"], unpacks=placed["inflate"])], [bundles.upstream(port)])


def nested(depth: int) -> bytes:
    """JSON of this depth."""
    return b"[" * depth + b"]" * depth


WRONG = [
    ("application/json", b"a=1&b=2", "json-syntax"),
    ("application/json", GOOD[:-1], "json-end"),
    ("application/json", nested(200), "json-depth"),
    ("application/json", nested(1_000_000)[:1_000_000], "json-depth"),
    ("application/xml", GOOD, "xml-syntax"),
    ("application/xml", b"<a><b>text</b>", "xml-end"),
    ("application/xml", b"<a>" * 500 + b"</a>" * 500, "xml-depth"),
    ("multipart/form-data", GOOD, "multipart-type"),
    ("multipart/form-data; boundary=b", GOOD, "multipart-no-part"),
    (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext',
        "multipart-end",
    ),
    ("application/graphql", b"{ a " * 300 + b"}" * 300, "graphql-depth"),
    ("application/graphql", b"{ " + b"a " * 20_000 + b"}", "graphql-too-many"),
    ("application/x-ndjson", b"<a/>", "json-syntax"),
    ("text/plain", b"x" * (MIB + 1), "waf-body-too-long"),
]


@pytest.mark.parametrize(("kind", "body", "reason"), WRONG, ids=[f"{kind} {reason}" for kind, _, reason in WRONG])
def test_each_has_its_reason(
    kind: str, body: bytes, reason: str, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    gate.load(guarded(auto.port, tmp_path, {}))
    before = len(auto.requests)
    with gate.client() as client:
        client.send(request("/", f"Content-Type: {kind}", f"Content-Length: {len(body)}", method="POST"), body)
        assert client.message().reason == reason
    assert len(auto.requests) == before


def why(got: Message) -> str | None:
    """Why it is refused, if it is."""
    return None if got.status == 200 else got.reason


def sent_packed(gate: Gate, coding: str, body: bytes) -> str | None:
    """Why a packed body is refused."""
    with gate.client() as client:
        told = ("Content-Type: application/json", f"Content-Encoding: {coding}", f"Content-Length: {len(body)}")
        client.send(request("/", *told, method="POST"), body)
        return why(client.message())


@pytest.mark.parametrize("coding", [*CODINGS, "compress", "gzip, gzip"])
def test_what_stays_packed_is_refused(coding: str, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(guarded(auto.port, tmp_path, {}))
    assert sent_packed(gate, coding, packed(coding if coding in CODINGS else "gzip", GOOD)) == "waf-body-packed"


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_unpacked_is_looked_at(coding: str, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(guarded(auto.port, tmp_path, {}, {"codings": CODINGS}))
    assert sent_packed(gate, coding, packed(coding, GOOD)) is None
    assert auto.requests[-1].body == GOOD
    before = len(auto.requests)
    assert sent_packed(gate, coding, packed(coding, ATTACK)) == "waf-refused"
    assert sent_packed(gate, coding, packed(coding, GOOD)[:-6]) == "coding-malformed"
    assert sent_packed(gate, coding, bomb(coding, 64 * MIB)) in {"inflated-ratio", "waf-body-too-long"}
    assert len(auto.requests) == before
    assert gate.memory("VmHWM") < 1 << 30


def values(size: int) -> bytes:
    """JSON of about this size, of many values."""
    note = b"Please ring twice, the bell is old. " * 10
    one = b'{"name": "O\'Brien", "note": "' + note + b'", "n": 42}'
    return b"[" + b",".join([one] * (size // len(one))) + b"]"


@pytest.mark.parametrize("body", [values(4 * MIB), b'["' + b"a word " * 600_000 + b'"]'], ids=["many values", "one"])
def test_others_are_answered_while_a_large_body_is_looked_at(
    body: bytes, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    """One worker. All but its last byte is there, so that what is left to do is the looking alone."""
    gate.load(guarded(auto.port, tmp_path, {"inspect_bytes": "16MiB"}))
    before = len(auto.requests)
    with gate.client() as large, gate.client() as other:
        told = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        large.send(request("/large", *told, method="POST"), body[:-1])
        held = lambda: gate.count("lockgate_inspect_memory_bytes") >= len(body) - 1  # noqa: E731
        until(held, "all but the last byte to be there")
        large.send(body[-1:])
        other.send(request("/other"))
        assert other.message().status == 200
        assert large.message().status == 200
    assert [message.target for message in auto.requests[before:]] == ["/other", "/large"]


def test_ten_megabytes_are_looked_at_where_that_is_said(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(guarded(auto.port, tmp_path, {"inspect_bytes": "16MiB"}))
    good = b'{"blob": "' + b"a word " * 1_430_000 + b'"}'
    bad = good[:-1] + b", " + ATTACK[1:]
    with gate.client() as client:
        for body, reason in ((good, None), (bad, "waf-refused")):
            told = ("Content-Type: application/json", f"Content-Length: {len(body)}")
            client.send(request("/", *told, method="POST"), body)
            assert why(client.message()) == reason


def test_memory_is_given_back_once_the_body_was_sent(gate: Gate, tmp_path: Path) -> None:
    body = values(8 * MIB)
    with Upstream() as upstream:
        gate.load(guarded(upstream.port, tmp_path, {"inspect_bytes": "16MiB"}))
        client = gate.client()
        told = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        client.send(request("/", *told, method="POST"), body)
        with upstream.accept() as taken:
            taken.until(b"\r\n\r\n")
            assert gate.count("lockgate_inspect_memory_bytes") >= len(body), "most of it was not taken yet"
            taken.exactly(len(body))
            taken.send(answer(b"ok"))
            assert client.message().status == 200
    until(lambda: gate.count("lockgate_inspect_memory_bytes") == 0, "all of it to be given back")


LONG = b"x" * 3000
TRAILED = chunked(LONG, trailers="X-Note: 1' UNION SELECT password FROM users-- \r\n")


@pytest.mark.parametrize(
    ("config", "trailers"),
    [
        ({}, []),
        ({"longer": "begin", "inspect_bytes": "1KiB"}, []),
        ({"mode": "observe"}, ["x-note"]),
    ],
    ids=["all of it is looked at", "its beginning is", "it is only observed"],
)
def test_trailers_do_not_go_on_unlooked_at(
    config: dict[str, Any], trailers: list[str], gate: Gate, upstream: Upstream, tmp_path: Path
) -> None:
    gate.load(guarded(upstream.port, tmp_path, config))
    with gate.client() as client:
        client.send(request("/", "Transfer-Encoding: chunked", "Trailer: X-Note", method="POST"), TRAILED)
        _, message = upstream.serve(answer())
        assert (message.body, [name.lower() for name, _ in message.trailers]) == (LONG, trailers)
        assert client.message().status == 200


@pytest.mark.parametrize(("config", "trailers"), [({}, []), ({"mode": "observe"}, ["x-note"])])
def test_trailers_of_http_2_do_not_go_on_unlooked_at(
    config: dict[str, Any], trailers: list[str], gate: Gate, upstream: Upstream, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")))
    placed = load(written(tmp_path, {"waf": config})).compile(1, 1)["apis"][0]["policies"]
    apis = [bundles.api(guards=placed["waf"])]
    gate.load(bundles.bundle(apis, [bundles.upstream(upstream.port)], listeners=[listener]))
    with Http2(gate.port(), authority.pem) as web:
        stream = web.ask("/", "POST", body=True)
        web.say(stream, b"hello")
        web.h2.send_headers(stream, [("x-note", "1' OR '1'='1")], end_stream=True)
        web.flush()
        _, message = upstream.serve(answer())
        assert (message.body, [name.lower() for name, _ in message.trailers]) == (b"hello", trailers)
        assert web.answer(stream).status == 200
