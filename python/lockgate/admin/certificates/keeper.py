"""A task for each certificate that the configuration wants; what they have is handed to gates at once.

A reload starts, stops and wakes tasks; one whose certificate is wanted as before goes on undisturbed, an
order under way included. Gates are told of a renewal without a reload.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from lockgate.admin.certificates import rows
from lockgate.admin.certificates.box import Box
from lockgate.admin.certificates.orders import wanted as order_of
from lockgate.admin.certificates.publish import GatePublisher
from lockgate.admin.certificates.rows import Row
from lockgate.admin.findings import Findings
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.certificates import AcmeError, Kept, Names, Store, Wanted, check, keep, obtain
from lockgate.config import Loaded, ManagedCertificate
from lockgate.outgoing import Rules
from lockgate.state import StateError, StateFolder

LOOK_SECONDS: Final = 600.0
"""How often the clock is held against certificates that nothing renews."""
BROUGHT_SECONDS: Final = 3.0
"""How long gates may take over a certificate before those who wait are sent on."""
AGAIN_SECONDS: Final = 60.0
"""How soon what keeps a certificate from being ordered at all, such as a missing secret, is looked at again."""

log = structlog.get_logger("lockgate.control")


class CertificateUnknownError(Exception):
    """No certificate has that name; the message says where the names are."""


class NotRenewableError(Exception):
    """A certificate that no authority is asked for."""


class Certificates:
    """All of them. Everything in it but the disk runs in the control process's event loop."""

    def __init__(self, state: StateFolder, findings: Findings, journal: Journal, link: LinkServer, box: Box) -> None:
        """Call `follow` with what the configuration says, as often as it changes."""
        self._state = state
        self._findings = findings
        self._journal = journal
        self._link = link
        self._box = box
        self._opened: Store | None = None
        self._opening = threading.Lock()
        self._loaded: Loaded | None = None
        self._followed: dict[str, _Followed] = {}
        self._held: dict[str, Kept] = {}
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self.publisher = GatePublisher(link, self._hand_over)
        self.served: Callable[[], dict[str, Any] | None] | None = None
        """The bundle that serves, for as long as the configuration is refused."""

    async def follow(self, loaded: Loaded) -> None:
        """Keep the certificates of a configuration, and no others."""
        async with self._changing:
            self._loaded = loaded
            said = loaded.managed.certificates
            if said:
                # All at once: gates are not to be without one of them for as long as the others are read.
                self._held = await self._read_again(loaded)
            else:
                self._held = {}
            before, self._followed = self._followed, {}
            for name, each in said.items():
                if each.order is None:
                    continue
                followed = before.pop(name, None)
                if followed is not None and followed.is_for(each, loaded.outgoing):
                    followed.said = each
                    if followed.failing:
                        followed.wake.set()  # A changed configuration may be how it was mended.
                else:
                    if followed is not None:
                        followed.stop()
                    followed = _Followed(self, each, loaded.outgoing)
                self._followed[name] = followed
            for gone in before.values():
                gone.stop()
            await self._hand_over()
        self.spawn(self.look())

    async def watch(self) -> None:
        """Note certificates that come to their end while nobody touches anything, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Renew the findings about certificates."""
        if self._loaded is None:
            return
        seen = rows.findings(await self.rows())
        for fresh in await asyncio.to_thread(self._findings.sync, "certificates", seen):
            log.warning("finding", code=fresh.code, object=fresh.object, message=fresh.message)

    async def rows(self) -> list[Row]:
        """How each certificate is: those that are looked after, those of files, and those that nobody uses."""
        loaded = self._loaded
        if loaded is None:
            return await asyncio.to_thread(self._served_rows)
        return await asyncio.to_thread(self._rows, loaded)

    async def row(self, name: str) -> Row:
        """One of them, by its name or by a host that it is for."""
        every = await self.rows()
        found = rows.called(every, name)
        if not found:
            raise CertificateUnknownError(f"there is no certificate {name!r}: `lockgate certs list` names them all")
        return found[0]

    async def renew(self, name: str, *, force: bool) -> Row:
        """Begin to renew a certificate now, if that is due or `force`; how it is, with `working` until that is done.

        A wait after failures is passed over.
        """
        row = await self.row(name)
        followed = self._followed.get(row.name)
        if followed is None:
            raise NotRenewableError(
                f"{row.name} was {'imported' if row.source == 'imported' else 'read from a file'}: no authority is "
                "asked for it; import or write another one, and it is taken up at once"
            )
        if row.name not in self._renewing:
            task = self.spawn(followed.renew(force=force))
            self._renewing[row.name] = task
            task.add_done_callback(lambda _: self._renewing.pop(row.name, None))
        return await self.row(row.name)

    async def take_in(self, actor: str, certificates: str, key: str | None) -> Row:
        """Import a certificate; gates have it when this returns, where a listener wants it.

        Raises `ValueError` for one that cannot be used, `StateError` where it cannot be kept.
        """
        kept = await asyncio.to_thread(lambda: self._store().take_in(certificates, key, datetime.now(UTC)))
        detail = {"hosts": list(kept.names), "fingerprint": kept.chain.fingerprint if kept.chain else None}
        await asyncio.to_thread(self._journal.audit, actor, "certificate.import", str(kept.names), detail)
        if self._loaded is not None:
            async with self._changing:
                self._held = await self._read_again(self._loaded)
            await self._bring()
        await self.look()
        return await self.row(kept.names.all[0])

    async def request(self, actor: str, hosts: list[str]) -> str:
        """A certificate signing request for the hosts, PEM; its key stays here."""
        names = Names.of(hosts)
        pem = await asyncio.to_thread(lambda: self._store().request(names))
        await asyncio.to_thread(self._journal.audit, actor, "certificate.request", str(names), {"hosts": list(names)})
        return pem

    def note_renewal(self, actor: str, name: str, *, force: bool) -> None:
        """Write down that somebody has a certificate renewed."""
        self._journal.audit(actor, "certificate.renew", name, {"force": force})

    async def close(self) -> None:
        """Stop."""
        for followed in self._followed.values():
            followed.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside, which ends with this."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def changed(self, name: str, kept: Kept) -> None:
        """There is another certificate of this name, or the first."""
        before, self._held[name] = self._held.get(name), kept
        await self._bring()
        chain = kept.chain
        if chain is None or (before is not None and before.chain and before.chain.fingerprint == chain.fingerprint):
            return
        until = f"{chain.not_after:%Y-%m-%d %H:%M} UTC"
        detail = {"certificate": name, "hosts": list(chain.names), "issuer": chain.issuer, "until": until}
        self._journal.system("certificate-changed", f"The certificate {name} is another one, until {until}.", detail)
        log.info("certificate-changed", certificate=name, issuer=chain.issuer, until=until)
        await self.look()

    async def failed(self, name: str, why: str) -> None:
        """A certificate could not be had."""
        words = f"The certificate {name} could not be had: {why}"
        self._journal.system("certificate-failing", words, {"certificate": name})
        await self.look()

    async def store(self) -> Store:
        """Where certificates are kept."""
        return await asyncio.to_thread(self._store)

    def _store(self) -> Store:
        with self._opening:
            if self._opened is None:
                opened = Store.open(self._state)
                # Before anybody writes there: what is half written looks like what was left.
                opened.sweep()
                self._opened = opened
            return self._opened

    async def _bring(self) -> None:
        """Hand over, and wait a little until gates have it: who is told of it is to find it there."""
        reached = await self._link.certificates_reached(await self._hand_over(), BROUGHT_SECONDS)
        if reached.behind:
            log.warning("certificates-not-everywhere", gates=list(reached.behind), hint="they have it once they answer")

    async def _hand_over(self) -> int:
        if self._loaded is None:
            return 0
        number = self._box.fill(self._held, self.publisher.challenges)
        await self._box.announce()
        return number

    async def _read_again(self, loaded: Loaded) -> dict[str, Kept]:
        read = await asyncio.to_thread(self._read, list(loaded.managed.certificates.values()))
        # One that was issued while the others were read is newer than what was read of it.
        return {name: _newer(self._held.get(name), kept) for name, kept in read.items()}

    def _read(self, said: list[ManagedCertificate]) -> dict[str, Kept]:
        """What there is of the certificates, by their names in bundles."""
        store = self._store()
        brought = rows.imported(store)
        found: dict[str, Kept] = {}
        for each in said:
            kept = _load(store, each.hosts) if each.order is not None else _for_host(brought, each.hosts[0])
            if kept is not None and kept.chain is not None:
                found[each.name] = kept
        return found

    def _served_rows(self) -> list[Row]:
        document = self.served() if self.served is not None else None
        if document is None:
            return []
        return rows.of_served(document, self._store() if self._state.certificates.is_dir() else None)

    def _rows(self, loaded: Loaded) -> list[Row]:
        made, used = [], set()
        for name, said in loaded.managed.certificates.items():
            followed = self._followed.get(name)
            held = self._held.get(name)
            if followed is not None:
                kept = _load(self._store(), said.hosts) or held
                why, wanted = followed.obstacle, followed.wanted
            else:
                kept, why, wanted = held, None, None
            if kept is None:
                kept = _nothing(said.hosts)
                why = why or "none was imported yet: `lockgate certs import` brings one in"
            used.add(kept.names.all)
            working = name in self._renewing or (followed is not None and self._store().holder(kept.names) is not None)
            made.append(rows.of_kept(said, kept, wanted, why, working=working))
        made += rows.of_files(loaded)
        if self._opened is not None or self._state.certificates.is_dir():
            made += rows.unused(self._store(), used)
        return made


