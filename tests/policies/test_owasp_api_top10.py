"""Weak APIs, attacked as OWASP's API Security Top 10 (2023) says, without rules and with them.

One is written here for that, the other one is json-server, which is others'. Their users and orders are anybody's:
they look at no owner (API1), bind whatever they get and answer with all they have (API3), delete for whoever asks
(API5), and are there for robots as for people (API6). The gate's rules are those of docs/guides/object-ownership.md,
and two caps.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer, request
from policies.entitled import ISSUER, Entitled
from support.json_server import JsonServer, json_server
from support.tree import ROOT

NUMBERS: Final = itertools.count()
MOST_OF_ONE: Final = 5
"""Users of one program in a day."""
GUIDE: Final = (ROOT / "docs/guides/object-ownership.md").read_text(encoding="utf-8")
JSON: Final = "Content-Type: application/json"
CALLERS: Final[dict[str, dict[str, Any]]] = {
    "ann": {"sub": "ann"},
    "bob": {"sub": "bob"},
    "support": {"sub": "eve", "groups": ["support"]},
    "admin": {"sub": "max", "groups": ["admins"]},
}


def block(name: str) -> str:
    """A file that the guide has its reader save."""
    found = re.search(rf"^```yaml {re.escape(name)}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


class Weak:
    """The API: it does what it is told, for anybody."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {
            name: {"id": name, "name": name.title(), "email": f"{name}@example.com", "role": "customer", "hash": "$2b$"}
            for name in ("ann", "bob")
        }
        self.orders: dict[str, dict[str, Any]] = {
            number: {"id": number, "customer": name, "sum": 10, "margin": 3}
            for number, name in (("1", "ann"), ("2", "bob"), *((str(number), "cyd") for number in range(3, 41)))
        }

    def __call__(self, asked: Message) -> bytes:
        parts = asked.target.strip("/").split("/")
        things: dict[str, Any] = {"users": self.users, "orders": self.orders}.get(parts[0], {})
        thing = things.get(parts[1]) if len(parts) > 1 else None
        if thing is None:
            return answer(b'{"title": "no such thing"}', JSON, status="404 Not Found")
        if asked.method == "DELETE":
            del things[parts[1]]
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        if asked.method == "PATCH":
            thing |= json.loads(asked.body)
        if len(parts) == 3:
            thing = [order for order in self.orders.values() if order["customer"] == parts[1]]
        return answer(json.dumps(thing).encode(), JSON)


class Foreign:
    """The same things in json-server."""

    def __init__(self, server: JsonServer) -> None:
        self.server = server
        ours = Weak()
        self.users, self.orders = ours.users, ours.orders

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        return self.server.holds("users")

    @users.setter
    def users(self, users: dict[str, dict[str, Any]]) -> None:
        self.server.make("users", users)

    @property
    def orders(self) -> dict[str, dict[str, Any]]:
        return self.server.holds("orders")

    @orders.setter
    def orders(self, orders: dict[str, dict[str, Any]]) -> None:
        self.server.make("orders", orders)


class Shop:
    """A weak API behind a gate."""

    def __init__(self, gate: Gate, folder: Path, said: dict[str, Any], weak: Weak | Foreign, port: int) -> None:
        self.weak = weak
        self.api = Entitled(gate, port, folder, said)

    def send(self, who: str, method: str, target: str, body: object = None, **claims: str) -> Message:
        known = CALLERS.get(who, {"sub": who})
        bearer = f"Authorization: {self.api.tokens.bearer(2**31, **known, **claims)}"
        sent = b"" if body is None else json.dumps(body).encode()
        with self.api.gate.client() as client:
            client.send(request(target, bearer, JSON, method=method, body=sent))
            return client.message()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonServer]:
    """One for them all; each test has it hold what it wants."""
    folder = tmp_path_factory.mktemp("json-server")
    with json_server(folder, ["users", "orders"], {"/users/:id/orders": "/orders?customer=:id"}) as running:
        yield running


