"""What is known of credentials in the state folder, for commands that ask the engine beside whatever runs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.admin.explain import Known
    from lockgate.admin.keys import KnownKeys
    from lockgate.admin.store import Store
    from lockgate.config import Loaded
    from lockgate.state import StateFolder


def known(loaded: Loaded, folder: Path, stack: contextlib.ExitStack) -> Known:
    """What the state folder and the files of keys tell; `stack` closes what is opened. Raises `StateError`."""
    from lockgate.admin.explain import Known
    from lockgate.admin.keys import KnownKeys
    from lockgate.state import StateFolder

    if not folder.is_dir():
        # Without a state folder there is no pepper, so no key can be known.
        return Known(None, bytes(32), _key_sets(loaded, None))
    state = StateFolder.existing(folder)
    store = store_of(state, stack)
    keys = None if store is None else KnownKeys(store)
    return Known(keys, state.pepper(), _key_sets(loaded, keys))


def _key_sets(loaded: Loaded, known: KnownKeys | None) -> list[dict[str, Any]]:
    """The issuers' keys: those in files as they are now, the others as the control process fetched them last."""
    from lockgate._native import LockgateError
    from lockgate.config.issuers import keys_in_file

    found = {keys["issuer"]: keys for keys in (known.key_sets() if known is not None else ())}
    for origin in loaded.key_origins:
        if origin.kind == "file":
            with contextlib.suppress(OSError, ValueError, LockgateError):
                found[origin.name] = keys_in_file(origin, time.time_ns() // 1_000_000)
    return list(found.values())


def store_of(state: StateFolder, stack: contextlib.ExitStack) -> Store | None:
    """The database, read beside whatever runs."""
    from lockgate.admin.store import Store

    store = Store.beside(state.database)
    if store is not None:
        stack.callback(store.close)
    return store
