"""`lockgate.Engine`: the gate's engine for Python callers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import lockgate
from lockgate.config import load

CONFIG = """\
version: 1
apis:
  shop: {hosts: [shop.example.com], upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated}
"""


@pytest.fixture
def engine(tmp_path: Path) -> lockgate.Engine:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    return lockgate.Engine(json.dumps(load(tmp_path / "lockgate.yaml").compile(0, 0)).encode())


@pytest.mark.parametrize(
    "headers",
    [
        [("Host", "shop.example.com"), ("X-A", "1"), ("X-A", "2")],
        [["Host", "shop.example.com"]],
        (("Host", "shop.example.com"),),
        {"Host": "shop.example.com", "X-A": ["1", "2"]},
        iter([("Host", "shop.example.com")]),
    ],
    ids=["tuples", "lists", "a-tuple", "a-mapping", "an-iterator"],
)
def test_headers_may_be_pairs_or_a_mapping(engine: lockgate.Engine, headers: Any) -> None:
    asked = {"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": headers}
    explained = engine.evaluate(asked)
    assert explained["route"]["api"] == "shop"
    assert explained["reason"]["code"] == "key-missing"


@pytest.mark.parametrize("headers", ["Host", b"Host", ["ab"], [("Host",)], [("Host", "a", "b")]])
def test_what_are_no_headers_is_refused(engine: lockgate.Engine, headers: Any) -> None:
    with pytest.raises(TypeError, match="name"):
        engine.evaluate({"method": "GET", "target": "/", "peer": "127.0.0.1", "headers": headers})


def test_headers_may_be_left_out(engine: lockgate.Engine) -> None:
    for asked in ({}, {"headers": None}):
        explained = engine.evaluate({"method": "GET", "target": "/", "peer": "127.0.0.1", **asked})
        assert explained["verdict"] == "deny"
