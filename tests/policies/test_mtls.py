"""`mtls`, from the configuration to the wire."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import context, secure
from gateway.harness.upstream import AutoUpstream
from lockgate.config import load
from lockgate.policies.mtls import ATTRIBUTES
from policies.conftest import Evaluate, Refusals
from support.certificates import Authority, Issued
from support.vectors import Case, cases, document, name

CASES = cases("mtls")
NOW_MS = int(document("mtls")["now_ms"])
STATUS = {"certificate-unknown": 403}
# A gate has no clock but the system's, and a copy of a certificate has another key.
OF_A_GATE = [
    case
    for case in CASES
    if case.get("reason") != "certificate-expired" and "now_ms" not in case and "spki" not in str(case)
]


def shown(case: Case) -> x509.Certificate | None:
    """The certificate of the case."""
    if "certificate" not in case:
        return None
    encoded = document("mtls")["certificates"][case["certificate"]]
    return x509.load_der_x509_certificate(base64.b64decode(encoded))


def said(case: Case) -> dict[str, Any]:
    """The case's policy, as a user writes it."""
    told: dict[str, Any] = {}
    if "allow" in case:
        told["allow"] = [{key: _said(key, value) for key, value in entry.items()} for entry in case["allow"]]
    if "known_by" in case:
        told["known_by"] = case["known_by"]
    return told


def _said(key: str, value: Any) -> Any:
    if key == "subject":
        return {name: _said("", like) for name, like in value.items()}
    if key == "spki":
        return f"sha256/{base64.b64encode(bytes.fromhex(value)).decode()}"
    return value["text"] if isinstance(value, dict) and "text" in value else value


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, evaluate: Evaluate) -> None:
    certificate = shown(case)
    pem = certificate.public_bytes(Encoding.PEM) if certificate is not None else None
    answer = evaluate(
        {"authenticate": [{"mtls": said(case)}]},
        {"headers": [("Host", "a.example")], "certificate": pem},
        now_ms=case.get("now_ms", NOW_MS),
    )
    assert (answer["reason"] or {}).get("code") == case.get("reason")
    if case["verdict"] == "identify":
        assert answer["verdict"] == "allow"
        assert answer["identity"]["proved_by"] == "mtls"
        assert case.get("credential") in {None, answer["identity"]["credential"]}
        assert answer["identity"]["credential"].endswith(f":{answer['identity']['owner']}")
    else:
        assert (answer["verdict"], answer["identity"]) == ("deny", None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the gate, and for clients."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def copies(authority: Authority) -> dict[str, Issued]:
    """The vectors' certificates, as an authority of these tests issues them."""
    named = {case["certificate"]: shown(case) for case in OF_A_GATE if "certificate" in case}
    return {called: authority.copied(called, like) for called, like in named.items() if like is not None}


@pytest.fixture(scope="module")
def own(authority: Authority) -> Issued:
    """The gate's own."""
    return authority.issue("gate", "shop.example")


@pytest.mark.parametrize("case", OF_A_GATE, ids=name)
def test_a_running_gate(
    case: Case,
    gate: Gate,
    auto: AutoUpstream,
    authority: Authority,
    copies: dict[str, Issued],
    own: Issued,
) -> None:
    wanted = [{**EVERYTHING, **entry} for entry in case.get("allow", [])]
    way = bundles.mtls(*wanted, known_by=case.get("known_by", "any"))  # type: ignore[arg-type]
    tls = bundles.tls(own, clients=bundles.clients(authority.pem, require=False))
    gate.load(
        bundles.bundle([bundles.api(keys=[way])], [bundles.upstream(auto.port)], listeners=[bundles.listener(tls=tls)])
    )
    client = copies[case["certificate"]] if "certificate" in case else None
    with secure(gate.port(), context(authority.pem, shown=client)) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        answer = wire.message()
    if case["verdict"] == "identify":
        assert answer.status == 200
    else:
        assert (answer.status, answer.reason) == (STATUS.get(case["reason"], 401), case["reason"])
        assert ("www-authenticate" in answer.names) == (answer.status == 401)


EVERYTHING: dict[str, Any] = {
    "spiffe": None,
    "uri": None,
    "dns": None,
    "email": None,
    "ip": None,
    "subject": {},
    "spki": None,
}


@pytest.mark.parametrize(
    ("way", "codes"),
    [
        ({"allow": []}, ["list-empty"]),
        ({"allow": {"dns": "a"}}, ["allow-malformed"]),
        ({"allow": [{}]}, ["certificate-rule-empty"]),
        ({"allow": [{"subject": {}}]}, ["certificate-rule-empty"]),
        ({"allow": [{"dns": "a"}] * 1_001}, ["list-too-long"]),
        ({"allow": [{"dns": "a b"}]}, ["name-malformed"]),
        ({"allow": [{"dns": ""}]}, ["name-malformed"]),
        ({"allow": [{"dns": 7}]}, ["name-malformed"]),
        ({"allow": [{"dns": "*" * 9}]}, ["name-malformed"]),
        ({"allow": [{"dns": "a" * 257}]}, ["name-malformed"]),
        ({"allow": [{"dns": {"regex": "("}}]}, ["regex-malformed"]),
        ({"allow": [{"spiffe": "example.org/ns"}]}, ["name-malformed"]),
        ({"allow": [{"email": "example.org"}]}, ["name-malformed"]),
        ({"allow": [{"ip": "10.0.0.1/8"}]}, ["network-host-bits"]),
        ({"allow": [{"spki": "sha256/abc"}]}, ["pin-malformed"]),
        ({"allow": [{"subject": {"cn": "a"}}]}, ["subject-attribute-unknown"]),
        ({"allow": [{"san": "a"}]}, ["unknown-key"]),
        ({"known_by": "name"}, ["not-a-choice"]),
        ({"on_error": "allow"}, ["fail-open-authentication"]),
        ({"mode": "observe"}, ["unenforced-authentication"]),
    ],
)
def test_a_wrong_configuration_is_refused(way: dict[str, Any], codes: list[str], refusals: Refusals) -> None:
    assert refusals({"authenticate": [{"mtls": way}]}) == codes


def test_every_attribute_of_a_subject_can_be_said(evaluate: Evaluate) -> None:
    wanted = dict.fromkeys(ATTRIBUTES, "*")
    answer = evaluate({"authenticate": [{"mtls": {"allow": [{"subject": wanted}]}}]}, {"headers": [("Host", "a")]})
    assert answer["reason"]["code"] == "certificate-missing"


def test_a_way_that_nobody_can_go_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "lockgate.yaml"
    api = {"upstream": "http://127.0.0.1:9000", "authenticate": ["mtls"], "authorize": "authenticated"}
    file.write_text(yaml.safe_dump({"version": 1, "apis": {"shop": api}}), encoding="utf-8")
    assert "certificates-not-asked-for" in [warning.code for warning in load(file).warnings]
