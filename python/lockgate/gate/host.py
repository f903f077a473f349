"""The gate process's main: make the core, hold the link, wait for a signal.

Nothing here is on the path of a request.
"""

import argparse
import os
import resource
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from lockgate import log as logs
from lockgate.gate import guards
from lockgate.gate.core import GateCore, Sockets
from lockgate.gate.enrolment import enrolled
from lockgate.gate.handover import Giving, HandOverError, say_serving, take
from lockgate.gate.link import Link, local
from lockgate.gate.parent import Parent
from lockgate.plugin.launch import COMMAND
from lockgate.state import StateError, StateFolder, StateInUseError

EXIT_FATAL = 2
"""Starting again would not help: a person must change something first."""
EXIT_WORKER_DEAD = 70
"""EX_SOFTWARE: the supervisor starts the gate again."""

LOOK_SECONDS = 0.5
"""How often the core's threads are looked at."""

RESTING_SHARE = 0.5
"""Part of the drain time for which a gate that was replaced leaves its resting connections be: a client that sends
its next request within it gets its answer, and is told to come again on another connection."""

DECIDE_SECONDS = 10.0
"""How long a gate that starts beside a control process waits for its word before it serves the last good bundle: that
takes two seconds with a small configuration, and a machine that was just switched on is slower."""

LOCK_SECONDS = 40.0
"""How long a gate waits for the one before it to drain; beyond the default drain time."""

log = structlog.get_logger("lockgate.gate")


@dataclass(frozen=True, slots=True)
class Held:
    """The state folder's gate part, by which one gate at a time writes there and listens."""

    descriptor: int
    let_go: Callable[[], None]
    """May be called more than once."""


