"""The control process's end of the link: who the gate is, and that it knows all it should.

One gate belongs to one state folder, and others may have enrolled from elsewhere; of each,
a newer connection takes the place of an older one, save that one which retires keeps its
own: it must hear of revocations while it finishes. What a gate lacks is decided from what it says of itself, never from
what was sent before: so a lost message, a restart of either side, or a
database that was made anew all end in the same place.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from lockgate.admin.bundles import Bundles, SignedBundle
from lockgate.admin.certificates.box import Box
from lockgate.admin.facts import FactsLog
from lockgate.admin.gate_session import GateAnswer, GateSession, OnIntrospect, OnOrder, OnQuestion, OnRefetch, OnUses
from lockgate.admin.gates.registry import enrolled
from lockgate.admin.store import Store
from lockgate.gate.frames import FrameError
from lockgate.gate.sockets import peer_is_same_user, socket_name
from lockgate.state import StateFolder

LOOK_SECONDS = 0.2
"""How often the database is asked whether somebody else has written to it."""

KEYS_FIRST_SECONDS = 60.0
"""How long a gate without a bundle waits for its keys; a million take some twenty seconds."""

AGAIN_SECONDS = 0.02
"""How often it is asked whether a gate process that has no link has one now, or has ended."""

OTHERS_SECONDS = 2.0
"""How long who changed the configuration waits until the other gates have it too."""

LINKS_EACH = 8
"""Links of one gate at once: two while it is upgraded, and a few that it has lost and nobody has noticed."""

SEQUENCE_JUMP = 1_000_000
"""How far a gate elsewhere may be ahead of what was published here, as it is once a database was restored.
Beyond it the gate is not believed: a number that all bundles must pass is gone for good."""

log = structlog.get_logger("lockgate.control")

Process = tuple[str, int | None]
"""A process of a gate, by the gate's name and its own number; no number where the gate is not connected."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How far a fact has come."""

    state: Literal["applied", "pending", "absent"]
    waiting: tuple[str, ...] = ()
    """The gates that do not know it yet."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Which gates have certificates of a number, and which of those that are connected have not."""

    knowing: tuple[str, ...]
    behind: tuple[str, ...]


Noted = Callable[[str, str, dict[str, Any]], None]
"""Code, sentence and detail of something that happened to the link."""

LOCAL = "local"
"""The name of the gate on the control process's own state folder."""

OnRefused = Callable[[SignedBundle, dict[str, Any]], Awaitable[None]]