@pytest.fixture(params=["ours", "json-server"])
def theirs(request: pytest.FixtureRequest) -> JsonServer | None:
    """Whose API is attacked."""
    return cast("JsonServer", request.getfixturevalue("server")) if request.param == "json-server" else None


def behind(gate: Gate, folder: Path, theirs: JsonServer | None, *, guarded: bool) -> Iterator[Shop]:
    (folder / "openapi.yaml").write_text(block("openapi.yaml"), encoding="utf-8")
    said = copy.deepcopy(cast("dict[str, Any]", yaml.safe_load(block("lockgate.yaml"))))
    said["issuers"]["company"] |= {"issuer": ISSUER, "audience": "shop", "algorithms": ["ES256"]}
    if not guarded:
        api = said["apis"]["shop"]
        api["authorize"] = "authenticated"
        del api["minimise"], said["roles"]
    else:
        authorize = said["apis"]["shop"]["authorize"]
        authorize["enumeration"] = {"operations": ["getOrder"], "steps": 20}
        authorize["users"] = {"by": "app", "distinct_per_day": MOST_OF_ONE}
    # What was counted in one test is none of another's.
    said["apis"][f"shop-{next(NUMBERS)}"] = said["apis"].pop("shop")
    if theirs is not None:
        yield Shop(gate, folder, said, Foreign(theirs), theirs.port)
        return
    weak = Weak()
    with AutoUpstream(weak) as upstream:
        yield Shop(gate, folder, said, weak, upstream.port)


@pytest.fixture
def before(gate: Gate, tmp_path: Path, theirs: JsonServer | None) -> Iterator[Shop]:
    """Without rules: who is known may do anything."""
    yield from behind(gate, tmp_path, theirs, guarded=False)


@pytest.fixture
def after(gate: Gate, tmp_path: Path, theirs: JsonServer | None) -> Iterator[Shop]:
    """With the guide's rules."""
    yield from behind(gate, tmp_path, theirs, guarded=True)


@pytest.fixture(params=["before", "after"])
def either(request: pytest.FixtureRequest, gate: Gate, tmp_path: Path, theirs: JsonServer | None) -> Iterator[Shop]:
    """Both, for what goes on as ever."""
    yield from behind(gate, tmp_path, theirs, guarded=request.param == "after")


LEGITIMATE: Final = [
    ("ann", "GET", "/users/ann", None),
    ("bob", "GET", "/users/bob", None),
    ("ann", "GET", "/orders/1", None),
    ("bob", "GET", "/orders/2", None),
    ("ann", "GET", "/users/ann/orders", None),
    ("ann", "PATCH", "/users/ann", {"name": "Anna"}),
    ("bob", "PATCH", "/users/bob", {"email": "b@example.com"}),
    ("support", "GET", "/users/ann", None),
    ("support", "GET", "/orders/2", None),
    ("support", "PATCH", "/users/bob", {"note": "called"}),
    ("admin", "PATCH", "/users/bob", {"role": "partner"}),
    ("admin", "DELETE", "/orders/2", None),
]


@pytest.mark.parametrize(("who", "method", "target", "body"), LEGITIMATE)
def test_good_calls_pass_before_and_after(who: str, method: str, target: str, body: object, either: Shop) -> None:
    got = either.send(who, method, target, body)
    assert got.status in {200, 204}
    if method == "PATCH":
        assert cast("dict[str, Any]", body).items() <= either.weak.users[target.rpartition("/")[2]].items()


BROKEN_OBJECTS: Final = ["/users/bob", "/orders/2", "/users/bob/orders"]


@pytest.mark.parametrize("target", BROKEN_OBJECTS)
def test_api1_before(target: str, before: Shop) -> None:
    assert b"bob" in before.send("ann", "GET", target).body


@pytest.mark.parametrize("target", BROKEN_OBJECTS)
def test_api1_after(target: str, after: Shop) -> None:
    refused = after.send("ann", "GET", target)
    assert (refused.status, refused.reason) == (403, "object-not-own")
    assert b"example.com" not in refused.body


