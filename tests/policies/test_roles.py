"""`roles`, from the configuration to a running gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("roles")
SAME_SITE = ("Sec-Fetch-Site", "same-origin")
SPAN = {"file": 0, "line": 1, "column": 1}
ROLES = {
    "viewer": {},
    "support": {"who": {"claim": "groups", "contains": "support"}, "includes": "viewer"},
    "manager": {"who": {"claim": "realm_access.roles", "contains": ["manager"]}, "includes": ["support"]},
    "robot": {"who": {"way": "api_key", "scope": "orders:all"}},
}
OPENS = {
    "viewer": "GET",
    "support": ["PATCH /orders/{id}"],
    "manager": ["POST", "refund"],
    "robot": "*",
}
AUTHORIZE = {"roles": OPENS, "permissions": {"refund": ["DELETE /orders/{id}", "/orders/refunds/**"]}}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, people({"allow": "authenticated", "roles": {"any": "GET"}}, roles={"any": {}}))
    bundle["roles"] = [{**role, "span": SPAN} for role in vectors("roles")["roles"]]
    what = case.get("what", [{"methods": ["GET"], "operations": [], "paths": []}])
    bundle["apis"][0]["policies"]["roles"]["config"] = {"opens": [{"role": case["role"], "what": what}]}
    answer = explained(bundle, "GET", "/orders/7", session(case["claims"]))
    wanted = {
        "granted": ("allow", None, [case.get("by")]),
        "silent": ("allow", None, []),
        "deny": ("deny", case.get("reason"), []),
    }
    assert step(answer, "roles") == wanted[case["verdict"]]
    assert answer["verdict"] == ("deny" if case["verdict"] == "deny" else "allow")


@pytest.mark.parametrize(
    ("claims", "method", "target", "status", "reason"),
    [
        ({"groups": ["support"]}, "GET", "/orders/7", 200, None),
        ({"groups": ["support"]}, "HEAD", "/orders/7", 200, None),
        ({"groups": ["support"]}, "PATCH", "/orders/7", 200, None),
        ({"groups": ["support"]}, "PATCH", "/orders/7/lines", 403, "operation-without-rule"),
        ({"groups": ["support"]}, "POST", "/orders", 403, "role-missing"),
        ({"groups": ["support"]}, "DELETE", "/orders/7", 403, "role-missing"),
        ({"realm_access": {"roles": ["manager"]}}, "POST", "/orders", 200, None),
        ({"realm_access": {"roles": ["manager"]}}, "DELETE", "/orders/7", 200, None),
        ({"realm_access": {"roles": ["manager"]}}, "PUT", "/orders/refunds/1", 200, None),
        ({"realm_access": {"roles": ["manager"]}}, "PATCH", "/orders/7", 200, None),
        ({"realm_access": ["manager"]}, "GET", "/orders/7", 403, "role-missing"),
        ({}, "GET", "/orders/7", 403, "role-missing"),
        ({"groups": ["support"]}, "GET", "//orders/7", 403, None),
    ],
)
def test_a_gate(
    claims: dict[str, Any],
    method: str,
    target: str,
    status: int,
    reason: str | None,
    gate: Gate,
    auto: AutoUpstream,
    tmp_path: Path,
) -> None:
    opens = {**OPENS}
    del opens["robot"]  # Everything is spoken of by it.
    shop = Entitled(gate, auto.port, tmp_path, document({**AUTHORIZE, "roles": opens}, roles=ROLES))
    answer = shop.token(method, target, **claims)
    if target.startswith("//"):
        assert answer.status != 200
        return
    assert answer.status == status
    if reason is not None:
        assert answer.reason == reason


def test_what_entitles_is_told_of_and_written_down(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    shop = Entitled(gate, auto.port, tmp_path, document(AUTHORIZE, roles=ROLES))
    answer = shop.token("GET", "/orders/7", realm_access={"roles": ["manager"]}, client_id="crm")
    event = gate.event(answer.id)
    assert (event["grounds"], event["app"]) == (["role manager"], "crm")
    robot = shop.key("DELETE", "/orders/7", "key_robot", scopes=["orders:all"])
    assert (robot.status, gate.event(robot.id)["grounds"]) == (200, ["role robot"])
    refused = shop.key("GET", "/orders/7", "key_none")
    assert (refused.status, refused.reason) == (403, "role-missing")
    assert refused.problem["detail"] == "it takes one of the roles `robot`, `viewer`"
    assert gate.event(refused.id).get("grounds") is None


def test_observing_lets_through_and_grants_nothing(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    observed = {"opens": OPENS, "mode": "observe", "waiver": waiver}
    shop = Entitled(gate, auto.port, tmp_path, document({**AUTHORIZE, "roles": observed}, roles=ROLES))
    answer = shop.token("GET", "/orders/7", groups=["nobody"])
    assert answer.status == 200
    told = {one["policy"]: one for one in gate.event(answer.id)["verdicts"]}
    assert (told["roles"]["outcome"], told["roles"]["reason"]) == ("observe-deny", "role-missing")


def test_an_explanation_names_the_role(tmp_path: Path) -> None:
    bundle = compiled(tmp_path, people(AUTHORIZE, roles=ROLES))
    answer = explained(bundle, "PATCH", "/orders/7", session({"groups": ["support"]}), SAME_SITE)
    assert step(answer, "roles") == ("allow", None, ["role support"])


def test_a_route_has_the_roles_of_its_api(tmp_path: Path) -> None:
    said = people(AUTHORIZE, roles=ROLES, api={"routes": {"refunds": {"path": "/orders/refunds"}}})
    answer = explained(compiled(tmp_path, said), "PUT", "/orders/refunds", session({}), SAME_SITE)
    assert answer["route"]["route"] == "refunds"
    assert answer["reason"]["code"] == "role-missing"


def test_what_only_observes_opens_nothing(tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    observed = {"opens": {"orders:all": "*"}, "mode": "observe", "waiver": waiver}
    bundle = compiled(tmp_path, people({"roles": {"viewer": "GET"}, "scopes": observed}, roles=ROLES))
    answer = explained(bundle, "DELETE", "/orders/7", session({"groups": ["support"]}), SAME_SITE)
    assert answer["reason"]["code"] == "operation-without-rule"
    alone = compiled(tmp_path, people({"scopes": observed}))
    assert explained(alone, "GET", "/orders/7", session({}))["verdict"] == "allow", "nothing else would close it"


@pytest.mark.parametrize(
    ("part", "target", "opened"),
    [
        ("GET /orders", "/orders", True),
        ("GET /orders", "/orders/7", False),
        ("GET /orders", "/orders/", False),
        ("GET /orders/**", "/orders/7/lines", True),
        ("GET /orders/{id}", "/orders/7", True),
        ("GET /orders/{id}", "/orders/7/lines", False),
        ("GET /**", "/orders/7", True),
        ("/orders/7", "/orders/7", True),
        ("/orders/7", "/Orders/7", False),
    ],
)
def test_a_path_opens_itself_and_nothing_else(part: str, target: str, opened: bool, tmp_path: Path) -> None:
    api = {"path": ["/orders", "/Orders"]}
    bundle = compiled(tmp_path, people({"roles": {"viewer": part}}, roles=ROLES, api=api))
    answer = explained(bundle, "GET", target, session({"groups": ["support"]}))
    assert (answer["verdict"] == "allow") is opened