class LinkServer:
    """Listens on the state folder's socket and keeps the gate up to date."""

    def __init__(
        self, state: StateFolder, store: Store, bundles: Bundles, noted: Noted, box: Box | None = None
    ) -> None:
        """`noted` hears when a gate comes and goes; gates have the certificates in `box`."""
        self._box = box or Box()
        self._state = state
        self._store = store
        self._bundles = bundles
        self._facts = FactsLog(store)
        self._noted = noted
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversations: set[asyncio.Task[Any]] = set()
        self._sessions: set[GateSession] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_refused: OnRefused | None = None
        """Hears of a bundle that a gate refused when it connected."""
        self.on_refetch: OnRefetch | None = None
        """Hears of issuers whose keys a gate wants anew."""
        self.on_question: OnQuestion | None = None
        """Hears of clients' certificates that a gate wants responders to be asked about."""
        self.on_introspect: OnIntrospect | None = None
        """Hears of tokens that a gate wants their issuers to be asked about."""
        self.on_order: OnOrder | None = None
        """Hears of sessions to renew and tokens to get."""
        self.on_uses: OnUses | None = None
        """Hears of API keys that were used at a gate."""
        self.gates: dict[str, GateSession] = {}
        """The gates that are connected, by name; one that retires is not among them."""
        self.decided = True
        """Whether the configuration was looked at: before, nobody knows whether the newest bundle is what it says."""
        self.connections = 0
        """Gates that have connected since the start."""

    async def start(self) -> None:
        """Listen. The caller holds the `control` lock, so a socket that lies there is a dead one's."""
        self._loop = asyncio.get_running_loop()
        path = self._state.link_socket
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_name(path) as name:
            listener.bind(name)
        os.chmod(path, 0o600)  # noqa: PTH101 -- At once, before anybody is let in by `listen`.
        self._server = await asyncio.start_unix_server(self._connected, sock=listener)
        self._spawn(self._watch_database())

    async def decide(self) -> None:
        """Say that the newest bundle is what is to be served: the configuration was taken over, or refused."""
        self.decided = True
        for session in list(self._sessions):
            if not session.retiring and self.gates.get(session.name) is session:
                await self._catch_up(session)

    async def stop(self) -> None:
        """Close the link; the gate goes on."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        # Connections are closed, not cancelled: Python 3.11's streams log a cancelled one as a fault.
        for session in list(self._sessions):
            session.close()
        await asyncio.gather(*self._tasks, *self._conversations, return_exceptions=True)
        self._state.link_socket.unlink(missing_ok=True)

    @property
    def gate(self) -> GateSession | None:
        """The gate of this state folder, or else the first of those that enrolled."""
        return self.gates.get(LOCAL) or next(iter(self.gates.values()), None)

    @property
    def serving(self) -> bool:
        """Whether a gate is connected that serves something."""
        return any(gate.bundle_hash is not None for gate in self.gates.values())

    async def push(self, bundle: SignedBundle) -> GateAnswer | None:
        """Hand a bundle to the gates; what the first said, or nothing where there is no gate to say it.

        The first decides for all: what it refuses, none of the others is shown. One of
        those that refuses it all the same serves on with the one before, and is told of.
        """
        first = self.gate
        if first is None:
            return None
        answer = await first.hand_over(bundle)
        if answer is not None and answer.error is not None:
            return answer
        others = [self._spawn(self._follow(gate, bundle)) for gate in self.gates.values() if gate is not first]
        if others:
            # One that takes its time, or says nothing, holds up nobody.
            await asyncio.wait(others, timeout=OTHERS_SECONDS)
        return answer

    async def _follow(self, gate: GateSession, bundle: SignedBundle) -> None:
        said = await gate.hand_over(bundle)
        if said is not None and said.error is not None:
            words = "A gate refuses the bundle that others serve, and serves on with the one before."
            self._noted("bundle-refused-by-one", words, {"gate": gate.name, **said.error})

    def facts_changed(self) -> None:
        """Wake whoever sends facts; from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    async def settled(self, within: float) -> Settled:
        """Whether all gates know every fact that is written down now.

        Those without a link count too: one that retires answers on connections that rest, one
        that takes its place serves before its link is up, and one elsewhere that lost its link
        serves on. They are looked up after the others have taken the facts: a gate that begins
        later finds them on disk.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        head = await asyncio.to_thread(self._facts.head)
        while True:
            self._wake()
            linked = {*self.gates.values(), *(session for session in self._sessions if session.retiring)}
            left = max(0.0, until - loop.time())
            reached = await asyncio.gather(*(gate.reached(head, left) for gate in linked))
            knowing = {(gate.name, gate.pid) for gate, done in zip(linked, reached, strict=True) if done}
            # One that has gone meanwhile is alive or is not; if it is, it is missed below.
            behind = {(gate.name, gate.pid) for gate in linked if gate in self._sessions} | await self._alive()
            behind -= knowing
            # One that retires has let go of its files: what it alone knows is gone with it.
            behind |= {(gate.name, None) for gate in linked if gate.name not in self.gates}
            if not behind:
                return Settled("applied" if knowing else "absent")
            if loop.time() >= until:
                return Settled("pending", tuple(sorted({name for name, _ in behind})))
            await asyncio.sleep(AGAIN_SECONDS)

    async def certificates_reached(self, number: int, within: float) -> Reached:
        """Wait until the gates that serve have certificates of that number; for one to come, if none is there."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while True:
            # One that waits to be told what to serve has a bundle, and lets nobody in.
            gates = [gate for gate in self.gates.values() if gate.bundle_hash is not None and gate.addresses]
            left = max(0.0, until - loop.time())
            held = await asyncio.gather(*(gate.holds(number, left) for gate in gates))
            knowing = tuple(gate.name for gate, done in zip(gates, held, strict=True) if done)
            # One that has gone meanwhile answers nobody.
            gone = {gate.name for gate in gates} - set(self.gates)
            behind = tuple(
                gate.name for gate, done in zip(gates, held, strict=True) if not done and gate.name not in gone
            )
            if knowing or loop.time() >= until:
                return Reached(knowing, behind)
            await asyncio.sleep(AGAIN_SECONDS)

    async def behind(self, gate: GateSession) -> bool:
        """Whether that gate lacks a fact which is written down."""
        return not await gate.reached(await asyncio.to_thread(self._facts.head), 0.0)

    async def _alive(self) -> set[Process]:
        """Every process of a gate that may serve, as far as anybody can know."""
        try:
            alive: set[Process] = {(LOCAL, pid) for pid in await asyncio.to_thread(self._state.gate_processes)}
        except OSError:
            alive = {(LOCAL, None)}
        for name in await asyncio.to_thread(enrolled, self._store):
            gate = self.gates.get(name)
            alive |= {(name, None)} if gate is None else {(name, pid) for pid in gate.processes}
        return alive

    def _wake(self) -> None:
        for session in self._sessions:
            session.wake.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watch_database(self) -> None:
        """Notice keys that a command wrote beside us; our own changes wake us at once."""
        with self._store.engine.connect() as connection:
            last = self._store.data_version(connection)
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                version = self._store.data_version(connection)
                if version != last:
                    last = version
                    self._wake()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._conversations.add(task)
            task.add_done_callback(self._conversations.discard)
        if not peer_is_same_user(writer.get_extra_info("socket")):
            log.warning("link-refused", cause="the process at the other end is another user's")
            writer.close()
            return
        await self.converse(GateSession(reader, writer, self._facts, self._box))

    def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> GateSession:
        """A session with a gate that has proved to be `name`."""
        return GateSession(reader, writer, self._facts, self._box, name=name)

    async def converse(self, session: GateSession) -> None:
        """Talk with a gate until either side has enough."""
        session.on_refetch, session.on_question = self.on_refetch, self.on_question
        session.on_introspect = self.on_introspect
        session.on_order = self.on_order
        session.on_uses = self.on_uses
        if sum(other.name == session.name for other in self._sessions) >= LINKS_EACH:
            log.warning("link-refused", gate=session.name, cause=f"it has {LINKS_EACH} links already")
            session.close()
            return
        self._sessions.add(session)
        try:
            await self._converse(session)
        finally:
            self._sessions.discard(session)
            session.close()
            if session.parted:
                for other in self._sessions:
                    if other.name == session.name and session.pid is not None:
                        other.processes.discard(session.pid)  # It has ended, before the other says so.

    def close(self, name: str) -> None:
        """End every connection of a gate."""
        for session in [session for session in self._sessions if session.name == name]:
            session.close()

    async def _converse(self, session: GateSession) -> None:
        try:
            await session.greet()
        except (FrameError, ConnectionError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.warning("link-refused", gate=session.name, cause=str(error) or type(error).__name__)
            return
        if not session.retiring:
            self._install(session)
        try:
            if not session.retiring:
                await self._catch_up(session)
            await session.serve()
        except (FrameError, ConnectionError, asyncio.IncompleteReadError, TimeoutError) as error:
            ended = isinstance(error, asyncio.IncompleteReadError)
            cause = "it closed the connection" if ended else str(error) or type(error).__name__
            self._note_end(session, cause)
        finally:
            if self.gates.get(session.name) is session:
                del self.gates[session.name]

    def _install(self, session: GateSession) -> None:
        """Put the session in the place of the gate's one before."""
        before = self.gates.get(session.name)
        if before is not None and session.replaces == before.pid:
            before.retiring = True  # It finishes its requests, and must hear of revocations meanwhile.
        elif before is not None:
            before.close()
        self.gates[session.name] = session
        self.connections += 1
        self._noted("gate-connected", "A gate has connected.", session.described())

    def _note_end(self, session: GateSession, cause: str) -> None:
        if session.retiring:
            self._noted("gate-retired", "The gate that another replaced has ended.", session.described())
        elif session.parted:
            self._noted("gate-stopped", "The gate has stopped, as it was asked to.", {"gate": session.name})
        elif not session.closed:
            words = "The gate has gone: it serves on by itself, or is started again."
            self._noted("gate-lost", words, {"gate": session.name, "cause": cause})

    async def _catch_up(self, session: GateSession) -> None:
        """Send the newest bundle where the gate has another."""
        if not self.decided and not session.addresses:
            return  # It waits: what is newest by now may be what the configuration said before.
        bundle = await asyncio.to_thread(self._bundles.latest)
        if bundle is None or session.bundle_hash == bundle.hash:
            self._has_newest(session)
            return
        ahead = session.bundle_sequence - bundle.sequence
        if ahead > SEQUENCE_JUMP and session.name != LOCAL:
            words = "A gate says that it serves a bundle which nobody here can have published, and is sent none."
            self._noted("gate-not-believed", words, session.described())
            log.error("gate-not-believed", gate=session.name, sequence=session.bundle_sequence)
            self._has_newest(session)
            return
        if ahead >= 0:
            bundle = await asyncio.to_thread(self._bundles.raise_above, session.bundle_sequence)
        if bundle is not None:
            # Where it has a new number, the others get it too: all are to serve the newest.
            others = self.gates.values() if ahead >= 0 else ()
            for gate in {session, *others}:
                self._spawn(self._hand_over(gate, bundle))

    def _has_newest(self, session: GateSession) -> None:
        if self.decided and not session.decided:
            session.decided = True
            session.wake.set()  # It is told with the next beat, which goes out now.

    async def _hand_over(self, session: GateSession, bundle: SignedBundle) -> None:
        if session.bundle_hash is None:
            # It does not listen yet: let it know the keys before anybody can present one.
            await session.reached(0, KEYS_FIRST_SECONDS)
        answer = await session.hand_over(bundle, only_newer=True)
        self._has_newest(session)
        if answer is None:
            return
        if answer.error is None:
            detail = {"sequence": bundle.sequence, "hash": bundle.hash, "cause": "connected"}
            self._noted("config-applied", f"Bundle {bundle.sequence} is live.", detail)
        elif self.on_refused is not None:
            await self.on_refused(bundle, answer.error)
