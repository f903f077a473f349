"""`introspection`, from the configuration to the wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import ConfigErrors, load
from support.vectors import Case, cases, document, name

CASES = cases("introspection")
VECTORS = document("introspection")
NOW_MS = int(VECTORS["now_ms"])
ISSUER = "https://login.example.com/realms/main"
CLIENT = {"id": "lockgate", "secret": "${env:HOME}"}
GOOD = {"issuer": ISSUER, "audience": "https://api.example.com", "client": CLIENT}
STATUS = {"jwt-repeated": 400, "introspection-scope": 403, "introspection-unavailable": 503}


def rules(case: Case) -> dict[str, Any]:
    """The case's rules, as the bundle has them."""
    return {**VECTORS["rules"], **case.get("rules", {})}


def config(case: Case) -> dict[str, Any]:
    """Its entry, as the bundle has it."""
    return {**VECTORS["config"], **case.get("config", {})}


def issuer(case: Case) -> dict[str, Any]:
    """Its issuer, as a user writes it."""
    told = rules(case)
    said = {
        **GOOD,
        "algorithms": told["algorithms"],
        "skew": f"{told['skew_ms']}ms",
        "token_bytes": told["token_bytes"],
    }
    if told["max_age_ms"] is not None:
        said["max_age"] = f"{told['max_age_ms']}ms"
    if told["require"]:
        said["require"] = told["require"]
    return said


def way(case: Case) -> dict[str, Any]:
    """Its entry, as a user writes it."""
    told = config(case)
    said = {"issuer": "company", "scopes": told["scopes"], "require": told["require"], **told["place"]}
    if told["audiences"]:
        said["audience"] = told["audiences"]
    if told["bound"]:
        said["sender_constrained"] = told["bound"]
    return said


def headers(case: Case) -> list[tuple[str, str]]:
    """What the case sends."""
    usual = [("Authorization", f"Bearer {case.get('token', 'opaque')}")]
    return [(str(key), str(value)) for key, value in case.get("headers", usual)]


def written(folder: Path, issuers: dict[str, Any], *ways: dict[str, Any], **more: Any) -> Path:
    """A configuration with one API that takes tokens."""
    file = folder / "lockgate.yaml"
    entries = [{"introspection": way} if "issuer" in way else way for way in ways]
    api = {"upstream": "http://127.0.0.1:9000", "authenticate": entries, "authorize": "authenticated"}
    file.write_text(yaml.safe_dump({"version": 1, "issuers": issuers, "apis": {"shop": api}, **more}))
    return file


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    ways = [way(case), *([{"jwt": {"issuer": "company"}}] if case.get("left") else [])]
    loaded = load(written(tmp_path, {"company": issuer(case)}, *ways))
    engine = _native.Engine(json.dumps(loaded.compile(1, 1)).encode())
    sent = headers(case)
    token = sent[-1][1].split()[-1].removeprefix("at=") if sent else ""
    if "answer" in case:
        try:
            engine.hear("company", token.encode(), case["answer"].encode())
        except _native.LockgateError:
            assert case["reason"] == "introspection-unavailable"
    request = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": [("Host", "a"), *sent]}
    answer = engine.evaluate(request, now_ms=NOW_MS)
    told = {step["policy"]: step["reason"] for step in answer["steps"]}
    assert told["introspection"] == case.get("reason")
    if case["verdict"] == "identify":
        who = f"company/{case.get('owner', 'ann')}"
        assert (answer["identity"]["proved_by"], answer["identity"]["credential"]) == ("introspection", who)
    else:
        assert (answer["verdict"], answer["identity"]) == ("deny", None)


