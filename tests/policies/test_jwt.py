"""`jwt`, from the configuration to the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.bundles import now_ms
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import ConfigErrors, load
from support.vectors import Case, cases, document, name

CASES = cases("jwt")
VECTORS = document("jwt")
NOW_MS = int(VECTORS["now_ms"])
SECRET_VARIABLE = "LOCKGATE_TEST_SECRET"
STATUS = {"jwt-repeated": 400, "jwt-keys-missing": 503, "jwt-keys-stale": 503}


def rules(case: Case) -> dict[str, Any]:
    """The case's rules, as the bundle has them."""
    return {**VECTORS["rules"], **case.get("rules", {})}


def issuer(case: Case) -> dict[str, Any]:
    """The same, as a user writes them."""
    told = rules(case)
    said = {
        "issuer": told["issuer"],
        "audience": told["audiences"],
        "algorithms": told["algorithms"],
        "types": told["types"],
        "skew": f"{told['skew_ms']}ms",
        "token_bytes": told["token_bytes"],
        "stale_for": f"{told['stale_for_ms']}ms",
    }
    if told["max_age_ms"] is not None:
        said["max_age"] = f"{told['max_age_ms']}ms"
    if told["require"]:
        said["require"] = told["require"]
    if "secret" in told["keys"]:
        said["secret"] = "${" + told["keys"]["secret"] + "}"
    else:
        said["jwks"] = {"url": told["keys"]["published"].removeprefix("url:")}
    return said


def facts(case: Case, sequence: int = 1) -> Iterator[bytes]:
    """The issuer's keys, as the control process tells them."""
    names = case.get("keys", list(VECTORS["published"]))
    if names:
        keyset = {
            "issuer": "company",
            "source": case.get("source", VECTORS["source"]),
            "confirmed_ms": case.get("confirmed_ms", NOW_MS),
            "keys": [VECTORS["published"][one] for one in names],
        }
        yield json.dumps({"seq": sequence, "at_ms": 1, "kind": "keyset.put", "keyset": keyset}).encode()


def headers(case: Case) -> list[tuple[str, str]]:
    """What the case sends."""
    said = [(str(key), str(value)) for key, value in case.get("headers", [])]
    return said + ([("Authorization", f"Bearer {case['token']}")] if "token" in case else [])


def written(folder: Path, issuers: dict[str, Any], way: dict[str, Any], **more: Any) -> Path:
    """A configuration with one API that takes tokens."""
    file = folder / "lockgate.yaml"
    api = {"upstream": "http://127.0.0.1:9000", "authenticate": [{"jwt": way}], "authorize": "authenticated"}
    file.write_text(yaml.safe_dump({"version": 1, "issuers": issuers, "apis": {"shop": api}, **more}))
    return file


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "secret" in case:
        monkeypatch.setenv(SECRET_VARIABLE, case["secret"])
    else:
        monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    place = case.get("place", {})
    loaded = load(written(tmp_path, {"company": issuer(case)}, {"issuer": "company", **place}))
    engine = _native.Engine(json.dumps(loaded.compile(1, 1)).encode(), facts=list(facts(case)))
    request = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": [("Host", "a"), *headers(case)]}
    answer = engine.evaluate(request, now_ms=NOW_MS)
    if any(len(value) > 30_000 for _, value in headers(case)):
        assert answer["verdict"] == "deny"  # The listener's limit on heads comes first.
        return
    assert (answer["reason"] or {}).get("code") == case.get("reason")
    if case["verdict"] == "identify":
        assert answer["verdict"] == "allow"
        assert (answer["identity"]["proved_by"], answer["identity"]["credential"]) == ("jwt", "company/ann")
    else:
        assert (answer["verdict"], answer["identity"]) == ("deny", None)


# The vectors' tokens are of the year 2027; a gate has no clock but the system's. So a gate is shown
# them with a skew and an age of keys that bridge the years, but where a case is about time.
TIMELESS = [
    case
    for case in CASES
    if not {"skew_ms", "max_age_ms"} & set(case.get("rules", {}))
    and "confirmed_ms" not in case
    and case.get("reason") not in {"jwt-expired", "jwt-early"}
    and not any(len(value) > 30_000 for _, value in headers(case))
]


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Gate]]:
    """One gate for each secret: a gate reads its environment once."""
    running: dict[str, Gate] = {}
    try:
        yield running
    finally:
        for gate in running.values():
            gate.stop()


