"""`grpc`, from the configuration to the wire: heads by cases, then calls with grpcio and with gRPC-Web by hand."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import unquote

import grpc
import h2.config
import h2.connection
import h2.events
import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.calls import Shop, channel, loaded, served, status_of, unary
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2, context, secure
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import WITHIN, chunked, request
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import Api, Bundle, CorsConfig, PlacedGrpc
from policies.conftest import Refusals, written
from support.certificates import Authority
from support.vectors import Case, cases, name

CASES = cases("grpc")
DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE = "4", "8", "13", "14"
WEB, TEXT = "application/grpc-web+proto", "application/grpc-web-text+proto"
SCRIPTED = "/s.S/"


def compiled(folder: Path, config: dict[str, Any]) -> Bundle:
    """What a configuration becomes."""
    file = written(folder, {"upstream": "shop", "grpc": config})
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    said["upstreams"] = {"shop": {"targets": ["http://127.0.0.1:9000"], "protocol": "h2"}}
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    return cast("Bundle", load(file).compile(1, 1))


def placed(folder: Path, config: dict[str, Any]) -> PlacedGrpc:
    """The policy as the bundle has it."""
    made = compiled(folder, config)["apis"][0]["policies"]["grpc"]
    assert made is not None
    return made


def message(text: bytes) -> bytes:
    """A message with its prefix."""
    return b"\0" + len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    engine = _native.Engine(json.dumps(compiled(tmp_path, case["config"])).encode(), facts=[], pepper=b"")
    fields = [("Host", "a.example"), *case["headers"].items()]
    asked = {"method": case.get("method", "POST"), "target": "/", "peer": "127.0.0.1", "headers": fields}
    got = engine.evaluate(asked)
    assert got["verdict"] == case["verdict"]
    assert (got["reason"] or {}).get("code") == case.get("reason")
    [step] = [step for step in got["steps"] if step["policy"] == "grpc"]
    assert step["verdict"] == case["verdict"]


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("application/grpc", message(b"abcd") + message(b""), None),
        ("application/grpc", message(b"abcde"), "grpc-message-too-large"),
        ("application/grpc", b"\0\0\0\0\x02a", "grpc-incomplete"),
        ("application/grpc", b'{"a": 1}', "grpc-flag"),
        (TEXT, base64.b64encode(message(b"abcd")), None),
        (TEXT, base64.b64encode(message(b"abcde")), "grpc-message-too-large"),
        (TEXT, message(b"a"), "grpc-web-text"),
    ],
)
def test_the_engine_looks_at_bodies(kind: str, body: bytes, reason: str | None, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, {"message_bytes": 4, "web": True})
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=b"")
    fields = [("Host", "a.example"), ("Content-Type", kind)]
    asked = {"method": "POST", "target": "/", "peer": "127.0.0.1", "headers": fields, "body": body}
    assert (engine.evaluate(asked)["reason"] or {}).get("code") == reason


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """A service for the cases."""
    with served(Shop()) as port:
        yield port


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, gate: Gate, echo: int, tmp_path: Path) -> None:
    api = bundles.api(calls=placed(tmp_path, case["config"]))
    gate.load(bundles.bundle([api], [bundles.upstream(echo, protocol="h2")]))
    reason = case.get("reason") or ("grpc-deadline" if case.get("late") else None)
    with gate.client() as client:
        fields = [*case["headers"].items(), ("TE", "trailers"), ("Connection", "TE"), ("Transfer-Encoding", "chunked")]
        lines = [f"{key}: {value}" for key, value in fields]
        text = "web-text" in case["headers"].get("Content-Type", "")
        said = base64.b64encode(message(b"x")) if text else message(b"x")
        client.send(request("/shop.Shop/Echo", *lines, method=case.get("method", "POST")), chunked(said))
        answer = client.message()
    if reason == "grpc-only":
        assert (answer.status, answer.reason) == (415, reason)
        return
    fields = [*answer.headers, *answer.trailers]
    words = dict(fields).get("grpc-message", "") + answer.body.decode("latin-1")
    if (answer.get("content-type") or "").startswith("application/grpc-web-text"):
        words += plain(answer.body, text=True).decode("latin-1")
    if reason is None:
        assert "(grpc-" not in words
        assert "upstream" not in words
    else:
        assert answer.status == 200
        assert f"({reason}, request {answer.id})" in words


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"message_bytes": 0}, ["grpc-needs-h2", "out-of-range"]),
        ({"message_bytes": "4GiB"}, ["grpc-needs-h2", "out-of-range"]),
        ({"deadline": "0s"}, ["grpc-needs-h2", "out-of-range"]),
        ({"web": "yes"}, ["flag-malformed", "grpc-needs-h2"]),
        ({"deadlines": "1s"}, ["grpc-needs-h2", "unknown-key"]),
        ({}, ["grpc-needs-h2"]),
    ],
)
def test_bad_configs_are_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    told = refusals({"grpc": config})
    # What could not be read is not judged further.
    assert told in (codes, [code for code in codes if code != "grpc-needs-h2"])


def test_without_a_word_a_message_has_four_mebibytes(tmp_path: Path) -> None:
    config = placed(tmp_path, {})["config"]
    assert config == {"message_bytes": 4 << 20, "deadline_ms": 0, "web": False, "only": True}


# Calls with grpcio.


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path)


@pytest.fixture
def shop() -> Shop:
    """The service."""
    return Shop()


@contextlib.contextmanager
def calling(gate: Gate, authority: Authority, shop: Shop, *apis: Api) -> Iterator[grpc.Channel]:
    """A client of the service, through the gate."""
    with served(shop) as port:
        loaded(gate, authority, port, *apis)
        with channel(gate, authority) as client:
            yield client


@pytest.mark.parametrize(("own", "told", "least", "most"), [(60_000, 7.0, 1, 7_000), (5_000, 50.0, 1, 5_000)])
def test_the_upstream_is_told_what_is_left(
    own: int, told: float, least: int, most: int, gate: Gate, authority: Authority, shop: Shop
) -> None:
    with calling(gate, authority, shop, bundles.api(calls=bundles.calls(deadline_ms=own))) as client:
        left = int(unary(client, "/shop.Shop/Left")(b"", timeout=told))
    assert least <= left <= most


def test_the_upstream_is_told_the_apis_deadline_where_a_client_says_none(
    gate: Gate, authority: Authority, shop: Shop
) -> None:
    with calling(gate, authority, shop, bundles.api(calls=bundles.calls(deadline_ms=9_000))) as client:
        assert 1 <= int(unary(client, "/shop.Shop/Left")(b"")) <= 9_000


def call(web: Http2, method: str, body: bytes, *fields: tuple[str, str], kind: str = "application/grpc") -> int:
    """Begins a call; its stream."""
    stream = web.ask(method, "POST", ("content-type", kind), ("te", "trailers"), *fields, body=True)
    web.say(stream, body, end=True)
    return stream


def test_messages_are_bounded_both_ways(gate: Gate, authority: Authority, shop: Shop) -> None:
    api = bundles.api(calls=bundles.calls(1000))
    with calling(gate, authority, shop, api) as client:
        echoed = unary(client, "/shop.Shop/Echo")
        assert echoed(b"x" * 1000, timeout=WITHIN) == b"x" * 1000
        code, words = status_of(lambda: echoed(b"x" * 1001, timeout=WITHIN))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "The limit is 1000 bytes. (grpc-message-too-large" in words
        flooding: grpc.UnaryStreamMultiCallable[bytes, bytes] = client.unary_stream("/shop.Shop/Flood")
        code, words = status_of(lambda: list(flooding(b"", timeout=WITHIN)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "upstream-grpc-too-large" in words
        assert shop.cancelled.wait(WITHIN)
    assert gate.written(reason="grpc-message-too-large")
    assert gate.written(reason="upstream-grpc-too-large")


def test_a_message_that_is_too_large_ends_a_talk_that_has_begun(gate: Gate, authority: Authority, shop: Shop) -> None:
    answered = threading.Event()

    def words() -> Iterator[bytes]:
        yield b"small"
        assert answered.wait(WITHIN)
        yield b"x" * 1001

    with calling(gate, authority, shop, bundles.api(calls=bundles.calls(1000))) as client:
        talking: grpc.StreamStreamMultiCallable[bytes, bytes] = client.stream_stream("/shop.Shop/Talk")
        talk = talking(words(), timeout=WITHIN)
        assert next(talk) == b"SMALL"
        answered.set()
        code, told = status_of(lambda: next(talk))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-message-too-large" in told


def test_a_long_stream_of_small_messages_passes(gate: Gate, authority: Authority, shop: Shop) -> None:
    with calling(gate, authority, shop, bundles.api(calls=bundles.calls(4))) as client:
        counting: grpc.UnaryStreamMultiCallable[bytes, bytes] = client.unary_stream("/shop.Shop/Count")
        assert len(list(counting(b"5000", timeout=WITHIN))) == 5000


def test_observed_bounds_only_write_down(gate: Gate, authority: Authority, shop: Shop) -> None:
    api = bundles.api(calls=bundles.calls(10, deadline_ms=1, mode="observe"))
    with calling(gate, authority, shop, api) as client:
        assert unary(client, "/shop.Shop/Echo")(b"x" * 1001, timeout=WITHIN) == b"x" * 1001


# An upstream that does what no gRPC server does.


class Scripted:
    """Speaks HTTP/2 by prior knowledge, and answers by the method's name."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.reset = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        spoken = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        spoken.initiate_connection()
        with contextlib.suppress(OSError), sock:
            sock.sendall(spoken.data_to_send())
            while came := sock.recv(65536):
                for event in spoken.receive_data(came):
                    if isinstance(event, h2.events.RequestReceived):
                        head = {str(key): str(value) for key, value in event.headers}
                        self._answer(spoken, event.stream_id, head[":path"].removeprefix(SCRIPTED))
                    elif isinstance(event, h2.events.StreamReset):
                        self.reset.set()
                sock.sendall(spoken.data_to_send())

    @staticmethod
    def _answer(spoken: h2.connection.H2Connection, stream: int, what: str) -> None:
        kind = ("content-type", "application/grpc")
        if what == "wait":
            return
        if what.isdigit():
            spoken.send_headers(stream, [(":status", what), ("content-type", "text/html")])
            spoken.send_data(stream, b"<h1>Sorry</h1>", end_stream=True)
            return
        spoken.send_headers(stream, [(":status", "200"), kind])
        if what == "silent":
            spoken.send_data(stream, message(b"one"), end_stream=True)
        elif what == "reset":
            spoken.send_data(stream, message(b"one"))
            spoken.reset_stream(stream, 2)
        elif what == "stall":
            spoken.send_data(stream, message(b"one"))
        elif what == "flood":
            # More than a client's window, and less than the gate's.
            for _ in range(12):
                spoken.send_data(stream, message(b"x" * 16_000))
        elif what == "cut":
            spoken.send_data(stream, message(b"whole")[:-2])
            spoken.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        elif what == "garbage":
            spoken.send_data(stream, b"garbage")
            spoken.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """The upstream."""
    with Scripted() as running:
        yield running


