"""Tokens that a table makes for its cases: each as the engine takes or refuses it, for every algorithm."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from lockgate.config import load
from lockgate.config.model_issuers import SHARED, Algorithm
from lockgate.errors import ConfigErrors
from lockgate.rehearsal.coverage import measure
from lockgate.rehearsal.first_table import first_table
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import Result, Run

CONFIG = """\
version: 1
issuers:
  company:
    issuer: https://login.example.com
    audience: [shop, shop-internal]
    algorithms: [ES256, RS256]
    types: [at+jwt]
    require: [scope]
    max_age: 10m
  partner: {issuer: partner, audience: shop, algorithms: HS256, secret: "${env:LOCKGATE_TEST_ABSENT}"}
apis:
  shop:
    path: /orders
    upstream: http://127.0.0.1:9000
    authenticate:
      - jwt: {issuer: company}
      - jwt: {issuer: partner, header: X-Partner}
      - api_key
    authorize: authenticated
    limits: [{name: each, by: client, allow: 2/m}]
  cookies:
    path: /cookies
    upstream: http://127.0.0.1:9000
    authenticate: [{jwt: {issuer: company, cookie: access}}]
    authorize: authenticated
  keys:
    path: /keys
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
"""

HEAD = "version: 1\ncases:\n"


def run(folder: Path, config: str, cases: str) -> list[Result]:
    (folder / "lockgate.yaml").write_text(config)
    table = folder / "lockgate.tests.yaml"
    table.write_text(HEAD + cases)
    return list(Run(bundle(folder), read([table])))


def bundle(folder: Path) -> dict[str, Any]:
    return load(folder / "lockgate.yaml", environment={"LOCKGATE_TEST_ABSENT": "x" * 32}).compile(0, 0)


def one(folder: Path, said: str, config: str = CONFIG) -> Result:
    (result,) = run(folder, config, "  - name: it\n" + "".join(f"    {line}\n" for line in said.splitlines()))
    return result


@pytest.mark.parametrize(
    "said",
    [
        "token: true\nexpect: allow",
        "expect: key-missing",
        "token: {claims: {sub: ann}}\nexpect: {verdict: allow, owner: ann}",
        "token: {algorithm: RS256}\nexpect: allow",
        "token: {expired: true}\nexpect: jwt-expired",
        "token: {forged: true}\nexpect: jwt-signature",
        "token: {unknown: true}\nexpect: jwt-key-unknown",
        "token: {without: [scope]}\nexpect: jwt-claims",
        "token: {type: JWT}\nexpect: jwt-type",
        "token: {algorithm: PS256}\nexpect: jwt-algorithm",
        "token: {claims: {aud: other}}\nexpect: jwt-audience",
        "token: {claims: {aud: [other, shop-internal]}}\nexpect: allow",
        "token: {issuer: partner}\nexpect: allow",
        "token: {issuer: partner, forged: true}\nexpect: jwt-signature",
        "token: true\nat: 2031-05-05\nexpect: allow",
        "token: {expired: true}\nat: 2031-05-05\nexpect: jwt-expired",
        "token: true\nrepeat: 2\nexpect: allow",
        "token: true\nrepeat: 3\nexpect: rate-limited",
        "token: true\nrepeat: 5\nevery: 1m\nexpect: allow",
        "key: true\nexpect: allow",
    ],
)
def test_a_case_passes_where_the_gate_does_so(tmp_path: Path, said: str) -> None:
    result = one(tmp_path, f"request: GET /orders\n{said}")
    assert result.passed, [miss.words for miss in result.misses] or result.broken


@pytest.mark.parametrize(
    "said",
    [
        "token: true\nexpect: allow",
        "expect: jwt-missing",
        "token: {claims: {iss: https://elsewhere.example.com}}\nexpect: jwt-issuer",
        "token: {without: [exp]}\nexpect: jwt-claims",
    ],
)
def test_a_token_goes_where_the_api_looks(tmp_path: Path, said: str) -> None:
    result = one(tmp_path, f"request: GET /cookies\n{said}")
    assert result.passed, [miss.words for miss in result.misses] or result.broken


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("request: GET /keys\ntoken: true", "the API `keys` takes no tokens; see its `authenticate`"),
        (
            "request: GET /cookies\ntoken: {issuer: partner}",
            "the API `cookies` takes no tokens of `partner`, but of `company`; see its `authenticate`",
        ),
    ],
)
def test_a_token_that_nobody_looks_for_is_a_mistake(tmp_path: Path, said: str, words: str) -> None:
    assert one(tmp_path, f"{said}\nexpect: deny").broken == words


def test_a_route_that_is_not_there_needs_no_token(tmp_path: Path) -> None:
    assert one(tmp_path, "request: GET /nowhere\ntoken: true\nexpect: no-route").passed


BOUND = CONFIG.replace(
    "jwt: {issuer: company}\n", "jwt: {issuer: company, sender_constrained: [dpop], proof: {nonce: true}}\n"
)


@pytest.mark.parametrize(
    "said",
    [
        "token: true\nexpect: allow",
        "token: true\nrepeat: 2\nexpect: allow",
        "token: {expired: true}\nexpect: jwt-expired",
        "token: {without: [cnf]}\nexpect: jwt-unbound",
        "token: {claims: {cnf: {jkt: of-another-key}}}\nexpect: jwt-proof",
        "token: {claims: {cnf: {kid: x}}}\nexpect: jwt-bound",
    ],
)
def test_a_token_that_must_be_bound_comes_with_its_proof(tmp_path: Path, said: str) -> None:
    result = one(tmp_path, f"request: GET /orders/1\n{said}", BOUND)
    assert result.passed, [miss.words for miss in result.misses] or result.broken


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_every_algorithm(tmp_path: Path, algorithm: str) -> None:
    secret = 'secret: "${env:LOCKGATE_TEST_ABSENT}", ' if algorithm in SHARED else ""
    issuer = f"{{issuer: https://login.example.com, audience: shop, {secret}algorithms: {algorithm}}}"
    config = (
        f"version: 1\nissuers:\n  company: {issuer}\n"
        "apis: {shop: {upstream: 'http://127.0.0.1:9000', "
        "authenticate: [{jwt: {issuer: company}}], authorize: authenticated}}\n"
    )
    said = "request: GET /, token: %s, expect: %s"
    good, bad = run(
        tmp_path,
        config,
        "".join(
            f"  - {{name: case {number}, {said % pair}}}\n"
            for number, pair in enumerate((("true", "allow"), ("{forged: true}", "jwt-signature")))
        ),
    )
    assert good.passed, [miss.words for miss in good.misses] or good.broken
    assert bad.passed, [miss.words for miss in bad.misses] or bad.broken


def test_a_first_table_brings_tokens_and_meets_the_policy(tmp_path: Path) -> None:
    config = CONFIG.replace("      - api_key\n", "")
    (tmp_path / "lockgate.yaml").write_text(config)
    table = tmp_path / "lockgate.tests.yaml"
    table.write_text(first_table(bundle(tmp_path)))
    assert "token: true" in table.read_text()
    made = Run(bundle(tmp_path), read([table]))
    assert all(result.passed for result in made)
    met = {
        point.what for point in measure(made.outline(), made.explained).points if point.met and point.api == "cookies"
    }
    assert "jwt" in met


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ("request: GET /orders\nlistener: publik\nexpect: allow", "listener", "there is no listener `publik`"),
        ("request: GET /cookies\nkey: true\nexpect: allow", "key", "the API `cookies` takes no keys"),
        (
            "request: GET /keys\nkey: {apis: [kees]}\nexpect: allow",
            "key",
            "the key opens `kees`, but there is no such API; did you mean `keys`?",
        ),
        (
            "request: GET http://a.example/keys\nheaders: {Host: b.example}\nexpect: allow",
            "request",
            "the URL names a host, and so does a `Host` header",
        ),
        ("request: GET /keys\ntoken: true\nexpect: allow", "token", "the API `keys` takes no tokens"),
    ],
)
def test_what_a_case_says_in_vain_is_told_at_its_field(tmp_path: Path, said: str, field: str, words: str) -> None:
    result = one(tmp_path, said)
    assert result.broken is not None
    assert result.broken.startswith(words)
    assert result.broken_at[0] == field


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("request: GET /orders\ntoken: {expired: true, claims: {exp: 9999999999}}\nexpect: allow", "token-ends-twice"),
        ("request: GET /orders\ntoken: yes\nexpect: allow", "token-made"),
        ("request: GET /orders\nkey: lg_live_x\nexpect: allow", "key-made"),
        ("request: GET /orders\ntoken: true\nexpect: 401", "expectation-unknown"),
        ("request: GET http://[::1/x\nexpect: allow", "request-malformed"),
        ("request: GET http:///x\nexpect: allow", "request-malformed"),
        ('request: "GET /\\e]0;title\\a"\nexpect: allow', "request-malformed"),
        ('request: GET /orders\nat: "1970-01-01T00:00:00+14:00"\nexpect: allow', "moment-malformed"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, said: str, code: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        one(tmp_path, said)
    assert [problem.code for problem in refused.value.errors] == [code]
    assert "lg_live_x" not in str(refused.value)


ASKED = """\
version: 1
issuers:
  company: {issuer: https://login.example.com, audience: shop, client: {id: lockgate, secret: "${env:HOME}"}}
apis:
  shop:
    upstream: http://127.0.0.1:9000
    authenticate:
      - introspection:
          {issuer: company, scopes: ["orders:read"], audience: [orders], require: [aud, token_type, tenant]}
    authorize: authenticated
  bound:
    path: /bound
    upstream: http://127.0.0.1:9000
    authenticate: [{introspection: {issuer: company, sender_constrained: [dpop], proof: {nonce: true}}}]
    authorize: authenticated
  both:
    path: /both
    upstream: http://127.0.0.1:9000
    authenticate: [{introspection: {issuer: company}}, {jwt: {issuer: company}}]
    authorize: authenticated
"""


@pytest.mark.parametrize(
    "said",
    [
        "token: true\nexpect: allow",
        "token: {opaque: true}\nexpect: allow",
        "token: {claims: {sub: ann}}\nexpect: {verdict: allow, owner: ann}",
        "expect: jwt-missing",
        "token: {expired: true}\nexpect: introspection-inactive",
        "token: {unknown: true}\nexpect: introspection-inactive",
        "token: {forged: true}\nexpect: introspection-inactive",
        "token: {claims: {active: false}}\nexpect: introspection-inactive",
        "token: {without: [tenant]}\nexpect: introspection-claims",
        "token: {without: [scope]}\nexpect: introspection-scope",
        "token: {claims: {aud: shop}}\nexpect: introspection-audience",
        "headers: {Authorization: Bearer opaque}\nexpect: introspection-unavailable",
        "request: GET /bound\ntoken: true\nexpect: allow",
        "request: GET /both\ntoken: true\nexpect: allow",
        "request: GET /both\ntoken: {opaque: true}\nexpect: allow",
        "request: GET /both\ntoken: {forged: true}\nexpect: jwt-signature",
    ],
    ids=lambda said: said.replace("\n", ", "),
)
def test_a_token_that_its_issuer_is_asked_about(said: str, tmp_path: Path) -> None:
    request = "" if said.startswith("request") else "request: GET /\n"
    result = one(tmp_path, request + said, ASKED)
    assert result.passed, (result.misses, result.broken)


def test_what_is_asked_about_is_not_signed(tmp_path: Path) -> None:
    result = one(tmp_path, "request: GET /\ntoken: {algorithm: RS256}\nexpect: allow", ASKED)
    assert "not signed" in str(result.broken)
    result = one(tmp_path, "request: GET /orders\ntoken: {opaque: true}\nexpect: allow")
    assert "takes signed ones alone (`jwt`): leave `opaque` out" in str(result.broken)
    assert result.broken_at == ("token", "opaque")
    result = one(tmp_path, "request: GET /\ntoken: {opaque: false}\nexpect: allow", ASKED)
    assert "takes those alone that their issuer is asked about: leave `opaque` out" in str(result.broken)
