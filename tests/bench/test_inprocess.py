"""The measurement of the middlewares runs, and lets nothing pass that was not judged."""

from __future__ import annotations

import sys

import pytest

from bench import inprocess


def test_each_application_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["inprocess", "--rounds", "1", "--requests", "5"])
    inprocess.main()
    printed = capsys.readouterr().out
    assert printed.count("FastAPI, ") == 2
    assert printed.count("Flask, ") == 2
    assert printed.count("ASGI, nothing else") == 1


def test_a_request_that_is_refused_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["inprocess", "--rounds", "1", "--requests", "5"])
    monkeypatch.setattr(inprocess, "CONFIG", inprocess.CONFIG.replace("64KiB", "1KiB"))
    with pytest.raises(SystemExit, match="not every request was let through: \\[413\\]"):
        inprocess.main()
