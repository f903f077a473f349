"""Two ways to the same keys: a running admin API, and the state folder itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lockgate.cli._admin import Admin, NotRunningError, RefusedError
from lockgate.cli._report import leave
from lockgate.cli._state import state_or_exit
from lockgate.cli._two_ways import Row, admin_or_folder, told_in_folder

if TYPE_CHECKING:
    from lockgate.admin.keys import KeyRecord, Keys
    from lockgate.state import StateFolder


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
        told = told_in_folder(self._state, self._keys.gates_elsewhere())
        return {**asdict(created.record), "key": created.key, **told}

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
        return {**asdict(record), **told_in_folder(self._state, self._keys.gates_elsewhere())}

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by digest."""
        return asdict(self._keys.import_(self._actor, source, iter(batch)))


@contextmanager
def key_ring(given: Path | None) -> Iterator[KeyRing]:
    """The keys of the folder that `--state` names; what is refused ends the command with one line."""
    from lockgate.admin.keys import KeyNotFoundError, UnknownApiError, offline
    from lockgate.state import StateError

    state = state_or_exit(given)
    with ExitStack() as stack:

        def folder() -> KeyRing:
            return FolderKeys(stack.enter_context(offline(state)), state)

        try:
            yield admin_or_folder(state, RunningKeys, folder)
        except (KeyNotFoundError, UnknownApiError, RefusedError, NotRunningError, StateError) as error:
            leave(str(error))
