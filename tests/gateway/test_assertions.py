"""Upstreams are told who calls by a signed statement, and verify it with what the gate publishes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.tokens import Tokens
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, request
from lockgate.config.bundle_types import Assertion, Bundle

AUTHORIZATION = "authorization"


def told(auto: AutoUpstream, *, header: str = "Authorization", claims: list[str] | None = None, **more: Any) -> Bundle:
    assertion: Assertion = {"header": header, "audience": ["orders"], "claims": claims or [], "lifetime_s": 60}
    upstream = {**bundles.upstream(auto.port), "assertion": assertion}
    made = bundles.bundle([bundles.api(**more)], [upstream])  # type: ignore[list-item]
    return {**made, "assertions": {"issuer": "https://gate.example", "rotation": 1}}


def keys(gate: Gate) -> jwk.KeySet:
    answer = gate.client().get("/.lockgate/jwks.json")
    assert (answer.status, answer.get("content-type")) == (200, "application/jwk-set+json")
    return jwk.KeySet.import_key_set(json.loads(answer.body))


def said(request: Message, published: jwk.KeySet, header: str = AUTHORIZATION) -> dict[str, Any]:
    """What the upstream was told, verified as it would."""
    fields = {name.lower(): value for name, value in request.headers}
    token = jwt.decode(fields[header].removeprefix("Bearer "), published, algorithms=["ES256"])
    jwt.JWTClaimsRegistry(aud={"essential": True, "value": "orders"}, exp={"essential": True}).validate(token.claims)
    return dict(token.claims)


def test_who_holds_a_key_is_named(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(told(auto, keys=[bundles.api_key()]))
    key = gate.key(1, "key_one", owner="crm")
    published = keys(gate)
    client = gate.client()
    for _ in range(3):
        assert client.get("/", f"X-API-Key: {key}", "Authorization: Bearer forged").status == 200
    claims = said(auto.requests[-1], published)
    assert (claims["iss"], claims["sub"], claims["credential"]) == ("https://gate.example", "crm", "key_one")
    assert claims["proved_by"] == "api_key"
    assert claims["exp"] - claims["iat"] == 60
    assert "forged" not in str(auto.requests)
    with pytest.raises(JoseError):
        said(auto.requests[-1], jwk.KeySet([jwk.ECKey.generate_key("P-256", {"kid": "x"})]))


def test_what_a_token_says_is_passed_on_as_far_as_it_is_wanted(gate: Gate, auto: AutoUpstream) -> None:
    tokens = Tokens()
    gate.load(tokens.add_to(told(auto, header="X-Caller", claims=["groups", "scope"], keys=[bundles.jwt(tokens.name)])))
    tokens.publish(gate)
    published, client = keys(gate), gate.client()
    good = tokens.bearer(2**31, groups=["a", "b"], scope="orders:read", private="x")
    assert client.get("/", f"Authorization: {good}").status == 200
    claims = said(auto.requests[-1], published, "x-caller")
    assert (claims["groups"], claims["scope"], claims["proved_by"]) == (["a", "b"], "orders:read", "jwt")
    assert "private" not in claims
    long = client.get("/", f"Authorization: {tokens.bearer(2**31, groups='g' * 5_600)}")
    assert (long.status, long.reason) == (500, "assertion-failed")


def test_of_nobody_nothing_is_said(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(told(auto))
    assert gate.client().get("/", "Authorization: Bearer forged").status == 200
    assert AUTHORIZATION not in {name.lower() for name, _ in auto.requests[-1].headers}


def test_where_no_upstream_is_told_there_are_no_keys(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)]))
    assert gate.client().get("/.lockgate/jwks.json").reason == "no-route"


@pytest.mark.parametrize("method", ["post", "Post", "pOST", "get"])
def test_a_method_in_small_letters_is_none(method: str, gate: Gate, auto: AutoUpstream) -> None:
    """Servers that fold it would take it for what no rule has looked at."""
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)]))
    client = gate.client()
    client.send(request("/", method=method))
    answer = client.message()
    assert (answer.status, answer.reason) == (400, "method-lower-case")
    assert not auto.requests