@pytest.fixture(scope="module")
def auto() -> Iterator[AutoUpstream]:
    with AutoUpstream() as serving:
        yield serving


@pytest.mark.parametrize("case", TIMELESS, ids=name)
def test_a_running_gate(
    case: Case,
    gates: dict[str, Gate],
    auto: AutoUpstream,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = case.get("secret", "")
    if secret not in gates:
        monkeypatch.setenv(SECRET_VARIABLE, secret)
        gates[secret] = Gate(tmp_path_factory.mktemp("gate") / "state")
    gate = gates[secret]
    told = {**rules(case), "skew_ms": 2**32 - 1}
    place = case.get("place", {"header": "Authorization"})
    bundle = bundles.bundle([bundles.api(keys=[bundles.jwt("company", place)])], [bundles.upstream(auto.port)])
    bundle["issuers"] = [{"name": "company", "rules": told, "span": bundles.span(5)}]  # type: ignore[typeddict-item]
    gate.load(bundle)
    sequence = int(gate.tell("facts_seq")) + 1
    gate.facts({"seq": sequence, "at_ms": 1, "kind": "keyset.forget", "issuer": "company"})
    gate.facts(*(json.loads(fact) for fact in facts({**case, "confirmed_ms": now_ms()}, sequence + 1)))
    answer = gate.client().get("/", *(f"{key}: {value}" for key, value in headers(case)))
    if case["verdict"] == "identify":
        assert answer.status == 200
        longest = max(len(value) for _, value in auto.requests[-1].headers)
        assert longest < 100, "the token was taken off"
    else:
        assert (answer.status, answer.reason) == (STATUS.get(case["reason"], 401), case["reason"])
        assert ("www-authenticate" in answer.names) == (answer.status < 500)


GOOD = {"issuer": "https://login.example.com", "audience": "shop"}


@pytest.mark.parametrize(
    ("change", "way", "codes"),
    [
        ({"algorithms": ["none"]}, {}, ["algorithm-none"]),
        ({"algorithms": ["RS128"]}, {}, ["not-a-choice"]),
        ({"algorithms": []}, {}, ["list-empty"]),
        ({"algorithms": ["HS256"]}, {}, ["algorithms-mixed"]),
        ({"algorithms": ["RS256", "HS256"], "secret": "${env:X}"}, {}, ["algorithms-mixed"]),
        ({"secret": "hush"}, {}, ["secret-literal"]),
        ({"secret": "${env:X}", "jwks": {"url": "https://a.example/k"}}, {}, ["issuer-two-keys"]),
        ({"audience": []}, {}, ["list-empty"]),
        ({"audience": None}, {}, ["wrong-kind"]),
        ({"issuer": "http://login.example.com"}, {}, ["issuer-plain"]),
        ({"issuer": "login.example.com"}, {}, ["issuer-not-found"]),
        ({"jwks": {"url": "http://login.example.com/keys"}}, {}, ["issuer-plain"]),
        ({"jwks": {"url": "file:///etc/passwd"}}, {}, ["url-malformed"]),
        ({"jwks": {"url": "https://u:p@a.example/"}}, {}, ["url-malformed"]),
        ({"jwks": {}}, {}, ["key-source-malformed"]),
        ({"jwks": {"file": "absent.json"}}, {}, ["file-unreadable"]),
        ({"skew": "1h"}, {}, ["out-of-range"]),
        ({"token_bytes": 0}, {}, ["out-of-range"]),
        ({"stale_for": "0s"}, {}, ["out-of-range"]),
        ({"jku": True}, {}, ["unknown-key"]),
        ({}, {"issuer": "compny"}, ["issuer-unknown"]),
        ({}, {"header": "X A"}, ["header-malformed"]),
        ({}, {"header": "Host"}, ["header-framing"]),
        ({}, {"cookie": "a b"}, ["cookie-malformed"]),
        ({}, {"cookie": "a", "header": "X-A"}, ["token-in-two-places"]),
        ({}, {"on_error": "allow"}, ["fail-open-authentication"]),
        ({}, {"mode": "off"}, ["unenforced-authentication"]),
    ],
)
def test_a_wrong_configuration_is_refused(
    change: dict[str, Any], way: dict[str, Any], codes: list[str], tmp_path: Path
) -> None:
    said = {key: value for key, value in {**GOOD, **change}.items() if value is not None or key == "audience"}
    if change.get("audience", "") is None:
        said["audience"] = {}
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, {"company": said}, {"issuer": "company", **way}))
    assert sorted(error.code for error in refused.value.errors) == codes


