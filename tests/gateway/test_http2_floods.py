"""Attacks on HTTP/2: each meets its bound and is counted, and the others are served meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from h2.settings import SettingCodes

from attacks.floods import FLOODS, GOAWAY, HEADERS, RST_STREAM, a_bomb
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.secure import Http2
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import answer
from support.certificates import Authority
from support.waiting import until

ENHANCE_YOUR_CALM = 11


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path_factory.mktemp("floods"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A gate with a public API over TLS."""
    with AutoUpstream() as upstream, Gate(tmp_path_factory.mktemp("shop") / "state") as running:
        listener = bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")))
        running.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
        with Http2(running.port(), authority.pem) as first:
            first.get()  # What is made once in a gate's life is no flood's doing.
        yield Place(running, upstream, running.port())


def send(web: Http2, frames: Iterator[bytes], most: int = 32 << 20) -> int:
    """Sends until the other end has enough; how many bytes it took."""
    sent = 0
    while sent < most:
        piece = b"".join(next(frames) for _ in range(100))
        try:
            web.sock.sendall(piece)
        except OSError:
            return sent
        sent += len(piece)
    raise AssertionError(f"{sent} bytes of it were borne")


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_its_connection_and_no_other(name: str, shop: Place, authority: Authority) -> None:
    frames, reason = FLOODS[name]
    before = shop.gate.memory()
    with Http2(shop.port, authority.pem) as bystander, Http2(shop.port, authority.pem) as attacker:
        attacker.get()
        sent = send(attacker, frames())
        assert bystander.get().status == 200
    until(lambda: shop.gate.refusals(reason), f"{reason} to be counted")
    # What a connection may hold at most is far below this.
    assert shop.gate.memory() - before < 8 << 20
    assert sent < 16 << 20


def test_a_bomb_of_headers_is_refused_without_being_unpacked(shop: Place, authority: Authority) -> None:
    before = shop.gate.memory()
    with Http2(shop.port, authority.pem) as web:
        frames = a_bomb()
        web.sock.sendall(next(frames))
        kinds: set[int] = set()
        while not kinds & {HEADERS, RST_STREAM, GOAWAY} and (came := web.sock.recv(65536)):
            kinds |= set(kinds_of(came))
        assert kinds & {HEADERS, RST_STREAM, GOAWAY}, "refused, reset or ended"
    assert not any("x" in dict(each.headers) for each in shop.upstream.requests)
    assert shop.gate.memory() - before < 8 << 20


def kinds_of(came: bytes) -> Iterator[int]:
    """The kinds of the frames that came, whole or begun."""
    while len(came) > 3:
        yield came[3]
        came = came[9 + int.from_bytes(came[:3], "big") :]


def test_who_takes_nothing_is_let_go_whatever_else_it_sends(authority: Authority, gate: Gate) -> None:
    """Small answers would all wait with their streams, for as long as a body of the client's trickles."""
    listener = bundles.listener(
        tls=bundles.tls(authority.issue("unread", "shop.example")), bounds=bundles.limits(write_timeout_ms=1_000)
    )
    with AutoUpstream(lambda _request: answer(b"x" * 60_000)) as upstream:
        gate.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
        with Http2(gate.port(), authority.pem) as reader:
            assert len(reader.get().body) == 60_000
            before = gate.memory()
            clients = [deaf(gate.port(), authority) for _ in range(5)]
            for trickle in clients:
                until(trickle, "a client that takes nothing to be let go", within=30)
            assert gate.memory() - before < 16 << 20, "of 27 MiB that were asked for"
            assert len(reader.get().body) == 60_000


def deaf(port: int, authority: Authority) -> Callable[[], bool]:
    """A client that opens all windows, asks for much and reads nothing; says more, and whether it is let go."""
    web = Http2(port, authority.pem)
    web.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    web.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
    web.h2.increment_flow_control_window(2**31 - 1 - 65_535)
    body = web.ask("/", "POST", ("content-length", "1000000"), body=True)
    for _ in range(90):
        web.ask()

    def trickle() -> bool:
        try:
            web.h2.send_data(body, b"z" * 50)
            web.flush()
        except OSError:
            web.sock.close()
            return True
        return False

    return trickle
