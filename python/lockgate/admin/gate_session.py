"""One connected gate, from its hello to its end."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from lockgate.admin.bundles import SignedBundle
from lockgate.admin.certificates.box import Box
from lockgate.admin.facts import Batch, FactsLog
from lockgate.admin.gate_said import (
    Applied,
    Held,
    Hello,
    Introspect,
    Known,
    Order,
    Question,
    Standing,
    Taken,
    Uses,
    Wishes,
    parse,
)
from lockgate.gate.frames import HEADER, Frame, FrameError, Kind, encode, message, parse_header

BEAT = 1.0
HELLO_SECONDS = 5.0
SILENCE = 30.0
"""A gate beats every second, but not while it loads a bundle or a million facts."""
ANSWER_SECONDS = 30.0
"""The longest a gate may take over one bundle or one batch of facts."""

DRAINING = "gate-draining"
"""What a gate that goes down says of a bundle."""

log = structlog.get_logger("lockgate.control")

UNASKED_BYTES = 1024 * 1024
"""The longest message of a gate that was asked for nothing; one of a thousand listeners is a tenth of it."""
ASKED_BYTES = 32 * 1024 * 1024
"""The longest answer: the metrics of ten thousand APIs have some 10 MB."""
STRANGE = 8
ASKED_SECONDS = 60.0
"""So long after a question its answer may still come."""

T = TypeVar("T")

OnRefetch = Callable[["GateSession", list[str]], None]
OnQuestion = Callable[["GateSession", Question], None]
OnIntrospect = Callable[["GateSession", Introspect], None]
OnOrder = Callable[["GateSession", Order], None]
OnUses = Callable[["GateSession", Uses], None]


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What the gate said of a bundle."""

    applied: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class GateSession:
    """A connection to a gate. Everything in it runs in the control process's event loop."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        facts: FactsLog,
        box: Box,
        *,
        name: str = "local",
    ) -> None:
        """Call `greet`, then `serve`. Who connected has proved to be the gate of that name."""
        self.name = name
        self._box = box
        self._certificates_answer: asyncio.Future[Held] | None = None
        self.certificates_number = 0
        """Of the certificates that it has taken."""
        self.takes_certificates = False
        self._certificates_judged = 0
        """Of those that it has taken or refused."""
        self._over = False
        self.on_renew: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        """Answers a gate's request for a new certificate."""
        self._renewing: asyncio.Future[None] | None = None
        self._reader = reader
        self._writer = writer
        self._facts = facts
        self._heard = time.monotonic()
        self._handing = asyncio.Lock()
        self._bundle_answer: asyncio.Future[GateAnswer] | None = None
        self._facts_answer: asyncio.Future[int] | None = None
        self._requests: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        self._reached: asyncio.Condition = asyncio.Condition()
        self.wake = asyncio.Event()
        self.version: str | None = None
        self.replaces: int | None = None
        """The process whose place it took."""
        self._asked_until = 0.0
        self._strange: set[str] = set()
        """Messages of kinds that nobody here knows, each told once."""
        self.bundle_sequence = 0
        self.bundle_hash: str | None = None
        self.facts_seq = 0
        self.pid: int | None = None
        self.processes: set[int] = set()
        """The processes of this gate that it knew of when it last spoke, with or without a link."""
        self.parted = False
        """Whether the gate has said that it stops because it was asked to."""
        self.retiring = False
        """Whether another process has taken the gate's place: this one hears facts, and takes no more bundles."""
        self.closed = False
        """Whether this end has closed the connection."""
        self.decided = False
        """Whether the gate has the bundle that it is to serve: one that has just started lets nobody in before."""
        self.synced = False
        """Whether `facts_seq` is a number of our own log; before a snapshot it may be another's."""
        self.addresses: dict[str, str] = {}
        self.on_refetch: OnRefetch | None = None
        """Hears of issuers whose keys the gate wants anew."""
        self.on_question: OnQuestion | None = None
        """Hears of clients' certificates that responders are to be asked about."""
        self.on_introspect: OnIntrospect | None = None
        """Hears of tokens that their issuers are to be asked about."""
        self.on_order: OnOrder | None = None
        """Hears of sessions to renew and tokens to get."""
        self.on_uses: OnUses | None = None
        """Hears of API keys that were used."""

    async def greet(self) -> None:
        """Hear who it is and what it knows."""
        async with asyncio.timeout(HELLO_SECONDS):
            hello = parse(Hello, await self._message("hello"))
        self.pid, self.version, self.replaces = hello.pid, hello.version, hello.replaces
        self.facts_seq, self.takes_certificates = hello.facts_seq, hello.certificates
        self._note_status(hello)

    def described(self) -> dict[str, Any]:
        """For events and `lockgate status`."""
        return {
            "gate": self.name,
            "pid": self.pid,
            "version": self.version,
            "bundle": {"sequence": self.bundle_sequence, "hash": self.bundle_hash},
            "facts_seq": self.facts_seq,
            "addresses": self.addresses,
        }

    @property
    def silent_for(self) -> float:
        """Seconds since the gate was last heard of."""
        return time.monotonic() - self._heard

    async def serve(self) -> None:
        """Keep the gate up to date until the connection ends."""
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._read(), self._send_facts(), self._send_certificates(), self._beat())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            async with self._reached:
                self._over = True
                self._reached.notify_all()

    async def hand_over(self, bundle: SignedBundle, *, only_newer: bool = False) -> GateAnswer | None:
        """Send a bundle and wait for what the gate says of it.

        With `only_newer`, nothing is sent if a newer one has come first.
        """
        async with self._handing:
            if only_newer and self.bundle_sequence >= bundle.sequence:
                return None
            if bundle.hash == self.bundle_hash:
                return GateAnswer(applied={"sequence": bundle.sequence, "hash": bundle.hash})
            self._bundle_answer = asyncio.get_running_loop().create_future()
            try:
                await self._send(encode(Kind.BUNDLE, await asyncio.to_thread(bundle.wire)))
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await self._bundle_answer
                # A gate that goes down judges nothing: the one that comes after is handed the bundle.
                return None if answer.error is not None and answer.error.get("code") == DRAINING else answer
            except FrameError as error:
                return GateAnswer(error={"code": "bundle-too-large", "message": str(error), "path": None})
            except (TimeoutError, ConnectionError):
                return None
            finally:
                self._bundle_answer = None

    async def ask(self, what: str, within: float = 2.0) -> dict[str, Any] | None:
        """The gate's answer to `stats` or `metrics`; nothing where it gives none in time."""
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._requests[number] = future
        self._asked_until = time.monotonic() + ASKED_SECONDS
        try:
            await self._send(message(what, id=number))
            async with asyncio.timeout(within):
                return await future
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._requests[number]

    async def refetched(self, issuer: str) -> None:
        """Say that an issuer's keys were looked for; what was found has been told before."""
        await self._send(message("refetched", issuer=issuer))

    async def answered(self, question: str, standing: str, again_ms: int, holds_ms: int) -> None:
        """Say what came of a question, when it is to be asked again, and how long this holds."""
        await self._send(message("ocsp", id=question, standing=standing, again_ms=again_ms, holds_ms=holds_ms))

    async def introspected(
        self, asked: Introspect, outcome: str, *, answer: str | None = None, retry_s: int | None = None
    ) -> None:
        """Say what came of asking about a token."""
        more = {"answer": answer} if retry_s is None else {"retry_s": retry_s}
        await self._send(message("introspected", id=asked.id, issuer=asked.issuer, outcome=outcome, **more))

    async def brought(
        self, order: Order, outcome: str, *, got: str | None = None, until_ms: int = 0, retry_s: int = 1
    ) -> None:
        """Say what came of an order."""
        more = {"got": got, "until_ms": until_ms, "retry_s": retry_s}
        await self._send(message("brought", id=order.id, goods=order.goods, about=order.about, outcome=outcome, **more))

    async def reached(self, seq: int, within: float) -> bool:
        """Wait until the gate knows every fact up to `seq`."""
        try:
            async with asyncio.timeout(within), self._reached:
                await self._reached.wait_for(lambda: self.synced and self.facts_seq >= seq)
        except TimeoutError:
            return False
        return True

    async def holds(self, number: int, within: float) -> bool:
        """Wait until the gate has certificates of that number, or newer ones; not for one that cannot."""
        if not self.takes_certificates:
            return False
        try:
            async with asyncio.timeout(within), self._reached:
                await self._reached.wait_for(lambda: self._certificates_judged >= number or self._over)
        except TimeoutError:
            return False
        return self.certificates_number >= number

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        self._writer.close()
        waiting = (self._bundle_answer, self._facts_answer, self._certificates_answer)
        for future in [*self._requests.values(), *waiting]:
            if future is not None and not future.done():
                future.set_exception(ConnectionError("the gate has gone"))

    async def _send_facts(self) -> None:
        """Tell the gate what it does not know, one batch at a time, as fast as it takes them."""
        if not await asyncio.to_thread(self._facts.follows, self.facts_seq):
            log.info("facts-snapshot", gate_seq=self.facts_seq)
            await self._send_snapshot()
        self.synced = True
        await self._note_facts(self.facts_seq)
        while True:
            self.wake.clear()
            batch = await asyncio.to_thread(self._facts.after, self.facts_seq)
            if not batch.facts:
                await self._send(message("beat", complete=True, decided=self.decided))
                await self.wake.wait()
            elif await self._send_batch(batch) < batch.seq:
                raise FrameError(f"the gate did not take the facts up to {batch.seq}")

    async def _send_snapshot(self) -> None:
        batches = self._facts.snapshot()
        while (batch := await asyncio.to_thread(_next, batches)) is not None:
            await self._send_batch(batch)

    async def _send_batch(self, batch: Batch) -> int:
        self._facts_answer = asyncio.get_running_loop().create_future()
        try:
            await self._send(encode(Kind.FACTS, b"\n".join(batch.facts)))
            async with asyncio.timeout(ANSWER_SECONDS):
                taken = await self._facts_answer
        finally:
            self._facts_answer = None
        await self._note_facts(taken)
        return taken

    async def _send_certificates(self) -> None:
        """Hand over certificates and challenges, whenever there are others than it has."""
        sent = 0
        while True:
            sent, text = await self._box.newer(sent)
            # One that retires takes no new connections, and its successor has the same state folder.
            if self.retiring or not self.takes_certificates:
                continue
            self._certificates_answer = asyncio.get_running_loop().create_future()
            try:
                await self._send(encode(Kind.CERTIFICATES, b"%d\n%b" % (sent, text)))
                async with asyncio.timeout(ANSWER_SECONDS):
                    held = await self._certificates_answer
            finally:
                self._certificates_answer = None
            if held.error is not None:
                log.error("certificates-refused", gate=self.name, cause=held.error, hint="those before are at work")
            async with self._reached:
                self._certificates_judged = sent
                if held.error is None:
                    self.certificates_number = sent
                self._reached.notify_all()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            if self.silent_for > SILENCE:
                raise TimeoutError(f"the gate has been silent for {SILENCE:.0f} s")
            # Sending facts ends with a beat of its own: while it is under way the gate is behind.
            head = await asyncio.to_thread(self._facts.head)
            await self._send(message("beat", complete=self.synced and self.facts_seq >= head, decided=self.decided))

    async def _read(self) -> None:
        while True:
            frame = await self._frame()
            if frame.kind is not Kind.MESSAGE:
                raise FrameError(f"a gate sends no {frame.kind.name}")
            self._take(frame.message())

    def _take(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "beat":
                self._note_status(parse(Standing, said))
            case "applied":
                applied = parse(Applied, said)
                self.bundle_sequence, self.bundle_hash = applied.sequence, applied.hash
                self.addresses = applied.addresses
                _settle(self._bundle_answer, GateAnswer(applied=applied.model_dump()))
            case "refused" if isinstance(said.get("error"), dict):
                _settle(self._bundle_answer, GateAnswer(error=said["error"]))
            case "facts":
                taken = parse(Taken, said)
                self._note_processes(taken)
                _settle(self._facts_answer, taken.seq)
            case "certificates":
                _settle(self._certificates_answer, parse(Held, said))
            case "refetch" | "ocsp" | "introspect" | "order" | "used":
                self._note_wish(said)
            case "bye":
                self.parted = True
            case "renew":
                self._renew(said)
            case "stats" | "metrics" if isinstance(number := said.get("id"), int):
                _settle(self._requests.get(number), said)
            case unknown if len(self._strange) < STRANGE and unknown not in self._strange:
                self._strange.add(unknown)
                log.warning("link-message-unknown", gate=self.name, type=unknown[:40], hint="is the gate newer?")

    def _note_wish(self, said: dict[str, Any]) -> None:
        """What the gate wants to know of others, or tells of those whom it serves."""
        if said["type"] == "refetch" and self.on_refetch is not None:
            self.on_refetch(self, parse(Wishes, said).issuers)
        elif said["type"] == "ocsp" and self.on_question is not None:
            self.on_question(self, parse(Question, said))
        elif said["type"] == "introspect" and self.on_introspect is not None:
            self.on_introspect(self, parse(Introspect, said))
        elif said["type"] == "order" and self.on_order is not None:
            self.on_order(self, parse(Order, said))
        elif said["type"] == "used" and self.on_uses is not None:
            self.on_uses(self, parse(Uses, said))

    def _renew(self, said: dict[str, Any]) -> None:
        """Answer, unless one is under way, or the gate needs none."""
        if self.on_renew is not None and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.ensure_future(self.on_renew(said))

    def _note_status(self, said: Standing) -> None:
        served = said.bundle
        self.bundle_sequence, self.bundle_hash = (0, None) if served is None else (served.sequence, served.hash)
        self.addresses = said.addresses
        self.retiring = self.retiring or said.retiring
        self._note_processes(said)

    def _note_processes(self, said: Known) -> None:
        if said.processes is not None:
            self.processes = set(said.processes)

    async def _note_facts(self, seq: int) -> None:
        async with self._reached:
            self.facts_seq = seq
            self._reached.notify_all()

    async def _message(self, type_: str) -> dict[str, Any]:
        said = (await self._frame()).message()
        if said["type"] != type_:
            raise FrameError(f"expected {type_!r}, got {said['type']!r}")
        return said

    async def _frame(self) -> Frame:
        kind, length = parse_header(await self._reader.readexactly(HEADER.size))
        most = ASKED_BYTES if time.monotonic() < self._asked_until else UNASKED_BYTES
        if length > most:
            raise FrameError(f"a message of {length} bytes is over the limit of {most}")
        frame = Frame(kind, await self._reader.readexactly(length))
        self._heard = time.monotonic()
        return frame

    async def _send(self, frame: bytes) -> None:
        self._writer.write(frame)
        await self._writer.drain()


def _settle(future: asyncio.Future[T] | None, value: T) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _next(batches: Iterator[Batch]) -> Batch | None:
    return next(batches, None)
