"""Gates on other machines, as the control process holds them."""

import asyncio
from contextlib import suppress
from functools import cached_property

from lockgate.admin.gates.authority import Authority
from lockgate.admin.gates.listener import GateListener
from lockgate.admin.gates.registry import Registry
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.admin.reload import Reloader
from lockgate.admin.store import Store
from lockgate.state import StateError, StateFolder, read_secret, write_private


class Gates:
    """Authority, register and port. The authority is made when it is first needed."""

    def __init__(self, state: StateFolder, store: Store, journal: Journal, link: LinkServer) -> None:
        """Nothing listens before `follow`."""
        self._state = state
        self._store = store
        self._journal = journal
        self.listener = GateListener(lambda: self.authority, lambda: self.registry, link)
        self.listener.secrets = self._secrets

    @cached_property
    def authority(self) -> Authority:
        """Issues certificates."""
        return Authority(self._state)

    @cached_property
    def registry(self) -> Registry:
        """Knows the gates and the tokens."""
        return Registry(self._store, self._journal, self.authority)

    async def follow(self, reloader: Reloader) -> None:
        """Listen where the configuration says, whenever it changes; for ever.

        One that is refused at the start does not cut gates off: the address is remembered.
        """
        address = await asyncio.to_thread(self._remembered)
        while True:
            if reloader.loaded is not None:
                wanted = reloader.loaded.document.gates.address
                if wanted != address:
                    address = wanted
                    await asyncio.to_thread(self._remember, address)
            await self.listener.apply(address)
            await reloader.changed.wait()
            reloader.changed.clear()

    def _remembered(self) -> str | None:
        with suppress(StateError):
            return read_secret(self._state.gates_address_file) or None
        return None

    def _remember(self, address: str | None) -> None:
        with suppress(OSError):  # A full disk must not keep gates out.
            write_private(self._state.gates_address_file, (address or "") + "\n")

    def _secrets(self) -> dict[str, str]:
        """What a gate needs to judge by: the pepper of key digests, and whose bundles to believe."""
        return {"pepper": self._state.pepper().hex(), "public_key": self._state.public_key().hex()}