def test_the_apis_deadline_ends_a_call_at_both_ends(gate: Gate, authority: Authority, scripted: Scripted) -> None:
    loaded(gate, authority, scripted.port, bundles.api(calls=bundles.calls(deadline_ms=300)))
    with channel(gate, authority) as client:
        code, words = status_of(lambda: unary(client, f"{SCRIPTED}wait")(b"", timeout=WITHIN))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "grpc-deadline" in words
    assert scripted.reset.wait(WITHIN), "the upstream is told to stop"
    assert gate.written(reason="grpc-deadline", status=504)


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("what", ["wait", "stall"])
def test_a_clients_deadline_is_the_gates_to_keep(
    bounded: bool, what: str, gate: Gate, authority: Authority, scripted: Scripted
) -> None:
    """Also where the API says nothing of gRPC, and in the middle of an answer."""
    loaded(gate, authority, scripted.port, bundles.api(calls=bundles.calls() if bounded else None))
    with Http2(gate.port(), authority.pem) as web:
        reply = web.answer(call(web, f"{SCRIPTED}{what}", message(b"one"), ("grpc-timeout", "400m")))
        assert reply.body == (message(b"one") if what == "stall" else b"")
        told = dict(reply.headers) | dict(reply.trailers)
        assert told["grpc-status"] == DEADLINE_EXCEEDED
        assert "grpc-deadline" in told["grpc-message"]
        assert scripted.reset.wait(WITHIN)


