"""Who may call what, by the admin API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin.access import words_of
from lockgate.admin.api.app import make_app
from lockgate.admin.api.problems import CODES
from lockgate.admin.control import Control
from lockgate.state import StateFolder
from support.asgi import Client

ADDRESS = "127.0.0.1:8081"
CONFIG = """\
version: 1
issuers:
  company: {issuer: "https://login.example.com", audience: shop}
roles:
  viewer: {}
  support: {who: {claim: groups, contains: support}, includes: viewer}
apis:
  shop:
    path: /shop
    upstream: http://127.0.0.1:9000
    authenticate: [{jwt: {issuer: company}}, api_key]
    authorize:
      scopes: {"shop:read": [GET], "shop:write": [POST]}
      roles: {viewer: [GET], support: [POST]}
      public: [{what: [GET /shop/prices], owner: web, reason: the price list, until: 2199-01-01}]
  tokens:
    path: /tokens
    upstream: http://127.0.0.1:9000
    authenticate: [{jwt: {issuer: company}}]
    authorize: {scopes: {"shop:read": [GET]}}
"""


@pytest.fixture
def control(state: StateFolder, tmp_path: Path) -> Iterator[Control]:
    path = tmp_path / "lockgate.yaml"
    path.write_text(CONFIG)
    control = Control.open(state, path)
    yield control
    control.close()


@pytest.fixture
def client(control: Control) -> Iterator[Client]:
    token = {"Authorization": f"Bearer {control.state.admin_token()}"}
    app = make_app(control, address=ADDRESS)
    with Client(app, base_url=f"http://{ADDRESS}", headers=token) as client:
        yield client


@pytest.fixture
def loaded(client: Client) -> Client:
    assert client.post("/v1/reload").json()["result"] == "signed"
    return client


def refused(answer: Any, code: str) -> str:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (CODES[code][0], code)
    return str(body["detail"])


def test_a_matrix_comes_by_pages(loaded: Client) -> None:
    whole = loaded.get("/v1/access/matrix").json()
    parts = [f"{row['method']} {row['path']}" for row in whole["items"]]
    assert parts == [
        "GET /shop/*",
        "POST /shop/*",
        "GET /shop/prices",
        "* /shop/*",
        "GET /tokens/*",
        "* /tokens/*",
    ]
    assert [row["who"] for row in whole["items"]] == [
        "entitled",
        "entitled",
        "anyone",
        "nobody",
        "entitled",
        "nobody",
    ]
    assert whole["roles"][1] == {"name": "support", "who": ["claim: groups, contains: support"], "includes": ["viewer"]}
    assert whole["next"] is None
    page = loaded.get("/v1/access/matrix", params={"limit": 4}).json()
    rest = loaded.get("/v1/access/matrix", params={"limit": 4, "after": page["next"]}).json()
    assert (page["items"] + rest["items"], rest["next"]) == (whole["items"], None)
    one = loaded.get("/v1/access/matrix", params={"api": "tokens"}).json()
    assert {row["api"] for row in one["items"]} == {"tokens"}
    assert "did you mean `shop`?" in refused(loaded.get("/v1/access/matrix", params={"api": "shopp"}), "access-unknown")


def test_who_may_call_is_told_with_the_keys(loaded: Client) -> None:
    for name, more in (
        ("reads", {"scopes": ["shop:read"]}),
        ("writes", {"scopes": ["shop:write", "other"]}),
        ("bare", {}),
        ("elsewhere", {"scopes": ["shop:read"], "apis": ["tokens"]}),
        ("revoked", {"scopes": ["shop:read"]}),
    ):
        made = loaded.post("/v1/keys", json={"name": name, "owner": "sales", **more}).json()
        if name == "revoked":
            loaded.post(f"/v1/keys/{made['id']}/revoke", json={})
    (told,) = loaded.get("/v1/access/who", params={"what": "GET /shop/7", "api": "shop"}).json()["items"]
    assert [key["name"] for key in told["keys"]] == ["reads"]
    assert told["who_has"] == {"viewer": [], "support": ["claim: groups, contains: support"]}
    assert (told["keys_asked"], told["keys_more"]) == (True, False)
    (told,) = loaded.get("/v1/access/who", params={"what": "POST /shop/*"}).json()["items"]
    assert [key["name"] for key in told["keys"]] == ["writes"]
    # An API that takes no keys asks none for scopes.
    (told,) = loaded.get("/v1/access/who", params={"what": "GET /tokens/1"}).json()["items"]
    assert (told["keys_asked"], told["keys"]) == (False, None)


def test_there_is_nothing_of_that_name(loaded: Client) -> None:
    said = refused(loaded.get("/v1/access/who", params={"what": "getShop"}), "access-unknown")
    assert "nothing here is `getShop`" in said
    refused(loaded.get("/v1/access/who", params={"what": "GET /elsewhere"}), "access-unknown")
    refused(loaded.get("/v1/access/who", params={"what": ""}), "admin-body-malformed")


def test_without_a_bundle_there_is_nothing_to_ask(client: Client) -> None:
    refused(client.get("/v1/access/matrix"), "bundle-absent")
    refused(client.get("/v1/access/who", params={"what": "GET /"}), "bundle-absent")


@pytest.mark.parametrize(
    ("every", "said"),
    [
        ([{"claim": {"path": ["a", "b"], "test": {"equals": {"text": "x"}}}}], "claim: a.b, equals: x"),
        ([{"claim": {"path": ["a.b", "c"], "test": {"equals": {"truth": True}}}}], 'claim: ["a.b", "c"], equals: true'),
        (
            [{"claim": {"path": ["https://a.example/b"], "test": {"present": False}}}],
            "claim: https://a.example/b, present: false",
        ),
        ([{"claim": {"path": ["age"], "test": {"at_least": 18}}}], "claim: age, at_least: 18"),
        (
            [{"claim": {"path": ["g"], "test": {"contains": [{"text": "a"}, {"number": 2}]}}}],
            "claim: g, contains: [a, 2]",
        ),
        ([{"way": ["mtls"]}, {"scope": ["a", "b"]}], "way: mtls and scope: [a, b]"),
    ],
)
def test_who_has_a_role_is_said_as_the_configuration_does(every: list[dict[str, Any]], said: str) -> None:
    assert words_of(every) == said
