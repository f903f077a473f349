"""The gate's end of the link: bundles and facts in, answers and numbers out.

The gate needs no control process to serve. While there is none, this thread
tries to reach it, a little more slowly each time, and requests go on.
"""

import base64
import contextlib
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from lockgate.gate.core import LinkedGate
from lockgate.gate.enrolment import Papers
from lockgate.gate.frames import Frame, FrameError, FrameReader, Kind, message
from lockgate.gate.sockets import SocketNameError, peer_is_same_user, socket_name
from lockgate.state import StateFolder

FIRST_WAIT = 0.05
LONGEST_WAIT = 1.0
"""A new control process must be heard of within a second or so: that bounds how old facts can be."""

LONGEST_WAIT_ELSEWHERE = 5.0
"""Many gates of one control process come back when it does, and one that was revoked never gets in."""

LONGEST_FIRST_WAIT = 0.1
"""A gate that has nothing to serve yet is what somebody is sitting and waiting for."""

QUIET_SECONDS = 10.0
"""At a start the control process takes a moment to listen: that is nothing to warn of."""

WISHES = 256
"""Issuers that one message asks for."""

LONGEST_RETRY = 3600
"""Seconds in which who was told to come back may do so."""
USED_SECONDS = 5.0
"""How often it is told which API keys were used; of each no more than once an hour. A million keys are looked through
in some hundredths of a second."""

USES = 10_000
"""Uses that one message tells of."""

BEAT = 1.0
LAST_WORD = 1.0
SILENCE = 10.0
"""A control process beats every second; one that is silent for ten is taken for hung."""

log = structlog.get_logger("lockgate.gate")

Loaded = Callable[[dict[str, Any]], None]
Refused = Callable[[str, str], None]
Dial = Callable[[], socket.socket]
"""Makes a connection to the control process, or raises why not."""


