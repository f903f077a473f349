"""`lockgate config`: the schema for editors, and what is in force in the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.config import load, schema
from support.command import lockgate

TEXT = """\
version: 1
include: more.yaml
upstreams:
  shop:
    targets: ["http://127.0.0.1:9000"]
    credential: {header: X-Gate, value: "${env:SHOP_TOKEN}"}
    balance: least_requests
    health: {path: /health, every: 5s, expect: [2xx, 301], slow_start: 90s}
    retry: {budget: 20%, per_try: 1500ms}
  next: {targets: ["http://127.0.0.1:9001"]}
outgoing: {allow: [10.0.0.0/8]}
issuers:
  company: {issuer: "https://login.example.com", audience: "https://api.example.com", skew: 90s, stale_for: 36h}
defaults:
  limits:
    - {name: failed-authentication, allow: 10/m}
    - {name: all, allow: 1000/s, by: address}
  ip_filter: {deny: [203.0.113.0/24, {file: bad.txt}]}
  body_limit: {bytes: 2MiB}
apis:
  shop: {path: [/a, {template: "/b/{id}"}], upstream: shop, authenticate: [api_key], authorize: authenticated,
    body_limit: {mode: observe}}
  dated:
    path: /dated
    versions: {"1": {upstream: shop, deprecated: 2026-10-01, sunset: 2998-01-01}, "2": {upstream: next}}
    authenticate: [jwt: {issuer: company}]
    authorize: authenticated
    limits:
      - {name: all, burst: 50}
      - {name: mine, allow: 5/s, by: [client, route]}
  shared:
    path: /shared
    match: {headers: {X-Beta: "1"}, query: {v: {regex: "[0-9]+"}}}
    split: {by: {header: X-Canary}, to: [{upstream: shop, weight: 9}, {upstream: next, weight: 1}]}
    headers: {request: {set: {X-From: gate}}}
    mirror: {upstream: next, share: 10%, methods: [POST], bytes: 2KiB}
    cors: {origins: ["https://app.example.com"], max_age: 10m}
    authenticate: [api_key]
    authorize: authenticated
"""
MORE = """\
apis:
  open:
    path: /open
    upstream: shop
    public: {owner: "shop: team", reason: "it's #1", until: 2999-01-01}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "more.yaml").write_text(MORE, encoding="utf-8")
    (tmp_path / "bad.txt").write_text("10.6.6.6\n", encoding="utf-8")
    return tmp_path


def test_schema(tmp_path: Path) -> None:
    ended = lockgate("config", "schema", cwd=tmp_path)
    assert (ended.code, json.loads(ended.out)) == (0, schema())


def test_show_says_what_holds_and_where_it_is_said(folder: Path) -> None:
    ended = lockgate("config", "show", cwd=folder, env={"SHOP_TOKEN": "hunter2"})
    assert ended.code == 0
    assert "  shop:  # lockgate.yaml:21\n" in ended.out
    assert "    ip_filter: {mode: enforce" in ended.out
    assert "# from defaults, lockgate.yaml:18\n" in ended.out
    assert "    body_limit: {mode: observe, on_error: deny, bytes: 2MiB}  # lockgate.yaml:22\n" in ended.out
    assert "  open:  # more.yaml:2\n" in ended.out
    assert "    timeouts: {connect: 1s, first_byte: 30s, idle: 1m, keep_alive: 30s}\n" in ended.out


def test_show_never_shows_a_secret(folder: Path) -> None:
    ended = lockgate("config", "show", cwd=folder, env={"SHOP_TOKEN": "hunter2"})
    assert "hunter2" not in ended.out + ended.err
    assert "${env:SHOP_TOKEN}" in ended.out


ENTITLED = """\
version: 1
issuers:
  company: {issuer: "https://login.example.com", audience: shop, client: {id: gate}}
roles: {support: {who: {claim: groups, contains: support}}}
apps:
  crm: {owner: sales, tier: reviewed, apis: all, scopes: all, until: 2099-01-01}
  two: {owner: sales, apis: [orders], scopes: ["orders:read"]}
third_party: {tiers: {unreviewed: {rate: 60/m, burst: 7, methods: [GET]}}, unused: 30d}
apis:
  orders:
    upstream: http://127.0.0.1:9000
    authenticate: [{jwt: {issuer: company}}]
    authorize:
      apps: {bulk: [GET /orders/all]}
      roles: {support: [GET, refund, "PUT /orders/{id}"]}
      permissions: {refund: [POST /orders/**]}
      scopes: {"orders:read": GET}
      objects: [{operations: ["GET /orders/{id}"], response: /owner, must_equal: "claim:sub"}]
      enumeration: {operations: ["GET /orders/{id}"], steps: 20}
      users: [{distinct_per_day: 50, concurrent: 7, idle: 90s}, {by: {claim: tenant}, role: support, concurrent: 2}]
      properties: [{operations: ["PUT /orders/{id}"], write: {anyone: [note], role support: all}}]
      risk: {deny_at: 60}
    minimise: {fields: {anyone: [id], role support: all}}
"""


@pytest.mark.parametrize("text", [TEXT, ENTITLED], ids=["all", "entitled"])
def test_what_is_shown_is_a_configuration_that_means_the_same(text: str, folder: Path, tmp_path: Path) -> None:
    (folder / "lockgate.yaml").write_text(text, encoding="utf-8")
    shown = tmp_path / "shown.yaml"
    shown.write_text(lockgate("config", "show", cwd=folder).out, encoding="utf-8")
    before, after = (without_places(load(file).compile(0, 0)) for file in (folder / "lockgate.yaml", shown))
    # An API that answers to any host says so.
    for api in before["apis"]:
        api["hosts"] = api["hosts"] or ["*"]
    assert before == after


def without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: without_places(value)
            for key, value in node.items()
            if key not in {"span", "authorize_span", "sources"}
        }
    return [without_places(entry) for entry in node] if isinstance(node, list) else node


def test_show_as_json(folder: Path) -> None:
    shown = json.loads(lockgate("config", "show", "--json", cwd=folder).out)
    assert shown["apis"]["shop"]["body_limit"] == {"mode": "observe", "on_error": "deny", "bytes": "2MiB"}
    assert shown["apis"]["open"]["public"] == {"owner": "shop: team", "reason": "it's #1", "until": "2999-01-01"}


def test_show_of_a_refused_one(folder: Path) -> None:
    (folder / "more.yaml").unlink()
    ended = lockgate("config", "show", cwd=folder)
    assert (ended.code, ended.out) == (2, "")
    assert "there is no file `more.yaml`" in ended.err
    assert ended.err.endswith("lockgate.yaml is refused: 1 error.\n")
