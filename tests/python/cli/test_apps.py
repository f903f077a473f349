"""`lockgate apps`: programs of others, with everything running."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.redirects import RedirectError, parse_redirect
from support.command import Ended, lockgate
from support.processes import Processes
from support.running import Running
from support.waiting import until

KEY = [{"key": ["orders:read"]}]
WRITE = [{"key": ["orders:write"]}]
ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "customer": {"$ref": "#/x/customer"}},
}
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "x": {"customer": {"type": "object", "properties": {"name": {"type": "string"}, "email": {"type": "string"}}}},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
    "security": KEY,
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders"},
            "post": {"operationId": "createOrder", "security": WRITE},
        },
        "/orders/{id}": {
            "get": {
                "operationId": "getOrder",
                "responses": {"200": {"description": "It", "content": {"application/json": {"schema": ORDER}}}},
            },
            "delete": {"operationId": "deleteOrder", "security": WRITE},
        },
        "/orders/export": {"get": {"operationId": "exportOrders"}},
    },
}
GIVEN = ["orders:read", "orders:write", "orders:refund"]


class Shop(NamedTuple):
    """A running Lockgate before an API that programs use."""

    running: Running
    folder: Path

    def apps(self, *words: str, code: int = 0) -> Ended:
        ended = lockgate("apps", *words, cwd=self.folder)
        assert ended.code == code, ended.out + ended.err
        return ended

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.apps(*words, "--json", code=code).out)

    def key(self, app: str) -> str:
        key: str = self.running.make_key(app=app, scopes=GIVEN)["key"]
        return key

    def ask(self, key: str, what: str) -> tuple[int, str | None]:
        method, path = what.split()
        answer = httpx.request(method, self.running.url() + path, headers={"X-API-Key": key})
        return answer.status_code, None if answer.is_success else answer.json()["reason"]

    def written(self, app: str, requests: int) -> None:
        """So many of its requests stand in the events."""
        folder = self.running.state.gate_events

        def look() -> bool:
            events, _ = _native.last_events(folder, 1_000)
            return [event.get("app") for event in events].count(app) >= requests

        until(look, f"{requests} events of {app}")


@pytest.fixture
def shop(processes: Processes, tmp_path: Path) -> Iterator[Shop]:
    with AutoUpstream() as upstream:
        document = {
            "version": 1,
            "listeners": {"public": {"address": "127.0.0.1:0"}},
            "admin": {"address": "127.0.0.1:0"},
            "apps": {"crm": {"owner": "sales", "tier": "reviewed", "apis": ["orders"], "scopes": GIVEN}},
            "apis": {
                "orders": {
                    "path": "/",
                    "upstream": f"http://127.0.0.1:{upstream.port}",
                    "openapi": "openapi.yaml",
                    "authenticate": ["api_key"],
                    "authorize": {"scopes": "from_openapi", "apps": {"bulk": ["exportOrders"]}},
                }
            },
        }
        (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(OPENAPI, sort_keys=False), encoding="utf-8")
        (tmp_path / "lockgate.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        yield Shop(Running(processes, tmp_path).ready(), tmp_path)


def register(shop: Shop, name: str, *more: str) -> Ended:
    scopes = [word for scope in GIVEN for word in ("--scope", scope)]
    return shop.apps("register", name, "--owner", "partners", "--api", "orders", *scopes, *more)


def test_a_program_is_registered_held_stopped_and_forgotten(shop: Shop) -> None:
    said = register(shop, "helper", "--review", "180d", "--redirect-uri", "https://helper.example/back")
    assert "Registered helper." in said.out
    key = shop.key("helper")
    assert shop.ask(key, "GET /orders") == (200, None)
    assert shop.ask(key, "GET /orders/export") == (403, "app-tier-bulk")
    shop.apps("change", "helper", "--scope", "orders:write")
    assert shop.ask(key, "GET /orders") == (403, "scope-missing")
    shop.apps("change", "helper", "--scope", "orders:read", "--tier", "reviewed")
    assert shop.ask(key, "GET /orders/export") == (200, None)
    began = time.monotonic()
    shop.apps("stop", "helper", "--reason", "its vendor was broken into")
    assert shop.ask(key, "GET /orders") == (403, "app-stopped"), f"after {time.monotonic() - began} s"
    shown = shop.apps("show", "helper").out
    assert "by cli: its vendor was broken into" in shown or "its vendor was broken into" in shown
    assert "https://helper.example/back" in shown
    shop.apps("start", "helper")
    assert shop.ask(key, "GET /orders") == (200, None)
    assert [row["id"] for row in shop.json("list")] == ["crm", "helper"]
    shop.apps("remove", "helper")
    assert shop.ask(key, "GET /orders") == (401, "key-revoked")
    assert [row["id"] for row in shop.json("list")] == ["crm"]


def test_commands_that_ask_the_engine_know_who_is_registered(shop: Shop) -> None:
    register(shop, "helper")
    made = shop.running.make_key(app="helper", scopes=[*GIVEN, "orders:all"])
    (shop.folder / "key").write_text(made["key"], encoding="utf-8")
    explained = lockgate("explain", "GET", "/orders", "--key-file", "key", cwd=shop.folder)
    assert (explained.code, "withheld orders:all" in explained.out) == (0, True), explained.out + explained.err
    assert lockgate("access", "of", "--key", made["id"], cwd=shop.folder).code == 0
    shop.apps("stop", "helper")
    assert "app-stopped" in lockgate("explain", "GET", "/orders", "--key-file", "key", cwd=shop.folder).out
    assert lockgate("access", "of", "--key", made["id"], cwd=shop.folder).code == 1


def test_one_of_the_configuration_is_stopped_and_changed_there(shop: Shop) -> None:
    key = shop.key("crm")
    assert shop.ask(key, "GET /orders/export") == (200, None)
    refused = shop.apps("change", "crm", "--tier", "trusted", code=2)
    assert "the configuration names the program 'crm'" in refused.err
    shop.apps("stop", "crm")
    assert shop.ask(key, "GET /orders") == (403, "app-stopped")
    shop.running.again()
    assert shop.ask(key, "GET /orders") == (403, "app-stopped"), "it stays so"
    shop.apps("start", "crm")
    assert shop.ask(key, "GET /orders") == (200, None)


def test_what_was_given_against_what_was_used(shop: Shop) -> None:
    register(shop, "helper")
    key = shop.key("helper")
    did = ["GET /orders", "GET /orders/7", "GET /orders/8", "POST /orders"]
    for what in did:
        assert shop.ask(key, what) == (200, None), what
    assert shop.ask(key, "DELETE /orders/7")[0] == 200
    assert shop.ask(key, "GET /orders/export") == (403, "app-tier-bulk")
    did.append("DELETE /orders/7")
    shop.written("helper", 6)
    usage = shop.json("usage", "helper")
    used = {(one["kind"], one["what"]): one["used"] for one in usage["given"]}
    assert used == {
        ("api", "orders"): True,
        ("operation", "orders listOrders"): True,
        ("operation", "orders createOrder"): True,
        ("operation", "orders getOrder"): True,
        ("operation", "orders deleteOrder"): True,
        ("operation", "orders exportOrders"): False,
        ("scope", "orders:read"): True,
        ("scope", "orders:write"): True,
        ("scope", "orders:refund"): False,
    }
    assert usage["over"] == round(100 * (1 / 5 + 1 / 3) / 2)
    text = shop.apps("usage").out
    assert "unused  orders:refund  (never)" in text
    assert "dangerous" in text, "orders:write"
    dry = shop.apps("trim", "helper", "--dry-run").out
    assert "scopes: [orders:read, orders:write]" in dry
    assert shop.json("show", "helper")["scopes"] == sorted(GIVEN)
    assert "Taken from it: scopes orders:refund. The gate acts" in shop.apps("trim", "helper").out
    assert shop.json("show", "helper")["scopes"] == ["orders:read", "orders:write"]
    shop.apps("register", "idle", "--owner", "ann", "--api", "orders", "--scope", "orders:read")
    assert "It used nothing, so it may do nothing now" in shop.apps("trim", "idle").out
    assert shop.json("usage", "helper")["over"] == 0
    for what in did:
        assert shop.ask(key, what) == (200, None), f"{what} was let through before"
    assert shop.ask(key, "GET /orders/export") == (403, "app-not-for-operation")
    # That was first used a moment ago, which somebody ought to look at.
    findings = until(lambda: _dangerous(shop), "a finding of a dangerous scope", within=90)
    assert findings[0]["object"] == "helper orders:write"


def _dangerous(shop: Shop) -> list[dict[str, Any]]:
    with shop.running.admin as admin:
        found = admin.get("/v1/findings").json()["items"]
    return [one for one in found if one["code"] == "app-dangerous-scope"]


def test_trimming_one_of_the_configuration_changes_no_request_that_was_let_through(shop: Shop) -> None:
    key = shop.key("crm")
    for what in ("GET /orders", "GET /orders/7"):
        assert shop.ask(key, what) == (200, None)
    shop.written("crm", 2)
    told = shop.apps("trim", "crm", code=1)
    assert "Write that under `apps.crm`" in told.err
    path = shop.folder / "lockgate.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["apps"]["crm"].update(yaml.safe_load(told.out)["crm"])
    assert document["apps"]["crm"]["scopes"] == ["orders:read"]
    (shop.folder / "trimmed.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    ended = lockgate("replay", "trimmed.yaml", cwd=shop.folder)
    assert (ended.code, "nothing changes for any of them." in ended.out) == (0, True), ended.out
    document["apps"]["crm"]["operations"] = {"orders": ["listOrders"]}
    (shop.folder / "trimmed.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    ended = lockgate("replay", "trimmed.yaml", cwd=shop.folder)
    assert (ended.code, "app-not-for-operation" in ended.out) == (1, True), ended.out


def test_how_far_a_program_reaches(shop: Shop) -> None:
    assert "No request of crm is kept" in shop.apps("reach", "crm").out
    key = shop.key("crm")
    for what in ("GET /orders/7", "GET /orders/7?secret=1", "GET /orders/8"):
        assert shop.ask(key, what) == (200, None)
    shop.written("crm", 3)
    found = shop.json("reach", "crm", "--days", "1")
    assert (found["requests"], found["refused"], found["objects_count"], found["addresses_count"]) == (3, 0, 2, 1)
    assert [(one["path"], one["requests"]) for one in found["objects"]] == [("/orders/7", 2), ("/orders/8", 1)]
    assert found["people"][0]["person"] == "tests"
    assert found["fields"] == {"orders getOrder": ["/id", "/customer/name", "/customer/email"]}
    text = shop.apps("reach", "crm").out
    assert "crm: 3 requests" in text
    assert "Fields of orders getOrder, by its document: /id, /customer/name, /customer/email" in text
    assert "secret" not in text


MISTAKES = [
    (("register", "crm", "--owner", "o", "--api", "orders"), "there is a program 'crm' already"),
    (("register", "x", "--owner", "o", "--api", "ordres"), "there is no API 'ordres'; there are: orders"),
    (("register", "x", "--owner", "o", "--api", "all"), "nobody has reviewed"),
    (("register", "x", "--owner", "o", "--api", "orders", "--tier", "good"), "--tier: 'good' is none of"),
    (("register", "x", "--owner", "o", "--api", "orders", "--scope", "orders:admin"), "never have the scope"),
    (("register", "x", "--owner", "o", "--api", "orders", "--client", "crm"), "--client: 'crm' is not two names"),
    (("register", "x", "--owner", "o", "--api", "orders", "--client", "idp:x"), "there is no issuer 'idp'"),
    (("register", "x", "--owner", "o", "--api", "orders", "--until", "soon"), "--until: 'soon' is neither"),
    (("register", "x", "--owner", "o", "--api", "orders", "--redirect-uri", "https://*.example/"), "has a `*` in"),
    (("register", "a b", "--owner", "o", "--api", "orders"), "no name of a program"),
    (("change", "crm"), "Say what is to be changed"),
    (("show", "gone"), "there is no program 'gone'"),
    (("stop", "gone"), "there is no program 'gone'"),
    (("trim", "gone"), "there is no program 'gone'"),
]


def test_what_cannot_be_is_refused_with_what_to_do(shop: Shop) -> None:
    for words, said in MISTAKES:
        ended = shop.apps(*words, code=2)
        assert said in ended.err
        assert "Traceback" not in ended.err
    assert [row["id"] for row in shop.json("list")] == ["crm"]


@pytest.mark.parametrize(
    ("uri", "safe"),
    [
        ("https://crm.example.com/back", True),
        ("https://crm.example.com/back?kept=1", True),
        ("http://127.0.0.1:8000/back", True),
        ("http://[::1]/back", True),
        ("com.example.app:/back", True),
        ("http://crm.example.com/back", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://localhost@evil.example/", False),
        ("https://crm.example.com@evil.example/", False),
        ("https://crm.example.com/back#x", False),
        ("https://crm.example.com/back#", False),
        ("https://*.example.com/back", False),
        ("https://crm.example.com/a/../b", False),
        ("https://crm.example.com\\@evil.example/", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("myapp:/back", False),
        ("https:///back", False),
        ("//crm.example.com/back", False),
        ("https://crm.example.com/a b", False),
        ("https://crm.exämple.com/", False),
        ("", False),
    ],
)
def test_where_people_come_back_to(uri: str, safe: bool) -> None:
    if safe:
        assert parse_redirect(uri) == uri
    else:
        with pytest.raises(RedirectError):
            parse_redirect(uri)
