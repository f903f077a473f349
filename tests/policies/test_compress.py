"""`compress`, from the configuration to the wire."""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2
from gateway.harness.servers import program
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Client, Message, Wire, chunked, parse_head, request
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import Bundle, PlacedCompress
from policies.conftest import Evaluate, Refusals, written
from support.certificates import Authority
from support.vectors import Case, cases, name
from support.waiting import until

CASES = cases("compress")
CONTENT = b"some content that is said again and again, " * 100


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    headers = [("Host", "a.example"), *case["request"].items()]
    assert evaluate({"compress": case.get("config", {})}, {"headers": headers})["verdict"] == case["verdict"]


def compiled(folder: Path, config: dict[str, Any]) -> PlacedCompress:
    """The policy as the bundle has it."""
    placed: PlacedCompress | None = load(written(folder, {"compress": config})).compile(1, 1)["apis"][0]["policies"][
        "compress"
    ]
    assert placed is not None
    return placed


def packing(port: int, folder: Path, config: dict[str, Any] | None = None, **more: Any) -> Bundle:
    """An API that packs."""
    return bundles.bundle([bundles.api(packs=compiled(folder, config or {}), **more)], [bundles.upstream(port)])


class Said:
    """An upstream's answer, which a test may change."""

    status = 200
    fields: dict[str, str]
    body = CONTENT

    def __call__(self, _: Message) -> bytes:
        told = {**self.fields, "Content-Length": str(len(self.body))}
        lines = "".join(f"{key}: {value}\r\n" for key, value in told.items())
        return f"HTTP/1.1 {self.status} Said\r\n{lines}\r\n".encode() + self.body


@pytest.fixture
def said() -> Said:
    """What the upstream says."""
    made = Said()
    made.fields = {"Content-Type": "application/json"}
    return made


