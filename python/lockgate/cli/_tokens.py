"""Two ways to the same revocations of tokens: a running admin API, and the state folder itself."""

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
    from lockgate.admin.tokens import Revocation, TokenRevocations
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
    """In the state folder itself, while no control process runs on it: a gate learns of it once one does."""

    def __init__(self, tokens: TokenRevocations, state: StateFolder) -> None:
        """`tokens` holds the folder's lock."""
        from lockgate.admin.journal import admin_actor

        self._state = state
        self._tokens = tokens
        self._actor = admin_actor()

    def revoke(self, wanted: Row) -> Row:
        """Revoke tokens."""
        return self._changed(self._tokens.revoke(self._actor, **wanted))

    def every(self) -> Iterator[Row]:
        """All revocations, oldest first."""
        after: str | None = None
        while page := self._tokens.page(after=after, limit=1000):
            yield from map(asdict, page)
            after = page[-1].id

    def restore(self, revocation_id: str) -> Row:
        """Take a revocation back."""
        return self._changed(self._tokens.restore(self._actor, revocation_id))

    def add(self, source: str, batch: list[Row]) -> Row:
        """Revoke many at once."""
        return asdict(self._tokens.import_(self._actor, source, iter(batch)))

    def _changed(self, record: Revocation) -> Row:
        return {**asdict(record), **told_in_folder(self._state, self._tokens.gates_elsewhere())}


@contextmanager
def revoking(given: Path | None) -> Iterator[Revoking]:
    """The revocations of the folder that `--state` names; what is refused ends the command with one line."""
    from lockgate.admin.tokens import RevocationNotFoundError, UnknownIssuerError, offline
    from lockgate.state import StateError

    state = state_or_exit(given)
    with ExitStack() as stack:

        def folder() -> Revoking:
            return FolderTokens(stack.enter_context(offline(state)), state)

        try:
            yield admin_or_folder(state, RunningTokens, folder)
        except (RevocationNotFoundError, UnknownIssuerError, RefusedError, NotRunningError, StateError) as error:
            leave(str(error))