ASSIGNED: Final[list[dict[str, Any]]] = [
    {"role": "admin"},
    {"name": "Ann", "hash": "x"},
    {"Role": "admin"},
    {"note": "x"},
]


@pytest.mark.parametrize("body", ASSIGNED)
def test_api3_mass_assignment_before(body: dict[str, Any], before: Shop) -> None:
    assert before.send("ann", "PATCH", "/users/ann", body).status == 200
    assert body.items() <= before.weak.users["ann"].items()


@pytest.mark.parametrize("body", ASSIGNED)
def test_api3_mass_assignment_after(body: dict[str, Any], after: Shop) -> None:
    untouched = copy.deepcopy(after.weak.users)
    refused = after.send("ann", "PATCH", "/users/ann", body)
    assert (refused.status, refused.reason) == (403, "property-not-writable")
    assert after.weak.users == untouched


def test_api3_excessive_data_before(before: Shop) -> None:
    assert b"$2b$" in before.send("ann", "GET", "/users/ann").body
    assert b"margin" in before.send("ann", "GET", "/users/ann/orders").body


def test_api3_excessive_data_after(after: Shop) -> None:
    own = json.loads(after.send("ann", "GET", "/users/ann").body)
    assert own == {"id": "ann", "name": "Ann", "email": "ann@example.com"}
    changed = json.loads(after.send("ann", "PATCH", "/users/ann", {"name": "Anna"}).body)
    assert changed == {**own, "name": "Anna"}
    assert json.loads(after.send("ann", "GET", "/users/ann/orders").body) == [{"id": "1", "customer": "ann", "sum": 10}]
    assert json.loads(after.send("ann", "GET", "/orders/1").body) == {"id": "1", "customer": "ann", "sum": 10}
    assert json.loads(after.send("admin", "GET", "/users/ann").body)["hash"] == "$2b$"


@pytest.mark.parametrize("who", ["ann", "support"])
def test_api5_before(who: str, before: Shop) -> None:
    assert before.send(who, "DELETE", "/orders/1").status in {200, 204}
    assert "1" not in before.weak.orders


@pytest.mark.parametrize("who", ["ann", "support"])
def test_api5_after(who: str, after: Shop) -> None:
    refused = after.send(who, "DELETE", "/orders/1")
    assert (refused.status, refused.reason) == (403, "role-missing")
    assert "1" in after.weak.orders


def walk(shop: Shop) -> Message:
    """Somebody of the support, who may read any order, reads all of them."""
    return [shop.send("support", "GET", f"/orders/{number}") for number in range(1, 41)][-1]


def resell(shop: Shop) -> list[int]:
    """A reseller's program, and all the accounts that it has made."""
    buyers = [f"account-{number}" for number in range(12)]
    return [shop.send(who, "PATCH", f"/users/{who}", {"name": who}, client_id="resale").status for who in buyers]


def test_api6_before(before: Shop) -> None:
    before.weak.users |= {f"account-{number}": {"id": f"account-{number}"} for number in range(12)}
    assert walk(before).status == 200
    assert resell(before) == [200] * 12


def test_api6_after(after: Shop) -> None:
    after.weak.users |= {f"account-{number}": {"id": f"account-{number}"} for number in range(12)}
    stopped = walk(after)
    assert (stopped.status, stopped.reason) == (429, "enumeration-walking")
    assert resell(after) == [200] * MOST_OF_ONE + [429] * (12 - MOST_OF_ONE)
    one_more = after.send("account-11", "PATCH", "/users/account-11", {"name": "x"}, client_id="resale")
    assert one_more.reason == "users-a-day"
    assert after.send("account-0", "PATCH", "/users/account-0", {"name": "x"}, client_id="resale").status == 200
    assert after.send("ann", "PATCH", "/users/ann", {"name": "Anna"}, client_id="shop-frontend").status == 200
