"""Certificates that a table makes for its cases: each as the engine takes or refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lockgate.config import load
from lockgate.errors import ConfigErrors
from lockgate.policies.mtls import ATTRIBUTES
from lockgate.rehearsal.certificates import ATTRIBUTES as MADE
from lockgate.rehearsal.first_table import first_table
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import Result, Run
from support.certificates import Authority

CONFIG = """\
version: 1
listeners:
  public:
    address: 127.0.0.1:8443
    tls:
      certificate: {chain: api.pem, key: api.key}
      hosts: {staff.example: {client_certificates: {trust: authority.pem}}}
  plain: {address: 127.0.0.1:8080}
apis:
  shop:
    path: /orders
    upstream: http://127.0.0.1:9000
    authenticate:
      - mtls: {allow: [{dns: "*.partners.example"}, {spiffe: "spiffe://example.org/**"}, {subject: {O: Example}}]}
      - api_key
    authorize: authenticated
    client_cert: certificate
  any:
    path: /any
    upstream: http://127.0.0.1:9000
    authenticate: [mtls]
    authorize: authenticated
"""
HEAD = "version: 1\ncases:\n"


def bundle(folder: Path) -> dict[str, Any]:
    Authority(folder).issue("api", "api.example", "staff.example")
    (folder / "lockgate.yaml").write_text(CONFIG)
    return load(folder / "lockgate.yaml").compile(0, 0)


def one(folder: Path, said: str) -> Result:
    table = folder / "lockgate.tests.yaml"
    table.write_text(HEAD + "  - name: it\n" + "".join(f"    {line}\n" for line in said.splitlines()))
    (result,) = Run(bundle(folder), read([table]))
    return result


@pytest.mark.parametrize(
    "said",
    [
        "certificate: {dns: crm.partners.example}\nexpect: {verdict: allow, owner: crm.partners.example}",
        "certificate: {dns: [a.example, crm.partners.example]}\nexpect: allow",
        "certificate: {dns: crm.elsewhere.example}\nexpect: certificate-unknown",
        "certificate: {uri: spiffe://example.org/ns/a}\nexpect: allow",
        "certificate: {subject: {O: Example, CN: crm}}\nexpect: allow",
        "certificate: {email: a@example.com, ip: 10.0.0.1}\nexpect: certificate-unknown",
        "certificate: {dns: crm.partners.example, expired: true}\nexpect: certificate-expired",
        "certificate: {dns: crm.partners.example}\nat: 2031-05-05\nexpect: allow",
        "certificate: true\nexpect: certificate-unknown",
        "certificate: true\nkey: true\nexpect: allow",
        "expect: key-missing",
    ],
)
def test_a_case_passes_where_the_gate_does_so(tmp_path: Path, said: str) -> None:
    result = one(tmp_path, f"request: GET /orders\n{said}")
    assert result.passed, [miss.words for miss in result.misses] or result.broken


def test_what_the_upstream_is_told(tmp_path: Path) -> None:
    result = one(tmp_path, "request: GET /orders\ncertificate: {dns: a.partners.example}\nexpect: allow")
    assert result.explained is not None
    changes = [change for change in result.explained["changes"]["request"] if change["header"] == "client-cert"]
    assert [change["change"] for change in changes] == ["set"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("listener: plain\ncertificate: true", "asks no client for a certificate"),
        ("certificate: {ip: nowhere}", "no certificate can be made of this"),
        ("certificate: {subject: {C: Germany}}", "no certificate can be made of this"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, said: str, words: str) -> None:
    result = one(tmp_path, f"request: GET /any\n{said}\nexpect: deny")
    assert words in (result.broken or "")
    assert result.broken_at == ("certificate",)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("certificate: false", "certificate-absent"),
        ("certificate: a.pem", "certificate-made"),
        ("certificate: {subject: {cn: a}}", "subject-attribute-unknown"),
        ("certificate: {san: a}", "unknown-key"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, said: str, code: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        one(tmp_path, f"request: GET /any\n{said}\nexpect: allow")
    assert [error.code for error in refused.value.errors] == [code]


def test_a_first_table_brings_certificates(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    table = tmp_path / "lockgate.tests.yaml"
    table.write_text(first_table(made))
    said = table.read_text()
    assert 'certificate: {dns: "any.partners.example"}\n    expect: allow' in said
    assert "certificate: true\n    expect: certificate-unknown" in said
    assert "certificate: {expired: true}\n    expect: certificate-expired" in said
    assert all(result.passed for result in Run(made, read([table])))


def test_every_attribute_can_be_made() -> None:
    assert tuple(MADE) == ATTRIBUTES
