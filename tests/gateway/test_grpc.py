"""gRPC with grpcio on both sides, through the gate: the kinds of calls that its interoperability cases name."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from gateway.harness import bundles
from gateway.harness.calls import Shop, channel, loaded, served, status_of, unary
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import WITHIN
from support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path)


@pytest.fixture
def shop() -> Shop:
    """The service."""
    return Shop()


@pytest.fixture
def client(gate: Gate, authority: Authority, shop: Shop) -> Iterator[grpc.Channel]:
    """A client of the service, through the gate."""
    with served(shop) as port:
        loaded(gate, authority, port)
        with channel(gate, authority) as made:
            yield made


def test_unary_calls_have_metadata_both_ways(client: grpc.Channel, shop: Shop) -> None:
    call = unary(client, "/shop.Shop/Echo")
    answer, told = call.with_call(b"hello", timeout=WITHIN, metadata=(("x-more", "m"), ("x-more-bin", b"\x01\x02")))
    assert answer == b"hello"
    assert dict(told.initial_metadata())["x-initial"] == "first"
    assert dict(told.trailing_metadata())["x-trailing-bin"] == b"\x00last"
    assert shop.seen["x-more"] == "m"
    assert shop.seen["x-request-id"]
    assert shop.seen["x-forwarded-proto"] == "https"


def test_empty_and_large_messages_come_through(client: grpc.Channel) -> None:
    call = unary(client, "/shop.Shop/Echo")
    for size in (0, 1, 314_159, 20 << 20):
        assert call(b"x" * size, timeout=WITHIN) == b"x" * size


def test_streams_of_every_kind(client: grpc.Channel) -> None:
    counting: grpc.UnaryStreamMultiCallable[bytes, bytes] = client.unary_stream("/shop.Shop/Count")
    adding: grpc.StreamUnaryMultiCallable[bytes, bytes] = client.stream_unary("/shop.Shop/Sum")
    talking: grpc.StreamStreamMultiCallable[bytes, bytes] = client.stream_stream("/shop.Shop/Talk")
    assert [int(each) for each in counting(b"1000", timeout=WITHIN)] == list(range(1000))
    numbers = (str(number).encode() for number in range(1000))
    assert adding(numbers, timeout=WITHIN) == b"499500"
    words = [b"a", b"bc", b"d" * 100_000]
    assert list(talking(iter(words), timeout=WITHIN)) == [each.upper() for each in words]


def test_a_talk_goes_to_and_fro(client: grpc.Channel) -> None:
    """Each word is answered before the next is said: nothing waits for the end."""
    heard = threading.Semaphore(0)

    def words() -> Iterator[bytes]:
        for number in range(20):
            yield f"word {number}".encode()
            assert heard.acquire(timeout=WITHIN)

    talking: grpc.StreamStreamMultiCallable[bytes, bytes] = client.stream_stream("/shop.Shop/Talk")
    for number, answer in enumerate(talking(words(), timeout=WITHIN)):
        assert answer == f"WORD {number}".encode()
        heard.release()


def test_a_revoked_key_ends_the_call_that_it_opened(gate: Gate, authority: Authority, shop: Shop) -> None:
    with served(shop) as port:
        loaded(gate, authority, port, bundles.api(keys=[bundles.api_key()]))
        sequence = int(gate.tell("facts_seq"))
        key = gate.key(sequence + 1, "key_call")
        with channel(gate, authority) as client:
            said = queue.SimpleQueue[bytes | None]()
            talking: grpc.StreamStreamMultiCallable[bytes, bytes] = client.stream_stream("/shop.Shop/Talk")
            answers = talking(iter(said.get, None), timeout=WITHIN, metadata=(("x-api-key", key),))
            said.put(b"in")
            assert next(answers) == b"IN"
            gate.facts({"seq": sequence + 2, "kind": "key.revoke", "id": "key_call", "at_ms": 1})
            code, words = status_of(lambda: next(answers))
            said.put(None)
    assert code == grpc.StatusCode.UNAUTHENTICATED
    assert "credential-ended" in words
    assert gate.written(reason="credential-ended")


def test_errors_come_through(client: grpc.Channel) -> None:
    failing = unary(client, "/shop.Shop/Fail")
    assert status_of(lambda: failing(b"", timeout=WITHIN)) == (grpc.StatusCode.FAILED_PRECONDITION, "not so: ä")
    unknown = unary(client, "/shop.Shop/Nothing")
    assert status_of(lambda: unknown(b"", timeout=WITHIN))[0] == grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_ends_the_call_at_the_server(client: grpc.Channel, shop: Shop) -> None:
    waiting = unary(client, "/shop.Shop/Wait")
    assert status_of(lambda: waiting(b"", timeout=0.3))[0] == grpc.StatusCode.DEADLINE_EXCEEDED
    assert shop.cancelled.wait(WITHIN)


def test_a_cancelled_call_ends_at_the_server(client: grpc.Channel, shop: Shop) -> None:
    call = unary(client, "/shop.Shop/Wait").future(b"", timeout=WITHIN)
    assert shop.begun.wait(WITHIN)
    call.cancel()
    assert shop.cancelled.wait(WITHIN)


def test_calls_share_a_connection(client: grpc.Channel, gate: Gate) -> None:
    echo = unary(client, "/shop.Shop/Echo")
    calls = [echo.future(str(number).encode(), timeout=WITHIN) for number in range(200)]
    assert [call.result() for call in calls] == [str(number).encode() for number in range(200)]
    assert gate.count("lockgate_connections") == 1


def test_refusals_are_told_in_grpcs_words(gate: Gate, authority: Authority, shop: Shop) -> None:
    with served(shop) as port:
        keyed = bundles.api("keyed", "/shop.Shop", keys=[bundles.api_key()])
        limited = bundles.api("limited", "/other", limits=[bundles.limit("one", allow=1)])
        loaded(gate, authority, port, keyed, limited)
        with channel(gate, authority) as client:
            call = unary(client, "/shop.Shop/Echo")
            code, words = status_of(lambda: call(b"", timeout=WITHIN))
            assert code == grpc.StatusCode.UNAUTHENTICATED
            assert "key-missing" in words
            assert call(b"x", timeout=WITHIN, metadata=(("x-api-key", gate.key(1)),)) == b"x"
            lost = unary(client, "/nowhere.Shop/Echo")
            assert status_of(lambda: lost(b"", timeout=WITHIN))[0] == grpc.StatusCode.UNIMPLEMENTED
            other = unary(client, "/other/Echo")
            assert status_of(lambda: other(b"", timeout=WITHIN))[0] == grpc.StatusCode.UNIMPLEMENTED
            code, words = status_of(lambda: other(b"", timeout=WITHIN))
            assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "rate-limited" in words
    assert gate.written(reason="key-missing", status=401)


def test_a_server_that_is_gone_is_unavailable(gate: Gate, authority: Authority, shop: Shop) -> None:
    with served(shop) as port:
        loaded(gate, authority, port)
        with channel(gate, authority) as client:
            call = unary(client, "/shop.Shop/Echo")
            assert call(b"x", timeout=WITHIN) == b"x"
    with channel(gate, authority) as client:
        call = unary(client, "/shop.Shop/Echo")
        code, words = status_of(lambda: call(b"", timeout=WITHIN))
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "upstream-connect-failed" in words


def test_a_server_that_comes_back_is_found(gate: Gate, authority: Authority, shop: Shop) -> None:
    with served(shop) as port:
        loaded(gate, authority, port)
        with channel(gate, authority) as client:
            call = unary(client, "/shop.Shop/Echo")
            assert call(b"x", timeout=WITHIN) == b"x"
    with served(Shop()) as other:
        loaded(gate, authority, other)
        with channel(gate, authority) as client:
            call = unary(client, "/shop.Shop/Echo")
            assert call(b"y", timeout=WITHIN) == b"y"


def test_over_tls_to_the_server(gate: Gate, authority: Authority, shop: Shop) -> None:
    with served(shop, authority.issue("up", "127.0.0.1")) as port:
        loaded(gate, authority, port, secure=True)
        with channel(gate, authority) as client:
            assert unary(client, "/shop.Shop/Echo")(b"x", timeout=WITHIN) == b"x"


def test_a_server_that_says_nothing_is_given_up(gate: Gate, authority: Authority, upstream: Upstream) -> None:
    """It takes the connection, and closes it at the gate's hello."""
    loaded(gate, authority, upstream.port)
    with channel(gate, authority) as client:
        call = unary(client, "/shop.Shop/Echo").future(b"", timeout=WITHIN)
        upstream.accept().close()
        with pytest.raises(grpc.RpcError):
            call.result()
        code, words = call.code(), call.details() or ""
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "upstream-no-http2" in words or "upstream-reset" in words


def test_a_server_of_http_11_is_told_so(gate: Gate, authority: Authority) -> None:
    with AutoUpstream() as auto:
        loaded(gate, authority, auto.port)
        with channel(gate, authority) as client:
            call = unary(client, "/shop.Shop/Echo")
            code, words = status_of(lambda: call(b"", timeout=WITHIN))
            assert code == grpc.StatusCode.UNAVAILABLE
            assert "upstream-invalid-answer" in words
