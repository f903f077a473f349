"""`device`, from the configuration to the engine; `tests/gateway/test_device_room.py` has people and their browsers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import ConfigErrors, load
from lockgate.config.bundle_types import Bundle
from policies.test_session import PEPPER, compiled, config
from support.places import countries
from support.vectors import Case, cases, name

CASES = cases("device")
NOW_MS = 1_800_000_000_000
# Of callers that the engine itself can be shown without a handshake: people with a session.
PEOPLE = [case for case in CASES if case.get("proved_by", "session") == "session"]
VERDICTS = {"error": "deny"}


def session(claims: dict[str, Any], pepper: bytes = PEPPER) -> str:
    whole = {"iss": "https://login.example.com", "sub": "ada", "jti": "s-1", **claims}
    value = {"issuer": "company", "until_ms": 4_000_000_000_000, "claims": whole}
    return _native.seal_session(pepper, "staff", json.dumps(value).encode())


@pytest.mark.parametrize("case", PEOPLE, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    written = config()
    written["apis"]["shop"]["device"] = case.get("config", {})
    written["geo"] = {"countries": str(countries(tmp_path / "countries.mmdb", {"192.0.2.0/24": {"country": "NL"}}))}
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    bundle = load(file, environment={"OIDC_SECRET": "hush"}).compile(1, 1)
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=PEPPER)
    cookie = f"__Host-lockgate-staff={session(case.get('claims', {'device': 'b-1'}))}"
    headers = [("Host", "a.example"), *case.get("headers", {}).items(), ("Cookie", cookie)]
    standing = case["standing"]
    request = {
        "method": "GET",
        "target": "/",
        "peer": "127.0.0.1",
        "headers": headers,
        "device": None if standing is None else json.dumps(standing),
    }
    answer = engine.evaluate(request, now_ms=NOW_MS)
    expected = VERDICTS.get(case["verdict"], case["verdict"])
    assert (answer["verdict"], (answer["reason"] or {}).get("code")) == (expected, case.get("reason"))
    assert answer["identity"]["owner"] == "ada", "who it is, is certain"


def served(folder: Path, said: dict[str, Any]) -> Bundle:
    return cast("Bundle", compiled(folder, said))


def test_where_nobody_can_be_asked_it_is_closed_unless_the_configuration_says_otherwise(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    written = config(upstream=f"http://127.0.0.1:{auto.port}")
    written["listeners"] = {"public": {"address": "127.0.0.1:0"}}
    shop = written["apis"]["shop"]
    gate.load(served(tmp_path, {**written, "apis": {"shop": {**shop, "device": {}}}}))
    cookie = f"Cookie: __Host-lockgate-staff={session({'device': 'b-1'}, gate.pepper)}"
    client = gate.client()
    refused = client.get("/", cookie)
    assert (refused.status, refused.reason) == (503, "device-unavailable")
    plain = client.get("/", f"Cookie: __Host-lockgate-staff={session({}, gate.pepper)}")
    assert (plain.status, plain.reason) == (403, "device-missing")
    gate.load(served(tmp_path, {**written, "apis": {"shop": {**shop, "device": {"on_error": "allow"}}}}))
    assert client.get("/", cookie).status == 200
    gate.load(served(tmp_path, {**written, "apis": {"shop": {**shop, "device": {"mode": "observe"}}}}))
    assert client.get("/", cookie).status == 200


@pytest.mark.parametrize(
    "said",
    [
        {"amr": []},
        {"new": "ask"},
        {"without": "step_up"},
        {"unapproved": "step_up"},
        {"most": 0},
        {"most": 51},
        {"amr": ["a b"]},
        {"amr": ["passkey"]},
        {"acr": ['"']},
    ],
)
def test_what_nobody_could_keep_to_is_refused(said: dict[str, Any], tmp_path: Path) -> None:
    written = config()
    written["apis"]["shop"]["device"] = said
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        load(file, environment={"OIDC_SECRET": "hush"})
    [error] = refused.value.errors
    assert error.region.line > 1