def test_a_deadline_is_kept_while_a_client_takes_nothing(gate: Gate, authority: Authority, scripted: Scripted) -> None:
    loaded(gate, authority, scripted.port, bundles.api(calls=bundles.calls(deadline_ms=500)))
    with Http2(gate.port(), authority.pem) as web:
        call(web, f"{SCRIPTED}flood", message(b""))
        assert scripted.reset.wait(WITHIN), "nobody reads, and the upstream is stopped all the same"


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        ("503", UNAVAILABLE, "It answered with HTTP 503. (upstream-grpc-none"),
        ("504", UNAVAILABLE, "It answered with HTTP 504. (upstream-grpc-none"),
        ("403", "7", "upstream-grpc-none"),
        ("404", "12", "upstream-grpc-none"),
        ("200", "2", "upstream-grpc-none"),
        ("silent", INTERNAL, "upstream-grpc-message"),
        ("reset", UNAVAILABLE, "upstream-reset"),
        ("cut", INTERNAL, "upstream-grpc-message"),
        ("garbage", INTERNAL, "upstream-grpc-message"),
    ],
)
@pytest.mark.parametrize("kind", ["application/grpc", WEB, TEXT])
def test_what_an_upstream_does_wrong_is_a_status(
    what: str, status: str, words: str, kind: str, gate: Gate, authority: Authority, scripted: Scripted
) -> None:
    loaded(gate, authority, scripted.port, bundles.api(calls=bundles.calls(web=True)))
    with Http2(gate.port(), authority.pem) as web:
        reply = web.answer(call(web, f"{SCRIPTED}{what}", b"", kind=kind))
    if kind == "application/grpc":
        told = dict(reply.headers) | dict(reply.trailers)
        assert (reply.reset, told["grpc-status"]) == (None, status)
        assert words in told["grpc-message"]
    elif what == "cut":
        assert reply.reset is not None, "within a message there is no place for a status"
    else:
        body = plain(reply.body, text=kind == TEXT)
        assert Answered.read(body).status == status
        assert words in Answered.read(body).words


