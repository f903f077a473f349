"""`inflate`, from the configuration to the wire."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Message, answer, chunked, request
from lockgate.config import load
from lockgate.config.bundle_types import Bundle, PlacedBodyLimit, PlacedInflate
from policies.conftest import Evaluate, Refusals, written
from support.codings import ZSTD_BLOCK, bomb, packed, zstd_filling, zstd_with_window
from support.vectors import Case, cases, name
from support.waiting import until

CASES = cases("inflate")


def fields(case: Case) -> list[tuple[str, str]]:
    """The request's."""
    return [("Content-Encoding", case["encoding"])] if "encoding" in case else []


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream whose every byte a test says."""
    with Upstream() as listening:
        yield listening


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    """The engine judges heads; bodies are unpacked on their way through a gate alone."""
    body = base64.b64decode(case["body"])
    headers = [("Host", "a.example"), ("Content-Length", str(len(body))), *fields(case)]
    got = evaluate({"inflate": case["config"]}, {"method": "POST", "headers": headers, "body": body})
    refused = case.get("at") == "head"
    assert got["verdict"] == ("deny" if refused else "allow")
    assert (got["reason"] or {}).get("code") == (case["reason"] if refused else None)


def compiled(folder: Path, config: dict[str, Any]) -> PlacedInflate:
    """The policy as the bundle has it."""
    placed: PlacedInflate | None = load(written(folder, {"inflate": config})).compile(1, 1)["apis"][0]["policies"][
        "inflate"
    ]
    assert placed is not None
    return placed


def unpacking(
    port: int, folder: Path, config: dict[str, Any] | None = None, body: PlacedBodyLimit | None = None
) -> Bundle:
    """An API that unpacks."""
    placed = compiled(folder, config or {})
    return bundles.bundle([bundles.api(unpacks=placed, body=body)], [bundles.upstream(port)])


@pytest.mark.parametrize("pieces", [False, True], ids=["by length", "in chunks"])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, pieces: bool, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(unpacking(auto.port, tmp_path, case["config"]))
    body = base64.b64decode(case["body"])
    before = len(auto.requests)
    told = [f"{key}: {value}" for key, value in fields(case)]
    with gate.client() as client:
        if pieces:
            split = [body[at : at + 40] for at in range(0, len(body), 40)]
            client.send(request("/", *told, "Transfer-Encoding: chunked", method="POST"), chunked(*split))
        else:
            client.send(request("/", *told, f"Content-Length: {len(body)}", method="POST"), body)
        answer = client.message()
    if case["verdict"] == "allow":
        assert answer.status == 200
        got = auto.requests[-1]
        assert len(got.body) == case["length"]
        if any(value != "identity" for _, value in fields(case)):
            assert (got.get("content-encoding"), got.get("content-length")) == (None, None)
            assert got.get("transfer-encoding") == "chunked"
        return
    assert answer.reason == case["reason"]
    assert len(auto.requests) == before, "what is refused is never whole to the upstream"
    assert answer.status == {"coding-malformed": 400, "inflated-ratio": 413, "inflated-window": 413}.get(
        case["reason"], 415
    )
    if answer.status == 415:
        assert answer.get("accept-encoding") == ", ".join(
            case["config"].get("codings", ["gzip", "deflate", "br", "zstd"])
        )


def sent(gate: Gate, body: bytes, coding: str, *more: str) -> Message:
    """The answer to a packed body."""
    with gate.client() as client:
        head = request("/", f"Content-Encoding: {coding}", f"Content-Length: {len(body)}", *more, method="POST")
        client.send(head, body)
        return client.message()


def test_the_bound_on_bodies_holds_for_what_comes_out(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(unpacking(auto.port, tmp_path, body=bundles.body_limit(1_000)))
    content = bytes(range(250)) * 4
    assert sent(gate, packed("gzip", content), "gzip").status == 200
    assert auto.requests[-1].body == content
    assert sent(gate, packed("gzip", content + b"x"), "gzip").reason == "body-too-large"
    # Packed without being pressed it is longer than the bound, and its content is not.
    assert sent(gate, packed("zstd", content), "zstd").status == 200


def test_what_told_of_the_packed_body_is_not_passed_on(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(unpacking(auto.port, tmp_path))
    assert sent(gate, packed("gzip", b"x"), "gzip", "Content-Digest: sha-256=:AA==:", "X-Own: a").status == 200
    assert {"content-digest", "content-encoding"}.isdisjoint(auto.requests[-1].names)
    assert auto.requests[-1].get("x-own") == "a"


def test_without_the_policy_a_packed_body_goes_on_as_it_is(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    body = packed("gzip", b"x" * 100)
    assert sent(gate, body, "gzip").status == 200
    got = auto.requests[-1]
    assert (got.body, got.get("content-encoding"), got.get("content-length")) == (body, "gzip", str(len(body)))


def test_what_is_only_observed_goes_on_as_it_is(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(unpacking(auto.port, tmp_path, {"mode": "observe", "codings": ["gzip"]}))
    body = packed("br", b"x" * 100)
    assert sent(gate, body, "br").status == 200
    assert auto.requests[-1].body == body
    assert sent(gate, body, "gzip").status == 200
    assert auto.requests[-1].body == body


MIB = 1 << 20
BOMB = 128 * MIB
HELD = 16 * MIB
"""What the gate's memory may grow by while it meets bombs: decoders, and pieces under way."""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_fills_neither_memory_nor_the_upstream(
    coding: str, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    body = bomb(coding, BOMB)
    gate.load(unpacking(auto.port, tmp_path, body=bundles.body_limit(2 * BOMB)))
    sent(gate, packed(coding, b"warm"), coding)
    assert len(body) < BOMB // 1_000
    gate.forget_peak()
    before, refused, got = gate.memory(), gate.refusals("inflated-ratio"), auto.bytes
    for _ in range(4):
        answer = sent(gate, body, coding)
        assert (answer.status, answer.reason) == (413, "inflated-ratio")
    until(lambda: gate.refusals("inflated-ratio") == refused + 4, "the refusals to be counted")
    assert gate.memory("VmHWM") - before < HELD
    assert auto.bytes - got < 64 * MIB, "at most a hundred times what was sent, and less than what was in it"


