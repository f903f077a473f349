"""Callers that are made up from who has a role, and what cases show of roles and scopes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate.config import load
from lockgate.rehearsal.callers import Caller, callers
from lockgate.rehearsal.coverage import measure
from lockgate.rehearsal.read import read
from lockgate.rehearsal.role_table import RoleTable
from lockgate.rehearsal.run import Run

JWT = {"jwt": {"config": {"issuer": "company"}}}
ASKED = {"introspection": {"config": {"issuer": "partner"}}}
SESSION = {"session": {"config": {"sign_in": "staff", "issuers": ["company", "people"]}}}
BASIC = {"basic": {"config": {"issuer": "people"}}}
KEY = {"api_key": {"config": {"header": "x-api-key"}}}
MTLS: dict[str, Any] = {"mtls": {"config": {}}}


def claim(path: str, **test: Any) -> dict[str, Any]:
    return {"claim": {"path": path.split("."), "test": test}}


def made(who: list[dict[str, Any]], *ways: Any, together: Any = ()) -> list[dict[str, Any]]:
    api = {"policies": {"authenticate": list(ways), "together": list(together)}}
    return [one.as_case() for one in callers(api, who)]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ([], {}),
        ([claim("a.b", contains=[{"text": "x"}, {"text": "y"}])], {"a": {"b": ["x"]}}),
        ([claim("g", contains=[{"text": "x"}]), claim("g", contains=[{"text": "y"}])], {"g": ["x", "y"]}),
        ([claim("a", one_of=[{"number": 3}])], {"a": 3}),
        ([claim("a", equals={"truth": True})], {"a": True}),
        ([claim("age", at_least=18), claim("age", at_most=30)], {"age": 18}),
        ([claim("a", present=True)], {"a": "any"}),
        ([claim("a", present=True), claim("a", equals={"text": "x"})], {"a": "x"}),
        ([claim("a", present=False)], {}),
        ([{"scope": ["read", "all"]}, {"scope": ["more"]}], {"scope": "read more"}),
        ([{"owner": ["ann"]}, {"app": ["crm"]}], {"sub": "ann", "client_id": "crm"}),
        ([{"credential": ["company/ann"]}], {"sub": "ann"}),
    ],
)
def test_the_simplest_claims_are_made(who: list[dict[str, Any]], said: dict[str, Any]) -> None:
    (case,) = made(who, JWT)
    assert case == {"token": {"issuer": "company", **({"claims": said} if said else {})}}


@pytest.mark.parametrize(
    "who",
    [
        [{"credential": ["key_w5k2xlcris2uirba4wl3"]}],
        [claim("a", equals={"text": "x"}), claim("a.b", equals={"text": "y"})],
        [{"issuer": ["other"]}],
        [{"issuer": ["company"]}, {"issuer": ["people"]}],
        [{"way": ["mtls"]}],
    ],
)
def test_who_cannot_be_made_up_is_not(who: list[dict[str, Any]]) -> None:
    assert made(who, JWT) == []


def test_each_way_has_its_own() -> None:
    cases = made([{"scope": ["read"]}], KEY, BASIC, MTLS, SESSION, ASKED, JWT)
    scoped = {"claims": {"scope": "read"}}
    assert cases == [
        {"token": {"issuer": "company", "opaque": False, **scoped}},
        {"session": {"issuer": "company", "sign_in": "staff", **scoped}},
        {"token": {"issuer": "partner", "opaque": True, **scoped}},
        {"basic": {"issuer": "people", **scoped}},
        {"key": {"scopes": ["read"]}},
    ]
    assert made([{"way": ["api_key"]}, {"owner": ["ann"]}], JWT, KEY) == [{"key": {"owner": "ann"}}]
    assert made([{"issuer": ["people"]}], SESSION, KEY) == [{"session": {"issuer": "people", "sign_in": "staff"}}]
    # Keys have no claims.
    assert made([claim("a", present=True)], KEY) == []
    # What is enough only with something else is not enough.
    assert made([], MTLS, JWT, KEY, together=[{"first": 0, "count": 2}]) == [{"key": True}]


def test_more_scopes_are_added_once() -> None:
    token = Caller("jwt", "token", {"claims": {"scope": "a"}})
    assert token.with_scopes(["b", "a"]).said == {"claims": {"scope": "a b"}}
    assert Caller("api_key", "key", {}).with_scopes(["a", "a"]).said == {"scopes": ["a"]}
    assert token.with_scopes([]) is token


CONFIG: dict[str, Any] = {
    "version": 1,
    "issuers": {"company": {"issuer": "https://login.example.com", "audience": "shop"}},
    "roles": {
        "viewer": {},
        "support": {"who": {"claim": "groups", "contains": "support"}, "includes": "viewer"},
        "manager": {"who": {"claim": "groups", "contains": "manager"}, "includes": "support"},
    },
    "apis": {
        "shop": {
            "path": "/shop",
            "upstream": "http://127.0.0.1:9000",
            "authenticate": [{"jwt": {"issuer": "company"}}, "api_key"],
            "authorize": {
                "scopes": {"read": ["GET"], "write": ["POST"], "all": ["GET", "POST"]},
                "roles": {"viewer": ["GET"], "manager": ["POST"]},
            },
        }
    },
}


def bundle(folder: Path, document: dict[str, Any] = CONFIG) -> dict[str, Any]:
    (folder / "lockgate.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return {**load(folder / "lockgate.yaml").compile(0, 0)}


def ran(bundle: dict[str, Any], folder: Path, text: str) -> Run:
    table = folder / "lockgate.tests.yaml"
    table.write_text(text, encoding="utf-8")
    run = Run(bundle, read([table]))
    results = list(run)
    assert all(result.passed for result in results), [result for result in results if not result.passed]
    return run


def test_a_whole_table_meets_every_rule(tmp_path: Path) -> None:
    made_of = bundle(tmp_path)
    table = RoleTable(made_of)
    run = ran(made_of, tmp_path, table.text())
    assert table.missing == []
    met = measure(run.outline(), run.explained, run.parts())
    rules = {point.what: point.met for point in met.points if point.kind == "rule"}
    assert rules == dict.fromkeys(["scope read", "scope write", "scope all", "role support", "role manager"], True)
    assert (met.of("rule"), met.as_json()["rules"]) == ((5, 5), (5, 5))


def test_what_was_never_the_reason_is_told(tmp_path: Path) -> None:
    made_of = bundle(tmp_path)
    token = "token: {claims: {groups: [GROUP], scope: SCOPE}}"
    case = "  - {{name: {name}, request: {request}, {token}, expect: {expect}}}\n"

    def one(name: str, request: str, group: str, scope: str, expect: str) -> str:
        said = token.replace("GROUP", group).replace("SCOPE", scope)
        return case.format(name=name, request=request, token=said, expect=expect)

    table = "version: 1\ncases:\n" + one("reads", "GET /shop", "support", "read", "allow")
    run = ran(made_of, tmp_path, table)
    met = measure(run.outline(), run.explained, run.parts())
    words = {point.what: point.words for point in met.missing if point.kind == "rule"}
    assert words["role support"] == "no case is refused for want of role support of shop"
    assert words["scope read"] == "no case is refused for want of scope read of shop"
    assert words["role manager"] == "no case is let in by role manager of shop"
    lines = (tmp_path / "lockgate.yaml").read_text().splitlines()
    place = f"lockgate.yaml:{lines.index('      roles:') + 1}"
    assert {point.place for point in met.missing if point.what == "role support"} == {place}
    table += one("other scope", "GET /shop", "support", "nothing", "scope-missing")
    table += one("no role", "GET /shop", "nobody", "read", "role-missing")
    run = ran(made_of, tmp_path, table)
    met = measure(run.outline(), run.explained, run.parts())
    missing = {point.what for point in met.missing if point.kind == "rule"}
    assert missing == {"scope write", "scope all", "role manager"}


def test_each_policy_in_cedar_is_to_decide_once(tmp_path: Path) -> None:
    policies = [
        'permit(principal in Role::"support", action == Action::"GET", resource);',
        '@id("own") permit(principal, action == Action::"POST", resource) when { principal.owner == "ann" };',
        '@id("night") forbid(principal, action, resource) when { context.time.hour >= 22 };',
    ]
    (tmp_path / "shop.cedar").write_text("\n".join(policies))
    shop = {**CONFIG["apis"]["shop"], "authorize": {"cedar": "shop.cedar"}}
    made_of = bundle(tmp_path, {**CONFIG, "apis": {"shop": shop}})
    table = """\