@pytest.fixture
def saying(said: Said) -> Iterator[AutoUpstream]:
    """An upstream that says it."""
    with AutoUpstream(said) as serving:
        yield serving


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream whose every byte a test says."""
    with Upstream() as listening:
        yield listening


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, gate: Gate, said: Said, saying: AutoUpstream, tmp_path: Path) -> None:
    said.fields = dict(case["answer"])
    said.status = case.get("status", 200)
    gate.load(packing(saying.port, tmp_path, case.get("config", {})))
    with gate.client() as client:
        got = client.get("/", *(f"{key}: {value}" for key, value in case["request"].items()))
    coding = case.get("coding")
    assert got.status == said.status
    for key, value in case.get("fields", {}).items():
        assert got.get(key) == value
    if coding is None:
        assert (got.body, got.get("content-length")) == (CONTENT, str(len(CONTENT)))
        assert got.get("content-encoding") == said.fields.get("Content-Encoding")
        return
    assert (got.get("content-encoding"), got.get("content-length")) == (coding, None)
    assert got.get("transfer-encoding") == "chunked"
    assert len(got.body) < len(CONTENT) / 4
    if coding == "gzip":
        assert gzip.decompress(got.body) == CONTENT
    assert gate.event(got.id)["bytes_out"] == len(got.body)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_what_is_packed_unpacks(
    coding: str, gate: Gate, said: Said, saying: AutoUpstream, auto: AutoUpstream, tmp_path: Path
) -> None:
    """A large answer, in as many pieces as it takes; the gate itself takes the coding off again."""
    said.body = b"".join(b'{"id": %d, "name": "thing %d"},' % (number, number * 7919) for number in range(60_000))
    gate.load(packing(saying.port, tmp_path))
    with gate.client() as client:
        packed = client.get("/", f"Accept-Encoding: {coding}")
    assert packed.get("content-encoding") == coding
    unpacks = load(written(tmp_path, {"inflate": {}})).compile(1, 1)["apis"][0]["policies"]["inflate"]
    gate.load(bundles.bundle([bundles.api(unpacks=unpacks)], [bundles.upstream(auto.port)]))
    with gate.client() as client:
        client.send(request("/", f"Content-Encoding: {coding}", method="POST", body=packed.body))
        assert client.message().status == 200
    assert auto.requests[-1].body == said.body


@pytest.mark.parametrize("levels", [{}, {"gzip_level": 9, "br_level": 9, "zstd_level": 19}], ids=["usual", "high"])
@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_others_unpack_what_is_packed(
    coding: str, protocol: str, levels: dict[str, int], gate: Gate, said: Said, saying: AutoUpstream, tmp_path: Path
) -> None:
    """Curl does, with zlib, and the brotli and zstd of C, over both protocols."""
    curl = program("curl")
    knows = subprocess.run([curl, "-V"], capture_output=True, text=True, check=True).stdout
    if not {"brotli", "zstd", "HTTP2"} <= set(re.split(r"[\s/]+", knows)):
        pytest.skip("curl was built without brotli, zstd or HTTP/2")
    said.body = b"".join(b'{"id": %d, "name": "thing %d"},' % (number, number * 7919) for number in range(20_000))
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("front", "a.example")))
    gate.load({**packing(saying.port, tmp_path, levels), "listeners": [listener]})
    port = gate.port()
    got, head = tmp_path / "got", tmp_path / "head"
    asked = [curl, "-sSf", protocol, "--compressed", "-H", f"Accept-Encoding: {coding}", f"https://a.example:{port}/"]
    where = ["--cacert", str(authority.pem), "--resolve", f"a.example:{port}:127.0.0.1"]
    subprocess.run([*asked, *where, "-o", str(got), "-D", str(head)], check=True)
    first, *fields = head.read_text(encoding="ascii").lower().splitlines()
    assert first.startswith("http/2 200" if protocol == "--http2" else "http/1.1 200")
    assert f"content-encoding: {coding}" in fields
    assert "vary: accept-encoding" in fields
    assert got.read_bytes() == said.body
    until(lambda: gate.count("lockgate_compress_memory_bytes") == 0, "all memory to come back")


def test_a_stream_that_is_not_wanted_gives_its_memory_back(
    gate: Gate, said: Said, saying: AutoUpstream, tmp_path: Path
) -> None:
    """Over HTTP/2 an answer whose window is shut is held, and its packer with it."""
    said.body = hashlib.shake_128(b"noise").digest(4 << 20)
    authority = Authority(tmp_path)
    listener = bundles.listener(tls=bundles.tls(authority.issue("front", "a.example")))
    gate.load({**packing(saying.port, tmp_path), "listeners": [listener]})
    with Http2(gate.port(), authority.pem, "a.example") as web:
        streams = [web.ask("/", "GET", ("accept-encoding", "zstd")) for _ in range(4)]
        each = _native.packing_memory("zstd", 3)
        until(lambda: gate.count("lockgate_compress_memory_bytes") == 4 * (each or 0), "four packers")
        for stream in streams[1:]:
            web.h2.reset_stream(stream)
        web.flush()
        until(lambda: gate.count("lockgate_compress_memory_bytes") == each, "three to be given up")
    until(lambda: gate.count("lockgate_compress_memory_bytes") == 0, "the last to end with its connection")


def test_head_says_what_get_says(gate: Gate, said: Said, saying: AutoUpstream, tmp_path: Path) -> None:
    said.fields["ETag"] = '"a"'
    gate.load(packing(saying.port, tmp_path))
    with gate.client() as client:
        whole = client.get("/", "Accept-Encoding: gzip")
    with gate.client() as client:
        client.send(request("/", "Accept-Encoding: gzip", method="HEAD"))
        head = client.message(bodiless=True)
    for key in ("content-encoding", "content-length", "etag", "vary", "content-type"):
        assert head.get(key) == whole.get(key)
    assert head.get("etag") == 'W/"a"'


def test_not_modified_has_the_tag_of_the_packed_answer(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    gate.load(packing(upstream.port, tmp_path))
    with gate.client() as client:
        client.send(request("/", "Accept-Encoding: gzip", 'If-None-Match: W/"a"'))
        upstream.serve(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
        got = client.message(bodiless=True)
        assert (got.status, got.get("etag"), got.get("vary")) == (304, 'W/"a"', "Accept-Encoding")
        assert got.get("content-encoding") is None


def test_pieces_go_out_as_they_come(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    """Events and slow answers: each is there to be read before the next is said."""
    gate.load(packing(upstream.port, tmp_path, {"types": ["text/event-stream"]}))
    with gate.client() as client:
        client.send(request("/", "Accept-Encoding: gzip"))
        wire = upstream.accept()
        wire.until(b"\r\n\r\n")
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.until(b"\r\n\r\n")
        reader = zlib.decompressobj(31)
        for number in range(10):
            event = b"data: %d\n\n" % number
            wire.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert reader.decompress(client.chunk()) == event
        wire.send(b"0\r\n\r\n")
        reader.decompress(client.chunk())
        assert client.chunk() == b""
        assert reader.eof


def test_trailers_come_behind_what_was_packed(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    gate.load(packing(upstream.port, tmp_path))
    with gate.client() as client:
        client.send(request("/", "Accept-Encoding: gzip", "TE: trailers", "Connection: TE"))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = chunked(CONTENT).removesuffix(b"\r\n")
        upstream.serve(head + body + b"X-Sum: 5\r\n\r\n")
        got = client.message()
    assert gzip.decompress(got.body) == CONTENT


def test_an_answer_that_breaks_off_is_not_made_whole(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    gate.load(packing(upstream.port, tmp_path))
    with gate.client() as client:
        client.send(request("/", "Accept-Encoding: gzip"))
        wire, _ = upstream.serve(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n" + CONTENT[:1000]
        )
        wire.close()
        assert not client.rest().endswith(b"0\r\n\r\n")


def test_what_is_only_observed_goes_on_as_it_is(gate: Gate, saying: AutoUpstream, tmp_path: Path) -> None:
    gate.load(packing(saying.port, tmp_path, {"mode": "observe"}))
    with gate.client() as client:
        got = client.get("/", "Accept-Encoding: gzip")
    assert (got.get("content-encoding"), got.get("vary"), got.body) == (None, None, CONTENT)


def begun(gate: Gate, upstream: Upstream, source: str, wire: Wire | None = None) -> tuple[Client, Wire, Message]:
    """An answer that is not over, and its head."""
    client = gate.client(source=source)
    client.send(request("/", "Accept-Encoding: gzip"))
    wire = wire or upstream.accept()
    wire.until(b"\r\n\r\n")
    head = b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: "a"\r\nTransfer-Encoding: chunked\r\n\r\n'
    wire.send(head + b"5\r\nhello\r\n")
    return client, wire, parse_head(client.until(b"\r\n\r\n"))


def test_beyond_its_memory_an_answer_goes_out_as_it_is(gate: Gate, upstream: Upstream, tmp_path: Path) -> None:
    """Each counts for the most that it may take; one address has half, and leaves the rest to others."""
    each = _native.packing_memory("gzip", 4) or 0
    bounds = bundles.limits(compress_memory=2 * each)
    gate.load({**packing(upstream.port, tmp_path), "listeners": [bundles.listener(bounds=bounds)]})
    full = gate.count("lockgate_compress_full_total")
    packed, whole = ("gzip", 'W/"a"', "Accept-Encoding"), (None, '"a"', "Accept-Encoding")
    answers = []
    for source, wanted in [("127.0.0.2", packed), ("127.0.0.2", whole), ("127.0.0.3", packed), ("127.0.0.4", whole)]:
        answers.append(begun(gate, upstream, source))
        head = answers[-1][2]
        assert (head.get("content-encoding"), head.get("etag"), head.get("vary")) == wanted
    assert gate.count("lockgate_compress_full_total") == full + 2
    assert gate.count("lockgate_compress_memory_bytes") == 2 * each
    client, wire, _ = answers[0]
    wire.send(b"0\r\n\r\n")
    while client.chunk():
        pass
    until(lambda: gate.count("lockgate_compress_memory_bytes") == each, "its part to come back")
    answers.append(begun(gate, upstream, "127.0.0.2", wire))
    assert answers[-1][2].get("content-encoding") == "gzip"
    for client, _, _ in answers:
        client.close()
    until(lambda: gate.count("lockgate_compress_memory_bytes") == 0, "all to come back")


@pytest.mark.parametrize("levels", [{"br_level": 11}, {"zstd_level": 19}], ids=["br", "zstd"])
def test_others_have_their_turn_while_an_answer_is_packed(
    levels: dict[str, int], gate: Gate, said: Said, saying: AutoUpstream, tmp_path: Path
) -> None:
    """A client that takes all at once keeps nobody waiting, at levels that take seconds for an answer."""
    (coding,) = (key.removesuffix("_level") for key in levels)
    gate.load(packing(saying.port, tmp_path, {"codings": [coding], **levels}))
    said.body = hashlib.shake_128(b"text").hexdigest(2**19).encode()
    with gate.client() as client, gate.client() as other:
        client.send(request(f"/{coding}/long", f"Accept-Encoding: {coding}"))
        assert parse_head(client.until(b"\r\n\r\n")).get("content-encoding") == coding
        assert client.chunk()
        said.body = CONTENT
        short = other.get(f"/{coding}/short")
        while client.chunk():
            pass
    assert short.status == 200
    gate.written(path=f"/{coding}/long")
    # In the order in which they were over.
    over = [event["path"] for event in gate.now_written() if event.get("path", "").startswith(f"/{coding}/")]
    assert over == [f"/{coding}/short", f"/{coding}/long"]


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"codings": []}, ["list-empty"]),
        ({"codings": ["deflate"]}, ["not-a-choice"]),
        ({"types": ["json"]}, ["media-type-malformed"]),
        ({"types": ["application/grpc-web+proto"]}, ["media-type-grpc"]),
        ({"gzip_level": 0}, ["out-of-range"]),
        ({"br_level": 12}, ["out-of-range"]),
        ({"zstd_level": 20}, ["out-of-range"]),
        ({"min_bytes": "much"}, ["size-malformed"]),
        ({"unsafe_with_cookies": "perhaps"}, ["flag-malformed"]),
        ({"level": 5}, ["unknown-key"]),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"compress": config}) == codes
