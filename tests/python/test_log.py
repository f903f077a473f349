"""Logging: what looks like a secret does not get through."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
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


def logged_at_a_terminal(env: dict[str, str]) -> str:
    """What a process says whose standard error is a terminal."""
    ours, theirs = pty.openpty()
    code = "from lockgate import log; log.configure('t'); import structlog; structlog.get_logger().info('hello')"
    try:
        subprocess.run([sys.executable, "-c", code], stderr=theirs, env={**os.environ, **env}, check=True, timeout=60)
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": "", "TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(env: dict[str, str]) -> None:
    said = logged_at_a_terminal(env)
    assert "hello" in said
    assert "\x1b" not in said


def test_colours_at_a_terminal() -> None:
    assert "\x1b[" in logged_at_a_terminal({"NO_COLOR": "", "TERM": "xterm"})


def test_no_terminal_reads_json_without_colours() -> None:
    code = "from lockgate import log; log.configure('t'); import structlog; structlog.get_logger().info('hello')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60).stderr
    assert json.loads(said)["event"] == "hello"
    assert "\x1b" not in said
