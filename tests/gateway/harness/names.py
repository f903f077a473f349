"""A name server on loopback, of dnspython's making: over UDP and TCP, with answers that a test changes."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from gateway.harness.wire import WITHIN
from support.ports import free_port

UDP_BYTES = 512


class NameServer:
    """Answers from its records; `silent` and `failing` make it answer nothing, and SERVFAIL."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], dns.rrset.RRset | None] = {}
        """By name and type; None where there is nothing of a kind."""
        self.silent = False
        self.failing = False
        self.asked: Counter[tuple[str, str]] = Counter()
        self.over_tcp = 0
        # One port of both kinds: what the system gives for the one, it may have given for the other.
        address = ("127.0.0.1", free_port())
        self._tcp = socket.create_server(address)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(address)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._serve_udp, self._serve_tcp)]

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._udp.getsockname()
        return f"{host}:{port}"

    def set(self, name: str, kind: str, *data: str, ttl: int = 1) -> None:
        """What it answers from now on; without data, that there is nothing of this kind."""
        self.records[name, kind] = dns.rrset.from_text_list(f"{name}.", ttl, "IN", kind, data) if data else None

    def _answer(self, asked: bytes) -> dns.message.Message | None:
        message = dns.message.from_wire(asked)
        question = message.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        if self.silent:
            return None
        answer = dns.message.make_response(message)
        if self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        at = name
        for _ in range(3):
            alias = self.records.get((at, "CNAME"))
            if alias is None:
                break
            answer.answer.append(alias)
            at = alias[0].target.to_text(omit_final_dot=True)
        found = self.records.get((at, kind))
        if found is not None:
            answer.answer.append(found)
        elif not any(known == at for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def _serve_udp(self) -> None:
        while True:
            asked, client = self._udp.recvfrom(4096)
            if not asked:
                return
            answer = self._answer(asked)
            if answer is None:
                continue
            wire = answer.to_wire(max_size=65_535)
            if len(wire) > UDP_BYTES:
                answer.answer.clear()
                answer.flags |= dns.flags.TC
                wire = answer.to_wire()
            self._udp.sendto(wire, client)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                connection.settimeout(WITHIN)
                head = connection.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    return
                asked = connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                self.over_tcp += 1
                answer = self._answer(asked)
                if answer is not None:
                    wire = answer.to_wire(max_size=65_535)
                    connection.sendall(struct.pack("!H", len(wire)) + wire)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An empty datagram and an empty connection end the threads.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._udp.getsockname())
        socket.create_connection(self._tcp.getsockname(), WITHIN).close()
        for thread in self._threads:
            thread.join(WITHIN)
        self._udp.close()
        self._tcp.close()
