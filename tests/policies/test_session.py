"""`session`, from the configuration to a running gate; `tests/gateway/test_sign_in.py` has real providers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import request
from lockgate import _native
from lockgate.config import ConfigErrors, load
from support.vectors import Case, cases, document, name

CASES = cases("session")
NOW_MS = int(document("session")["now_ms"])
PEPPER = bytes.fromhex(document("session")["pepper"])
ISS = document("session")["iss"]
COOKIE = "__Host-lockgate-staff"
STATUS = {"session-sign-in": 303, "session-cross-site": 403}
FOR_EVER = 4_000_000_000_000
CLIENT = {"client": {"id": "gate", "secret": "${env:OIDC_SECRET}"}}


def config(case: Case | None = None, upstream: str = "http://127.0.0.1:9000", **more: Any) -> dict[str, Any]:
    """A configuration with one API that takes sessions."""
    origins = (case or {}).get("origins")
    entry = {"sign_in": "staff", **({"origins": origins} if origins else {})}
    return {
        "version": 1,
        "issuers": {"company": {"issuer": ISS, **CLIENT}},
        "sign_in": {"staff": {"issuers": ["company"]}},
        "apis": {"shop": {"upstream": upstream, "authenticate": [{"session": entry}], "authorize": "authenticated"}},
        **more,
    }


def compiled(folder: Path, said: dict[str, Any]) -> dict[str, Any]:
    file = folder / "lockgate.yaml"
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    return load(file, environment={"OIDC_SECRET": "hush"}).compile(1, 1)


def cookie(case: Case, pepper: bytes, until_ms: int | None = None) -> str | None:
    """What the browser sends."""
    if "session" not in case:
        return case.get("cookie")
    said = case["session"]
    session = {
        "issuer": said.get("issuer", "company"),
        "until_ms": said["until_ms"] if until_ms is None else until_ms,
        "claims": {"iss": ISS, "sub": "ada", "jti": "s-1", "sid": "idp-9", "iat": NOW_MS // 1000 - 60},
    }
    return _native.seal_session(pepper, case.get("of", "staff"), json.dumps(session).encode())


def headers(case: Case, value: str | None) -> list[tuple[str, str]]:
    found = [("Host", "a.example"), *case.get("headers", {}).items()]
    return found if value is None else [*found, ("Cookie", f"theme=dark; {COOKIE}={value}")]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    revoked = case.get("revoked")
    fact = (
        {"seq": 1, "at_ms": 1, "kind": "token.revoke", "issuer": ISS, **revoked, "before_ms": None, "until_ms": None}
        if revoked
        else None
    )
    facts = [json.dumps(fact).encode()] if fact else []
    engine = _native.Engine(json.dumps(compiled(tmp_path, config(case))).encode(), facts=facts, pepper=PEPPER)
    asked = {
        "method": case.get("method", "GET"),
        "target": "/",
        "peer": "127.0.0.1",
        "headers": headers(case, cookie(case, PEPPER)),
    }
    answer = engine.evaluate(asked, now_ms=NOW_MS)
    assert (answer["reason"] or {}).get("code") == case.get("reason")
    if case["verdict"] == "identify":
        assert (answer["verdict"], answer["identity"]["proved_by"]) == ("allow", "session")
        assert (answer["identity"]["credential"], answer["identity"]["owner"]) == (case["credential"], "ada")
    else:
        assert (answer["verdict"], answer["identity"]) == ("deny", None)


# A gate has no clock but the system's; what is revoked there comes by the control process.
OF_A_GATE = [case for case in CASES if "revoked" not in case]


@pytest.mark.parametrize("case", OF_A_GATE, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    listener = {"listeners": {"public": {"address": "127.0.0.1:0"}}}
    gate.load(compiled(tmp_path, config(case, f"http://127.0.0.1:{auto.port}", **listener)))  # type: ignore[arg-type]
    until_ms = FOR_EVER if case.get("session", {}).get("until_ms", 0) > NOW_MS else None
    value = cookie(case, gate.pepper, 1 if until_ms is None else until_ms)
    lines = [f"{key}: {text}" for key, text in headers(case, value)]
    client = gate.client()
    client.send(request("/x?y=1", *lines[1:], method=case.get("method", "GET"), host="a.example"))
    answer = client.message()
    if case["verdict"] == "identify":
        assert answer.status == 200
        passed = {key.lower(): text for key, text in auto.requests[-1].headers}
        assert passed["cookie"] == "theme=dark", "the session is the gate's alone"
        return
    assert (answer.status, answer.reason) == (STATUS.get(case["reason"], 401), case["reason"])
    if answer.status == 303:
        assert answer.get("location") == "/.lockgate/staff/sign-in?to=/x%3Fy%3D1"
    if answer.status == 401:
        assert answer.get("www-authenticate") == 'Session url="/.lockgate/staff/sign-in"'


def test_pages_that_nobody_serves(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """The control process is away: the API is not to blame, and the person may come back."""
    listener = {"listeners": {"public": {"address": "127.0.0.1:0"}}}
    gate.load(compiled(tmp_path, config(None, f"http://127.0.0.1:{auto.port}", **listener)))  # type: ignore[arg-type]
    answer = gate.client().get("/.lockgate/staff/sign-in")
    assert (answer.status, answer.reason, answer.get("retry-after")) == (503, "pages-unavailable", "5")


def test_other_ways_stand_beside_it(tmp_path: Path) -> None:
    """A program's key is looked at first; a browser that has neither is sent to sign in, a program is told of both."""
    said = config()
    said["apis"]["shop"]["authenticate"].append("api_key")
    engine = _native.Engine(json.dumps(compiled(tmp_path, said)).encode(), facts=[], pepper=PEPPER)

    def asked(*fields: tuple[str, str]) -> Any:
        request = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": [("Host", "a.example"), *fields]}
        return engine.evaluate(request, now_ms=NOW_MS)

    assert asked(("Accept", "text/html"))["reason"]["code"] == "session-sign-in"
    assert asked(("Accept", "application/json"))["reason"]["code"] != "session-sign-in"
    wrong = asked(("Accept", "text/html"), ("X-API-Key", "lg_live_wrong"))
    assert wrong["reason"]["code"] != "session-sign-in", "what is wrong with a key says more"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"sign_in": {"staff": {"issuers": ["compny"]}}}, "issuer-unknown"),
    ({"sign_in": {"staff": {"issuers": []}}}, "list-empty"),
    ({"sign_in": {"staff": {"issuers": ["company", "company"]}}}, "list-repeated"),
    ({"sign_in": {"stuff": {"issuers": ["company"]}}}, "sign-in-unknown"),
    ({"sign_in": {"staff": {"issuers": ["company"], "scopes": ["email"]}}}, "scope-openid"),
    ({"sign_in": {"staff": {"issuers": ["company"], "claims": ["sub"]}}}, "claim-reserved"),
    ({"sign_in": {"staff": {"issuers": ["company"], "claims": [""]}}}, "claim-malformed"),
    ({"issuers": {"company": {"issuer": ISS, "audience": "x"}}}, "issuer-without-client"),
    ({"issuers": {"company": {"issuer": ISS}}}, "issuer-without-client"),
    ({"issuers": {"company": {"issuer": ISS, "client": {"id": "x", "secret": "hush"}}}}, "secret-literal"),
    (
        {"issuers": {"company": {"issuer": ISS, "client": {"id": "x", "secret": "${env:A}", "key": "${env:B}"}}}},
        "client-two-proofs",
    ),
    (
        {"issuers": {"company": {"issuer": ISS, "client": {"id": "x", "method": "private_key_jwt"}}}},
        "client-method-unfit",
    ),
    (
        {
            "issuers": {
                "company": {"issuer": "x", "audience": "x", "algorithms": "HS256", "secret": "${env:A}", **CLIENT}
            }
        },
        "issuer-not-found",
    ),
]


