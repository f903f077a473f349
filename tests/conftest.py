"""Fixtures for every test. Helpers live in `tests/support`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from lockgate.demo.shop import serve
from support.processes import Processes

# How long an example takes says how busy the machine is.
settings.register_profile("lockgate", deadline=None)
settings.load_profile("lockgate")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts programs that end with the test."""
    started = Processes(tmp_path)
    try:
        yield started
    finally:
        started.end()


@pytest.fixture(scope="session")
def shop_port() -> Iterator[int]:
    """The sample shop, on a free loopback port; its order events come quickly."""
    with serve.running(event_interval=0.01) as port:
        yield port


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parent.parent
