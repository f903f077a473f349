"""Logging: what looks like a secret does not get through."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate import _native
from lockgate.log import blot

KEY, _ = _native.mint_key(bytes(32), "live")
TOKEN = "lgadm_" + "a1-_" * 11


# Named, since keys are random: each of xdist's workers must collect the same tests.
@pytest.mark.parametrize(
    "secret",
    [KEY, TOKEN, _native.mint_key(bytes(32), "staging")[0]],
    ids=["key", "admin-token", "staging-key"],
)
@pytest.mark.parametrize(
    "hide",
    [
        lambda secret: secret,
        lambda secret: f"X-API-Key: {secret}, and more",
        lambda secret: {"headers": {"x": [secret]}},
        lambda secret: {secret: 1},
        lambda secret: [("a", secret)],
    ],
)
def test_a_secret_is_blotted_wherever_it_stands(secret: str, hide: Any) -> None:
    said = blot(None, "info", {"event": "x", "value": hide(secret)})
    assert secret not in repr(said)
    assert "[secret]" in repr(said)


def test_what_is_no_secret_stays(capsys: Any) -> None:
    event = {"event": "config-loaded", "id": "key_w5k2xlcris2uirba4wl3", "took_ms": 3, "address": None}
    assert blot(None, "info", dict(event)) == event
