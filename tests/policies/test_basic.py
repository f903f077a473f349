"""`basic`, from the configuration to the wire."""

from __future__ import annotations

import base64
import json
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
from policies.test_introspection import Answering
from support.vectors import Case, cases, document, name

CASES = cases("basic")
VECTORS = document("basic")
NOW_MS = int(VECTORS["now_ms"])
PEOPLE: dict[str, Any] = {"users": {}}
TEMPLATE = "uid={name},ou=people,dc=example,dc=com"
LDAP: dict[str, Any] = {"url": "ldaps://ldap.example.com", "template": TEMPLATE, "base": "ou=people,dc=example,dc=com"}
BIND = {"dn": "cn=lockgate,dc=example,dc=com", "password": "${env:HOME}"}


def headers(case: Case) -> list[tuple[str, str]]:
    """What the case sends."""
    plain = str(case.get("plain", ""))
    if "long" in case:
        plain = f"{'n' * case['long'][0]}:{'p' * case['long'][1]}"
    usual = [("Authorization", f"Basic {base64.b64encode(plain.encode()).decode()}")]
    return [(str(key), str(value)) for key, value in case.get("headers", usual)]


def credential(case: Case) -> str:
    """What stands behind the scheme."""
    sent = headers(case)
    return sent[-1][1].split()[-1] if sent else ""


def written(folder: Path, issuer: dict[str, Any], way: dict[str, Any], **more: Any) -> Path:
    """A configuration with one API that takes passwords."""
    file = folder / "lockgate.yaml"
    api = {
        "upstream": "http://127.0.0.1:9000",
        "authenticate": [{"basic": {"issuer": "people", **way}}],
        "authorize": "authenticated",
    }
    file.write_text(yaml.safe_dump({"version": 1, "issuers": {"people": issuer}, "apis": {"shop": api}, **more}))
    return file


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    loaded = load(written(tmp_path, PEOPLE, {"realm": "orders"}))
    bundle = loaded.compile(1, 1)
    [placed] = [way["basic"]["config"] for way in bundle["apis"][0]["policies"]["authenticate"] if "basic" in way]
    assert placed == VECTORS["config"], "the vectors are of what the configuration makes"
    engine = _native.Engine(json.dumps(bundle).encode())
    if "answer" in case:
        try:
            engine.hear("people", credential(case).encode(), case["answer"].encode())
        except _native.LockgateError:
            assert case["reason"] == "basic-unavailable"
    request = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": [("Host", "a"), *headers(case)]}
    if any("\0" in value or "\n" in value for _, value in headers(case)):
        return
    answer = engine.evaluate(request, now_ms=NOW_MS)
    told = {step["policy"]: step["reason"] for step in answer["steps"]}
    assert told["basic"] == case.get("reason")
    if case["verdict"] == "identify":
        assert (answer["identity"]["proved_by"], answer["identity"]["credential"]) == ("basic", "people/ann")
    else:
        assert (answer["verdict"], answer["identity"]) == ("deny", None)


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


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_running_gate(case: Case, answering: Answering, auto: AutoUpstream) -> None:
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(35)}
    # What was heard of the case before counts for none of the others.
    said = {**VECTORS["config"], "source": case["name"]}
    keys: list[Any] = [{"basic": {**placed, "config": said}}]
    bundle = bundles.bundle([bundles.api(keys=keys)], [bundles.upstream(auto.port)])
    bundle["issuers"] = [{"name": "people", "rules": VECTORS["rules"], "span": bundles.span(5)}]
    answering.gate.load(bundle)
    answering.answers, answering.asked = {credential(case): case.get("answer")}, []
    answer = answering.gate.client().get("/", *(f"{key}: {value}" for key, value in headers(case)))
    assert answering.asked == ([credential(case)] if case.get("asked", True) else [])
    if case["verdict"] == "identify":
        assert answer.status == 200
        assert "authorization" not in {key.lower() for key, _ in auto.requests[-1].headers}, "it was taken off"
        return
    wanted = case["reason"]
    assert (answer.status, answer.reason) == (503 if wanted == "basic-unavailable" else 401, wanted)
    assert ("www-authenticate" in answer.names) == (answer.status < 500)


