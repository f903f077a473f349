"""Signatures and webhooks that a table makes for its cases: each as the engine takes or refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from lockgate.config import load
from lockgate.policies.webhook import FORMS
from lockgate.rehearsal.first_table import first_table
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import Result, Run

HEAD = "version: 1\ncases:\n"
PUBLIC: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa-p256-sha256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384-sha384": ec.generate_private_key(ec.SECP384R1()),
    "rsa-pss-sha512": rsa.generate_private_key(65_537, 2048),
    "rsa-v1_5-sha256": rsa.generate_private_key(65_537, 2048),
}
SECRET = '"${env:LOCKGATE_TEST_ABSENT}"'


def keys() -> str:
    found = f"            hmac-sha256: {{algorithm: hmac-sha256, secret: {SECRET}}}\n"
    for kind, key in PUBLIC.items():
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, info).decode()
        lines = "".join(f"                {line}\n" for line in pem.splitlines())
        found += f"            {kind}:\n              algorithm: {kind}\n              key: |\n{lines}"
    return found


def config(folder: Path) -> Path:
    file = folder / "lockgate.yaml"
    hooks = "".join(
        f"""  {form}:
    path: /{form}
    upstream: http://127.0.0.1:9000
    authenticate: [{{webhook: {{name: {form}, form: {form}, secrets: [{SECRET}]}}}}]
    authorize: authenticated
"""
        for form in FORMS
    )
    file.write_text(f"""version: 1
apis:
  signed:
    path: /signed
    upstream: http://127.0.0.1:9000
    authenticate:
      - signature:
          nonce: true
          expires: true
          tag: orders
          components: ["@method", "@target-uri", "@authority", "@scheme", "@path", "@query", "@request-target", accept]
          keys:
{keys()}    authorize: authenticated
  keyed:
    path: /keyed
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
{hooks}""")
    return file


def results(folder: Path, table: str) -> list[Result]:
    file = folder / "lockgate.tests.yaml"
    file.write_text(HEAD + table)
    return list(Run(load(config(folder)).compile(1, 1), read([file])))


@pytest.mark.parametrize("kind", ["hmac-sha256", *PUBLIC])
def test_every_algorithm_signs_as_the_engine_wants_it(kind: str, tmp_path: Path) -> None:
    request = "request: POST /signed/a?b=c, headers: {Accept: a}, body: x"
    table = "".join(
        f"  - {{name: {name}, {request}, signature: {{key: {kind}{more}}}, expect: {expect}}}\n"
        for name, more, expect in (
            ("good", "", "allow"),
            ("old", ", expired: true", "signature-expired"),
            ("forged", ", forged: true", "signature-wrong"),
            ("unknown", ", unknown: true", "signature-key-unknown"),
            ("less", ", without: [content-digest]", "signature-components"),
        )
    )
    for result in results(tmp_path, table):
        assert result.passed, (result.read.case.name, result.broken, [miss.words for miss in result.misses])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_signed_as_the_engine_wants_it(form: str, tmp_path: Path) -> None:
    timed = "{timestamp}" in FORMS[form]["signed"]
    table = f"  - {{name: good, request: POST /{form}, body: x, webhook: true, expect: allow}}\n"
    table += (
        f"  - {{name: again, request: POST /{form}, body: x, webhook: true, repeat: 2, every: 1s, expect: allow}}\n"
    )
    table += f"  - {{name: forged, request: POST /{form}, webhook: {{forged: true}}, expect: webhook-wrong}}\n"
    old = "webhook-expired" if timed else "allow"
    table += f"  - {{name: old, request: POST /{form}, webhook: {{expired: true}}, expect: {old}}}\n"
    for result in results(tmp_path, table):
        assert result.passed, (result.read.case.name, result.broken, [miss.words for miss in result.misses])


@pytest.mark.parametrize(
    ("case", "field", "words"),
    [
        ("request: GET /keyed, signature: true", "signature", "has no such key for signatures, but none"),
        ("request: GET /signed, signature: {key: nobody}", "signature", "but `hmac-sha256`, `ed25519`"),
        ("request: GET /signed, signature: true", "signature", "a case cannot sign `accept`"),
        ("request: GET /keyed, webhook: true", "webhook", "takes no such webhooks; there are: none"),
        ("request: GET /github, webhook: {name: stripe}", "webhook", "there are: `github`"),
    ],
)
def test_a_case_that_cannot_be_says_why(case: str, field: str, words: str, tmp_path: Path) -> None:
    (result,) = results(tmp_path, f"  - {{name: x, {case}, expect: allow}}\n")
    assert result.broken_at[0] == field
    assert words in (result.broken or "")


def test_a_first_table_brings_what_is_signed(tmp_path: Path) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text().replace(", accept]", "]"))
    bundle = load(file).compile(1, 1)
    table = tmp_path / "lockgate.tests.yaml"
    table.write_text(first_table(bundle))
    assert "webhook: true" in table.read_text()
    assert "signature: true" in table.read_text()
    for result in Run(bundle, read([table])):
        assert result.passed, (result.read.case.name, result.broken, [miss.words for miss in result.misses])
