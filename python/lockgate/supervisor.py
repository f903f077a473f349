"""The supervisor of `lockgate run`: two processes, each started again alone when it dies.

It does no work of its own, so that nothing in it can fail: it starts the gate
and the control process, waits for signals and for deaths, and says on its own
output where everything is. On SIGUSR2 (`lockgate upgrade`) it starts another gate beside
the one that runs, lets that one hand over its sockets, and starts the control process anew:
so a newly installed version serves without a lost request. A gate that dies takes its connections with it and
is back within a fraction of a second; a control process that dies is missed by
no request at all.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import structlog

from lockgate import __version__, notify
from lockgate.state import StateFolder, write_private

Role = Literal["all", "gate", "control"]
ROLES: dict[Role, tuple[str, ...]] = {
    # The control process first: it is what a first start waits for.
    "all": ("control", "gate"),
    "gate": ("gate",),
    "control": ("control",),
}

FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 5.0
STEADY_SECONDS = 30.0
"""A process that has lived this long is not in a loop of deaths: its next restart is quick again."""

STOP_GRACE = 5.0
"""Seconds beyond its own timeout after which a process that was asked to stop is killed."""

PING_SECONDS = 10.0
MISSES = 3
"""A child that is ready and has left three pings in a row unanswered is hung, and is killed to be started again.
Generous: a compilation of ten thousand APIs, or a machine that swaps, must not look like it."""

UPGRADE_SECONDS = 45.0
"""The longest that a new gate may take until it serves; shorter than the old one waits for it."""

ALLOCATOR: dict[str, dict[str, str]] = {
    # Rules are compiled in threads of their own: what these leave is given back when they end, and nothing
    # is paid for it where requests are carried.
    "gate": {"MIMALLOC_ABANDONED_PAGE_PURGE": "1", "MIMALLOC_ARENA_PURGE_MULT": "0"},
    # It carries none: what it frees is given back at once.
    "control": {"MIMALLOC_PURGE_DELAY": "0"},
}
"""What the native module's allocator is told; the environment's own word counts before it."""

LINE_BYTES = 65536
"""Most that a child may say before the supervisor has read it; each line is a few hundred bytes."""

log = structlog.get_logger("lockgate.supervisor")


@dataclass(frozen=True, slots=True)
class Options:
    """What `lockgate run` was asked for."""

    state: StateFolder
    config: Path
    role: Role = "all"
    drain_timeout: float = 30.0
    workers: int | None = None
    end_with: int | None = None
    """A descriptor whose end-of-file ends everything: whoever holds the other end has gone."""


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    command: list[str]
    stop_timeout: float
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    received: bytes = b""
    started: float = 0.0
    start_at: float | None = 0.0
    """When it is to be started; `None` while it runs or is not to run."""
    kill_at: float | None = None
    backoff: float = FIRST_BACKOFF
    restarts: int = 0
    ready: dict[str, Any] | None = None
    """What it said when it became ready; kept over restarts."""
    fatal: dict[str, Any] | None = None
    ping_at: float | None = None
    """When it is to be asked whether it lives; `None` before it is ready."""
    unanswered: int = 0
    anew: bool = False
    """It was asked to end so that its newer version is started: that is no death."""

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self.process is None else self.process.pid


@dataclass(slots=True)
class Supervisor:
    """Runs until it is told to stop; `run` gives the exit status."""

    options: Options
    say: Callable[[str], None]
    """Prints a line for the person who started it."""
    children: list[Child] = field(default_factory=list)
    stopping: bool = False
    status: int = 0
    announced: bool = False
    failure: str | None = None
    """Why it did not start; for the person who started it, once everything has ended."""
    notices: list[dict[str, Any]] = field(default_factory=list)
    """What the control process should hear of once it listens."""
    successor: Child | None = None
    """A gate that is to take the place of the one that runs."""
    give_up_at: float | None = None
    """When the successor is taken for failed."""
    retiring: list[Child] = field(default_factory=list)
    """Gates that were replaced, and finish their requests."""
    upgrade: dict[str, Any] = field(default_factory=lambda: {"number": 0, "result": None, "cause": None})
    """What became of the last upgrade, for who asked for it."""

    def run(self) -> int:
        """Start everything, keep it running, and stop it in order."""
        with ExitStack() as stack:
            for part in ROLES[self.options.role]:
                stack.enter_context(self.options.state.lock(f"supervisor-{part}"))
            self.children = [self._child(name) for name in ROLES[self.options.role]]
            woken = stack.enter_context(_signals())
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(woken, selectors.EVENT_READ)
            if self.options.end_with is not None:
                selector.register(self.options.end_with, selectors.EVENT_READ)
            stack.callback(self._end_all)
            self._write_status()
            while True:
                self._start_due(selector)
                for key, _ in selector.select(self._next_deadline()):
                    if key.fileobj is woken:
                        self._take_signals(woken.recv(64), selector)
                    elif key.fd == self.options.end_with:
                        self._take_end(key.fd, selector)
                    else:
                        self._hear(key.data, selector)
                self._reap(selector)
                self._ask_due()
                self._end_overdue()
                if self.stopping and self._stop_in_order():
                    self.options.state.supervisor_file.unlink(missing_ok=True)
                    return self.status

    def _every(self) -> list[Child]:
        """All children, also those on their way in or out."""
        return [*self.children, *self.retiring, *([self.successor] if self.successor is not None else [])]

    def _named(self, name: str) -> Child | None:
        return next((child for child in self.children if child.name == name), None)

    def _child(self, name: str) -> Child:
        options = self.options
        if name == "gate":
            command = ["lockgate.gate", "--drain-timeout", str(options.drain_timeout)]
            if options.workers is not None:
                command += ["--workers", str(options.workers)]
            timeout = options.drain_timeout
        else:
            command, timeout = ["lockgate.admin", "--config", str(options.config)], STOP_GRACE
        command = [sys.executable, "-m", *command, "--state", str(options.state.root)]
        return Child(name, command, timeout + STOP_GRACE)

    def _start_due(self, selector: selectors.BaseSelector) -> None:
        for child in self.children:
            if child.start_at is not None and child.start_at <= time.monotonic() and not self.stopping:
                self._start(child)
                if child.channel is not None:
                    selector.register(child.channel, selectors.EVENT_READ, child)

    def _start(self, child: Child, passed: Mapping[str, int] | None = None) -> None:
        """Start a child; `passed` are options that name descriptors which it is to inherit."""
        passed = passed or {}
        child.started, child.start_at = time.monotonic(), None
        child.received, child.fatal = b"", None
        child.ping_at, child.unanswered = None, 0
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                descriptors = {"--parent-fd": theirs.fileno(), **passed}
                words = [word for name, descriptor in descriptors.items() for word in (name, str(descriptor))]
                if child.name == "gate" and child in self.children and self._first_beside_control(child):
                    words.append("--await-control")
                child.process = subprocess.Popen(  # noqa: S603 -- Our own interpreter and modules.
                    [*child.command, *words],
                    stdin=subprocess.DEVNULL,
                    pass_fds=list(descriptors.values()),
                    env=ALLOCATOR.get(child.name, {}) | notify.without_socket(os.environ),
                )
        except OSError as error:
            ours.close()
            child.fatal = {"message": f"it could not be started: {error}"}
            if child is not self.successor:
                self._restart_later(child, error.errno or 1)
            return
        child.channel = ours
        log.info("process-started", name=child.name, pid=child.pid)
        if child is not self.successor:
            self._write_status()

    def _first_beside_control(self, gate: Child) -> bool:
        """Whether the configuration may have changed since the gate's last bundle, and somebody starts who will say.

        A gate that died serves again at once: beside a control process that runs its last bundle is the newest.
        """
        control = self._named("control")
        return control is not None and control.ready is None and gate.ready is None and not gate.restarts

    def _hear(self, child: Child, selector: selectors.BaseSelector) -> None:
        if child.channel is None:
            return
        try:
            data = child.channel.recv(LINE_BYTES)
        except OSError:
            data = b""
        if not data:
            selector.unregister(child.channel)
            child.channel.close()
            child.channel = None
            return
        *lines, child.received = (child.received + data).split(b"\n")
        for line in lines:
            self._take(child, json.loads(line))

    def _take(self, child: Child, message: dict[str, Any]) -> None:
        if message["type"] == "ready":
            child.ready = message
            if child.ping_at is None and not self.stopping:
                child.ping_at = time.monotonic() + PING_SECONDS
            if child is self.successor:
                self._succeed(child)
            self._tell_control()
            self._write_status()
            self._announce()
        elif message["type"] == "fatal":
            child.fatal = message
            if child is self.successor:
                return  # Its end says the rest.
            if child.ready is None:
                # It has never run under this supervisor: trying again would only hide the message.
                if not self.stopping:
                    # What the other child says while it ends is but a consequence.
                    self.failure = message["message"]
                self._stop(2)
            else:
                log.error("process-cannot-serve", name=child.name, code=message.get("code"), cause=message["message"])
        elif message["type"] == "pong":
            child.unanswered = 0

    def _ask_due(self) -> None:
        """Ask each child that is ready whether it lives; kill one that does not answer, for it cannot help itself.

        What counts are pings, not seconds: where the supervisor itself stood still
        (Ctrl-Z, a machine that slept), nobody has missed anything.
        """
        now = time.monotonic()
        for child in self.children:
            if child.process is None or child.ping_at is None or child.ping_at > now or self.stopping:
                continue
            if child.unanswered >= MISSES:
                cause = f"it has not answered for {MISSES * PING_SECONDS:.0f} s"
                log.error("process-hung", name=child.name, pid=child.pid, cause=cause, hint="it is killed")
                child.fatal, child.ping_at = {"message": cause}, None
                child.process.kill()
                continue
            child.unanswered += 1
            child.ping_at = now + PING_SECONDS
            if child.channel is not None:
                with suppress(OSError):
                    child.channel.send(b'{"type": "ping"}\n')

    def _take_end(self, fd: int, selector: selectors.BaseSelector) -> None:
        try:
            data = os.read(fd, LINE_BYTES)
        except OSError:
            data = b""
        if not data:
            selector.unregister(fd)
            log.info("supervisor-stopping", why="who started it has gone")
            self._stop(0)

    def _tell_control(self) -> None:
        control = self._named("control")
        if control is None or control.channel is None or control.ready is None:
            return
        for notice in self.notices:
            try:
                control.channel.send(json.dumps(notice).encode() + b"\n")
            except OSError:
                return
        self.notices.clear()

    def _announce(self) -> None:
        if self.announced or any(child.ready is None for child in self.children):
            return
        self.announced = True
        for child in reversed(self.children):  # What callers use first.
            ready = child.ready or {}
            for name, address in ready.get("addresses", {}).items():
                scheme = "https" if name in ready.get("secure", ()) else "http"
                place = address if address.startswith("unix:") else f"{scheme}://{address}"
                self.say(f"The gate   {place}  (listener {name})")
            if "admin" in ready:
                self.say(f"The admin  http://{ready['admin']}  (its credential: {ready['credential']})")
        for note in [note for child in self.children for note in (child.ready or {}).get("notes", [])]:
            self.say(note)
        self.say("Ctrl-C stops it.")
        notify.tell("READY=1", f"STATUS=Serving; process {os.getpid()} watches over it.")

    def _reap(self, selector: selectors.BaseSelector) -> None:
        for child in self._every():
            if child.process is None or child.process.poll() is None:
                continue
            while child.channel is not None:
                self._hear(child, selector)  # Its last words, then its end-of-file.
            exit_status, child.process, child.kill_at = child.process.returncode, None, None
            child.ping_at = None
            if child in self.retiring:
                self.retiring.remove(child)
                log.info("process-retired", name=child.name, status=exit_status)
            elif child is self.successor:
                cause = (child.fatal or {}).get("message") or f"it ended with status {exit_status}"
                self._fail_upgrade(f"the new gate does not serve: {cause}")
            elif self.stopping:
                log.info("process-stopped", name=child.name, status=exit_status)
            elif child.anew:
                child.anew, child.start_at = False, time.monotonic()
            else:
                self._restart_later(child, exit_status)
                if child.name == "gate" and self.successor is not None:
                    child.start_at = None  # The new gate may have everything already; its end or its word decides.

    def _begin_upgrade(self, selector: selectors.BaseSelector) -> None:
        """Start the version that is installed now beside the one that runs."""
        number = self.upgrade["number"] + 1
        gate = self._named("gate")
        if self.successor is not None:
            return  # One is under way, and who asks now hears of its result.
        self.upgrade = {"number": number, "result": "running", "cause": None}
        if gate is None:
            self._renew_control()
            return
        if gate.process is None or gate.channel is None or gate.ready is None:
            self._fail_upgrade("no gate serves at this moment that could hand over")
            return
        self.successor = self._child("gate")
        self.give_up_at = time.monotonic() + UPGRADE_SECONDS
        log.info("upgrade-started", gate=gate.pid)
        old, new = socket.socketpair()
        with old, new:
            self._start(self.successor, {"--take-over-fd": new.fileno()})
            if self.successor.process is None:
                self._fail_upgrade((self.successor.fatal or {}).get("message", "the new gate could not be started"))
                return
            try:
                socket.send_fds(gate.channel, [b'{"type": "hand-over"}\n'], [old.fileno()])
            except OSError as error:
                self.successor.process.kill()
                log.error("upgrade-not-told", cause=str(error))  # noqa: TRY400 -- The cause says it all.
        if self.successor.channel is not None:
            selector.register(self.successor.channel, selectors.EVENT_READ, self.successor)
        self._write_status()

    def _succeed(self, successor: Child) -> None:
        """The new gate serves: the old one finishes, and the control process follows."""
        gate = self._named("gate")
        if gate is not None:
            self.children[self.children.index(gate)] = successor
            successor.restarts = gate.restarts
            gate.ping_at, gate.start_at = None, None
            if gate.process is not None:
                gate.kill_at = time.monotonic() + gate.stop_timeout
                self.retiring.append(gate)
        self.successor, self.give_up_at = None, None
        log.info("upgrade-served", gate=successor.pid)
        self._renew_control()

    def _renew_control(self) -> None:
        control = self._named("control")
        if control is not None and control.process is not None:
            control.anew = True
            control.kill_at = time.monotonic() + control.stop_timeout
            control.process.terminate()
        self.upgrade["result"] = "done"
        self._write_status()

    def _fail_upgrade(self, cause: str) -> None:
        log.error("upgrade-failed", cause=cause, hint="the gate that ran serves on")
        self.successor, self.give_up_at = None, None
        self.upgrade |= {"result": "failed", "cause": cause}
        gate = self._named("gate")
        if gate is not None and gate.process is None and gate.start_at is None and not self.stopping:
            gate.start_at = time.monotonic()  # It died meanwhile.
        self._write_status()

    def _end_overdue(self) -> None:
        """Kill a new gate that does not come to serve, and what was replaced and does not end."""
        now = time.monotonic()
        ending = [*self.retiring, *(child for child in self.children if child.anew)]
        late = [child for child in ending if child.kill_at is not None and child.kill_at <= now]
        if self.successor is not None and self.give_up_at is not None and self.give_up_at <= now:
            self.successor.fatal = {"message": f"it did not serve within {UPGRADE_SECONDS:.0f} s"}
            self.give_up_at = None
            late.append(self.successor)
        for child in late:
            log.error("process-killed", name=child.name, pid=child.pid, cause="it did not do its part in time")
            child.kill_at = None
            if child.process is not None:
                child.process.kill()

    def _restart_later(self, child: Child, exit_status: int) -> None:
        lived = time.monotonic() - child.started
        if lived >= STEADY_SECONDS:
            child.backoff = FIRST_BACKOFF
        child.restarts += 1
        child.start_at = time.monotonic() + child.backoff
        cause = (child.fatal or {}).get("message")
        log.error(
            "process-died",
            name=child.name,
            status=exit_status,
            cause=cause,
            lived_s=round(lived, 1),
            restarts=child.restarts,
            again_in_s=child.backoff,
        )
        child.backoff = min(child.backoff * 2, LONGEST_BACKOFF)
        notice = {"type": "restarted", "name": child.name, "status": exit_status, "restarts": child.restarts}
        self.notices.append({**notice, "cause": cause})
        self._tell_control()
        self._write_status()

    def _take_signals(self, numbers: bytes, selector: selectors.BaseSelector) -> None:
        for number in numbers:
            if number == signal.SIGHUP:
                control = self._named("control")
                if control is not None and control.process is not None:
                    control.process.send_signal(signal.SIGHUP)
            elif number == signal.SIGUSR2 and not self.stopping:
                self._begin_upgrade(selector)
            elif number in {signal.SIGTERM, signal.SIGINT}:
                if self.stopping:
                    self.say("Asked twice: stopping at once.")
                    for child in self._every():
                        child.kill_at = time.monotonic()
                else:
                    self.say("Stopping: requests under way are finished first.")
                    self._stop(0)

    def _stop(self, status: int) -> None:
        if self.stopping:
            return
        self.stopping, self.status = True, status
        notify.tell("STOPPING=1")
        for child in self._every():
            child.ping_at = None
        if self.successor is not None and self.successor.process is not None:
            self.successor.process.kill()
        for child in self.retiring:
            if child.process is not None:
                child.process.terminate()  # Those of its connections that rest end at once now.

    def _stop_in_order(self) -> bool:
        """Drain the gate while the control process still takes its last words; then stop that too."""
        for child in reversed(self.children):
            child.start_at = None
            if child.process is None:
                continue
            if child.kill_at is None:
                child.process.terminate()
                child.kill_at = time.monotonic() + child.stop_timeout
            elif child.kill_at <= time.monotonic():
                log.error("process-killed", name=child.name, cause="it did not stop in time")
                child.process.kill()
                child.kill_at = time.monotonic() + STOP_GRACE
            return False
        return not self.retiring and self.successor is None

    def _next_deadline(self) -> float | None:
        moments = [at for child in self._every() for at in (child.start_at, child.kill_at, child.ping_at)]
        moments.append(self.give_up_at)
        deadlines = [at for at in moments if at is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _end_all(self) -> None:
        """Leave no process behind, also where the supervisor itself has failed."""
        for child in self._every():
            if child.process is not None:
                child.process.kill()
                child.process.wait()
            if child.channel is not None:
                child.channel.close()

    def _write_status(self) -> None:
        """For the control process's metrics and `lockgate status`."""
        processes = {child.name: {"pid": child.pid, "restarts": child.restarts} for child in self.children}
        status = {
            "pid": os.getpid(),
            "version": __version__,
            "role": self.options.role,
            "config": str(self.options.config),
            "processes": processes,
            "addresses": {child.name: _addresses(child.ready) for child in self.children},
            "upgrade": self.upgrade,
        }
        try:
            write_private(self.options.state.supervisor_file, json.dumps(status) + "\n")
        except OSError as error:
            # A full disk must not end what goes on serving.
            log.warning("status-not-written", cause=str(error))


def _addresses(ready: dict[str, Any] | None) -> list[str]:
    """Where a child that has become ready listens."""
    said = ready or {}
    return [*said.get("addresses", {}).values(), *([said["admin"]] if "admin" in said else [])]


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket on which each signal arrives as a byte: a handler could act at a bad moment."""
    read, write = socket.socketpair()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
    with read, write:
        read.setblocking(False)
        write.setblocking(False)
        before = {number: signal.signal(number, _noted) for number in numbers}
        old = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        try:
            yield read
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)


def _noted(_number: int, _frame: object) -> None:
    """Nothing: the byte on the socket does it."""