class Link(threading.Thread):
    """Keeps the gate in touch with the control process, for as long as the gate lives."""

    def __init__(
        self,
        dial: Dial,
        gate: LinkedGate,
        *,
        version: str,
        pid: int,
        loaded: Loaded,
        refused: Refused,
        replaces: int | None = None,
        retiring: Callable[[], bool] = lambda: False,
        processes: Callable[[], set[int]] = set,
        papers: Papers | None = None,
        let_in: Callable[[], bool] = lambda: False,
    ) -> None:
        """`loaded` hears of each bundle that is served, `refused` of each that is not and why.

        `replaces` is the process whose place this gate has taken; `retiring` says whether another takes this
        one's; `let_in` is called once the gate serves what it is to serve, and says whether clients had to wait for
        that; `processes` are the gates that live in the same state folder, which need not all have a link.
        """
        super().__init__(name="lockgate-link", daemon=True)
        self._dial = dial
        self._replaces = replaces
        self._retiring = retiring
        self._processes = processes
        self._papers = papers
        self._let_in = let_in
        self._longest_wait = LONGEST_WAIT if papers is None else LONGEST_WAIT_ELSEWHERE
        self._gate = gate
        self._version = version
        self._pid = pid
        self._loaded = loaded
        self._refused = refused
        self._stopping = threading.Event()
        self._bell, self._ring = socket.socketpair()
        self._connection: socket.socket | None = None
        self._answered = False
        self._parting = False

    def stop(self, *, asked: bool = True) -> None:
        """Close the link, and wait for its thread; `asked`, and the control process is told that this is no loss.

        A thread that came back from the native module after the interpreter had begun
        to end would abort the process.
        """
        self._parting = asked
        self._stopping.set()
        self._ring.close()
        # Its thread says its last word itself; one that is stuck in sending or in half a frame has none.
        self.join(2 * LAST_WORD)
        connection = self._connection
        if self.is_alive() and connection is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.join(SILENCE)

    def run(self) -> None:
        """Connect, serve the connection until it breaks, and begin again."""
        wait, began, said = FIRST_WAIT, time.monotonic(), False
        while not self._stopping.is_set():
            try:
                with self._dial() as connection:
                    self._connection = connection
                    try:
                        self._converse(connection)
                    finally:
                        self._part(connection)
            except (OSError, FrameError, SocketNameError) as error:
                long = not said and time.monotonic() - began > QUIET_SECONDS
                if not self._stopping.is_set() and (self._answered or long):
                    log.warning("link-down", cause=str(error), hint=self._meanwhile())
                    said = True
            except Exception:
                # A thread that ended here would leave the gate deaf for good.
                log.exception("link-failed")
            finally:
                self._connection = None
            if self._answered:
                # Only what was heard counts: a link that breaks at once is no link.
                wait, self._answered = FIRST_WAIT, False
            # Spread, so that many gates do not come back in one instant.
            self._stopping.wait(wait * random.uniform(0.5 if self._papers else 0.75, 1.0))  # noqa: S311 -- Not a secret.
            longest = self._longest_wait if self._gate.bundle_info() else LONGEST_FIRST_WAIT
            wait = min(wait * 2, longest)
        self._bell.close()

    def _meanwhile(self) -> str:
        if self._papers is not None and not self._answered and self._gate.bundle_info() is not None:
            return (
                "the gate serves on, and tries again; where this stays so, `lockgate gates list` on the control "
                "process's machine says whether the gate was revoked"
            )
        if self._gate.bundle_info() is None:
            return "no control process answers yet, so there is nothing to serve; the gate tries again"
        return "the gate serves on, and tries again"

    def _converse(self, connection: socket.socket) -> None:
        reader = FrameReader(connection, silence=SILENCE)
        connection.settimeout(SILENCE)
        hello = {"version": self._version, "pid": self._pid, "replaces": self._replaces, "certificates": True}
        connection.sendall(self._status("hello", **hello))
        heard = beat = time.monotonic()
        used = 0.0
        # Not `select`: it knows no descriptor above 1023, and a busy gate has thousands.
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        wanting = {
            self._gate.wishes_fd(): self._tell_wishes,
            self._gate.questions_fd(): self._tell_questions,
            self._gate.introspections_fd(): self._tell_introspections,
            self._gate.orders_fd(): self._tell_orders,
        }
        for descriptor in wanting:
            poller.register(descriptor, select.POLLIN)
        self._gate.linked()
        poller.register(self._bell, select.POLLIN)
        while not self._stopping.is_set():
            now = time.monotonic()
            if now - beat >= BEAT:
                connection.sendall(self._status("beat"))
                used = self._tell_uses(connection, used, now)
                beat = now
                if self._papers is not None and (asking := self._papers.due()) is not None:
                    connection.sendall(asking)
            waiting = _buffered(connection)
            patience = 0.0 if waiting else max(0.0, beat + BEAT - now)
            ready = {descriptor for descriptor, _ in poller.poll(patience * 1000)}
            for descriptor in ready & wanting.keys():
                wanting[descriptor](connection)
            if waiting or connection.fileno() in ready:
                answer = self._take(reader.read())
                if not self._answered:
                    log.info("link-up")  # Not before: who is shut out is hung up on without a word.
                self._answered = True
                if answer is not None:
                    connection.settimeout(SILENCE)
                    connection.sendall(answer)
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE:
                raise TimeoutError(f"the control process has been silent for {SILENCE:.0f} s")

    def _tell_wishes(self, connection: socket.socket) -> None:
        """A token's key is not known here: its issuer may have a new one."""
        issuers = self._gate.wishes()
        for first in range(0, len(issuers), WISHES):
            connection.sendall(message("refetch", issuers=issuers[first : first + WISHES]))

    def _tell_questions(self, connection: socket.socket) -> None:
        """Whether a client's certificate was revoked, its issuer knows."""
        for number, rules, chain in self._gate.questions():
            shown = [base64.b64encode(each).decode() for each in chain]
            connection.sendall(message("ocsp", id=number, rules=rules, chain=shown))

    def _tell_introspections(self, connection: socket.socket) -> None:
        """Whose a token is, and whether it is still good, its issuer knows."""
        for number, issuer, token, source in self._gate.introspections():
            more = {} if source is None else {"source": source}
            connection.sendall(message("introspect", id=number, issuer=issuer, token=token, **more))

    def _tell_orders(self, connection: socket.socket) -> None:
        """What a provider gives, a gate cannot get: it has no secret to show there."""
        for number, goods, about, of, shown in self._gate.orders():
            connection.sendall(message("order", id=number, goods=goods, about=about, of=of, shown=shown))

    def _tell_uses(self, connection: socket.socket, last: float, now: float) -> float:
        """Say which API keys were used, if that is due; when it was done last."""
        if now - last < USED_SECONDS:
            return last
        while uses := self._gate.key_uses(USES):
            connection.sendall(message("used", keys=uses))
        return now

    def _part(self, connection: socket.socket) -> None:
        """Say that this is no loss, and read until that was heard.

        A connection that is closed with something unread in it is reset, and the word lost.
        """
        if self._parting:
            until = time.monotonic() + LAST_WORD
            with contextlib.suppress(OSError):
                connection.settimeout(LAST_WORD)
                if self._answered:
                    self._tell_uses(connection, 0.0, USED_SECONDS)
                connection.sendall(message("bye"))
                # The socket's own: TLS would forget its keys, and what it reads now matters to nobody.
                socket.socket.shutdown(connection, socket.SHUT_WR)
                while time.monotonic() < until and socket.socket.recv(connection, 1 << 16):
                    pass

    def _status(self, type_: str, **fields: Any) -> bytes:
        return message(
            type_,
            bundle=self._gate.bundle_info(),
            facts_seq=self._gate.facts_seq(),
            addresses=self._gate.addresses(),
            retiring=self._retiring(),
            processes=self._alive(),
            **fields,
        )

    def _alive(self) -> list[int] | None:
        """The gates of the state folder; nothing where it cannot be told, which leaves what was said before."""
        try:
            return sorted(self._processes())
        except OSError:
            return None

    def _take(self, frame: Frame) -> bytes | None:
        """Act on a frame; the answer, where it wants one."""
        if frame.kind is Kind.BUNDLE:
            return self._load(frame.payload)
        if frame.kind is Kind.FACTS:
            taken = self._gate.apply_facts(frame.facts())
            # Looked up afterwards: a gate that is not there yet will find the facts on disk.
            return message("facts", seq=taken, processes=self._alive())
        if frame.kind is Kind.CERTIFICATES:
            return self._put_certificates(*frame.certificates())
        request = frame.message()
        match request["type"]:
            case "beat":
                # Said only when all facts were sent before it: frames keep their order.
                if request.get("complete") is True:
                    self._gate.contact()
                if request.get("decided") is True:
                    self._decided()
                return None
            case "refetched" | "ocsp" | "introspected" | "brought":
                self._answered_question(request)
                return None
            case "stats":
                return message("stats", id=request.get("id"), stats=self._gate.stats())
            case "metrics":
                return message("metrics", id=request.get("id"), text=self._gate.metrics())
            case "certificate" if self._papers is not None:
                self._papers.take(request)
                log.info("certificate-renewed")
                return None
            case unknown:
                log.warning("link-message-unknown", type=unknown, hint="is the control process newer?")
                return None

    def _decided(self) -> None:
        """What the gate has is what it is to serve: clients come in, if they had to wait for that."""
        if self._let_in():
            if self._connection is not None:
                self._connection.sendall(self._status("beat"))  # Where it listens.
            self._loaded({})

    def _answered_question(self, said: dict[str, Any]) -> None:
        understood = False
        match said:
            case {"type": "refetched"}:
                self._gate.refetched(str(said.get("issuer")))
                understood = True
            case {"type": "brought"}:
                understood = self._brought(said)
            case {"id": str(question), "standing": str(standing), "again_ms": int(again), "holds_ms": int(holds)}:
                understood = min(again, holds) >= 0 and self._gate.answered(question, standing, again, holds)
            case {"id": str(question), "issuer": str(issuer), "outcome": "answered", "answer": str(answer)}:
                understood = self._gate.introspected(question, issuer, "answered", answer=answer)
            case {"id": str(question), "issuer": str(issuer), "outcome": str(outcome), "retry_s": int(retry_s)}:
                understood = 0 <= retry_s <= LONGEST_RETRY and self._gate.introspected(
                    question, issuer, outcome, retry_s=retry_s
                )
        if not understood:  # Those who wait go on once their time is over.
            log.warning("link-message-unknown", type=said["type"], hint="is the control process newer?")

    def _brought(self, said: dict[str, Any]) -> bool:
        order = [said.get(name) for name in ("id", "goods", "about", "outcome", "got", "until_ms", "retry_s")]
        match order:
            case [str(number), str(goods), str(about), str(outcome), got, int(until_ms), int(retry_s)] if (
                0 <= retry_s <= LONGEST_RETRY and 0 <= until_ms < 2**63 and isinstance(got, str | None)
            ):
                more = {"until_ms": until_ms, "retry_s": retry_s}
                return self._gate.brought(number, goods, about, outcome, got=got, **more)
        return False

    def _load(self, signed: bytes) -> bytes:
        from lockgate._native import LockgateError

        try:
            info = self._gate.load(signed)
        except LockgateError as error:
            code = str(getattr(error, "code", "bundle-refused"))
            self._refused(code, str(error))
            return message("refused", error={"code": code, "message": str(error), "path": getattr(error, "path", None)})
        log.info("bundle-live", **info)
        self._loaded(info)
        return message("applied", addresses=self._gate.addresses(), **info)

    def _put_certificates(self, number: int, text: bytes) -> bytes:
        from lockgate._native import LockgateError

        try:
            self._gate.put_certificates(text)
        except LockgateError as error:
            log.error("certificates-refused", cause=str(error), hint="those before are at work")  # noqa: TRY400 -- The cause says it all.
            return message("certificates", number=number, error=str(error))
        return message("certificates", number=number)


def _buffered(connection: socket.socket) -> bool:
    """Whether TLS has read more than was taken from it: the socket itself would not say so."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def local(state: StateFolder) -> Dial:
    """Dials the control process on the same state folder."""

    def dial() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(SILENCE)
            with socket_name(state.link_socket) as name:
                connection.connect(name)
            _check_peer(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return dial


def _check_peer(connection: socket.socket) -> None:
    if not peer_is_same_user(connection):
        raise ConnectionError("the link's socket belongs to a process of another user")