version: 1
cases:
  - {name: own, request: POST /shop, at: "2026-12-01T10:00:00Z", key: {owner: ann}, expect: allow}
  - {name: others, request: POST /shop, at: "2026-12-01T10:00:00Z", key: {owner: bob}, expect: cedar-not-permitted}
"""
    run = ran(made_of, tmp_path, table)
    met = measure(run.outline(), run.explained, run.parts())
    words = {point.words: point.place for point in met.missing if point.kind == "rule"}
    assert words == {
        "no case is decided by policy shop.cedar:1 of shop": "shop.cedar:1",
        "no case is decided by policy night of shop": "shop.cedar:3",
    }
    table += '  - {name: late, request: POST /shop, at: "2026-12-01T23:00:00Z", key: {owner: ann}, expect: deny}\n'
    run = ran(made_of, tmp_path, table)
    met = measure(run.outline(), run.explained, run.parts())
    assert (met.of("rule"), [point.what for point in met.missing if point.kind == "rule"]) == (
        (2, 3),
        ["policy shop.cedar:1"],
    )


def test_what_observes_or_nobody_has_is_not_counted(tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    authorize = {
        "scopes": {"opens": {"read": ["GET"]}, "mode": "observe", "waiver": waiver},
        "roles": {"viewer": ["GET"]},
    }
    shop = {**CONFIG["apis"]["shop"], "authorize": authorize}
    made_of = bundle(tmp_path, {**CONFIG, "apis": {"shop": shop}})
    run = ran(made_of, tmp_path, RoleTable(made_of).text())
    met = measure(run.outline(), run.explained, run.parts())
    assert {point.what for point in met.points if point.kind == "rule"} == {"role support", "role manager"}


def test_a_case_says_which_scopes_its_key_was_given(tmp_path: Path) -> None:
    shop = {**CONFIG["apis"]["shop"], "authorize": {"scopes": {"read": ["GET"]}}}
    made_of = bundle(tmp_path, {**CONFIG, "apis": {"shop": shop}})
    cases = "version: 1\ncases:\n"
    cases += "  - {name: with, request: GET /shop, key: {scopes: [read]}, expect: allow}\n"
    cases += "  - {name: without, request: GET /shop, key: true, expect: scope-missing}\n"
    ran(made_of, tmp_path, cases)


def test_an_api_that_no_case_can_call_says_so(tmp_path: Path) -> None:
    shop = {**CONFIG["apis"]["shop"], "authenticate": [{"all": ["api_key", {"jwt": {"issuer": "company"}}]}]}
    made_of = bundle(tmp_path, {**CONFIG, "apis": {"shop": shop}})
    table = RoleTable(made_of)
    text = table.text()
    assert "# No case: shop takes no token, session, password or key that a case could bring\n" in text
    assert table.count == text.count("- name: ") == 3
    ran(made_of, tmp_path, text)


def test_conditions_hosts_and_routes_are_met(tmp_path: Path) -> None:
    shop = {
        **CONFIG["apis"]["shop"],
        "hosts": ["shop.example.com"],
        "routes": {"beta": {"match": {"headers": {"X-Beta": "1"}}}},
    }
    made_of = bundle(tmp_path, {**CONFIG, "apis": {"shop": shop}})
    text = RoleTable(made_of).text()
    assert 'headers: {"x-beta": "1"}' in text.lower()
    assert 'host: "shop.example.com"' in text
    run = ran(made_of, tmp_path, text)
    assert {(told["route"] or {}).get("route") for told in run.explained} == {None, "beta"}
