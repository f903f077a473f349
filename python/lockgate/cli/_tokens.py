"""Two ways to the same revocations of tokens: a running admin API, and the state folder itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lockgate.cli._admin import Admin
from lockgate.cli._two_ways import Folder, Row, two_ways

if TYPE_CHECKING:
    from lockgate.admin.tokens import TokenRevocations
    from lockgate.state import StateFolder

PATH = "/v1/tokens/revocations"


class Revoking(Protocol):
    """What the commands do with revocations; rows are those of the admin API."""

    def revoke(self, wanted: Row) -> Row:
        """Revoke tokens."""

    def every(self) -> Iterator[Row]:
        """All revocations, oldest first."""

    def restore(self, revocation_id: str) -> Row:
        """Take a revocation back."""

    def add(self, source: str, batch: list[Row]) -> Row:
        """Revoke many at once."""


class RunningTokens:
    """Through the admin API: the gate acts at once."""

    def __init__(self, admin: Admin) -> None:
        """`admin` answers."""
        self._admin = admin

    def revoke(self, wanted: Row) -> Row:
        """Revoke tokens."""
        return self._admin.post(PATH, wanted)

    def every(self) -> Iterator[Row]:
        """All revocations, oldest first."""
        return self._admin.pages(PATH)

    def restore(self, revocation_id: str) -> Row:
        """Take a revocation back."""
        return self._admin.delete(f"{PATH}/{revocation_id}")

    def add(self, source: str, batch: list[Row]) -> Row:
        """Revoke many at once."""
        return self._admin.post(f"{PATH}/import", {"source": source, "revocations": batch})


class FolderTokens:
    """In the state folder itself."""

    def __init__(self, tokens: TokenRevocations, state: StateFolder) -> None:
        """`tokens` holds the folder's lock."""
        self._folder = Folder(tokens, state)

    def revoke(self, wanted: Row) -> Row:
        """Revoke tokens."""
        return self._folder.changed(self._folder.kept.revoke(self._folder.actor, **wanted))

    def every(self) -> Iterator[Row]:
        """All revocations, oldest first."""
        return self._folder.pages(lambda after: self._folder.kept.page(after=after, limit=1000))

    def restore(self, revocation_id: str) -> Row:
        """Take a revocation back."""
        return self._folder.changed(self._folder.kept.restore(self._folder.actor, revocation_id))

    def add(self, source: str, batch: list[Row]) -> Row:
        """Revoke many at once."""
        return asdict(self._folder.kept.import_(self._folder.actor, source, iter(batch)))


def revoking(given: Path | None) -> AbstractContextManager[Revoking]:
    """The revocations of the folder that `--state` names; what is refused ends the command with one line."""
    from lockgate.admin.tokens import RevocationKeptError, RevocationNotFoundError, UnknownIssuerError, offline

    refused = (RevocationNotFoundError, RevocationKeptError, UnknownIssuerError)
    return two_ways(given, RunningTokens, FolderTokens, offline, refused)