def test_without_the_ratio_a_bomb_does_harm(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """What the bound is for: a few kilobytes cost the upstream all that was in them, though not the gate."""
    size = 64 * MIB
    gate.load(unpacking(auto.port, tmp_path, {"ratio": 1_000_000}, bundles.body_limit(2 * size)))
    body = bomb("zstd", size)
    assert len(body) == 6 + 4 * (size // ZSTD_BLOCK)
    before = gate.memory()
    gate.forget_peak()
    assert sent(gate, body, "zstd").status == 200
    assert len(auto.requests[-1].body) == size > 30_000 * len(body)
    auto.requests.clear()
    assert gate.memory("VmHWM") - before < 4 * HELD, "pieces, whatever comes out"


ROOM = 90_000
ZSTD_END = b"\x01\x00\x00"


def within(bundle: Bundle, **bounds: int) -> Bundle:
    """The same with bounds on its listener."""
    return {**bundle, "listeners": [bundles.listener(bounds=bundles.limits(**bounds))]}


def begun(gate: Gate, source: str) -> Client:
    """A body that fills a window of 8 MiB and lacks its last block."""
    body = zstd_filling(23, ROOM)
    client = gate.client(source=source)
    before, refused = gate.count("lockgate_inflate_memory_bytes"), gate.refusals("inflate-full")
    length = len(body) + len(ZSTD_END)
    client.send(request("/", "Content-Encoding: zstd", f"Content-Length: {length}", method="POST"), body)
    until(
        lambda: (
            gate.count("lockgate_inflate_memory_bytes") > before + 8 * MIB or gate.refusals("inflate-full") > refused
        ),
        "the window to be there, or to be refused",
    )
    return client


def test_a_window_is_paid_for_by_who_allows_it(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(unpacking(auto.port, tmp_path))
    assert sent(gate, zstd_with_window(27), "zstd").reason == "inflated-window"
    larger = unpacking(auto.port, tmp_path, {"window": "128MiB"})
    gate.load(within(larger, inflate_memory=512 * MIB))
    assert sent(gate, zstd_with_window(27), "zstd").status == 200
    gate.load(larger)
    assert sent(gate, zstd_with_window(27), "zstd").reason == "inflate-full", "one address has half of 256 MiB"


def test_bodies_share_memory_and_one_address_has_half(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """A window counts as soon as a body asks for it, and comes back with the body's end."""
    gate.load(within(unpacking(auto.port, tmp_path), inflate_memory=22 * MIB))
    before, full = len(auto.requests), gate.refusals("inflate-full")
    first = begun(gate, "127.0.0.2")
    assert 8 * MIB < gate.count("lockgate_inflate_memory_bytes") < 9 * MIB
    with begun(gate, "127.0.0.2") as second:
        refused = second.message()
    assert (refused.status, refused.reason, refused.get("retry-after")) == (503, "inflate-full", "1")
    with gate.client(source="127.0.0.2") as small:
        body = packed("gzip", b"x")
        small.send(request("/", "Content-Encoding: gzip", method="POST", body=body))
        assert small.message().status == 200, "what takes less has room"
    second = begun(gate, "127.0.0.3")
    with begun(gate, "127.0.0.4") as third:
        assert third.message().reason == "inflate-full", "half of it is left to others, and all of it is all"
    for each in (first, second):
        each.send(ZSTD_END)
        assert each.message().status == 200
        each.close()
    until(lambda: gate.count("lockgate_inflate_memory_bytes") == 0, "all to come back")
    assert [len(got.body) for got in auto.requests[before:]] == [1, 8 * MIB + ROOM, 8 * MIB + ROOM]
    gate.refused("inflate-full", full + 2)


def test_without_memory_for_a_body_it_is_refused_before_the_upstream_is_asked(
    gate: Gate, upstream: Upstream, tmp_path: Path
) -> None:
    gate.load(within(unpacking(upstream.port, tmp_path), inflate_memory=64 * 1024))
    assert sent(gate, packed("gzip", b"x"), "gzip").reason == "inflate-full"
    assert upstream.untouched()
    # Who sends it unpacked needs none.
    with gate.client() as client:
        client.send(request("/", method="POST", body=b"x"))
        upstream.serve(answer())
        assert client.message().status == 200


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"codings": []}, ["list-empty"]),
        ({"codings": ["compress"]}, ["not-a-choice"]),
        ({"ratio": 0}, ["out-of-range"]),
        ({"layers": 5}, ["out-of-range"]),
        ({"window": "1KiB"}, ["out-of-range"]),
        ({"window": "1GiB"}, ["out-of-range"]),
        ({"bytes": "10MiB"}, ["unknown-key"]),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"inflate": config}) == codes


def test_a_bound_is_a_bound_of_the_bundle_too(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """Whatever made it: the gate does not take a bundle that bounds nothing."""
    told = unpacking(auto.port, tmp_path)
    placed = told["apis"][0]["policies"]["inflate"]
    assert placed is not None
    placed["config"]["layers"] = 0
    with pytest.raises(Exception, match="one to four codings"):
        gate.load(json.loads(json.dumps(told)))