class _Followed:
    """One certificate that an authority is asked for, and the task that keeps it."""

    def __init__(self, keeper: Certificates, said: ManagedCertificate, rules: Rules) -> None:
        self.said = said
        self.wake = asyncio.Event()
        self.obstacle: str | None = None
        """Why it cannot be ordered at all."""
        self.wanted: Wanted | None = None
        self.failing = False
        self._keeper = keeper
        self._rules = rules
        self._task = keeper.spawn(self._follow())

    def is_for(self, said: ManagedCertificate, rules: Rules) -> bool:
        """Whether this is what keeps such a certificate."""
        return (self.said.hosts, self.said.order, self._rules) == (said.hosts, said.order, rules)

    def stop(self) -> None:
        """Keep it no more; an order under way is given up."""
        self._task.cancel()

    async def renew(self, *, force: bool) -> None:
        """Have it anew, or find that it is not due; a failure is written down where people look for it."""
        wanted = self.wanted
        if wanted is None:
            self.wake.set()
            return
        store = await self._keeper.store()
        try:
            kept = await obtain(wanted, store, self._keeper.publisher, at_once=True, force=force)
        except (AcmeError, StateError, OSError, ValueError) as error:
            await self._failed(wanted.names, str(error))
        except Exception as error:
            log.exception("certificate-fault", names=str(wanted.names))
            await self._failed(wanted.names, f"a fault of Lockgate's: {type(error).__name__}")
        else:
            await self._changed(kept)
            # At once: until the authority is asked, another moment of renewal would be told.
            await self._ask_window(wanted, store)

    async def _ask_window(self, wanted: Wanted, store: Store) -> None:
        try:
            await check(wanted, store)
        except (StateError, OSError) as error:
            log.warning("certificate-store-failing", names=str(wanted.names), cause=str(error))

    async def _follow(self) -> None:
        store = await self._keeper.store()
        while self.wanted is None:
            try:
                self.wanted = await asyncio.to_thread(order_of, self.said, self._rules)
            except ValueError as error:
                if self.obstacle != str(error):
                    self.obstacle, self.failing = str(error), True
                    log.warning("certificate-not-ordered", certificate=self.said.name, cause=str(error))
                    await self._keeper.failed(self.said.name, str(error))
                self.wake.clear()
                await _wait(self.wake, AGAIN_SECONDS)
        self.obstacle = None
        await keep(self.wanted, store, self._keeper.publisher, self._changed, failed=self._failed, wake=self.wake)

    async def _changed(self, kept: Kept) -> None:
        self.failing = False
        await self._keeper.changed(self.said.name, kept)

    async def _failed(self, _: Names, why: str) -> None:
        self.failing = True
        await self._keeper.failed(self.said.name, why)


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        pass


def _load(store: Store, hosts: tuple[str, ...]) -> Kept | None:
    """What the store has; nothing where it cannot be read, which the task that keeps it tells of."""
    try:
        return store.load(Names.of(hosts))
    except StateError:
        return None


def _for_host(brought: list[Kept], host: str) -> Kept | None:
    """The imported certificate that is good for the host for the longest."""
    wanted = Names.of([host])
    return next((kept for kept in brought if kept.chain and not wanted.missing_from(kept.chain.names)), None)


def _newer(before: Kept | None, read: Kept) -> Kept:
    if before is None or before.names != read.names:
        return read
    one, other = before.status.issued, read.status.issued
    return before if one is not None and other is not None and one > other else read


def _nothing(hosts: tuple[str, ...]) -> Kept:
    from lockgate.certificates import Status

    names = Names.of(hosts)
    return Kept(names, Status(names=names.all))
