"""Two ways to the same keys: a running admin API, and the state folder itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lockgate.cli._admin import Admin, NotRunningError, RefusedError, StartingError
from lockgate.cli._report import leave
from lockgate.cli._state import state_or_exit

if TYPE_CHECKING:
    from lockgate.admin.keys import KeyRecord, Keys
    from lockgate.state import StateFolder

LOCK_SECONDS = 5.0
"""A control process that is being started again answers within a few seconds."""

START_SECONDS = 20.0
"""And one that follows another has to wait for it to end: only it can say what the gates know."""

Row = dict[str, Any]


class KeyRing(Protocol):
    """What the commands do with keys; rows are those of the admin API."""

    def create(self, wanted: Row) -> Row:
        """Make a key."""

    def every(self) -> Iterator[Row]:
        """All keys, oldest first."""

    def one(self, key_id: str) -> Row:
        """One key."""

    def revoke(self, key_id: str, reason: str | None) -> Row:
        """Close a key."""

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by digest."""


class RunningKeys:
    """Through the admin API: the gate acts at once."""

    def __init__(self, admin: Admin) -> None:
        """`admin` answers."""
        self._admin = admin

    def create(self, wanted: Row) -> Row:
        """Make a key."""
        return self._admin.post("/v1/keys", wanted)

    def every(self) -> Iterator[Row]:
        """All keys, oldest first."""
        return self._admin.pages("/v1/keys")

    def one(self, key_id: str) -> Row:
        """One key."""
        return self._admin.get(f"/v1/keys/{key_id}")

    def revoke(self, key_id: str, reason: str | None) -> Row:
        """Close a key."""
        return self._admin.post(f"/v1/keys/{key_id}/revoke", {"reason": reason})

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by digest."""
        return self._admin.post("/v1/keys/import", {"source": source, "keys": batch})


class FolderKeys:
    """In the state folder itself, while no control process runs on it: a gate learns of it once one does."""

    def __init__(self, keys: Keys, state: StateFolder) -> None:
        """`keys` holds the folder's lock."""
        from lockgate.admin.journal import admin_actor

        self._state = state
        self._keys = keys
        self._actor = admin_actor()

    def create(self, wanted: Row) -> Row:
        """Make a key."""
        created = self._keys.create(self._actor, **wanted)
        return {**asdict(created.record), "key": created.key, **self._told()}

    def every(self) -> Iterator[Row]:
        """All keys, oldest first."""
        after: str | None = None
        while page := self._keys.page(after=after, limit=1000):
            yield from map(asdict, page)
            after = page[-1].id

    def one(self, key_id: str) -> Row:
        """One key."""
        return asdict(self._keys.one(key_id))

    def revoke(self, key_id: str, reason: str | None) -> Row:
        """Close a key."""
        record: KeyRecord = self._keys.revoke(self._actor, key_id, reason=reason)
        return {**asdict(record), **self._told()}

    def _told(self) -> Row:
        try:
            beside = bool(self._state.gate_processes())
        except OSError:
            beside = True
        waiting = [*(["local"] if beside else []), *self._keys.gates_elsewhere()]
        return {"gate": "pending" if waiting else "absent", "waiting": waiting}

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by digest."""
        return asdict(self._keys.import_(self._actor, source, iter(batch)))


@contextmanager
def key_ring(given: Path | None) -> Iterator[KeyRing]:
    """The keys of the folder that `--state` names; what is refused ends the command with one line."""
    from lockgate.admin.keys import KeyNotFoundError, UnknownApiError
    from lockgate.state import StateError

    state = state_or_exit(given)
    with ExitStack() as stack:
        try:
            yield _open(state, stack)
        except (KeyNotFoundError, UnknownApiError, RefusedError, NotRunningError, StateError) as error:
            leave(str(error))


def _open(state: StateFolder, stack: ExitStack) -> KeyRing:
    from lockgate.admin.keys import offline
    from lockgate.state import StateInUseError

    began = time.monotonic()
    deadline = began + LOCK_SECONDS
    while True:
        try:
            admin = Admin.of(state)
            admin.get("/healthz")
        except StartingError:
            if time.monotonic() < began + START_SECONDS:
                time.sleep(0.1)
                continue
        except NotRunningError:
            pass
        else:
            return RunningKeys(admin)
        try:
            return FolderKeys(stack.enter_context(offline(state)), state)
        except StateInUseError:
            # Something starts or stops at this very moment: it will answer, or let go.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
