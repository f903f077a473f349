"""Ten thousand APIs in one file: how long it takes from saving to a bundle."""

from __future__ import annotations

import json
import time

import pytest

from lockgate.config import ConfigErrors, load

from .conftest import Write

APIS = 10_000

CPU_SECONDS = 6.0
"""It takes 1.5 s of processor time on the machine that docs/decisions/0010 speaks of; a slip to something that
grows with the square of the number takes minutes."""


@pytest.mark.full
def test_ten_thousand_apis(write: Write) -> None:
    text = ["version: 1\nupstreams: {shop: {targets: ['http://127.0.0.1:9000']}}\n"]
    text.append("defaults: {ip_filter: {deny: [203.0.113.0/24]}}\napis:\n")
    text.extend(
        f"""\
  api-{number}:
    hosts: [h{number % 100}.example.com]
    path: /svc/{number}
    methods: [GET, POST]
    upstream: shop
    authenticate:
      - api_key: {{header: X-API-Key}}
    ip_filter: {{allow: [10.0.0.0/8], mode: observe}}
    body_limit: {{bytes: 2MiB}}
"""
        for number in range(APIS)
    )
    main = write("".join(text))
    began = time.process_time()
    bundle = load(main).compile(1, 1)
    took = time.process_time() - began
    assert len(bundle["apis"]) == APIS
    assert len(json.dumps(bundle, separators=(",", ":"))) < 16 * 2**20  # As it is sent.
    assert took < CPU_SECONDS


@pytest.mark.full
def test_a_million_networks(write: Write) -> None:
    networks = "".join(f"{a}.{b}.{c}.0/24\n" for a in range(1, 17) for b in range(250) for c in range(250))
    main = write(
        "version: 1\ndefaults: {ip_filter: {deny: [{file: bad.txt}]}}\n"
        "apis: {shop: {upstream: 'http://127.0.0.1:9000', authenticate: [api_key]}}\n",
        bad_txt=networks,
    )
    began = time.process_time()
    [api] = load(main).compile(1, 1)["apis"]
    took = time.process_time() - began
    assert len(api["policies"]["ip_filter"]["config"]["deny"]) == 1_000_000
    assert took < CPU_SECONDS


@pytest.mark.full
def test_ten_thousand_mistakes(write: Write) -> None:
    """As many errors as APIs are told about as fast."""
    apis = "".join(f"  a{number}: {{path: /a{number}, upstream: shpo, colour: red}}\n" for number in range(APIS // 2))
    main = write("version: 1\nupstreams: {shop: {targets: ['http://127.0.0.1:9000']}}\napis:\n" + apis)
    began = time.process_time()
    with pytest.raises(ConfigErrors, match="10000 errors"):
        load(main)
    assert time.process_time() - began < CPU_SECONDS
