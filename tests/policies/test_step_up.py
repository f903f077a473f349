"""`step_up`, from the configuration to the engine; `tests/gateway/test_second_factor.py` has people and passkeys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.tokens import Tokens
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import ConfigErrors, load
from lockgate.config.bundle_types import PlacedStepUp, StepUpConfig, StepUpRule
from policies.test_session import PEPPER, config
from support.vectors import Case, cases, document, name

CASES = cases("step_up")
NOW_MS = int(document("step_up")["now_ms"])


def said(case: Case) -> dict[str, Any]:
    """The case's rule, as a user writes it."""
    rule = dict(case["rule"])
    if "within_s" in rule:
        rule["within"] = f"{rule.pop('within_s')}s"
    return {"rules": [rule]}


def session(claims: dict[str, Any]) -> str:
    whole = {"iss": "https://login.example.com", "sub": "ada", "jti": "s-1", **claims}
    value = {"issuer": "company", "until_ms": 4_000_000_000_000, "claims": whole}
    return _native.seal_session(PEPPER, "staff", json.dumps(value).encode())


# Of callers that the engine itself can be shown without a handshake: people with a session.
PEOPLE = [case for case in CASES if case.get("proved_by", "session") == "session"]


@pytest.mark.parametrize("case", PEOPLE, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    written = config()
    written["apis"]["shop"]["step_up"] = said(case)
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    bundle = load(file, environment={"OIDC_SECRET": "hush"}).compile(1, 1)
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=PEPPER)
    headers = [("Host", "a.example"), *case.get("headers", {}).items()]
    cookie = ("Cookie", f"__Host-lockgate-staff={session(case['claims'])}")
    request = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": [*headers, cookie]}
    answer = engine.evaluate(request, now_ms=NOW_MS)
    assert (answer["verdict"], (answer["reason"] or {}).get("code")) == (case["verdict"], case.get("reason"))
    assert answer["identity"]["owner"] == "ada", "who it is, is certain"


def placed(wanted: StepUpRule) -> PlacedStepUp:
    config: StepUpConfig = {"rules": [wanted], "sign_in": None}
    return {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(40), "config": config}


def test_a_client_with_a_token_is_told_what_to_ask_for(gate: Gate, auto: AutoUpstream) -> None:
    """RFC 9470 section 3."""
    tokens = Tokens()
    wanted: StepUpRule = {"operations": [], "methods": [], "within_s": 300, "amr": ["mfa"], "acr": ["gold", "silver"]}
    api = bundles.api(keys=[bundles.jwt(tokens.name)])
    api["policies"]["step_up"] = placed(wanted)
    gate.load(tokens.add_to(bundles.bundle([api], [bundles.upstream(auto.port)])))
    tokens.publish(gate)
    client = gate.client()
    refused = client.get("/", f"Authorization: {tokens.bearer(2**31)}")
    assert (refused.status, refused.reason) == (401, "step-up-wanted")
    challenge = refused.get("www-authenticate") or ""
    assert challenge.startswith('Bearer error="insufficient_user_authentication"')
    assert 'acr_values="gold silver"' in challenge
    assert 'max_age="300"' in challenge
    now_s = bundles.now_ms() // 1000
    good = tokens.bearer(2**31, auth_time=now_s - 10, amr=["pwd", "mfa"], acr="silver")
    assert client.get("/", f"Authorization: {good}").status == 200


def test_a_key_cannot_prove_more(gate: Gate, auto: AutoUpstream) -> None:
    wanted: StepUpRule = {"operations": [], "methods": [], "within_s": None, "amr": ["mfa"], "acr": []}
    api = bundles.api(keys=[bundles.api_key()])
    api["policies"]["step_up"] = placed(wanted)
    gate.load(bundles.bundle([api], [bundles.upstream(auto.port)]))
    answer = gate.client().get("/", f"X-API-Key: {gate.key(int(gate.tell('facts_seq')) + 1, 'key_step')}")
    assert (answer.status, answer.reason) == (403, "step-up-impossible")


@pytest.mark.parametrize(
    "rule", [{}, {"operations": ["x"]}, {"amr": ["a b"]}, {"acr": ['"']}, {"within": "0s"}, {"amr": [""]}]
)
def test_a_rule_that_asks_for_nothing_is_refused(rule: dict[str, Any], tmp_path: Path) -> None:
    written = config()
    written["apis"]["shop"]["step_up"] = {"rules": [rule]}
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        load(file, environment={"OIDC_SECRET": "hush"})
    assert {error.code for error in refused.value.errors} <= {"step-up-malformed", "out-of-range"}
