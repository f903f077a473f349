"""What changes every moment, read beside the requests: keys, revocations, issuers' keys.

A thread of its own looks each second. While it cannot read, what is known holds
for as long as the configuration's `facts` say; then the engine refuses.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockgate import _native

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lockgate.admin.store import Store
    from lockgate.config import KeyOrigin
    from lockgate.state import StateFolder

POLL_SECONDS: Final = 1.0
"""As soon as a gate hears of a revocation at the latest."""
CONFIRM_PART: Final = 4
"""A key file that does not change is read anew this many times within `stale_for`."""

log = logging.getLogger("lockgate")


class StoredFacts:
    """The facts of a state folder, as the control process or a command leaves them."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state
        self._seq: int | None = None
        self._store: Store | None = None
        self._connection: Connection | None = None
        self._version: int | None = None

    def refresh(self, native: _native.InProcess) -> bool:
        """Apply what is new; whether anything was."""
        store = self._opened()
        version = store.data_version(self._connected(store))
        if self._seq is not None and version == self._version:
            return False
        from lockgate.admin.facts import FactsLog

        facts = FactsLog(store)
        before = self._seq
        if self._seq is None or not facts.follows(self._seq):
            for batch in facts.snapshot():
                native.apply_facts(batch.facts)
                self._seq = batch.seq
        while True:
            batch = facts.after(self._seq or 0)
            if not batch.facts:
                break
            native.apply_facts(batch.facts)
            self._seq = batch.seq
        self._version = version
        return self._seq != before

    def close(self) -> None:
        """Let go of the database: another thread, or another process, opens it for itself."""
        connection, self._connection = self._connection, None
        store, self._store = self._store, None
        self._version = None
        if connection is not None:
            connection.close()
        if store is not None:
            store.close()

    def abandon(self) -> None:
        """Open the database anew, and leave what is open to whom it belongs.

        SQLite must not be closed in a child of the process that opened it.
        """
        _ANOTHERS.append((self._connection, self._store))
        self._connection, self._store, self._version = None, None, None

    def _opened(self) -> Store:
        if self._store is None:
            from lockgate.admin.store import Store

            self._store = Store.beside(self._state.database)
            if self._store is None:
                raise FileNotFoundError(2, f"{self._state.database} is not there any more")
        return self._store

    def _connected(self, store: Store) -> Connection:
        if self._connection is None:
            self._connection = store.engine.connect()
        return self._connection


class KeyFiles:
    """Issuers whose keys are in files."""

    def __init__(self, origins: Sequence[KeyOrigin]) -> None:
        self._origins = origins
        self._read: dict[str, tuple[object, float]] = {}

    def refresh(self, native: _native.InProcess, *, again: bool) -> None:
        """Read what has changed, or is due; a file that cannot be read leaves its issuer's keys to age."""
        for origin in self._origins:
            try:
                self._refresh(native, origin, again=again)
            except (OSError, ValueError, _native.LockgateError) as error:
                if self._read.pop(origin.name, None) is not None:
                    log.warning("the keys of the issuer %s cannot be read: %s", origin.name, error)

    def _refresh(self, native: _native.InProcess, origin: KeyOrigin, *, again: bool) -> None:
        status = Path(origin.location).stat()
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        before = self._read.get(origin.name)
        due = time.monotonic() - origin.stale_for_ms / 1000 / CONFIRM_PART
        if before is not None and before[0] == seen and before[1] > due and not again:
            return
        from lockgate.config.issuers import keys_in_file

        native.put_key_set(json.dumps(keys_in_file(origin, time.time_ns() // 1_000_000)).encode())
        self._read[origin.name] = (seen, time.monotonic())


class Keeper:
    """Keeps an engine's facts fresh: once at the start, and then in a thread, from the first request on.

    Not before: a server that forks its workers would leave the thread behind.
    """

    def __init__(self, native: _native.InProcess, stored: StoredFacts | None, files: KeyFiles) -> None:
        self.running = False
        """Whether the thread is there, in this process."""
        self._native = native
        self._stored = stored
        self._files = files
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._failing = False
        _KEEPERS.add(self)

    def refresh(self) -> None:
        """Read everything once; raises what keeps it from being read."""
        try:
            changed = self._stored.refresh(self._native) if self._stored is not None else False
            self._files.refresh(self._native, again=changed)
        finally:
            if self._stored is not None:
                self._stored.close()
        self._native.contact()

    def start(self) -> None:
        """Start the thread, unless it runs; what it does first is done already when this returns."""
        with self._starting:
            if self.running or self._stopping.is_set():
                return
            self._look()
            if self._stored is not None:
                self._stored.close()
            threading.Thread(
                target=_keep, args=(weakref.ref(self), self._stopping), name="lockgate-facts", daemon=True
            ).start()
            self.running = True

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def forked(self) -> None:
        """In a child of a fork: the thread is not there, and its lock may be held for ever."""
        self.running = False
        self._starting = threading.Lock()
        if self._stored is not None:
            self._stored.abandon()

    def _look(self) -> None:
        try:
            changed = self._stored.refresh(self._native) if self._stored is not None else False
            self._files.refresh(self._native, again=changed)
            self._native.contact()
        except Exception as error:  # noqa: BLE001 -- Whatever it is: the facts grow old, and then the engine refuses.
            if not self._failing:
                log.warning("keys cannot be read (%s): those that are known hold for as long as `facts` says", error)
            self._failing = True
            if self._stored is not None:
                self._stored.close()
        else:
            if self._failing:
                log.warning("keys can be read again")
            self._failing = False


def _keep(kept: weakref.ref[Keeper], stopping: threading.Event) -> None:
    while not stopping.wait(POLL_SECONDS):
        keeper = kept()
        if keeper is None:
            return
        keeper._look()  # noqa: SLF001 -- The thread is the keeper's own.
        del keeper


_KEEPERS: Final[weakref.WeakSet[Keeper]] = weakref.WeakSet()
_ANOTHERS: Final[list[object]] = []
"""What was open when this process was forked: one entry for each engine."""


def _after_fork() -> None:
    for keeper in list(_KEEPERS):
        keeper.forked()


os.register_at_fork(after_in_child=_after_fork)
