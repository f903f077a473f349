"""A control process's link, and a gate in memory on its other end; the socket and the store are real."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
import weakref
from typing import Any

from lockgate._native import LockgateError
from lockgate.admin.bundles import Bundles
from lockgate.admin.certificates.box import Box
from lockgate.admin.link import LinkServer
from lockgate.admin.store import Store
from lockgate.certificates import HttpChallenge
from lockgate.gate.link import Link, local
from lockgate.state import StateFolder
from support.waiting import until

from .fake_asking import FakeAsking

ADDRESS = "127.0.0.1:8081"


class FakeGate(FakeAsking):
    """What a gate does with bundles and facts, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.bundle: dict[str, Any] | None = None
        self.keys: dict[str, dict[str, Any]] = {}
        self.staged: dict[str, dict[str, Any]] | None = None
        self.seq = 0
        self.contacts = 0
        self.batches: list[int] = []
        self.refuse: str | None = None
        self.fault: Exception | None = None
        self.wished: list[str] = []
        self.used: list[tuple[str, int, bool]] = []
        self.looked_for: list[str] = []
        self.certificates: list[dict[str, Any]] = []
        self.bell, self.ring = socket.socketpair()
        self.open: list[tuple[str, str, list[bytes]]] = []
        self.told: list[tuple[str, str, int, int]] = []
        self.closed = False
        """Whether it has a bundle, and waits to be told that it is the one to serve."""
        self.shut = threading.Event()
        """Set while it takes its time to open."""
        self.other_bell, self.other_ring = socket.socketpair()
        for end in (self.bell, self.ring, self.other_bell, self.other_ring):
            weakref.finalize(self, end.close)

    def load(self, signed: bytes) -> dict[str, Any]:
        if self.refuse is not None:
            raise LockgateError(self.refuse)
        text = json.loads(signed)["bundle"]
        hash_ = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.bundle = {"sequence": json.loads(text)["sequence"], "hash": hash_}
        return {**self.bundle, "took_us": 5}

    def apply_facts(self, facts: list[bytes]) -> int:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.batches.append(len(facts))
        for fact in map(json.loads, facts):
            keys = self.keys if self.staged is None else self.staged
            match fact["kind"]:
                case "key.put":
                    keys[fact["key"]["id"]] = fact["key"]
                case "key.revoke":
                    keys[fact["id"]]["revoked"] = True
                case "reset.begin":
                    self.staged = {}
                case "reset.end" if self.staged is not None:
                    self.keys, self.staged = self.staged, None
            if self.staged is None:
                self.seq = fact["seq"]
        return self.seq

    def put_certificates(self, text: bytes) -> None:
        if self.refuse is not None:
            raise LockgateError(self.refuse)
        self.certificates.append(json.loads(text))

    def facts_seq(self) -> int:
        return self.seq

    def bundle_info(self) -> dict[str, Any] | None:
        return self.bundle

    def key_uses(self, most: int) -> list[tuple[str, int, bool]]:
        taken, self.used = self.used[:most], self.used[most:]
        return taken

    def wishes(self) -> list[str]:
        self.bell.recv(64)
        taken, self.wished = self.wished, []
        return taken

    def wishes_fd(self) -> int:
        return self.bell.fileno()

    def refetched(self, issuer: str) -> None:
        self.looked_for.append(issuer)

    def questions(self) -> list[tuple[str, str, list[bytes]]]:
        self.other_bell.recv(64)
        taken, self.open = self.open, []
        return taken

    def questions_fd(self) -> int:
        return self.other_bell.fileno()

    def answered(self, question: str, standing: str, again_ms: int, holds_ms: int) -> bool:
        self.told.append((question, standing, again_ms, holds_ms))
        return standing in {"good", "revoked", "unknown"}

    def contact(self) -> None:
        self.contacts += 1

    def secure_listeners(self) -> list[str]:
        return []

    def addresses(self) -> dict[str, str]:
        return {"public": "127.0.0.1:1"} if self.bundle and not self.closed else {}

    def let_in(self) -> bool:
        if self.shut.is_set():
            return False
        waited, self.closed = self.closed, False
        return waited

    def stats(self) -> dict[str, Any]:
        return {"requests": 7}

    def metrics(self) -> str:
        return "lockgate_requests_total 7\n"

    def alive(self) -> bool:
        return True

    def drain(self, timeout_s: float) -> bool:
        return timeout_s >= 0


class Wire:
    """A control process's link in a thread of its own, and gates on the other end."""

    def __init__(self, state: StateFolder) -> None:
        self.state = state
        self.store = Store.open(state.database)
        self.bundles = Bundles(self.store, state.signing_key())
        self.noted: list[str] = []
        self.refused: list[str] = []
        self.links: list[Link] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.box = Box()
        self.server = LinkServer(state, self.store, self.bundles, lambda code, *_: self.noted.append(code), self.box)
        self.call(self.server.start())

    def fill(self, *challenges: HttpChallenge) -> int:
        async def filling() -> int:
            number = self.box.fill({}, challenges)
            await self.box.announce()
            return number

        number: int = self.call(filling())
        return number

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def gate(self, gate: FakeGate, pid: int = 1, *, retiring: bool = False) -> Link:
        link = Link(
            local(self.state),
            gate,
            version="test",
            pid=pid,
            retiring=lambda: retiring,
            loaded=lambda _info: None,
            refused=lambda _code, why: self.refused.append(why),
            let_in=gate.let_in,
        )
        self.links.append(link)
        link.start()
        return link

    def connected(self, gate: FakeGate) -> Link:
        before = self.server.connections
        link = self.gate(gate)
        until(lambda: self.server.connections > before, "the gate's connection")
        return link

    def publish(self, **content: Any) -> Any:
        document = {"bundle_version": 1, "apis": [], **content}
        return self.bundles.publish(document, admin_address=ADDRESS)[0]

    def settled(self, within: float = 5.0) -> str:
        return str(self.call(self.server.settled(within)).state)

    def restart_control(self) -> None:
        self.call(self.server.stop())
        self.server = LinkServer(self.state, self.store, self.bundles, lambda code, *_: self.noted.append(code))
        self.call(self.server.start())

    def close(self) -> None:
        for link in self.links:
            link.stop()
        self.call(self.server.stop())
        for link in self.links:
            link.join(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()
        self.store.close()