class Host:
    """One gate process."""

    def __init__(self, gate: GateCore, parent: Parent | None, held: Held, *, closed: bool = False) -> None:
        """`parent` is the supervisor, where there is one; `held` is the state folder's gate part.

        A gate that is `closed` has its last good bundle, and lets nobody in by it before the control process has
        said that this is the one, or has sent another.
        """
        self._gate = gate
        self._parent = parent
        self._held = held
        self._giving: Giving | None = None
        self._adopting = True
        self.retiring = False
        """Whether another gate has taken the place of this one."""
        ready = gate.bundle_info() is not None
        self._closed_until = time.monotonic() + DECIDE_SECONDS if closed and ready else None
        self._served = ready and not closed
        if self._served:
            self.loaded({})

    def loaded(self, _info: dict[str, Any]) -> None:
        """A bundle is live: tell the supervisor where the gate listens."""
        self._served, self._closed_until = True, None
        guards.tell(self._gate.stats())
        if self._parent is not None:
            self._parent.report("ready", addresses=self._gate.addresses(), secure=self._gate.secure_listeners())

    def refused(self, code: str, why: str) -> None:
        """A bundle was refused. With nothing to serve, a gate is of no use: the supervisor says so and ends it."""
        if self._closed_until is not None and self.let_in():
            log.error("bundle-refused", code=code, cause=why, hint="the last good one is served")
            self.loaded({})
            return
        if self._parent is not None and not self._served:
            self._parent.report("fatal", code=code, message=why)
            return
        hint = "the one before goes on serving" if self._served else "nothing is served"
        log.error("bundle-refused", code=code, cause=why, hint=hint)

    def let_in(self) -> bool:
        """Let clients in by the last good bundle; whether they had to wait for that."""
        self._closed_until = None
        try:
            return self._gate.let_in()
        except _native_error() as error:
            self.refused(str(getattr(error, "code", "gate")), str(error))
            return False

    def _wait_no_longer(self) -> None:
        """Serve the last good bundle, where the control process does not come to say which."""
        if self._closed_until is not None and time.monotonic() > self._closed_until:
            why = f"the control process has said nothing of its configuration for {DECIDE_SECONDS:.0f} s"
            log.warning("last-bundle-served", why=why)
            if self.let_in():
                self.loaded({})

    def wait(self, woken: socket.socket, drain_timeout: float) -> int:
        """Wait until there is a reason to end; drain, and give the exit status."""
        retired: threading.Thread | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(woken, selectors.EVENT_READ)
            if self._parent is not None:
                selector.register(self._parent.socket, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(LOOK_SECONDS)}
                if not self._gate.alive():
                    log.error("gate-worker-dead", hint="the gate ends, and its supervisor starts it again")
                    return EXIT_WORKER_DEAD
                stopped = woken in ready and _stop_asked(woken)
                orphaned = self._parent is not None and self._parent.socket in ready and not self._hear(self._parent)
                if stopped or orphaned:
                    log.info("gate-draining", why="asked to stop" if stopped else "the supervisor is gone")
                    if not stopped:
                        self._make_room()
                    finished = self._gate.drain(drain_timeout)
                    log.info("gate-stopped", all_requests_finished=finished)
                    return 0
                self._renew_secrets()
                self._wait_no_longer()
                if retired is None:
                    retired = self._replaced(drain_timeout)
                elif not retired.is_alive():
                    return 0
                else:
                    # It listens no more. Should the gate that came die, the next one need not wait for this one's end.
                    self._held.let_go()
                self._adopt()

    def _hear(self, parent: Parent) -> bool:
        """Act on what the supervisor says; whether it is there."""
        messages = parent.messages()
        for said in messages or ():
            if said["type"] == "hand-over" and parent.descriptors:
                connection = socket.socket(fileno=parent.descriptors.pop())
                if self._giving is not None and self._giving.is_alive():
                    connection.close()  # One at a time; the other sees that this end is gone.
                    continue
                self._giving = Giving(connection, self._gate, self._held.descriptor)
                self._giving.start()
        return messages is not None

    def _replaced(self, drain_timeout: float) -> threading.Thread | None:
        """Once another gate serves in the place of this one: the thread that lets this one's connections end."""
        giving = self._giving
        if giving is None or giving.is_alive():
            return None
        self._giving = None
        if not giving.served:
            return None
        self.retiring = True
        log.info("gate-retiring", why="another gate has taken its place")

        def retire() -> None:
            finished = self._gate.retire(drain_timeout * RESTING_SHARE, drain_timeout)
            log.info("gate-retired", all_requests_finished=finished)

        thread = threading.Thread(target=retire, name="lockgate-retire", daemon=True)
        thread.start()
        return thread

    def _make_room(self) -> None:
        """Let the gate of another supervisor begin, which need not wait until this one has finished its requests."""
        self.retiring = True
        try:
            self._gate.release()
        except _native_error() as error:
            log.warning("events-not-released", cause=str(error), hint="the next gate waits for the end of this one")
            return
        self._held.let_go()

    def _renew_secrets(self) -> None:
        """Look at the files of secrets, which are changed where no configuration is: by whoever rotates them."""
        try:
            if not self._gate.renew_secrets():
                return
            unfit = self._gate.stats()["unfit"]
            if unfit:
                log.warning("secrets-not-all-renewed", unfit=unfit)
            else:
                log.info("secrets-renewed")
        except _native_error() as error:
            log.error("secrets-not-renewed", cause=str(error), hint="those before are at work")  # noqa: TRY400 -- The cause says it all.

    def _adopt(self) -> None:
        """Take the events of a gate that this one has followed, once it has written its last."""
        if not self._adopting or self.retiring or self._giving is not None:
            return
        try:
            self._adopting = not self._gate.adopt()
        except _native_error() as error:
            log.warning("events-not-adopted", cause=str(error), hint="they are tried again at the next start")
            self._adopting = False


def _native_error() -> type[Exception]:
    from lockgate._native import LockgateError

    return LockgateError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a gate until it is told to stop."""
    options = _options(arguments)
    os.umask(0o077)
    logs.configure("gate")
    _allow_descriptors()
    if options.parent_fd is not None:
        # Ctrl-C reaches the whole terminal; the supervisor decides who stops when.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = Parent(options.parent_fd) if options.parent_fd is not None else None
    try:
        state = StateFolder.existing(options.state)
        with ExitStack() as stack:
            woken = stack.enter_context(_signals())
            if options.take_over_fd is not None:
                # Before anything is handed over: from then on facts that the other hears may miss this one.
                stack.enter_context(state.gate_process())
                return _take_over(state, parent, woken, options)
            held = _hold_lock(state, stack)
            stack.enter_context(state.gate_process())
            return _serve(state, parent, woken, options, held=held)
    except (StateError, HandOverError) as error:
        return _fatal(parent, "state", str(error))


def _allow_descriptors() -> None:
    """Take as many descriptors as the system allows: a login's 1024 are few for a gate."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    log.debug("descriptors", most=soft)


