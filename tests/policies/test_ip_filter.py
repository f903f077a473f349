"""`ip_filter`, from the configuration to the wire."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate.config import bundle_types as types
from policies.conftest import Evaluate, Refusals
from support import places
from support.places import Places
from support.vectors import Case, cases, document, name

CASES = cases("ip_filter")
HOST = [("Host", "a.example")]
PLACES: Places = document("ip_filter")["places"]
FROM_LOOPBACK = [case for case in CASES if case["address"].startswith("127.")]


@pytest.fixture(scope="module")
def geo(tmp_path_factory: pytest.TempPathFactory) -> types.Geo:
    """What the databases of the cases tell."""
    return cast("types.Geo", places.section(tmp_path_factory.mktemp("places"), PLACES))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate, geo: types.Geo) -> None:
    request = {"peer": case["address"], "headers": HOST}
    answer = evaluate({"ip_filter": case["config"]}, request, geo=geo)
    assert answer["verdict"] == case["verdict"]
    assert (answer["reason"] or {}).get("code") == case.get("reason")


@pytest.mark.parametrize("case", FROM_LOOPBACK, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, geo: types.Geo) -> None:
    config = case["config"]
    placed = bundles.ip_filter(allow=config.get("allow", ()), deny=config.get("deny", ()), geo=config.get("geo"))
    gate.load(bundles.bundle([bundles.api(addresses=placed)], [bundles.upstream(auto.port)], geo=geo))
    answer = gate.client(source=case["address"]).get()
    if case["verdict"] == "allow":
        assert answer.status == 200
    else:
        assert (answer.status, answer.reason) == (403, case["reason"])


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"deny": ["10.0.0.0/33"]}, ["network-malformed"]),
        ({"deny": ["10.0.0.1/24"]}, ["network-host-bits"]),
        ({"deny": ["example.com"]}, ["network-malformed"]),
        ({"allow": []}, ["allow-empty"]),
        ({"deny": [{"file": "nowhere.txt"}]}, ["file-missing"]),
        ({"block": ["10.0.0.0/8"]}, ["unknown-key"]),
        ({"mode": "watch"}, ["not-a-choice"]),
        ({"geo": {"deny_countries": ["UK"]}}, ["country-unknown"]),
        ({"geo": {"deny_countries": [False]}}, ["country-unknown"]),
        ({"geo": {"allow_countries": ["Germany"]}}, ["country-unknown"]),
        ({"geo": {"allow_countries": []}}, ["list-empty"]),
        ({"geo": {"deny_networks": ["10.0.0.0/8"]}}, ["network-number-malformed"]),
        ({"geo": {"deny_networks": [0]}}, ["network-number-malformed"]),
        ({"geo": {"deny_networks": [2**32]}}, ["network-number-malformed"]),
        ({"geo": {"allow_networks": [64500]}}, ["unknown-key"]),
        ({"geo": {"deny_countries": ["FR"]}}, ["geo-missing"]),
        ({"geo": {"deny_networks": [64500]}}, ["geo-missing"]),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"ip_filter": config}) == codes


def test_codes_are_read_in_any_case_and_numbers_with_as(evaluate: Evaluate, geo: types.Geo) -> None:
    rules = {"deny_countries": ["fr"], "deny_networks": ["AS64500", "as4200000000"]}
    for address, reason in [
        ("127.33.1.1", "country-denied"),
        ("127.49.1.1", "network-denied"),
        ("127.64.1.1", "network-denied"),
        ("127.44.1.1", None),
    ]:
        answer = evaluate({"ip_filter": {"geo": rules}}, {"peer": address, "headers": HOST}, geo=geo)
        assert (answer["reason"] or {}).get("code") == reason, address


def test_an_explanation_tells_where_the_client_is(evaluate: Evaluate, geo: types.Geo) -> None:
    api = {"ip_filter": {"geo": {"deny_countries": ["FR"]}}}
    answer = evaluate(api, {"peer": "127.33.1.1", "headers": HOST}, geo=geo)
    assert answer["place"] == {"country": "FR", "network": 64501, "organization": "Example 64501"}
    assert answer["reason"]["span"]["file"] == "lockgate.yaml"
    assert evaluate(api, {"peer": "127.0.0.1"}, geo=geo)["place"]["country"] is None
    assert evaluate({}, {"peer": "127.33.1.1"})["place"] is None


def test_headers_tell_where_the_client_is(evaluate: Evaluate, geo: types.Geo) -> None:
    fields = {"request": {"set": {"X-Country": "{country}", "X-Network": "AS{network}"}}}
    asked = {"headers": [("Host", "a"), ("X-Country", "a lie"), ("X_Network", "a lie")]}
    located: list[tuple[str, dict[str, tuple[str, str | None]]]] = [
        ("127.33.1.1", {"x-country": ("set", "FR"), "x-network": ("set", "AS64501"), "x_network": ("remove", None)}),
        # Of whom nothing is known nothing is told, and least of all what he says himself.
        ("127.0.0.1", {"x-country": ("remove", None), "x-network": ("remove", None), "x_network": ("remove", None)}),
    ]
    for address, expected in located:
        answer = evaluate({"headers": fields}, {"peer": address, **asked}, geo=geo)
        changes = {change["header"]: (change["change"], change["value"]) for change in answer["changes"]["request"]}
        assert {name: changes.get(name) for name in expected} == expected


def test_variables_want_the_database_that_they_ask(refusals: Refusals, geo: types.Geo) -> None:
    fields = {"response": {"set": {"X-Network": "{network}"}}}
    assert refusals({"headers": fields}) == ["geo-missing"]
    assert refusals({"headers": fields}, geo={"countries": geo["countries"]}) == ["geo-missing"]
