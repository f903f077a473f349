"""One gate process takes the place of another, as `lockgate upgrade` has it.

Both hold an end of a socket pair that the supervisor made. The old gate passes
its listening sockets (SCM_RIGHTS), so connections that wait in their queues are
accepted by whoever is there; then it lets go of the files that only one may
write, passes the lock of the state folder, and serves on until the new one says
that it serves. If that never comes, it takes its files back, and nothing has
happened.

In order: `take-over` (new), `sockets` and one `more` for each batch (old, new),
`yours` (old), `serving` (new).
"""

import contextlib
import json
import os
import socket
import threading
from dataclasses import dataclass
from typing import Any

import structlog

from lockgate.gate.core import GateCore, Sockets

BATCH = 200
"""Descriptors of one message: Linux takes 253 at most (SCM_MAX_FD)."""

LISTENERS = 1024
"""More than any configuration has; a number beyond it is no gate's."""

WORKERS = 1024
"""As many as a gate has at most, and so sockets of one listener."""

ANSWER_SECONDS = 10.0
"""What each side has to say is there at once."""

SERVE_SECONDS = 60.0
"""A gate of ten thousand APIs and a million keys is ready after some twenty."""

LINE_BYTES = 262_144
"""The longest message names every listener."""

log = structlog.get_logger("lockgate.gate")


class HandOverError(Exception):
    """The other gate does not do its part."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the old gate gave."""

    sockets: list[Sockets]
    lock: int
    pid: int


class Giving(threading.Thread):
    """The old gate's part, beside its main loop."""

    def __init__(self, connection: socket.socket, gate: GateCore, lock: int) -> None:
        """`lock` is the descriptor that holds the state folder's gate part."""
        super().__init__(name="lockgate-hand-over", daemon=True)
        self._connection = connection
        self._gate = gate
        self._lock = lock
        self.served = False
        """Whether the other gate serves; known once the thread has ended."""

    def run(self) -> None:
        """Give, and take back what is not wanted."""
        released = False
        try:
            with self._connection:
                self._expect("take-over", ANSWER_SECONDS)
                self._give_sockets()
                self._gate.release()
                released = True
                self._send({"type": "yours"}, [self._lock])
                self._expect("serving", SERVE_SECONDS)
            self.served = True
        except Exception as error:  # noqa: BLE001 -- Whatever it is, this gate must go on serving.
            log.error("hand-over-failed", cause=str(error) or type(error).__name__, hint="this gate serves on")  # noqa: TRY400 -- The cause says it all.
            if released:
                self._take_back()

    def _give_sockets(self) -> None:
        listeners = self._gate.sockets()
        descriptors = [descriptor for _, _, each in listeners for descriptor in each]
        try:
            named = [[address, bound, len(each)] for address, bound, each in listeners]
            self._send({"type": "sockets", "listeners": named, "pid": os.getpid()}, [])
            for begin in range(0, len(descriptors), BATCH):
                self._expect("more", ANSWER_SECONDS)
                self._send({"type": "some"}, descriptors[begin : begin + BATCH])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _take_back(self) -> None:
        try:
            self._gate.reclaim()
        except Exception as error:  # noqa: BLE001 -- It serves all the same.
            log.error("hand-over-not-undone", cause=str(error), hint="restart this gate when it suits you")  # noqa: TRY400 -- As above.

    def _send(self, said: dict[str, Any], descriptors: list[int]) -> None:
        self._connection.settimeout(ANSWER_SECONDS)
        socket.send_fds(self._connection, [json.dumps(said).encode() + b"\n"], descriptors)

    def _expect(self, type_: str, within: float) -> None:
        self._connection.settimeout(within)
        said, _ = _receive(self._connection)
        if said.get("type") != type_:
            raise HandOverError(f"the other gate said {said.get('type')!r} instead of {type_!r}")


def take(connection: socket.socket) -> Taken:
    """The new gate's part up to `yours`; what it gets in vain is closed."""
    connection.settimeout(ANSWER_SECONDS)
    descriptors: list[int] = []
    try:
        _say(connection, "take-over")
        said, _ = _receive(connection)
        named = _listeners(said)
        wanted = sum(count for _, _, count in named)
        while len(descriptors) < wanted:
            _say(connection, "more")
            _, some = _receive(connection)
            _demand(bool(some), "the other gate passed no descriptors")
            descriptors += some
        yours, lock = _receive(connection)
        descriptors += lock
        whole = yours.get("type") == "yours" and len(lock) == 1 and len(descriptors) == wanted + 1
        _demand(whole, "the other gate did not pass what it said, and the state folder's lock")
        rest = iter(descriptors)
        sockets = [(address, bound, [next(rest) for _ in range(count)]) for address, bound, count in named]
        return Taken(sockets, lock[0], int(said["pid"]))
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def say_serving(connection: socket.socket) -> None:
    """The new gate serves. An old one that has gone meanwhile needs no word: everything is ours."""
    with contextlib.suppress(OSError):
        _say(connection, "serving")


def _demand(holds: bool, words: str) -> None:
    if not holds:
        raise HandOverError(words)


def _listeners(said: dict[str, Any]) -> list[tuple[str, str, int]]:
    named = said.get("listeners")
    if said.get("type") != "sockets" or not isinstance(named, list) or len(named) > LISTENERS:
        raise HandOverError("the other gate did not name its listeners")
    listeners = [(str(address), str(bound), int(count)) for address, bound, count in named]
    if any(not 0 < count <= 2 * WORKERS for _, _, count in listeners):
        raise HandOverError("the other gate names more sockets than a gate can have")
    return listeners


def _say(connection: socket.socket, type_: str) -> None:
    connection.sendall(json.dumps({"type": type_}).encode() + b"\n")


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One message and its descriptors. Each side speaks only when it was asked, so a line is all there is."""
    received, descriptors = b"", []
    while not received.endswith(b"\n"):
        data, some, _, _ = socket.recv_fds(
            # Not for plugins' processes to inherit, not even for a moment.
            connection,
            LINE_BYTES,
            BATCH + 1,
            socket.MSG_CMSG_CLOEXEC,
        )
        descriptors += some
        if not data or len(received) > LINE_BYTES:
            for descriptor in descriptors:
                os.close(descriptor)
            raise HandOverError("the other gate is gone")
        received += data
    said = json.loads(received)
    if not isinstance(said, dict):
        raise HandOverError("the other gate does not speak as agreed")
    return said, descriptors