def test_an_upstream_of_http_11_is_refused(gate: Gate, authority: Authority) -> None:
    """The configuration refuses it; a bundle of another hand does not have to."""
    with AutoUpstream() as auto:
        listener = bundles.listener(tls=bundles.tls(authority.issue("gate", "shop.example")))
        api = bundles.api(calls=bundles.calls())
        gate.load(bundles.bundle([api], [bundles.upstream(auto.port)], listeners=[listener]))
        with channel(gate, authority) as client:
            code, words = status_of(lambda: unary(client, "/shop.Shop/Echo")(b"", timeout=WITHIN))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "upstream-no-grpc" in words


# gRPC-Web, by hand.


@dataclass
class Answered:
    """An answer of gRPC-Web."""

    messages: list[bytes]
    trailers: dict[str, str]

    @classmethod
    def read(cls, body: bytes) -> Answered:
        """Takes it apart (PROTOCOL-WEB.md); nothing follows the trailers."""
        messages: list[bytes] = []
        while body:
            flag, length = body[0], int.from_bytes(body[1:5], "big")
            content, body = body[5 : 5 + length], body[5 + length :]
            assert len(content) == length, "the body ends within a frame"
            if flag == 0x80:
                assert not body, "the trailers are the last"
                lines = content.decode("ascii").removesuffix("\r\n").split("\r\n")
                return cls(messages, dict(line.split(":", 1) for line in lines))
            assert flag == 0
            messages.append(content)
        raise AssertionError("there are no trailers")

    @property
    def status(self) -> str:
        """How the call went."""
        return self.trailers["grpc-status"]

    @property
    def words(self) -> str:
        """The same in words."""
        return unquote(self.trailers["grpc-message"])


def plain(body: bytes, *, text: bool) -> bytes:
    """Takes off base64; padding stands wherever the sender had said something whole."""
    if not text:
        return body
    return b"".join(base64.b64decode(body[at : at + 4], validate=True) for at in range(0, len(body), 4))


