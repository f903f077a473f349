"""What programs use, as far as events tell; and what is kept of those that were stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lockgate import _native
from lockgate.admin import facts
from lockgate.admin.app_reach import reach
from lockgate.admin.app_uses import DAY_MS, AppUses, Unseen, unseen
from lockgate.admin.apps import AppNotFoundError, AppRuleError, Apps
from lockgate.admin.clock import now_ms
from lockgate.admin.findings import Findings
from lockgate.admin.store import Store
from lockgate.admin.store.models import App, Fact
from lockgate.state import StateFolder

SCOPES = ["orders:read", "orders:write"]
CRM: dict[str, Any] = {
    "owner": "sales",
    "name": None,
    "redirect_uris": [],
    "purpose": None,
    "contact": None,
    "tier": "reviewed",
    "clients": [{"issuer": "company", "client": "c1"}],
    "apis": ["orders"],
    "scopes": SCOPES,
    "operations": {},
    "until_ms": None,
    "review_ms": None,
}
BUNDLE: dict[str, Any] = {"roles": [], "events": {"access": True}, "apis": []}


class Registered:
    """Programs of an installation, with events that tests write."""

    def __init__(self, state: StateFolder, store: Store, journal: Any) -> None:
        self.state, self.store = state, store
        self.apps = Apps(store, journal)
        self.uses = AppUses(state, store, self.apps, Findings(store), journal)
        self.uses.operations = lambda: {"orders": ["listOrders", "getOrder"]}
        self.named({"crm": CRM})
        self.log = _native.EventWriter(str(state.gate_events), 1 << 24, node="gate-1")
        self._count = 0

    def named(self, apps: dict[str, Any]) -> None:
        setup = {"named": apps, "never": {}, "dangerous": [], "unused_ms": DAY_MS}
        self.apps.follow(setup, frozenset({"orders"}), frozenset({"company"}))

    def register(self, name: str, **more: Any) -> None:
        self.apps.register("me", name, owner="x", apis=["orders"], tier="reviewed", **{"scopes": SCOPES, **more})

    def since(self, name: str, days: int) -> None:
        """It was registered so long ago, with its scopes."""
        with self.store.write() as session:
            row = session.get(App, name)
            assert row is not None
            row.created_ms = now_ms() - days * DAY_MS
            row.scopes = dict.fromkeys(row.scopes or {}, row.created_ms)

    def request(self, app: str, *, days: float = 0, scopes: tuple[str, ...] = (), **more: Any) -> None:
        self._count += 1
        event = {
            "class": "security" if more.get("reason") else "access",
            "at_ms": now_ms() - int(days * DAY_MS),
            "id": f"r{self._count:06}",
            "method": "GET",
            "host": "a.example",
            "path": "/orders/7",
            "listener": "public",
            "peer": "192.0.2.1",
            "api": "orders",
            "operation": "getOrder",
            "key": "company/ada",
            "identity": "ada",
            "app": app,
            "status": 200,
            "bytes_out": 100,
            "grounds": [f"scope {scope}" for scope in scopes],
            "verdicts": [],
            **more,
        }
        self.log.append(event)

    def told(self) -> list[dict[str, Any]]:
        with self.store.read() as session:
            return [json.loads(fact.payload) for fact in session.query(Fact).order_by(Fact.seq)]


@pytest.fixture
def registered(state: StateFolder, store: Store, journal: Any) -> Iterator[Registered]:
    made = Registered(state, store, journal)
    yield made
    made.log.close()


BROKEN_OFF = [
    {"reason": "client-gone", "status": 200, "target": "127.0.0.1:9000"},
    {"reason": "client-gone", "status": 499},
    {"reason": "access-ended", "status": 200, "ended": "app-stopped", "target": "127.0.0.1:9000"},
    {"reason": "upstream-closed-early", "status": 200, "target": "127.0.0.1:9000"},
]


@pytest.mark.parametrize("how", BROKEN_OFF, ids=lambda how: f"{how['reason']} {how['status']}")
def test_what_broke_off_was_asked_nevertheless(how: dict[str, Any], registered: Registered) -> None:
    registered.request("crm", scopes=("orders:read",), **how)
    registered.request("crm", reason="scope-missing", status=403, identity="bob", path="/orders/8", bytes_out=0)
    found = reach(registered.state, "crm", 0)
    assert (found.requests, found.refused, found.bytes_out) == (2, 1, 100)
    assert [one["person"] for one in found.people] == ["ada"]
    assert [one["path"] for one in found.objects] == ["/orders/7"]
    registered.uses.note()
    used = {one.what for one in registered.uses.usage("crm", 30).given if one.used}
    assert used == {"orders", "orders getOrder", "orders:read"}


@pytest.mark.parametrize(
    "bundle",
    [
        {"roles": [{"name": "support", "who": [[{"scope": ["orders:write"]}]]}]},
        {"roles": [{"name": "support", "who": [[{"claim": ["scope"], "contains": ["orders:write"]}]]}]},
        {"apis": [{"name": "orders", "policies": {"properties": {"open": [{"to": {"scope": "orders:write"}}]}}}]},
        {"apis": [{"name": "orders", "policies": {"minimise": {"open": [{"to": {"scope": "orders:write"}}]}}}]},
        {"apis": [{"name": "orders", "policies": {"cedar": {"config": {}}}}]},
        {"apis": [{"name": "orders", "policies": {"plugins": [{"name": "x"}]}}]},
    ],
    ids=str,
)
def test_scopes_that_events_do_not_tell_of_are_left(bundle: dict[str, Any], registered: Registered) -> None:
    registered.register("helper")
    registered.since("helper", 10)
    registered.request("helper", scopes=("orders:read",))
    registered.uses.note()
    registered.uses.unseen = lambda: unseen({**BUNDLE, **bundle})
    assert registered.uses.usage("helper", 30).trimmed["scopes"] == SCOPES
    registered.uses.expire()
    assert registered.apps.one("helper").scopes == SCOPES
    registered.uses.unseen = lambda: unseen(BUNDLE)
    assert registered.uses.usage("helper", 30).trimmed["scopes"] == ["orders:read"]
    registered.uses.expire()
    assert registered.apps.one("helper").scopes == ["orders:read"]


def test_scopes_that_the_room_scopes_names_are_told_of() -> None:
    policies: dict[str, Any] = {"scopes": {"config": {"opens": {"orders:write": []}}}, "cedar": None}
    assert unseen({**BUNDLE, "apis": [{"name": "orders", "policies": policies}]}) == Unseen()


def test_where_nothing_is_written_down_nothing_is_taken_back(registered: Registered) -> None:
    registered.register("helper")
    registered.since("helper", 10)
    registered.uses.unseen = lambda: unseen({**BUNDLE, "events": {"access": False}})
    registered.uses.expire()
    assert registered.apps.one("helper").scopes == SCOPES
    for ask in (registered.uses.usage, lambda app, days: registered.uses.trim("me", app, days)):
        with pytest.raises(AppRuleError, match=r"events\.access"):
            ask("helper", 30)
    assert registered.apps.one("helper").apis == ["orders"]


def test_a_report_says_from_when_on_anything_is_known(registered: Registered) -> None:
    registered.request("crm", days=3)
    usage = registered.uses.usage("crm", 90)
    assert (now_ms() - usage.since_ms) / DAY_MS == pytest.approx(3, abs=0.1)


def test_a_long_name_of_an_operation_narrows_nothing(registered: Registered) -> None:
    registered.register("helper")
    registered.request("helper", operation="x" * 500)
    registered.request("helper", scopes=("orders:read",))
    registered.uses.note()
    assert registered.uses.usage("helper", 30).trimmed["operations"] == {}


def test_a_program_of_the_configuration_leaves_nothing_behind_that_was_given(registered: Registered) -> None:
    registered.apps.stop("me", "crm", None)
    stopped = registered.told()[-1]["app"]
    assert (stopped["stopped"], stopped["clients"], stopped["scopes"], stopped["apis"]) == (True, [], [], [])
    registered.named({})
    assert registered.apps.one("crm").stopped_ms is not None, "who takes it out of a file does not start it"
    with pytest.raises(AppRuleError, match="another program already"):
        registered.register("evil", clients=CRM["clients"])
    registered.apps.start("me", "crm")
    assert registered.told()[-1].items() >= facts.forget_app("crm").items()
    with pytest.raises(AppNotFoundError):
        registered.apps.one("crm")
    registered.register("good", clients=CRM["clients"])


def test_a_program_that_is_started_is_as_the_configuration_says(registered: Registered) -> None:
    registered.apps.stop("me", "crm", "why")
    started = registered.apps.start("me", "crm")
    assert (started.stopped_ms, started.scopes) == (None, SCOPES)
    assert registered.apps.one("crm").stopped_ms is None
