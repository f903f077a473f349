"""A question to a name server: for records of SRV, and where the configuration names servers of its own.

The system's own resolver knows neither. RFC 1035, RFC 2782; one question, one answer, nothing kept.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

A: Final = 1
AAAA: Final = 28
SRV: Final = 33

SECONDS: Final = 2.0
"""For one server."""
ANSWER_BYTES: Final = 16_384
RECORDS_MOST: Final = 64
SERVERS_MOST: Final = 8
NAME_BYTES: Final = 255
_TRUNCATED: Final = 0x0200
_RCODE: Final = 0x000F
_UNKNOWN_NAME: Final = 3
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class NamelessError(Exception):
    """No server knows the name, or none answers."""


def services(name: str, servers: tuple[str, ...]) -> list[tuple[str, int]]:
    """Hosts and ports of a service, the preferred first."""
    try:
        found = [_service(data, whole) for data, whole in _records(name, SRV, servers)]
    except (ValueError, struct.error, IndexError) as error:
        raise NamelessError(f"what DNS says of {name} cannot be read") from error
    # A single dot says that there is none (RFC 2782).
    return [(target, port) for _, _, target, port in sorted(found) if target]


def addresses(name: str, servers: tuple[str, ...]) -> list[str]:
    """A name's addresses; the name itself where it is one, or where the system is to look it up."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(name))]
    if not servers:
        return [name]
    found = []
    for kind, size in ((A, 4), (AAAA, 16)):
        with contextlib.suppress(NamelessError):
            found += [str(ipaddress.ip_address(data)) for data, _ in _records(name, kind, servers) if len(data) == size]
    if not found:
        raise NamelessError(f"no name server of `dns` knows {name}")
    return found


def system_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """The system's name servers."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(each[1] for each in words if len(each) > 1 and each[0] == "nameserver")[:SERVERS_MOST]


def _service(data: bytes, whole: bytes) -> tuple[int, int, str, int]:
    """Priority, weight (more is better), host and port."""
    priority, weight, port = struct.unpack(">HHH", data[:6])
    target, _ = _name(whole, len(whole) - len(data) + 6)
    if target and not _HOST.fullmatch(target):
        raise ValueError
    return priority, -weight, target, port


def _records(name: str, kind: int, servers: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Data of each record, and the answer up to its end, into which names may point."""
    why = "no name server is known"
    for server in (servers or system_servers())[:SERVERS_MOST]:
        try:
            answer = _ask(_place(server), name, kind)
            return list(_read(answer, kind))[:RECORDS_MOST]
        except TimeoutError:
            why = f"the name server {server} does not answer"
        except OSError as error:
            why = f"the name server {server} cannot be asked: {error.strerror or error}"
        except (ValueError, struct.error, IndexError):
            why = f"the answer of the name server {server} cannot be read"
    raise NamelessError(why)


def _place(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if colon and port.isdigit() and (host.startswith("[") or ":" not in host):
        return host.strip("[]"), int(port)
    return server.strip("[]"), 53


def _ask(place: tuple[str, int], name: str, kind: int) -> bytes:
    """An answer to exactly this question: by UDP, and by TCP where it was too long for that."""
    number = secrets.randbelow(65_536)
    labels = b"".join(bytes([len(each)]) + each for each in name.rstrip(".").encode("ascii").split(b"."))
    question = labels + b"\x00" + struct.pack(">HH", kind, 1)
    asked = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question
    until = time.monotonic() + SECONDS
    with socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(place)
        sock.send(asked)
        while True:
            sock.settimeout(max(0.001, until - time.monotonic()))
            came = sock.recv(ANSWER_BYTES)
            if _answers(came, number, question):
                break
            if time.monotonic() >= until:
                raise TimeoutError
    if not struct.unpack(">H", came[2:4])[0] & _TRUNCATED:
        return came
    with socket.create_connection(place, timeout=SECONDS) as stream:
        stream.sendall(struct.pack(">H", len(asked)) + asked)
        length = struct.unpack(">H", _exactly(stream, 2, until))[0]
        came = _exactly(stream, min(length, ANSWER_BYTES), until)
    if not _answers(came, number, question):
        raise ValueError
    return came


def _answers(came: bytes, number: int, question: bytes) -> bool:
    """Whether it is for us: anyone can send to a port."""
    return (
        len(came) >= 12
        and came[:2] == struct.pack(">H", number)
        and bool(came[2] & 0x80)
        and came[12 : 12 + len(question)].lower() == question.lower()
    )


def _exactly(stream: socket.socket, length: int, until: float) -> bytes:
    came = b""
    while len(came) < length:
        stream.settimeout(max(0.001, until + SECONDS - time.monotonic()))
        more = stream.recv(length - len(came))
        if not more:
            raise ValueError
        came += more
    return came


def _read(answer: bytes, kind: int) -> Iterator[tuple[bytes, bytes]]:
    flags, _, count = struct.unpack(">HHH", answer[2:8])
    if flags & _RCODE == _UNKNOWN_NAME:
        return
    if flags & _RCODE:
        raise ValueError  # Another server may know.
    _, at = _name(answer, 12)
    at += 4
    for _ in range(min(count, 4 * RECORDS_MOST)):
        _, at = _name(answer, at)
        found, family, _, length = struct.unpack(">HHIH", answer[at : at + 10])
        at += 10
        if len(answer) < at + length:
            raise ValueError
        if (found, family) == (kind, 1):
            yield answer[at : at + length], answer[: at + length]
        at += length


def _name(answer: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends. Pointers lead backwards only, so that there is an end."""
    labels: list[str] = []
    end: int | None = None
    floor = at
    total = 0
    while (length := answer[at]) != 0:
        if length >= 0xC0:
            end = end if end is not None else at + 2
            at = struct.unpack(">H", answer[at : at + 2])[0] & 0x3FFF
            if at >= floor:
                raise ValueError
            floor = at
            continue
        total += length + 1
        if length > 63 or total > NAME_BYTES:
            raise ValueError
        labels.append(answer[at + 1 : at + 1 + length].decode("ascii"))
        at += length + 1
    return ".".join(labels), end if end is not None else at + 1
