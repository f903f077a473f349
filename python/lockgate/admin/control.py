"""The control process's parts, put together: what the admin API and the main program share."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from http import HTTPMethod
from pathlib import Path
from typing import Any

import structlog

from lockgate.admin.app_uses import AppUses, unseen
from lockgate.admin.apps import Apps
from lockgate.admin.broker import Orders
from lockgate.admin.bundles import Bundles
from lockgate.admin.certificates.box import Box
from lockgate.admin.certificates.keeper import Certificates
from lockgate.admin.clock import now_ms
from lockgate.admin.devices import Devices
from lockgate.admin.edit import Editor
from lockgate.admin.factors import Factors
from lockgate.admin.facts import FactsLog
from lockgate.admin.findings import Findings, Seen
from lockgate.admin.gates.gates import Gates
from lockgate.admin.grants import Grants
from lockgate.admin.history import HistoryKeeper
from lockgate.admin.introspections import Introspections
from lockgate.admin.journal import EventJournal, Journal
from lockgate.admin.key_sets import KeySets
from lockgate.admin.key_uses import KeyUses
from lockgate.admin.keys import Keys
from lockgate.admin.link import LinkServer
from lockgate.admin.people import PeopleKeeper
from lockgate.admin.reload import Reloader
from lockgate.admin.revocations import Revocations
from lockgate.admin.sightings import Sightings
from lockgate.admin.sign_ins import Sessions, SignIns
from lockgate.admin.store import Store
from lockgate.admin.tokens import TokenRevocations
from lockgate.admin.upstreams import unavailable
from lockgate.admin.watch import changes
from lockgate.config import Duties, Loaded
from lockgate.config.described import described_answers, described_operations
from lockgate.state import StateFolder

AGAIN_SECONDS = 10.0
"""Until refused files are tried again: what was wrong may lie in something that is not watched."""
AGAIN_PART = 20.0
"""The least wait, in parts of what the last reload took: a large configuration is not checked all the time."""
WAIVERS_SECONDS = 60.0
"""How often the clock is held against waivers; the gate itself closes them to the millisecond."""

UPSTREAMS_SECONDS = 5.0
"""How often the gate is asked how its upstreams are."""

log = structlog.get_logger("lockgate.control")


@dataclass(slots=True)
class Counters:
    """What the control process counts of itself."""

    refused_requests: dict[str, int] = field(default_factory=dict)
    """Requests to the admin API that were refused before any resource saw them, by reason."""
    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    """Answered ones, by method and status."""

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self.refused_requests[code] = self.refused_requests.get(code, 0) + 1

    def answered(self, method: str, status: int) -> None:
        """Count an answer. A method that is no HTTP's counts as `OTHER`: strangers make up no end of them."""
        method = method if method in HTTPMethod.__members__ else "OTHER"
        self.requests[method, status] = self.requests.get((method, status), 0) + 1


