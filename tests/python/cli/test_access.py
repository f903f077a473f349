"""`lockgate access`: who can call what, and why."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from lockgate import _native
from lockgate.admin.access import matrix
from lockgate.cli._access_shown import show_matrix
from lockgate.config import load
from lockgate.rehearsal.role_table import MAX_CASES, RoleTable, TooManyCasesError
from lockgate.state import StateFolder
from support.command import Ended, lockgate
from support.issuer import SigningKey
from support.processes import Processes
from support.running import Running

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "components": {
        "securitySchemes": {
            "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t", "scopes": {}}}},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    },
    "security": [{"oauth": ["orders:read"]}, {"key": ["orders:read"]}],
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders", "responses": {}},
            "post": {"operationId": "createOrder", "security": [{"oauth": ["orders:write"]}], "responses": {}},
        },
        "/orders/{id}": {
            "get": {"operationId": "getOrder", "responses": {}},
            "delete": {"operationId": "deleteOrder", "security": [{"oauth": ["orders:write"]}], "responses": {}},
        },
        "/orders/prices": {"get": {"operationId": "prices", "security": [], "responses": {}}},
    },
}
ROLES: dict[str, Any] = {
    "viewer": {},
    "support": {"who": {"claim": "groups", "contains": "support"}, "includes": "viewer"},
    "manager": {
        "who": [
            {"claim": "realm_access.roles", "contains": ["manager"]},
            {"issuer": "company", "claim": "department", "one_of": ["board"]},
        ],
        "includes": "support",
    },
    "robot": {"who": {"credential": "key_w5k2xlcris2uirba4wl3"}},
}
ISSUER: dict[str, Any] = {"issuer": "https://login.example.com", "audience": "https://api.example.com"}
ORDERS: dict[str, Any] = {
    "path": "/orders",
    "upstream": "http://127.0.0.1:9000",
    "openapi": "openapi.yaml",
    "authenticate": [{"jwt": {"issuer": "company"}}, "api_key"],
    "authorize": {
        "scopes": "from_openapi",
        "roles": {"viewer": ["listOrders", "getOrder"], "manager": ["createOrder"], "robot": ["listOrders"]},
        "public": [{"what": ["prices"], "owner": "shop-team", "reason": "the price list", "until": "2099-01-01"}],
    },
}


def written(folder: Path, **apis: Any) -> Path:
    document = {"version": 1, "issuers": {"company": ISSUER}, "roles": ROLES, "apis": apis or {"orders": ORDERS}}
    (folder / "openapi.yaml").write_text(yaml.safe_dump(OPENAPI), encoding="utf-8")
    (folder / "lockgate.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return folder


def plain(**authorize: Any) -> dict[str, Any]:
    return {
        "path": "/plain",
        "upstream": "http://127.0.0.1:9000",
        "authenticate": [{"jwt": {"issuer": "company"}}],
        "authorize": authorize or {"roles": {"viewer": ["GET"], "support": ["PATCH /plain/{id}"]}},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path)


def cells(ended: Ended, row: str) -> list[str]:
    (line,) = [line for line in ended.out.splitlines() if line.startswith(f"{row}  ")]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_matrix_has_operations_down_and_roles_across(folder: Path) -> None:
    ended = lockgate("access", "matrix", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    head = ended.out.splitlines()[1].split()
    assert head == ["Operation", "viewer", "support", "manager", "robot", "Scopes", "Else"]
    marks = ["x", "(x)", "(x)"]
    assert cells(ended, "GET /orders/{id}")[1:4] == marks
    assert cells(ended, "GET /orders")[-1] == "oauth (orders:read)"
    assert "or key (orders:read)" in ended.out
    assert cells(ended, "DELETE /orders/{id}")[-1] == "of any role"
    assert cells(ended, "GET /orders/prices")[1:] == ["anyone, until 2099-01-01"]
    assert "x: the role opens it. (x): a role that it includes does." in ended.out


def test_a_matrix_for_programs(folder: Path) -> None:
    told = json.loads(lockgate("access", "matrix", "--json", cwd=folder).out)
    assert [role["name"] for role in told["roles"]] == list(ROLES)
    assert told["roles"][2]["who"] == [
        "claim: realm_access.roles, contains: manager",
        "claim: department, one_of: board and issuer: company",
    ]
    rows = {row["operation"]: row for row in told["rows"]}
    assert {name: row["who"] for name, row in rows.items()} == {
        "listOrders": "entitled",
        "createOrder": "entitled",
        "getOrder": "entitled",
        "deleteOrder": "entitled",
        "prices": "anyone",
    }
    (roles,) = [rule for rule in rows["getOrder"]["rules"] if rule["policy"] == "roles"]
    assert [(role["role"], role["through"], role["given"]) for role in roles["roles"]] == [
        ("viewer", None, False),
        ("support", "viewer", True),
        ("manager", "viewer", True),
    ]
    assert (rows["prices"]["waiver"]["owner"], rows["prices"]["file"]) == ("shop-team", "openapi.yaml")


def test_what_no_rule_speaks_of_is_told_and_strictly_1(tmp_path: Path) -> None:
    silent = {**ORDERS, "authorize": {"roles": {"viewer": ["listOrders"]}}}
    folder = written(tmp_path, orders=silent, plain=plain())
    ended = lockgate("access", "matrix", "--strict", cwd=folder)
    assert ended.code == 1
    assert "No rule says who may call 4 operations." in ended.err
    assert cells(ended, "POST /orders")[-1] == "nobody: no rule"
    # What nothing names is refused as it should be: that is no operation without a rule.
    ended = lockgate("access", "matrix", "--strict", "--api", "plain", cwd=folder)
    assert (ended.code, cells(ended, "* /plain/*")[-1]) == (0, "nobody: no rule")
    assert lockgate("access", "matrix", cwd=folder).code == 0


def test_an_api_that_there_is_not_is_2(folder: Path) -> None:
    ended = lockgate("access", "matrix", "--api", "order", cwd=folder)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "There is no API `order`; did you mean `orders`?\n"


def test_what_only_observes_holds_nobody_back(tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    observed = {"roles": {"opens": {"viewer": ["GET"]}, "mode": "observe", "waiver": waiver}}
    folder = written(tmp_path, plain=plain(**observed))
    ended = lockgate("access", "matrix", cwd=folder)
    assert "everyone who is known" in ended.out
    assert "roles: observe" in ended.out
    ended = lockgate("access", "who", "GET /plain/1", cwd=folder)
    assert "(`observe`: it holds nobody back)" in ended.out


@pytest.mark.parametrize("width", [80, 120, 200])
def test_many_roles_fit_the_terminal(tmp_path: Path, width: int) -> None:
    roles = {f"department-{number}": {"who": {"claim": "groups", "contains": f"d{number}"}} for number in range(12)}
    document = {
        "version": 1,
        "issuers": {"company": ISSUER},
        "roles": roles,
        "apis": {"plain": plain(roles={name: ["GET"] for name in roles})},
    }
    (tmp_path / "lockgate.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    said = io.StringIO()
    made = matrix(json.dumps(load(tmp_path / "lockgate.yaml").compile(0, 0)))
    show_matrix(made, Console(file=said, width=width))
    lines = said.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    heads = [line for line in lines if line.startswith("Operation")]
    assert sum(name in head.split() for head in heads for name in roles) == len(roles)
    assert len(heads) == {80: 7, 120: 3, 200: 2}[width]


def test_a_table_of_tests_passes_and_fails_when_a_role_is_widened(folder: Path) -> None:
    ended = lockgate("access", "matrix", "--tests", "lockgate.tests.yaml", cwd=folder)
    assert ended.code == 0
    table = (folder / "lockgate.tests.yaml").read_text()
    assert f"Wrote {table.count('- name:')} cases to lockgate.tests.yaml" in ended.err
    # Of whom nobody can be made up, it is told there and here.
    nobody = "of the role robot no caller of orders can be made up offline"
    assert f"# No case: {nobody}" in table
    assert f"No case: {nobody}" in ended.err
    ran = lockgate("test", "--json", cwd=folder)
    assert ran.code == 0, ran.out
    told = json.loads(ran.out)
    names = {case["name"]: case["explained"]["verdict"] for case in told["cases"]}
    assert names["support: getOrder (GET /orders/{id}) of orders"] == "allow"
    assert names["support: createOrder (POST /orders) of orders"] == "deny"
    assert names["no role: prices (GET /orders/prices) of orders"] == "allow"
    # Every operation for support, manager, no role and no credential.
    assert sum(": " in name and " scopes: " not in name and " with " not in name for name in names) == 5 * 4
    # Only what asks for a key's very id is nowhere the reason.
    missing = [point for point in told["coverage"]["missing"] if point["kind"] == "rule"]
    assert [point["what"] for point in missing] == ["role robot"]
    config = folder / "lockgate.yaml"
    config.write_text(config.read_text().replace("manager:\n        - createOrder", "support:\n        - createOrder"))
    ran = lockgate("test", cwd=folder)
    assert ran.code == 1
    assert "FAILED support: createOrder (POST /orders) of orders" in ran.out


def test_a_table_is_written_over_and_nothing_else_is(folder: Path) -> None:
    table = folder / "access.yaml"
    assert lockgate("access", "matrix", "--tests", "access.yaml", cwd=folder).code == 0
    assert lockgate("access", "matrix", "--tests", "access.yaml", cwd=folder).code == 0
    for own in (b"version: 1\ncases: []\n", b"\xff"):
        table.write_bytes(own)
        ended = lockgate("access", "matrix", "--tests", "access.yaml", cwd=folder)
        assert (ended.code, table.read_bytes()) == (2, own)
        assert "it stays as it is" in ended.err
    ended = lockgate("access", "matrix", "--tests", "no/access.yaml", cwd=folder)
    assert (ended.code, "cannot be written" in ended.err) == (2, True)


def test_a_table_that_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    roles = {f"r{number}": {"who": {"claim": "groups", "contains": f"g{number}"}} for number in range(300)}
    paths = [f"GET /plain/{number}" for number in range(100)]
    document = {
        "version": 1,
        "issuers": {"company": ISSUER},
        "roles": roles,
        "apis": {"plain": plain(roles={"r0": paths, **{name: paths[:1] for name in roles if name != "r0"}})},
    }
    (tmp_path / "lockgate.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    bundle: dict[str, Any] = {**load(tmp_path / "lockgate.yaml").compile(0, 0)}
    with pytest.raises(TooManyCasesError, match=f"at most {MAX_CASES}"):
        RoleTable(bundle).text()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("getOrder", ["Who       whom scopes and roles let in", "`oauth` (orders:read)"]),
        ("GET /orders/{id}", ["getOrder", "support, through viewer: claim: groups, contains: support"]),
        ("get /orders/7", ["getOrder", "viewer: nobody by itself"]),
        ("GET http://any.example.com/orders/7?x=1", ["getOrder"]),
        ("createOrder", ["manager: claim: department, one_of: board and issuer: company"]),
        ("prices", ["anyone at all", "until 2099-01-01: shop-team, the price list"]),
    ],
)
def test_who_may_call_something(folder: Path, what: str, said: list[str]) -> None:
    ended = lockgate("access", "who", what, cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    for words in said:
        assert words in ended.out


def test_keys_are_not_listed_where_nothing_runs(folder: Path) -> None:
    assert "not listed: no control process answers here" in lockgate("access", "who", "getOrder", cwd=folder).out
    # No key has the document's `oauth`.
    assert "Keys" not in lockgate("access", "who", "createOrder", cwd=folder).out


def test_what_nobody_may_call_is_1_and_what_there_is_not_is_2(tmp_path: Path) -> None:
    folder = written(tmp_path, plain=plain())
    ended = lockgate("access", "who", "PUT /plain/1", cwd=folder)
    assert (ended.code, "nobody: no rule speaks of it" in ended.out) == (1, True)
    for what in ("getPlain", "GET /elsewhere", "GET plain"):
        ended = lockgate("access", "who", what, cwd=folder)
        assert (ended.code, ended.out) == (2, "")
        assert f"Nothing here is `{what}`" in ended.err
    assert lockgate("access", "who", "GET /plain/1", "--api", "orders", cwd=folder).code == 2


def test_what_asks_for_more_is_told(tmp_path: Path) -> None:
    api = {**plain(), "step_up": {"rules": [{"methods": ["GET"], "within": "5m"}]}}
    ended = lockgate("access", "who", "GET /plain/1", cwd=written(tmp_path, plain=api))
    assert "Then      step_up" in ended.out


def test_keys_with_such_scopes_are_listed_where_a_control_process_answers(tmp_path: Path, processes: Processes) -> None:
    folder = written(tmp_path)
    config = folder / "lockgate.yaml"
    said = yaml.safe_load(config.read_text())
    said |= {"listeners": {"public": {"address": "127.0.0.1:0"}}, "admin": {"address": "127.0.0.1:0"}}
    config.write_text(yaml.safe_dump(said, sort_keys=False))
    Running(processes, folder).ready()
    create = ("keys", "create", "--owner", "sales@example.com")
    for name, words in (
        ("reader", ("--scope", "orders:read")),
        ("nothing", ()),
        ("elsewhere", ("--scope", "orders:write")),
    ):
        assert lockgate(*create, "--name", name, *words, cwd=folder).code == 0
    told = json.loads(lockgate("access", "who", "getOrder", "--json", cwd=folder).out)
    (item,) = told["items"]
    assert [key["name"] for key in item["keys"]] == ["reader"]
    assert "reader, of sales@example.com" in lockgate("access", "who", "getOrder", cwd=folder).out
    key = item["keys"][0]["id"]
    ended = lockgate("access", "of", "--key", key, "--json", cwd=folder)
    rows = {row["row"]["operation"]: row for row in json.loads(ended.out)}
    # It has the scope, and no role.
    assert (rows["getOrder"]["may"], rows["getOrder"]["reason"]) == (False, "role-missing")
    assert (rows["createOrder"]["reason"], rows["prices"]["may"]) == ("credential-unfit", True)


def test_what_somebody_may_call(folder: Path) -> None:
    claims = json.dumps({"groups": ["support"], "scope": "orders:read"})
    ended = lockgate("access", "of", "--claims", claims, cwd=folder)
    assert ended.code == 0
    may, _, may_not = ended.out.partition("May not call")
    assert "scope orders:read, role support" in may
    assert "GET /orders/prices" in may
    assert "scope-missing: it takes `oauth` (orders:write)" in may_not
    nobody = lockgate("access", "of", "--claims", "{}", "--api", "orders", "--json", cwd=folder)
    assert [one["row"]["operation"] for one in json.loads(nobody.out) if one["may"]] == ["prices"]


def test_nothing_that_is_open_is_1(tmp_path: Path) -> None:
    ended = lockgate("access", "of", "--claims", "{}", cwd=written(tmp_path, plain=plain()))
    assert (ended.code, "May call" in ended.out) == (1, False)
    assert "role-missing: it takes the role `viewer`" in ended.out


def test_what_a_token_may_call(tmp_path: Path) -> None:
    folder = written(tmp_path)
    key = SigningKey("one")
    (folder / "keys.json").write_text(json.dumps({"keys": [key.jwk]}))
    config = folder / "lockgate.yaml"
    said = yaml.safe_load(config.read_text())
    said["issuers"]["company"]["jwks"] = {"file": "keys.json"}
    config.write_text(yaml.safe_dump(said, sort_keys=False))
    (folder / "token").write_text(
        key.token(iss=ISSUER["issuer"], aud=ISSUER["audience"], groups=["support"], scope="orders:read")
    )
    ended = lockgate("access", "of", "--token", "token", cwd=folder)
    assert ended.code == 0, ended.out
    assert "role support" in ended.out
    (folder / "token").write_text(key.token(iss=ISSUER["issuer"], aud="https://other.example.com"))
    ended = lockgate("access", "of", "--token", "token", cwd=folder)
    assert "jwt-audience" in ended.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "one of them"),
        (("--claims", "{}", "--key", "key_x"), "one of them"),
        (("--claims", "{"), "--claims is no JSON"),
        (("--claims", "[]"), "--claims is an object"),
        (("--claims", '{"sub": 1}'), "--claims is an object"),
        (("--claims", "{}", "--api", "nope"), "There is no API `nope`."),
        (("--token", "nowhere"), "--token: nowhere cannot be read"),
        (("--token", "openapi.yaml"), "that is no token"),
    ],
)
def test_whose_access_is_meant_has_to_be_said(folder: Path, words: tuple[str, ...], said: str) -> None:
    ended = lockgate("access", "of", *words, cwd=folder)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_a_key_that_there_is_not_is_2(folder: Path) -> None:
    StateFolder.open(folder / ".lockgate")
    ended = lockgate("access", "of", "--key", "key_w5k2xlcris2uirba4wl3", cwd=folder)
    assert (ended.code, ended.out) == (2, "")
    assert "key_w5k2xlcris2uirba4wl3" in ended.err or "no key" in ended.err.lower()


def test_rules_are_proposed_from_what_was_noted(folder: Path) -> None:
    nothing = lockgate("access", "suggest", cwd=folder)
    assert (nothing.code, nothing.out) == (2, "")
    state = StateFolder.open(folder / ".lockgate")
    silent = lockgate("access", "suggest", cwd=folder)
    assert (silent.code, silent.out) == (1, "")
    assert "write `suggest: 10%` under `authorize`" in silent.err
    noted(state, "ann", "bob", "eve", against="helper")
    told = lockgate("access", "suggest", "--api", "orders", cwd=folder)
    assert told.code == 0
    said = yaml.safe_load(told.out)["apis"]["orders"]["authorize"]["objects"]
    assert said == [{"operations": ["getOrder"], "response": "/customer", "must_equal": "claim:sub"}]
    assert "# low: 9 of 10 answers, of 3 callers; 1 speaks against it, of helper" in told.out
    assert "--json names the requests" in told.err
    (item,) = json.loads(lockgate("access", "suggest", "--json", cwd=folder).out)["items"]
    assert (item["against_callers"], len(item["against_requests"])) == (["helper"], 1)
    assert lockgate("access", "suggest", "--since", "later", cwd=folder).code == 2
    assert lockgate("access", "suggest", "--api", "lost", cwd=folder).err == "There is no API `lost`.\n"


def noted(state: StateFolder, *callers: str, against: str) -> None:
    """Three requests of each, in which the answer says whose it is, and one of another in which it does not."""
    log = _native.EventWriter(str(state.gate_events), 1 << 24, node="gate-1")
    own = {"noted_own": ["response:/customer claim:sub"]}
    for number, (caller, more) in enumerate([*((name, own) for name in callers * 3), (against, {})]):
        event = {
            "class": "access",
            "at_ms": int(time.time() * 1000),
            "id": f"r{number:06}",
            "method": "GET",
            "host": "a.example",
            "path": "/orders/7",
            "listener": "public",
            "peer": "192.0.2.1",
            "api": "orders",
            "operation": "getOrder",
            "identity": caller,
            "status": 200,
            "looked": "answer",
            "verdicts": [],
            **more,
        }
        log.append(event)
    log.close()


def test_what_policies_and_rules_of_ownership_do_is_told(tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(OPENAPI), encoding="utf-8")
    (tmp_path / "orders.cedar").write_text('permit(principal, action in Action::"GET", resource);', encoding="utf-8")
    objects = [{"operations": ["getOrder"], "response": "/customer", "must_equal": "owner"}]
    api = {
        "path": "/orders",
        "openapi": "openapi.yaml",
        "upstream": "http://127.0.0.1:9000",
        "authenticate": ["api_key"],
        "authorize": {"cedar": "orders.cedar", "objects": objects},
    }
    config = tmp_path / "lockgate.yaml"
    config.write_text(yaml.safe_dump({"version": 1, "apis": {"orders": api}}), encoding="utf-8")
    rows = {row.operation: row for row in matrix(json.dumps(load(config).compile(1, 1))).rows}
    assert rows["getOrder"].who == "entitled"
    assert [one.policy for one in rows["getOrder"].behind] == ["objects"]
    assert rows["listOrders"].behind == []
    assert (rows["createOrder"].who, rows["createOrder"].reason) == ("nobody", "cedar-not-permitted")
    shown = lockgate("access", "matrix", cwd=tmp_path).out
    assert "whom cedar lets in" in shown
    assert "then objects" in shown
