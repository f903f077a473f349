"""Gates' orders, done: sessions renewed, tokens for upstreams (`lockgate.identity.broker`), and what devices are."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import structlog

from lockgate.admin.findings import Findings, Seen
from lockgate.admin.gate_said import Order
from lockgate.admin.gate_session import GateSession
from lockgate.admin.link import LinkServer
from lockgate.admin.sightings import Sightings
from lockgate.admin.sign_ins import SignIns, provider_for
from lockgate.config import Duties
from lockgate.config.upstream_tokens import TokenSetup
from lockgate.outgoing import Outgoing

if TYPE_CHECKING:
    from lockgate.identity.broker import Broker
    from lockgate.identity.brought import Brought
    from lockgate.identity.provider import OpenIdProvider

UNDER_WAY: Final = 4_096
"""Orders of all gates; one has no more than 256 of each kind."""
SECONDS: Final = 10.0
"""How long an order may take; the gate waits longer."""
RETRY_SECONDS: Final = 2
MEANWHILE: Final = "they are refused with token-unavailable (503)"

log = structlog.get_logger("lockgate.control")


class Orders:
    """Does what gates order. Everything in it but the database runs in the control process's event loop."""

    def __init__(self, sign_ins: SignIns, sightings: Sightings, findings: Findings, link: LinkServer) -> None:
        """Call `follow` with what the configuration says, as often as it changes."""
        self._sign_ins = sign_ins
        self._sightings = sightings
        self._findings = findings
        self._setups: dict[str, TokenSetup] = {}
        self._providers: dict[str, OpenIdProvider] = {}
        self._failing: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._telling = asyncio.Lock()
        link.on_order = self._ordered

    async def follow(self, duties: Duties) -> None:
        """Do it by a configuration's rules, and no others."""
        self._setups = {setup.about: setup for setup in duties.upstream_tokens}
        if not self._setups and not self._providers and not self._failing:
            return
        outgoing = Outgoing(duties.outgoing)
        before, self._providers = self._providers, {}
        for setup in self._setups.values():
            said = setup.provider
            self._providers[said.name] = provider_for(said, outgoing, before.get(said.name))
        wanted = {setup.upstream for setup in self._setups.values()}
        await self._tell({name: why for name, why in self._failing.items() if name in wanted})

    async def close(self) -> None:
        """Stop."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ordered(self, session: GateSession, order: Order) -> None:
        if len(self._tasks) < UNDER_WAY:  # Else the gate hears nothing, and goes on without.
            task = asyncio.ensure_future(self._serve(session, order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, session: GateSession, order: Order) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                brought = await self._do(order)
        except TimeoutError:
            brought = None
        except Exception:
            log.exception("order-fault", goods=order.goods, about=order.about)
            brought = None
        with contextlib.suppress(ConnectionError, OSError):
            if brought is None or brought.outcome == "unavailable":
                await session.brought(order, "unavailable", retry_s=RETRY_SECONDS)
            elif brought.got is None:
                await session.brought(order, "refused")
            else:
                await session.brought(order, "got", got=brought.got, until_ms=max(brought.until_ms, 0))

    async def _do(self, order: Order) -> Brought | None:
        broker: Broker = self._sign_ins.broker
        if order.goods == "session":
            return await broker.session(order.about, order.shown)
        if order.goods == "device":
            return await asyncio.to_thread(self._sightings.told, order.shown)
        setup = self._setups.get(order.about)
        if setup is None:
            return None  # The gate serves another configuration than this one; that passes.
        if order.goods == "token-of-session":
            brought = await broker.token_of_session(setup, order.of, order.shown)
        elif order.of == setup.provider.name and setup.take == "exchanged":
            brought = await broker.exchanged(self._providers[order.of], setup, order.shown)
        else:
            return None
        if brought.outcome == "got":
            await self._tell({name: why for name, why in self._failing.items() if name != setup.upstream})
        elif brought.outcome == "unavailable":
            await self._tell({**self._failing, setup.upstream: brought.why or "the provider could not be asked"})
        return brought

    async def _tell(self, failing: dict[str, str]) -> None:
        """Say what does not work, once."""
        if failing == self._failing:
            return
        self._failing = failing
        async with self._telling:
            seen = [
                Seen(
                    "finding",
                    "upstream-token-failing",
                    f"upstreams.{name}",
                    f"the upstream {name} gets no token for its callers: {why}; {MEANWHILE}",
                    "error",
                )
                for name, why in self._failing.items()
            ]
            await asyncio.to_thread(self._findings.sync, "upstream-tokens", seen)
