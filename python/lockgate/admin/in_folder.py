"""What works on a state folder that no control process is using."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from lockgate.admin.journal import EventJournal
from lockgate.admin.store import Store
from lockgate.state import StateFolder


@contextmanager
def in_folder(state: StateFolder) -> Iterator[tuple[Store, EventJournal]]:
    """The folder's database and journal, which are its holder's alone.

    Raises `lockgate.state.StateInUseError` where a control process is: ask its admin API instead.
    """
    with state.lock("control"), EventJournal(state) as journal:
        store = Store.open(state.database)
        try:
            yield store, journal
        finally:
            store.close()


def new_id(kind: str) -> str:
    """A public name: 100 bits, in letters that survive being read aloud."""
    return f"{kind}_" + base64.b32encode(secrets.token_bytes(13)).decode("ascii").lower()[:20]