def test_a_slip_in_an_issuers_name_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, {"company": GOOD}, {"issuer": "compny"}))
    (error,) = refused.value.errors
    assert error.hint == "did you mean `company`?"
    assert error.path == "apis.shop.authenticate.0.jwt.issuer"


def test_a_key_file_is_read_and_watched(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    said = {**GOOD, "jwks": {"file": "keys.json"}}
    for text, word in [("[]", "object"), ("{}", "keys"), ('{"keys":[{"kty":"oct","k":"x"}]}', "private part")]:
        keys.write_text(text)
        with pytest.raises(ConfigErrors) as refused:
            load(written(tmp_path, {"company": said}, {"issuer": "company"}))
        (error,) = refused.value.errors
        assert (error.code, word in error.message) == ("key-set-malformed", True), error.message
    keys.write_text(json.dumps({"keys": [VECTORS["published"]["ec"]]}))
    loaded = load(written(tmp_path, {"company": said}, {"issuer": "company"}))
    assert keys in loaded.files
    (origin,) = loaded.key_origins
    assert origin.source == f"file:{keys}"


def test_an_unused_issuer_is_warned_of(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, {"company": GOOD, "other": GOOD}, {"issuer": "company"}))
    assert [problem.code for problem in loaded.warnings] == ["issuer-unused"]


def test_jwt_alone_says_what_it_lacks(tmp_path: Path) -> None:
    api = {"upstream": "http://127.0.0.1:9000", "authenticate": ["jwt"], "authorize": "authenticated"}
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "apis": {"shop": api}}))
    with pytest.raises(ConfigErrors) as refused:
        load(file)
    assert [error.code for error in refused.value.errors] == ["authenticator-malformed"]
    assert "issuer: NAME" in str(refused.value.errors[0].hint)


@pytest.mark.parametrize(
    ("sent", "reason", "challenges"),
    [
        ([], "key-missing", ['ApiKey header="x-api-key"', "Bearer"]),
        (["X-API-Key: nonsense"], "key-malformed", ['ApiKey header="x-api-key"', "Bearer"]),
        (["Authorization: Bearer a.b.c"], "jwt-malformed", ["Bearer error=", 'ApiKey header="x-api-key"']),
    ],
    ids=["none", "key", "token"],
)
def test_each_way_in_is_named_where_there_are_several(
    sent: list[str], reason: str, challenges: list[str], tmp_path: Path, auto: AutoUpstream
) -> None:
    """RFC 9110, 11.6.1: a client picks the challenge that it knows; one of them alone may be another's."""
    with Gate(tmp_path / "state") as gate:
        token = bundles.jwt("company", {"header": "Authorization"})
        bundle = bundles.bundle([bundles.api(keys=[bundles.api_key(), token])], [bundles.upstream(auto.port)])
        bundle["issuers"] = [{"name": "company", "rules": VECTORS["rules"], "span": bundles.span(5)}]
        gate.load(bundle)
        gate.facts(*(json.loads(fact) for fact in facts({**CASES[0], "confirmed_ms": now_ms()})))
        answer = gate.client().get("/", *sent)
    assert (answer.status, answer.reason) == (401, reason)
    told = [value for header, value in answer.headers if header.lower() == "www-authenticate"]
    assert len(told) == len(challenges)
    assert all(one.startswith(challenge) for one, challenge in zip(told, challenges, strict=True))