Ask = Callable[..., tuple[dict[str, str], Answered]]
Naming = tuple[str, str]


def over_http_11(
    gate: Gate, authority: Authority, kind: str, method: str, said: bytes, *more: Naming
) -> tuple[dict[str, str], Answered]:
    """Fields and answer of a call over HTTP/1.1; what is short comes in pieces of three bytes."""
    text = kind.startswith("application/grpc-web-text")
    body = base64.b64encode(said) if text else said
    lines = [f"{key}: {value}" for key, value in (("content-type", kind), *more)]
    pieces = [body[at : at + 3] for at in range(0, len(body), 3)] if len(body) < 1000 else [body]
    with secure(gate.port(), context(authority.pem)) as client:
        head = request(method, *lines, "Transfer-Encoding: chunked", method="POST", host="shop.example")
        client.send(head, chunked(*pieces))
        answer = client.message()
    assert answer.status == 200
    return {key.lower(): value for key, value in answer.headers}, Answered.read(plain(answer.body, text=text))


def over_http_2(
    gate: Gate, authority: Authority, kind: str, method: str, said: bytes, *more: Naming
) -> tuple[dict[str, str], Answered]:
    """The same over HTTP/2."""
    text = kind.startswith("application/grpc-web-text")
    with Http2(gate.port(), authority.pem) as web:
        stream = web.ask(method, "POST", ("content-type", kind), *more, body=True)
        web.say(stream, base64.b64encode(said) if text else said, end=True)
        reply = web.answer(stream)
    assert (reply.status, reply.trailers) == (200, [])
    return dict(reply.headers), Answered.read(plain(reply.body, text=text))


@pytest.fixture(params=["http/1.1", "h2"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """A client of gRPC-Web."""
    return over_http_11 if request.param == "http/1.1" else over_http_2


@pytest.fixture(params=[WEB, TEXT])
def kind(request: pytest.FixtureRequest) -> str:
    """What it writes."""
    return str(request.param)


WEBBED = bundles.calls(1000, web=True)


def test_one_message_each_way(gate: Gate, authority: Authority, shop: Shop, ask: Ask, kind: str) -> None:
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=WEBBED))
        fields, answer = ask(gate, authority, kind, "/shop.Shop/Echo", message(b"hello"), ("x-grpc-web", "1"))
    assert (answer.messages, answer.status) == ([b"hello"], "0")
    assert base64.b64decode(answer.trailers["x-trailing-bin"] + "==") == b"\x00last"
    assert (fields["x-initial"], fields["content-type"]) == ("first", kind.removesuffix("+proto"))
    assert "grpc-status" not in fields
    assert "x-grpc-web" not in shop.seen, "the upstream gets gRPC"
    assert shop.seen["x-forwarded-proto"] == "https"


def test_many_messages_of_the_server(gate: Gate, authority: Authority, shop: Shop, ask: Ask, kind: str) -> None:
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=WEBBED))
        _, answer = ask(gate, authority, kind, "/shop.Shop/Count", message(b"1000"))
    assert [int(each) for each in answer.messages] == list(range(1000))
    assert answer.status == "0"


def test_each_message_is_there_at_once(gate: Gate, authority: Authority, shop: Shop, kind: str) -> None:
    """A server that waits holds nothing back of what it has said, not two bytes of base64 either."""
    said = message(b"one") if kind == WEB else base64.b64encode(message(b"one"))
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=WEBBED))
        with secure(gate.port(), context(authority.pem)) as client:
            lines = (f"Content-Type: {kind}", f"Content-Length: {len(said)}")
            client.send(request("/shop.Shop/Stall", *lines, method="POST", host="shop.example"), said)
            client.until(b"\r\n\r\n")
            heard = b""
            while len(heard) < len(said):
                heard += client.chunk()
            assert heard == said
            assert shop.begun.wait(WITHIN)
            assert not shop.cancelled.is_set()
        assert shop.cancelled.wait(WITHIN), "the client went, and so does the call"


def test_a_server_that_fails_at_once(gate: Gate, authority: Authority, shop: Shop, ask: Ask, kind: str) -> None:
    """What stood in the head of the answer stands in the body, where pages of other origins may read it."""
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=WEBBED))
        fields, answer = ask(gate, authority, kind, "/shop.Shop/Fail", message(b""))
    assert (answer.messages, answer.status, answer.words) == ([], "9", "not so: ä")
    assert "grpc-status" not in fields