@dataclass(slots=True)
class Control:
    """Everything that one control process holds."""

    state: StateFolder
    store: Store
    journal: Journal
    keys: Keys
    key_uses: KeyUses
    tokens: TokenRevocations
    bundles: Bundles
    findings: Findings
    link: LinkServer
    reloader: Reloader
    editor: Editor
    gates: Gates
    history: HistoryKeeper
    key_sets: KeySets
    revocations: Revocations
    sign_ins: SignIns
    devices: Devices
    orders: Orders
    people: PeopleKeeper
    introspections: Introspections
    certificates: Certificates
    apps: Apps
    app_uses: AppUses
    grants: Grants
    loop: asyncio.AbstractEventLoop | None = None
    counters: Counters = field(default_factory=Counters)
    started: float = field(default_factory=time.time)

    @classmethod
    def open(cls, state: StateFolder, config: Path) -> "Control":
        """Open the database and what stands on it. The caller holds the `control` lock."""
        journal = EventJournal(state)
        store = Store.open(state.database)
        FactsLog(store).prune()
        tokens = TokenRevocations(store, journal)
        tokens.prune()
        bundles = Bundles(store, state.signing_key())
        findings = Findings(store)
        box = Box()
        link = LinkServer(state, store, bundles, _noter(journal), box)
        keys = Keys(store, journal, state.pepper())
        key_sets = KeySets(store, findings, journal, link, state.pepper())
        revocations = Revocations(findings, journal, link)
        devices = Devices(store, journal)
        devices.prune()
        factors = Factors(state, store, journal)
        sign_ins = SignIns(state, Sessions(store, journal, tokens), factors, devices, findings, link)
        people = PeopleKeeper(state, store, journal, findings, sign_ins.end_all)
        sign_ins.passwords = people
        apps = Apps(store, journal)
        app_uses = AppUses(state, store, apps, findings, journal)
        grants = Grants(store, journal, apps, tokens, state.pepper())
        sign_ins.grants = app_uses.grants = grants
        introspections = Introspections(findings, journal, link, people)
        certificates = Certificates(state, findings, journal, link, box)

        def served() -> dict[str, Any] | None:
            bundle = bundles.latest()
            return None if bundle is None else json.loads(bundle.text)

        certificates.served = served
        reloader = Reloader(config, bundles, findings, journal, link)

        control = cls(
            state=state,
            store=store,
            journal=journal,
            keys=keys,
            key_uses=KeyUses(keys, link),
            tokens=tokens,
            bundles=bundles,
            findings=findings,
            link=link,
            reloader=reloader,
            editor=Editor(reloader, state),
            gates=Gates(state, store, journal, link),
            history=HistoryKeeper(state, findings, journal),
            key_sets=key_sets,
            revocations=revocations,
            sign_ins=sign_ins,
            devices=devices,
            orders=Orders(sign_ins, Sightings(devices, now_ms), findings, link),
            people=people,
            introspections=introspections,
            certificates=certificates,
            apps=apps,
            app_uses=app_uses,
            grants=grants,
        )

        async def follow(loaded: Loaded) -> None:
            await control.follow(loaded.duties)
            await certificates.follow(loaded)

        reloader.on_loaded = follow
        grants.changed = control.tell
        app_uses.operations = control.operations
        app_uses.unseen = lambda: unseen(served() or {"apis": []})
        return control

    async def follow(self, duties: Duties) -> None:
        """Do for gates what a configuration wants done."""
        self.loop = asyncio.get_running_loop()
        await self.key_sets.follow(duties)
        await self.revocations.follow(duties)
        await self.people.follow(duties)
        bundle = self.bundles.latest()
        served = json.loads(bundle.text) if bundle is not None else {"apis": [], "issuers": []}
        apis, issuers = (frozenset(one["name"] for one in served[part]) for part in ("apis", "issuers"))
        await asyncio.to_thread(self.apps.follow, duties.apps, apis, issuers)
        await self.sign_ins.follow(duties)
        await self.orders.follow(duties)
        await self.introspections.follow(duties)

    def tell(self) -> None:
        """Tell gates of facts that there are, from whatever thread."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.link.facts_changed)

    def operations(self) -> dict[str, list[str]]:
        """The operations of each API, as the documents of the served configuration name them."""
        loaded = self.reloader.loaded
        return described_operations(loaded) if loaded is not None else {}

    def fields_of(self, used: set[tuple[str, str | None]]) -> dict[str, list[str]]:
        """The fields of the answers to some operations, each by its API and name, as documents describe them."""
        loaded = self.reloader.loaded
        described = described_answers(loaded) if loaded is not None else {}
        return {f"{api} {name}": described[api, name] for api, name in sorted(described) if (api, name) in used}

    async def keep_history(self) -> None:
        """Take the event log into the history, for ever."""
        reloader = self.reloader
        await self.history.keep(lambda: reloader.loaded.document.events.history if reloader.loaded else None)

    async def watch_files(self) -> None:
        """Reload whenever a file of the configuration changes, for ever."""
        reloader = self.reloader
        async for _ in changes(lambda: (reloader.watched(), reloader.patterns()), reloader.read_ns):
            await self.reloader.reload("file")

    async def try_again(self) -> None:
        """Try files that were refused again every now and then, for ever."""
        while True:
            took = self.reloader.last.took_ms / 1000 if self.reloader.last is not None else 0.0
            await asyncio.sleep(max(AGAIN_SECONDS, AGAIN_PART * took))
            await self.reloader.try_again()

    async def watch_waivers(self) -> None:
        """Note waivers that expire while nobody touches the configuration, for ever."""
        while True:
            await asyncio.sleep(WAIVERS_SECONDS)
            await self.reloader.look_at_waivers()

    async def watch_upstreams(self) -> None:
        """Keep a finding for each upstream without a server in health, for ever."""
        told: list[Seen] | None = None  # What an earlier process has found is looked at anew.
        while True:
            await asyncio.sleep(UPSTREAMS_SECONDS)
            gate = self.link.gate
            answer = None if gate is None else await gate.ask("stats")
            if answer is None:
                continue  # What is not known is not changed either.
            seen = unavailable(answer.get("stats") or {})
            if seen != told:
                await asyncio.to_thread(self.findings.sync, "upstreams", seen)
            told = seen

    def supervisor(self) -> dict[str, Any]:
        """What the supervisor has written about its processes; nothing where there is none."""
        with contextlib.suppress(OSError, ValueError):
            value = json.loads(self.state.supervisor_file.read_text(encoding="utf-8"))
            if isinstance(value, dict):
                return value
        return {}

    def close(self) -> None:
        """Close the database and the journal."""
        self.store.close()
        if isinstance(self.journal, EventJournal):
            self.journal.close()


def _noter(journal: Journal) -> Any:
    def note(code: str, message: str, detail: dict[str, Any]) -> None:
        log.info(code, message=message, **{name: value for name, value in detail.items() if name != "message"})
        journal.system(code, message, detail)

    return note