@pytest.mark.parametrize(
    ("issuer", "way", "codes"),
    [
        (PEOPLE, {"issuer": "peple"}, ["issuer-unknown"]),
        ({"issuer": "https://login.example.com", "audience": "a"}, {}, ["issuer-without-people"]),
        ({}, {}, ["issuer-unnamed"]),
        ({**PEOPLE, "ldap": LDAP}, {}, ["issuer-two-kinds"]),
        ({**PEOPLE, "client": {"id": "a"}}, {}, ["issuer-two-kinds"]),
        (PEOPLE, {"realm": 'a"b'}, ["realm-malformed"]),
        (PEOPLE, {"realm": ""}, ["realm-malformed"]),
        (PEOPLE, {"cache": "1h"}, ["out-of-range"]),
        (PEOPLE, {"negative": "1h"}, ["out-of-range"]),
        (PEOPLE, {"on_error": "allow"}, ["fail-open-authentication"]),
        (PEOPLE, {"mode": "off"}, ["unenforced-authentication"]),
        ({"users": {"minimum": 7}}, {}, ["out-of-range"]),
        ({"users": {"invitation": "31d"}}, {}, ["out-of-range"]),
        ({"users": {"reset": "25h"}}, {}, ["out-of-range"]),
        ({"users": {"pages": "http://portal.example.com"}}, {}, ["pages-malformed"]),
        ({"users": {"pages": "https://portal.example.com/x"}}, {}, ["pages-malformed"]),
        ({"users": {"leaked": {"file": "nowhere"}}}, {}, ["file-unreadable"]),
        ({"users": {"mail": {}}}, {}, ["mail-one-way"]),
        ({"users": {"mail": {"command": ["a"], "smtp": "smtp://a", "sender": "a@b.c"}}}, {}, ["mail-one-way"]),
        ({"users": {"mail": {"url": "https://a.example/"}}}, {}, ["mail-unsigned"]),
        ({"users": {"mail": {"url": "https://a.example/", "secret": "hush"}}}, {}, ["secret-literal"]),
        ({"users": {"mail": {"smtp": "smtp://a"}}}, {}, ["mail-sender"]),
        ({"users": {"mail": {"smtp": "http://a", "sender": "a@b.c"}}}, {}, ["smtp-malformed"]),
        ({"users": {"mail": {"smtp": "smtp://a", "sender": "a@b.c", "user": "a"}}}, {}, ["mail-account"]),
        ({"ldap": {**LDAP, "url": "ldap://ldap.example.com"}}, {}, ["ldap-plain"]),
        ({"ldap": {**LDAP, "url": "http://ldap.example.com"}}, {}, ["ldap-url-malformed"]),
        ({"ldap": {**LDAP, "start_tls": True}}, {}, ["ldap-tls-twice"]),
        ({"ldap": {**LDAP, "bind": BIND}}, {}, ["ldap-one-bind"]),
        ({"ldap": {**LDAP, "template": "ann"}}, {}, ["ldap-template-malformed"]),
        ({"ldap": {**LDAP, "filter": "uid={name}"}}, {}, ["ldap-filter-malformed"]),
        ({"ldap": {**LDAP, "filter": "(uid=ann)"}}, {}, ["ldap-filter-malformed"]),
        ({"ldap": {**LDAP, "subject": "u id"}}, {}, ["ldap-attribute-malformed"]),
        ({"ldap": {**LDAP, "claims": {"sub": "uid"}}}, {}, ["claim-reserved"]),
        ({"ldap": {**LDAP, "claims": {"e mail": "mail"}}}, {}, ["claim-malformed"]),
        ({"ldap": {**LDAP, "trust": "nowhere.pem"}}, {}, ["file-unreadable"]),
    ],
)
def test_a_wrong_configuration_is_refused(
    issuer: dict[str, Any], way: dict[str, Any], codes: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load(written(tmp_path, issuer, way))
    assert sorted(error.code for error in refused.value.errors) == codes


@pytest.mark.parametrize("way", [{"jwt": {"issuer": "people"}}, {"introspection": {"issuer": "people"}}])
def test_who_knows_people_issues_no_tokens(way: dict[str, Any], tmp_path: Path) -> None:
    file = written(tmp_path, PEOPLE, {})
    said = yaml.safe_load(file.read_text())
    said["apis"]["shop"]["authenticate"].append(way)
    file.write_text(yaml.safe_dump(said))
    with pytest.raises(ConfigErrors) as refused:
        load(file)
    assert [error.code for error in refused.value.errors] == ["issuer-without-tokens"]


def test_the_control_process_is_told_and_the_bundle_has_no_secret(tmp_path: Path) -> None:
    leaked = tmp_path / "leaked.txt"
    leaked.write_text("password\n")
    mail = {"url": "https://hooks.example.com/", "secret": "${env:HOME}"}
    users = {"leaked": {"file": "leaked.txt"}, "mail": mail, "pages": "https://portal.example.com"}
    loaded = load(written(tmp_path, {"users": users}, {}))
    (people,) = loaded.duties.people
    assert people.local is not None
    assert people.local.mail is not None
    assert (people.issuer, people.local.leaked, people.local.mail.secret) == (
        "urn:lockgate:people",
        str(leaked),
        "env:HOME",
    )
    again = type(loaded.duties).from_json(json.loads(json.dumps(loaded.duties.as_json())))
    assert again is not None
    assert again.people == loaded.duties.people
    assert "HOME" not in json.dumps(loaded.compile(1, 1))
