"""`risk`, from the configuration to the engine and a running gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import ConfigErrors, load
from lockgate.config.show import effective
from lockgate.policies.risk import DAYS, DEFAULTS
from policies.entitled import Entitled, document, explained, people, step
from policies.entitled import compiled as made
from policies.entitled import session as cookie
from policies.test_device import session
from policies.test_session import PEPPER, config
from support.places import countries, networks
from support.vectors import Case, cases, name
from support.vectors import document as vectors

# Of callers that the engine itself can be shown without a handshake: people with a session.
PEOPLE = [case for case in cases("risk") if case.get("proved_by", "session") == "session"]
NOW_MS = int(vectors("risk")["now_ms"])
LENIENT = {"without": "allow", "new": "allow", "changed": "allow", "travel": "allow", "on_error": "allow"}


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def weighed(**points: int) -> dict[str, int]:
    """These signals and no others."""
    return {**dict.fromkeys(DEFAULTS, 0), **points}


@pytest.mark.parametrize("case", PEOPLE, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    risk: dict[str, Any] = {"step_up_at": 60, "deny_at": 85, "signals": weighed(**case["weights"])}
    risk["addresses"] = ["203.0.113.0/24"]
    if hours := case.get("hours"):
        days = [DAYS[day - 1] for day in hours["days"]]
        risk["hours"] = {"start": clock(hours["start"]), "end": clock(hours["end"]), "days": days}
    written = config()
    written["apis"]["shop"] |= {"device": LENIENT, "authorize": {"allow": "authenticated", "risk": risk}}
    written["geo"] = {"countries": str(countries(tmp_path / "countries.mmdb", {"192.0.2.0/24": {"country": "NL"}}))}
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    bundle = load(file, environment={"OIDC_SECRET": "hush"}).compile(1, 1)
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=PEPPER)
    standing = case.get("device")
    claims = {**case["claims"], **({} if standing is None else {"device": "b-1"})}
    request = {
        "method": "GET",
        "target": "/",
        "peer": case.get("address", "127.0.0.1"),
        "headers": [
            ("Host", "a.example"),
            *case.get("headers", {}).items(),
            ("Cookie", f"__Host-lockgate-staff={session(claims)}"),
        ],
        "device": None if standing is None else json.dumps(standing),
    }
    answer = engine.evaluate(request, now_ms=NOW_MS)
    assert (answer["verdict"], (answer["reason"] or {}).get("code")) == (case["verdict"], case.get("reason"))
    _, _, grounds = step(answer, "risk")
    assert grounds[:1] == ([f"risk {case['score']}"] if case["score"] else [])


def test_what_was_added_up_is_told_by_events_also_where_it_is_only_observed(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    risk = {"deny_at": 40, "signals": weighed(unbound_credential=25, weak_proof=20)}
    entitled = Entitled(gate, auto.port, tmp_path, document({"allow": "authenticated", "risk": risk}))
    assert entitled.token("GET", "/orders", amr=["mfa"]).status == 200
    refused = entitled.token("GET", "/orders", amr=["pwd"])
    assert (refused.status, refused.reason) == (403, "risk-too-high")
    assert "unbound" not in refused.body.decode(), "what counts is nobody's business but the operator's"
    [allowed] = gate.written(path="/orders", status=200)
    assert (allowed["risk"], allowed["grounds"]) == (25, ["risk 25", "unbound_credential 25"])
    [denied] = gate.written(path="/orders", status=403)
    assert (denied["risk"], denied["grounds"]) == (45, ["risk 45", "unbound_credential 25", "weak_proof 20"])
    said = document({"allow": "authenticated", "risk": {**risk, "mode": "observe"}})
    watched = Entitled(gate, auto.port, tmp_path, said)
    assert watched.token("GET", "/orders?watched", amr=["pwd"]).status == 200
    [seen] = gate.written(2, path="/orders", status=200)[1:]
    assert (seen["risk"], seen["grounds"]) == (45, ["risk 45", "unbound_credential 25", "weak_proof 20"])
    assert {"policy": "risk", "outcome": "observe-deny", "reason": "risk-too-high"} in seen["verdicts"]


def test_much_is_asked_for_a_proof_as_step_up_asks(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """RFC 9470 section 3."""
    risk = {"step_up_at": 10, "within": "5m", "signals": weighed(unbound_credential=15)}
    entitled = Entitled(gate, auto.port, tmp_path, document({"allow": "authenticated", "risk": risk}))
    refused = entitled.token("GET", "/orders")
    assert (refused.status, refused.reason) == (401, "step-up-wanted")
    challenge = refused.get("www-authenticate") or ""
    assert challenge.startswith('Bearer error="insufficient_user_authentication"')
    assert 'max_age="300"' in challenge
    now_s = bundles.now_ms() // 1000
    assert entitled.token("GET", "/orders", amr=["mfa"], auth_time=now_s - 10).status == 200
    assert entitled.token("GET", "/orders", amr=["mfa"], auth_time=now_s - 400).status == 401


def test_failed_tries_from_an_address_count_for_who_comes_from_there(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    risk = {"deny_at": 20, "signals": weighed(failed_tries=20)}
    limits = [{"name": "guesses", "count": "failures", "by": "address", "allow": "4/h", "burst": 4}]
    said = document({"allow": "authenticated", "risk": risk}, api={"limits": limits})
    entitled = Entitled(gate, auto.port, tmp_path, said)
    assert entitled.token("GET", "/orders").status == 200
    for _ in range(2):
        assert entitled.ask("GET", "/orders", "Authorization: Bearer e30.e30.AAAA").status == 401
    refused = entitled.token("GET", "/orders")
    assert (refused.status, refused.reason) == (403, "risk-too-high")


def test_where_a_client_is_counts(tmp_path: Path) -> None:
    risk = {
        "deny_at": 20,
        "signals": weighed(foreign_country=20, listed_network=30),
        "countries": ["DE"],
        "networks": [64500],
    }
    places = {
        "countries": str(countries(tmp_path / "countries.mmdb", {"127.0.0.0/8": {"country": "FR"}})),
        "networks": str(networks(tmp_path / "networks.mmdb", {"127.0.0.0/8": {"network": 64501}})),
    }
    bundle = made(tmp_path, people({"allow": "authenticated", "risk": risk}, geo=places))
    abroad = explained(bundle, "GET", "/orders", cookie({}))
    assert step(abroad, "risk")[1:] == ("risk-too-high", ["risk 20", "foreign_country 20"])
    places["countries"] = str(countries(tmp_path / "home.mmdb", {"127.0.0.0/8": {"country": "DE"}}))
    bundle = made(tmp_path, people({"allow": "authenticated", "risk": risk}, geo=places))
    assert step(explained(bundle, "GET", "/orders", cookie({})), "risk")[0] == "allow"
    places["networks"] = str(networks(tmp_path / "hosts.mmdb", {"127.0.0.0/8": {"network": 64500}}))
    bundle = made(tmp_path, people({"allow": "authenticated", "risk": risk}, geo=places))
    assert step(explained(bundle, "GET", "/orders", cookie({})), "risk")[2] == ["risk 30", "listed_network 30"]


def test_cedar_sees_what_was_added_up(tmp_path: Path) -> None:
    (tmp_path / "risk.cedar").write_text(
        "permit(principal, action, resource) when { context has risk && context.risk.score < 30 };\n"
        'forbid(principal, action, resource) when { context has risk && context.risk.signals.contains("old_proof") };\n'
    )
    authorize = {"cedar": "risk.cedar", "risk": {"deny_at": 90, "signals": weighed(weak_proof=40, old_proof=20)}}
    bundle = made(tmp_path, people(authorize))
    now_s = bundles.now_ms() // 1000
    for claims, reason in (
        ({"amr": ["mfa"], "auth_time": now_s}, None),
        ({"amr": ["mfa"], "auth_time": now_s - 100_000}, "cedar-forbidden"),
        ({"amr": ["pwd"], "auth_time": now_s}, "cedar-not-permitted"),
    ):
        assert step(explained(bundle, "GET", "/orders", cookie(claims)), "cedar")[1] == reason


def test_the_weights_that_hold_are_shown(tmp_path: Path) -> None:
    said = people({"allow": "authenticated", "risk": {"deny_at": 20, "signals": {"weak_proof": 30, "failed_tries": 0}}})
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    shown = effective(load(file, environment={"OIDC_SECRET": "hush"})).data["apis"]["orders"]["authorize"]["risk"]
    assert shown["signals"] == {"unbound_credential": 15, "weak_proof": 30, "old_proof": 10}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"step_up_at": 60, "deny_at": 60},
        {"deny_at": 0},
        {"deny_at": 101},
        {"deny_at": 20, "signals": {"new_phone": 20}},
        {"deny_at": 20, "signals": {"weak_proof": 101}},
        {"deny_at": 20, "signals": {"new_device": 20}},
        {"deny_at": 20, "signals": {"foreign_country": 20}, "countries": ["DE"]},
        {"deny_at": 20, "signals": {"outside_hours": 20}},
        {"deny_at": 20, "hours": {"start": "06:00", "end": "06:00"}},
        {"deny_at": 20, "hours": {"start": "6", "end": "19:00"}},
        {"deny_at": 20, "hours": {"start": "06:00", "end": "24:00"}},
    ],
)
def test_what_could_mean_nothing_is_refused(said: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(people({"allow": "authenticated", "risk": said})), encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        load(file, environment={"OIDC_SECRET": "hush"})
    assert all(error.region.line > 1 for error in refused.value.errors)