NAMES = [f"{number}-{code}" for number, (_, code) in enumerate(REFUSED)]


@pytest.mark.parametrize(("more", "code"), REFUSED, ids=NAMES)
def test_what_cannot_work_is_refused(more: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as refused:
        compiled(tmp_path, config(**more))
    assert code in {error.code for error in refused.value.errors}
    assert all(error.region.line > 0 for error in refused.value.errors)


@pytest.mark.parametrize("origin", ["*", "app.example.com", "https://App.example.com", "https://a/b", "null"])
def test_an_origin_is_one(origin: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as refused:
        compiled(tmp_path, config({"origins": [origin]}))
    assert [error.code for error in refused.value.errors] == ["origin-malformed"]


def test_jwt_wants_to_know_for_whom_tokens_are(tmp_path: Path) -> None:
    said = config()
    said["apis"]["shop"]["authenticate"].append({"jwt": {"issuer": "company"}})
    with pytest.raises(ConfigErrors) as refused:
        compiled(tmp_path, said)
    assert [error.code for error in refused.value.errors] == ["audience-missing"]


def test_pages_are_where_sessions_are_taken(tmp_path: Path) -> None:
    said = config()
    said["apis"]["shop"]["hosts"] = ["shop.example"]
    bundle = compiled(tmp_path, said)
    [pages] = [api for api in bundle["apis"] if api.get("own")]
    assert (pages["name"], pages["hosts"], pages["paths"]) == (
        "sign-in:staff",
        ["shop.example"],
        [{"prefix": "/.lockgate/staff"}],
    )
    assert "hush" not in json.dumps(bundle)
    assert "OIDC_SECRET" not in json.dumps(bundle), "gates do not even know where the secret is"
