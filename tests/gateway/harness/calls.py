"""gRPC with grpcio on both sides of the gate: a service, its clients, and what a call fails with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.wire import WITHIN
from lockgate.config.bundle_types import Api
from support.certificates import Authority, Issued


class Shop(grpc.GenericRpcHandler):
    """A service of bytes: no compiler and no generated code between the test and the wire."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()
        self.seen: dict[str, str] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The method that is called."""
        self.seen = {key: str(value) for key, value in details.invocation_metadata}
        return {
            "/shop.Shop/Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "/shop.Shop/Count": grpc.unary_stream_rpc_method_handler(self.count),
            "/shop.Shop/Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "/shop.Shop/Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "/shop.Shop/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/shop.Shop/Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "/shop.Shop/Flood": grpc.unary_stream_rpc_method_handler(self.flood),
            "/shop.Shop/Stall": grpc.unary_stream_rpc_method_handler(self.stall),
            "/shop.Shop/Left": grpc.unary_unary_rpc_method_handler(self.left),
        }.get(details.method)

    def echo(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Unary."""
        context.send_initial_metadata((("x-initial", "first"),))
        context.set_trailing_metadata((("x-trailing-bin", b"\x00last"),))
        return request

    def count(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Server streaming."""
        for number in range(int(request)):
            yield str(number).encode()

    def sum(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        """Client streaming."""
        return str(sum(int(each) for each in requests)).encode()

    def talk(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Both."""
        for each in requests:
            yield each.upper()

    def fail(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Trailers alone."""
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so: ä")

    def wait(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Until nobody wants to know any more."""
        context.add_callback(self.cancelled.set)
        self.begun.set()
        self.cancelled.wait(WITHIN)
        return b"late"

    def flood(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """As much as is taken, and then more."""
        context.add_callback(self.cancelled.set)
        for _ in range(100_000):
            yield b"x" * 10_000

    def stall(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """One message, and then nothing."""
        yield request
        self.wait(request, context)

    def left(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """How long it may still take, milliseconds."""
        return str(int((context.time_remaining() or 0) * 1000)).encode()


def unary(client: grpc.Channel, method: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """A method of one message each way, in bytes."""
    return client.unary_unary(method)


@contextmanager
def served(shop: Shop, issued: Issued | None = None) -> Iterator[int]:
    """A server on a free port."""
    server = grpc.server(
        ThreadPoolExecutor(8), handlers=[shop], options=[("grpc.max_receive_message_length", 64 << 20)]
    )
    if issued is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = (issued.key.read_bytes(), issued.chain.read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def loaded(gate: Gate, authority: Authority, port: int, *apis: Api, secure: bool = False) -> None:
    """A gate in front of the service."""
    listener = bundles.listener(tls=bundles.tls(authority.issue("gate", "shop.example")))
    where = f"https://127.0.0.1:{port}" if secure else port
    tls = bundles.upstream_tls(authority.pem) if secure else None
    upstream = bundles.upstream(where, protocol="h2", tls=tls)
    gate.load(bundles.bundle(apis or [bundles.api()], [upstream], listeners=[listener]))


@contextmanager
def channel(gate: Gate, authority: Authority) -> Iterator[grpc.Channel]:
    """A client."""
    trust = grpc.ssl_channel_credentials(authority.pem.read_bytes())
    options = [("grpc.ssl_target_name_override", "shop.example"), ("grpc.max_receive_message_length", 64 << 20)]
    with grpc.secure_channel(f"127.0.0.1:{gate.port()}", trust, options) as made:
        yield made


def status_of(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """What a call fails with."""
    with pytest.raises(grpc.RpcError) as failed:
        call()
    return failed.value.code(), failed.value.details() or ""