class Answering:
    """A gate, and who answers its questions as a control process does."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.answers: dict[str, str | None] = {}
        self.asked: list[str] = []
        self._over = threading.Event()
        self.gate.tell("contact")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            self.gate.tell("contact")
            for number, whose, token, _ in self.gate.tell("introspections"):
                self.asked.append(token)
                answer = self.answers.get(token)
                outcome = "unavailable" if answer is None else "answered"
                assert self.gate.tell("introspected", question=number, issuer=whose, outcome=outcome, answer=answer)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    with Gate(tmp_path_factory.mktemp("gate") / "state") as gate:
        answering = Answering(gate)
        yield answering
        answering.stop()


@pytest.fixture(scope="module")
def auto() -> Iterator[AutoUpstream]:
    with AutoUpstream() as serving:
        yield serving


# The vectors are of the year 2027; a gate has no clock but the system's.
TIMELESS = [case for case in CASES if not any(word in case.get("answer", "") for word in ('"exp":1', '"nbf"', '"iat"'))]


@pytest.mark.parametrize("case", TIMELESS, ids=name)
def test_a_running_gate(case: Case, answering: Answering, auto: AutoUpstream) -> None:
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(35)}
    # What was heard of the case before counts for none of the others.
    said = {**config(case), "source": case["name"]}
    keys: list[Any] = [{"introspection": {**placed, "config": said}}]
    if case.get("left"):
        keys.append(bundles.jwt("company"))
    bundle = bundles.bundle([bundles.api(keys=keys)], [bundles.upstream(auto.port)])
    bundle["issuers"] = [{"name": "company", "rules": rules(case), "span": bundles.span(5)}]  # type: ignore[typeddict-item]
    answering.gate.load(bundle)
    sent = headers(case)
    token = sent[-1][1].split()[-1].removeprefix("at=") if sent else ""
    answering.answers, answering.asked = {token: case.get("answer")}, []
    answer = answering.gate.client().get("/", *(f"{key}: {value}" for key, value in sent))
    assert answering.asked == ([token] if case.get("asked", True) else [])
    if case["verdict"] == "identify":
        assert answer.status == 200
        passed = [value for _, value in auto.requests[-1].headers]
        assert not [value for value in passed if token in value.split()], "the token was taken off"
        return
    # What another entry knows, that entry refuses.
    wanted = "jwt-algorithm" if case.get("left") else case["reason"]
    assert (answer.status, answer.reason) == (STATUS.get(wanted, 401), wanted)
    assert ("www-authenticate" in answer.names) == (answer.status < 500)


@pytest.mark.parametrize(
    ("change", "way", "codes"),
    [
        ({"client": None}, {}, ["issuer-no-client"]),
        ({"client": {"id": "lockgate", "secret": "hush"}}, {}, ["secret-literal"]),
        ({"client": {"id": "lockgate"}}, {}, ["client-method-unfit"]),
        ({"client": {**CLIENT, "method": "private_key_jwt"}}, {}, ["client-method-unfit"]),
        ({"introspection": {"url": "http://a.example/"}}, {}, ["issuer-plain"]),
        ({"introspection": {"url": "https://u:p@a.example/"}}, {}, ["url-malformed"]),
        ({"introspection": {"url": "file:///etc/passwd"}}, {}, ["url-malformed"]),
        ({"introspection": {"timeout": "1h"}}, {}, ["out-of-range"]),
        ({"introspection": {"concurrent": 0}}, {}, ["out-of-range"]),
        ({"issuer": "http://login.example.com"}, {}, ["issuer-plain"]),
        ({"issuer": "company"}, {}, ["issuer-not-found"]),
        ({}, {"issuer": "compny"}, ["issuer-unknown"]),
        ({}, {"scopes": ["a b"]}, ["scope-malformed"]),
        ({}, {"audience": []}, ["list-empty"]),
        ({}, {"cache": "2h"}, ["out-of-range"]),
        ({}, {"negative": "2h"}, ["out-of-range"]),
        ({}, {"header": "Host"}, ["header-framing"]),
        ({}, {"cookie": "a", "header": "X-A"}, ["token-in-two-places"]),
        ({}, {"on_error": "allow"}, ["fail-open-authentication"]),
        ({}, {"mode": "off"}, ["unenforced-authentication"]),
    ],
)
def test_a_wrong_configuration_is_refused(
    change: dict[str, Any], way: dict[str, Any], codes: list[str], tmp_path: Path
) -> None:
    said = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, {"company": said}, {"issuer": "company", **way}))
    assert sorted(error.code for error in refused.value.errors) == codes


def test_an_issuer_that_is_only_asked_needs_no_keys_and_no_discovery(tmp_path: Path) -> None:
    url = "https://login.example.com/introspect"
    said = {**GOOD, "issuer": "company", "introspection": {"url": url}}
    loaded = load(written(tmp_path, {"company": said}, {"issuer": "company"}))
    assert loaded.key_origins == []
    (asked,) = loaded.asked_issuers
    assert (asked.url, asked.client_id, asked.secret) == (url, "lockgate", "env:HOME")
    assert "HOME" not in json.dumps(loaded.compile(1, 1)), "the bundle does not even say where the secret is"
    both = load(written(tmp_path, {"company": GOOD}, {"issuer": "company"}, {"jwt": {"issuer": "company"}}))
    assert [origin.name for origin in both.key_origins] == ["company"]


def test_a_token_is_shown_to_one_issuer(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, {"a": GOOD, "b": GOOD}, {"issuer": "a"}, {"issuer": "b", "header": "authorization"}))
    assert [error.code for error in refused.value.errors] == ["introspection-twice"]
    load(written(tmp_path, {"a": GOOD, "b": GOOD}, {"issuer": "a"}, {"issuer": "b", "header": "X-Other"}))
