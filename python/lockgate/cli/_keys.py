"""Two ways to the same keys: a running admin API, and the state folder itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lockgate.cli._admin import Admin
from lockgate.cli._two_ways import Folder, Row, two_ways

if TYPE_CHECKING:
    from lockgate.admin.keys import Keys
    from lockgate.state import StateFolder

PATH = "/v1/keys"

LEAKS = 1_000
"""As many as the admin API takes at once."""


class KeyRing(Protocol):
    """What the commands do with keys; rows are those of the admin API."""

    def create(self, wanted: Row) -> Row:
        """Make a key."""

    def every(self, unused_ms: int | None = None) -> Iterator[Row]:
        """All keys, oldest first; or those that were not used for so long."""

    def one(self, key_id: str) -> Row:
        """One key."""

    def edit(self, key_id: str, changes: Row) -> Row:
        """Change what it is for."""

    def reroll(self, key_id: str, grace_ms: int) -> Row:
        """Give it a new secret."""

    def turn(self, key_id: str, what: str) -> Row:
        """Do what needs no words: `end-grace`, `suspend`, `resume`."""

    def revoke(self, key_id: str, reason: str | None) -> Row:
        """Close a key."""

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by their hashes."""

    def leaked(self, found: list[Row]) -> list[Row]:
        """Close what was found."""

    def report(self, unused_ms: int, soon_ms: int) -> list[Row]:
        """Keys that somebody should look at."""


class RunningKeys:
    """Through the admin API: the gate acts at once."""

    def __init__(self, admin: Admin) -> None:
        """`admin` answers."""
        self._admin = admin

    def create(self, wanted: Row) -> Row:
        """Make a key."""
        return self._admin.post(PATH, wanted)

    def every(self, unused_ms: int | None = None) -> Iterator[Row]:
        """All keys, oldest first; or those that were not used for so long."""
        return self._admin.pages(PATH, unused_ms=unused_ms)

    def one(self, key_id: str) -> Row:
        """One key."""
        return self._admin.get(f"{PATH}/{key_id}")

    def edit(self, key_id: str, changes: Row) -> Row:
        """Change what it is for."""
        return self._admin.patch(f"{PATH}/{key_id}", changes)

    def reroll(self, key_id: str, grace_ms: int) -> Row:
        """Give it a new secret."""
        return self._admin.post(f"{PATH}/{key_id}/reroll", {"grace_ms": grace_ms})

    def turn(self, key_id: str, what: str) -> Row:
        """Do what needs no words: `end-grace`, `suspend`, `resume`."""
        return self._admin.post(f"{PATH}/{key_id}/{what}")

    def revoke(self, key_id: str, reason: str | None) -> Row:
        """Close a key."""
        return self._admin.post(f"{PATH}/{key_id}/revoke", {"reason": reason})

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by their hashes."""
        return self._admin.post(f"{PATH}/import", {"source": source, "keys": batch})

    def leaked(self, found: list[Row]) -> list[Row]:
        """Close what was found."""
        return self._admin.post_each(f"{PATH}/leaks", found)

    def report(self, unused_ms: int, soon_ms: int) -> list[Row]:
        """Keys that somebody should look at."""
        told: list[Row] = self._admin.get(f"{PATH}/report", unused_ms=unused_ms, soon_ms=soon_ms)["items"]
        return told


class FolderKeys:
    """In the state folder itself."""

    def __init__(self, keys: Keys, state: StateFolder) -> None:
        """`keys` holds the folder's lock."""
        self._folder = Folder(keys, state)
        self._keys, self._actor = keys, self._folder.actor

    def create(self, wanted: Row) -> Row:
        """Make a key."""
        created = self._keys.create(self._actor, **wanted)
        return self._folder.changed(created.record, key=created.key)

    def every(self, unused_ms: int | None = None) -> Iterator[Row]:
        """All keys, oldest first; or those that were not used for so long."""
        return self._folder.pages(lambda after: self._keys.page(after=after, limit=1000, unused_ms=unused_ms))

    def one(self, key_id: str) -> Row:
        """One key."""
        return asdict(self._keys.one(key_id))

    def edit(self, key_id: str, changes: Row) -> Row:
        """Change what it is for."""
        return self._folder.changed(self._keys.edit(self._actor, key_id, changes))

    def reroll(self, key_id: str, grace_ms: int) -> Row:
        """Give it a new secret."""
        made = self._keys.reroll(self._actor, key_id, grace_ms=grace_ms)
        return self._folder.changed(made.record, key=made.key)

    def turn(self, key_id: str, what: str) -> Row:
        """Do what needs no words: `end-grace`, `suspend`, `resume`."""
        if what == "end-grace":
            return self._folder.changed(self._keys.end_grace(self._actor, key_id))
        return self._folder.changed(self._keys.suspend(self._actor, key_id, on=what == "suspend"))

    def revoke(self, key_id: str, reason: str | None) -> Row:
        """Close a key."""
        return self._folder.changed(self._keys.revoke(self._actor, key_id, reason=reason))

    def add(self, source: str, batch: list[Row]) -> Row:
        """Add keys by their hashes."""
        return asdict(self._keys.import_(self._actor, source, iter(batch)))

    def leaked(self, found: list[Row]) -> list[Row]:
        """Close what was found."""
        from lockgate.admin.key_leaks import Found

        return [asdict(leak) for leak in self._keys.leaked(self._actor, [Found(**one) for one in found])]

    def report(self, unused_ms: int, soon_ms: int) -> list[Row]:
        """Keys that somebody should look at."""
        from lockgate.admin.key_report import WHY

        told = self._keys.report(unused_ms=unused_ms, soon_ms=soon_ms)
        return [{**asdict(one), "words": WHY[one.why]} for one in told]


def key_ring(given: Path | None) -> AbstractContextManager[KeyRing]:
    """The keys of the folder that `--state` names; what is refused ends the command with one line."""
    from lockgate.admin.keys import (
        GraceRunningError,
        KeyClosedError,
        KeyLifetimeError,
        KeyNotFoundError,
        KeyRuleError,
        NoGraceError,
        UnknownApiError,
        offline,
    )

    refused = (
        KeyNotFoundError,
        KeyClosedError,
        KeyLifetimeError,
        KeyRuleError,
        GraceRunningError,
        NoGraceError,
        UnknownApiError,
    )
    return two_ways(given, RunningKeys, FolderKeys, offline, refused)