@pytest.mark.parametrize(
    ("method", "said", "more", "status", "reason"),
    [
        ("/shop.Shop/Echo", message(b"x" * 1001), [], RESOURCE_EXHAUSTED, "grpc-message-too-large"),
        ("/shop.Shop/Echo", b"{}", [], "3", "grpc-flag"),
        ("/shop.Shop/Flood", message(b""), [], RESOURCE_EXHAUSTED, "upstream-grpc-too-large"),
        ("/shop.Shop/Echo", message(b""), [("grpc-timeout", "0S")], DEADLINE_EXCEEDED, "grpc-deadline"),
        ("/shop.Shop/Echo", message(b""), [("grpc-timeout", "soon")], "3", "grpc-timeout"),
        ("/keyed/Echo", message(b""), [], "16", "key-missing"),
        ("/other.Shop/Echo", message(b""), [], "12", "no-route"),
    ],
)
def test_refusals_are_told_to_pages(
    method: str,
    said: bytes,
    more: list[Naming],
    status: str,
    reason: str,
    gate: Gate,
    authority: Authority,
    shop: Shop,
    ask: Ask,
    kind: str,
) -> None:
    with served(shop) as port:
        keyed = bundles.api("keyed", "/keyed", keys=[bundles.api_key()], calls=WEBBED)
        loaded(gate, authority, port, bundles.api("shop", "/shop.Shop", calls=WEBBED), keyed)
        fields, answer = ask(gate, authority, kind, method, said, *more)
    assert (answer.messages, answer.status) == ([], status)
    assert f"({reason}, request {fields['x-request-id']})" in answer.words
    assert fields["content-type"] == kind.removesuffix("+proto")


def test_pages_of_other_origins(gate: Gate, authority: Authority, shop: Shop) -> None:
    """The preflight asks for what a library sends; answers and refusals may be read."""
    pages: CorsConfig = {
        "origins": ["https://page.example"],
        "methods": [],
        "headers": ["content-type", "x-grpc-web", "grpc-timeout"],
        "expose": [],
        "credentials": False,
        "max_age_s": 600,
        "private_network": False,
    }
    page = ("origin", "https://page.example")
    keyed = bundles.api("keyed", "/keyed", keys=[bundles.api_key()], calls=WEBBED, pages=bundles.cors(pages))
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=WEBBED, pages=bundles.cors(pages)), keyed)
        with Http2(gate.port(), authority.pem) as web:
            wanted = ("access-control-request-headers", "content-type,grpc-timeout,x-grpc-web")
            asked = web.ask("/shop.Shop/Echo", "OPTIONS", page, ("access-control-request-method", "POST"), wanted)
            preflight = web.answer(asked)
        assert preflight.status == 204
        assert "grpc-timeout" in (preflight.get("access-control-allow-headers") or "")
        for method, status in (("/shop.Shop/Echo", "0"), ("/keyed/Echo", "16")):
            fields, answer = over_http_2(gate, authority, WEB, method, message(b""), page)
            assert (answer.status, fields["access-control-allow-origin"]) == (status, "https://page.example")


def test_an_answer_is_written_as_it_is_asked_for(gate: Gate, authority: Authority, shop: Shop) -> None:
    """A script of XMLHttpRequest reads text alone, whatever it sends (PROTOCOL-WEB.md)."""
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=WEBBED))
        with Http2(gate.port(), authority.pem) as web:
            wanted = ("accept", "application/grpc-web-text")
            reply = web.answer(call(web, "/shop.Shop/Echo", message(b"hi"), wanted, kind=WEB))
    assert reply.get("content-type") == "application/grpc-web-text"
    assert Answered.read(plain(reply.body, text=True)).messages == [b"hi"]


def test_large_messages_in_base64(gate: Gate, authority: Authority, shop: Shop, ask: Ask) -> None:
    large = bytes(range(256)) * 12_000
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(calls=bundles.calls(web=True)))
        _, answer = ask(gate, authority, TEXT, "/shop.Shop/Echo", message(large))
    assert answer.messages == [large]