def _take_over(state: StateFolder, parent: Parent | None, woken: socket.socket, options: argparse.Namespace) -> int:
    """Serve in the place of a gate that runs; until this one does, that one goes on."""
    from lockgate import _native  # noqa: F401 -- What cannot be loaded must fail before the other gate lets go.

    with ExitStack() as stack:
        connection = stack.enter_context(socket.socket(fileno=options.take_over_fd))
        os.set_inheritable(connection.fileno(), False)
        try:
            taken = take(connection)
        except (OSError, ValueError) as error:
            raise HandOverError(f"the gate before does not hand over: {str(error) or type(error).__name__}") from error
        held = _held(state.inherited(taken.lock), stack)

        def serving() -> None:
            say_serving(connection)
            connection.close()

        return _serve(
            state, parent, woken, options, held=held, sockets=taken.sockets, replaces=taken.pid, serving=serving
        )


def _serve(
    state: StateFolder,
    parent: Parent | None,
    woken: socket.socket,
    options: argparse.Namespace,
    *,
    held: Held,
    sockets: Sequence[Sockets] = (),
    replaces: int | None = None,
    serving: Callable[[], None] | None = None,
) -> int:
    from lockgate import _native

    papers = enrolled(state)
    closed = options.await_control and papers is None
    try:
        gate = _native.Gate(
            state_dir=str(state.root),
            pepper=state.pepper(),
            public_key=state.public_key(),
            workers=options.workers,
            sockets=list(sockets),
            plugin_command=list(COMMAND),
            closed=closed,
        )
    except _native.LockgateError as error:
        return _fatal(parent, str(getattr(error, "code", "gate")), str(error))
    if serving is not None:
        if sockets and gate.bundle_info() is None:
            return _fatal(parent, "bundle", "this version does not serve the bundle that the gate before serves")
        serving()
    host = Host(gate, parent, held, closed=closed)
    link = Link(
        local(state) if papers is None else papers.dial,
        gate,
        version=_native.__version__,
        pid=os.getpid(),
        loaded=host.loaded,
        refused=host.refused,
        replaces=replaces,
        retiring=lambda: host.retiring,
        processes=state.gate_processes,
        papers=papers,
        let_in=host.let_in,
    )
    link.start()
    status = EXIT_WORKER_DEAD
    try:
        status = host.wait(woken, options.drain_timeout)
    finally:
        link.stop(asked=status == 0)
    return status


def _hold_lock(state: StateFolder, stack: ExitStack) -> Held:
    """Hold the gate's part. A gate whose supervisor was killed may still be draining: wait for it."""
    deadline = time.monotonic() + LOCK_SECONDS
    waited = False
    while True:
        try:
            return _held(state.lock("gate"), stack)
        except StateInUseError as error:
            if time.monotonic() > deadline:
                raise
            if not waited:
                log.warning("gate-waits", cause=str(error))
                waited = True
            time.sleep(0.1)


def _held(part: AbstractContextManager[int], stack: ExitStack) -> Held:
    within = stack.enter_context(ExitStack())
    return Held(within.enter_context(part), within.close)


def _fatal(parent: Parent | None, code: str, why: str) -> int:
    if parent is not None:
        parent.report("fatal", code=code, message=why)  # Who started it says it, once and last.
    else:
        log.error("gate-cannot-start", code=code, cause=why)
    return EXIT_FATAL


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that becomes readable at SIGTERM, and at SIGINT where nobody supervises."""
    read, write = socket.socketpair()
    with read, write:
        read.setblocking(False)
        write.setblocking(False)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, _noted)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, _noted)
        try:
            yield read
        finally:
            signal.set_wakeup_fd(-1)


def _noted(_number: int, _frame: object) -> None:
    """Nothing: the wake-up socket carries the signal to where it is safe to act."""


def _stop_asked(woken: socket.socket) -> bool:
    return any(number in {signal.SIGTERM, signal.SIGINT} for number in woken.recv(64))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lockgate.gate", description="A gate process.")
    parser.add_argument("--state", type=Path, required=True, help="the state folder")
    parser.add_argument("--drain-timeout", type=float, default=30.0, help="seconds to finish requests in")
    parser.add_argument("--workers", type=int, default=None, help="worker threads; one per core by default")
    parser.add_argument("--parent-fd", type=int, default=None, help="set by the supervisor")
    parser.add_argument("--take-over-fd", type=int, default=None, help="set by the supervisor for an upgrade")
    parser.add_argument("--await-control", action="store_true", help="set by the supervisor at its own start")
    return parser.parse_args(arguments)
