"""Ten thousand APIs in one file: each costs what one among few does, from saving to a bundle.

No test holds a number of seconds, which says more of the machine than of the code.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from lockgate.config import ConfigErrors, load

from .conftest import Write

APIS = 10_000
FEW = 2_000

STEEPEST = 2.0
"""How much more an API may cost among many than among few: one thing that grows with the square makes it five."""


def apis(number: int) -> str:
    """A configuration of so many APIs."""
    text = ["version: 1\nupstreams: {shop: {targets: ['http://127.0.0.1:9000']}}\n"]
    text.append("defaults: {ip_filter: {deny: [203.0.113.0/24]}}\napis:\n")
    text.extend(
        f"""\
  api-{index}:
    hosts: [h{index % 100}.example.com]
    path: /svc/{index}
    methods: [GET, POST]
    upstream: shop
    authenticate:
      - api_key: {{header: X-API-Key}}
    authorize: authenticated
    ip_filter: {{allow: [10.0.0.0/8], mode: observe}}
    body_limit: {{bytes: 2MiB}}
"""
        for index in range(number)
    )
    return "".join(text)


def steepness(few: Callable[[], int], many: Callable[[], int]) -> float:
    """How many times the processor time of one among few is that of one among many; each says how many it made."""
    each = []
    for work in (few, many):
        began = time.process_time()
        number = work()
        each.append((time.process_time() - began) / number)
    return each[1] / each[0]


@pytest.mark.full
def test_ten_thousand_apis(write: Write) -> None:
    def compiled(number: int) -> int:
        bundle = load(write(apis(number))).compile(1, 1)
        assert len(json.dumps(bundle, separators=(",", ":"))) < 16 * 2**20  # As it is sent.
        return len(bundle["apis"])

    assert steepness(lambda: compiled(FEW), lambda: compiled(APIS)) < STEEPEST


@pytest.mark.full
def test_a_million_networks(write: Write) -> None:
    def compiled(number: int) -> int:
        rows = (f"{1 + n // 62_500}.{n // 250 % 250}.{n % 250}.0/24\n" for n in range(number))
        main = write(
            "version: 1\ndefaults: {ip_filter: {deny: [{file: bad.txt}]}}\n"
            "apis: {shop: {upstream: 'http://127.0.0.1:9000', authenticate: [api_key], authorize: authenticated}}\n",
            bad_txt="".join(rows),
        )
        [api] = load(main).compile(1, 1)["apis"]
        found = len(api["policies"]["ip_filter"]["config"]["deny"])
        assert found == number
        return found

    assert steepness(lambda: compiled(100_000), lambda: compiled(1_000_000)) < STEEPEST


@pytest.mark.full
def test_ten_thousand_mistakes(write: Write) -> None:
    """Three errors in each API are told about as fast among many."""

    def refused(number: int) -> int:
        rows = "".join(f"  a{n}: {{path: /a{n}, upstream: shpo, colour: red}}\n" for n in range(number // 3))
        main = write("version: 1\nupstreams: {shop: {targets: ['http://127.0.0.1:9000']}}\napis:\n" + rows)
        with pytest.raises(ConfigErrors, match=f"has {number} errors"):
            load(main)
        return number

    assert steepness(lambda: refused(1_800), lambda: refused(9_000)) < STEEPEST
